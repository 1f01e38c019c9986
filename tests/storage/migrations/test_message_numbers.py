"""A server that starts numbers the messages of a version without numbers."""

from typing import Any

from storage.mongo.connection import Document
from storage.runtime import Storage
from tests.databases import emptied


async def test_unnumbered_messages_are_numbered_by_id_at_the_start(
    mongodb_uri: str,
) -> None:
    name = emptied(mongodb_uri, "test-numbers")
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["rooms"].insert_many([{"_id": "r"}, {"_id": "s"}, {"_id": "silent"}])
        stored: list[Document] = [
            {"_id": "2", "roomId": "r", "text": "answer"},
            {"_id": "1", "roomId": "r", "text": "question"},
            {"_id": "3", "roomId": "s", "text": "hello"},
        ]
        await storage.database["messages"].insert_many(stored)
        await storage.database["messages"].create_index(["roomId", "_id"], name="room")
        await storage.database["versions"].delete_many({})

    async with Storage.open(mongodb_uri, name) as storage:
        found = await storage.database["messages"].find({}, {"number": 1, "text": 1}, sort=["_id"]).to_list(None)
        rooms: list[Any] = await storage.database["rooms"].find({}, {"messageCount": 1}, sort=["_id"]).to_list(None)
        indexes = [index["name"] async for index in storage.database["messages"].list_indexes()]

    assert [(message["text"], message["number"]) for message in found] == [("question", 1), ("answer", 2), ("hello", 1)]
    assert rooms == [{"_id": "r", "messageCount": 2}, {"_id": "s", "messageCount": 1}, {"_id": "silent"}]
    assert sorted(indexes) == ["_id_", "number"]


async def test_a_process_that_starts_later_keeps_the_numbers_and_counts_of_messages_sent_since(
    mongodb_uri: str,
) -> None:
    name = emptied(mongodb_uri, "test-numbers")
    async with Storage.open(mongodb_uri, name) as storage:
        database = storage.database
        await database["rooms"].insert_one({"_id": "r", "messageCount": 4})
        # Another process numbered two and sent two more: one by a clock that is behind, one not committed yet.
        stored: list[Document] = [
            {"_id": "2", "roomId": "r", "number": 1},
            {"_id": "3", "roomId": "r", "number": 2},
            {"_id": "1", "roomId": "r", "number": 3},
        ]
        await database["messages"].insert_many(stored)
        await database["messages"].create_index(["roomId", "_id"], name="room")
        await database["versions"].delete_many({})

    async with Storage.open(mongodb_uri, name) as storage:
        found = await storage.database["messages"].find({}, {"number": 1}, sort=["_id"]).to_list(None)
        room = await storage.database["rooms"].find_one({"_id": "r"}, {"messageCount": 1})

    assert {message["_id"]: message["number"] for message in found} == {"1": 3, "2": 1, "3": 2}
    assert room == {"_id": "r", "messageCount": 4}
