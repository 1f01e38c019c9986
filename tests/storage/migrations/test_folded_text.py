"""A server that starts stores the folded text of documents of a version without it."""

from storage.mongo.connection import Document
from storage.runtime import Storage
from tests.databases import emptied

KEYS = {"subjectKey": 1, "nameKey": 1, "phoneKey": 1}


async def test_texts_without_their_folded_text_have_it_after_the_start(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-folded")
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["rooms"].insert_many([{"_id": "r", "subject": "GRÖSSE"}, {"_id": "s", "subject": None}])
        await storage.database["visitors"].insert_one({"_id": "v", "token": "V", "phone": "Ext. 7"})
        await storage.database["users"].insert_one(
            {"_id": "u", "username": "anna", "usernameKey": "anna", "name": "Änna"}
        )
        await storage.database["versions"].delete_many({})

    async with Storage.open(mongodb_uri, name) as storage:
        found: list[Document] = []
        for collection in ("rooms", "users", "visitors"):
            found += await storage.database[collection].find({}, KEYS, sort=["_id"]).to_list(None)

    assert found == [
        {"_id": "r", "subjectKey": "grösse"},
        {"_id": "s"},
        {"_id": "u", "nameKey": "änna"},
        {"_id": "v", "phoneKey": "ext. 7"},
    ]


async def test_a_later_start_reads_no_documents(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-folded")
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["rooms"].insert_one({"_id": "r", "subject": "GRÖSSE"})

    async with Storage.open(mongodb_uri, name) as storage:
        assert await storage.database["rooms"].find_one({}, KEYS) == {"_id": "r"}
