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

    async with Storage.open(mongodb_uri, name) as storage:
        found = await storage.database["messages"].find({}, {"number": 1, "text": 1}, sort=["_id"]).to_list(None)
        rooms: list[Any] = await storage.database["rooms"].find({}, {"messageCount": 1}, sort=["_id"]).to_list(None)
        indexes = [index["name"] async for index in storage.database["messages"].list_indexes()]

    assert [(message["text"], message["number"]) for message in found] == [("question", 1), ("answer", 2), ("hello", 1)]
    assert rooms == [{"_id": "r", "messageCount": 2}, {"_id": "s", "messageCount": 1}, {"_id": "silent"}]
    assert sorted(indexes) == ["_id_", "number"]
