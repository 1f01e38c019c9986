"""Indexes that are missing when a process starts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from storage.errors import DeploymentError
from storage.mongo import indexes
from storage.mongo.connection import Database
from storage.runtime import Storage

Prepare = Callable[[Database], Awaitable[Any]]


async def other_keys(database: Database) -> None:
    await database["rooms"].create_index("topic", name="visitor")


async def other_name(database: Database) -> None:
    await database["rooms"].create_index([("visitorId", 1), ("_id", 1)], name="by_hand")


async def duplicates(database: Database) -> None:
    await database["roles"].insert_many([{"_id": "1", "name": "same"}, {"_id": "2", "name": "same"}])


async def too_many(database: Database) -> None:
    for number in range(63):
        await database["outbox"].create_index(f"field{number}")


@pytest.mark.parametrize(
    ("prepare", "index", "collection", "remedy"),
    [
        (
            other_keys,
            "visitor",
            "rooms",
            'another index has its name or its keys. Run db.rooms.dropIndex("visitor") in mongosh and start again.',
        ),
        (
            other_name,
            "visitor",
            "rooms",
            'another index has its name or its keys. Run db.rooms.dropIndex("by_hand") in mongosh and start again.',
        ),
        (
            duplicates,
            "name",
            "roles",
            "several documents have the same name 'same'. Delete or change all but one of them and start again.",
        ),
        (
            too_many,
            "subject",
            "outbox",
            "the collection has as many indexes as MongoDB allows. Drop one that you created and start again.",
        ),
    ],
)
async def test_start_refuses_a_database_in_which_an_index_cannot_be_created(
    mongodb_uri: str, database_name: str, prepare: Prepare, index: str, collection: str, remedy: str
) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await prepare(database)

        with pytest.raises(DeploymentError) as error:
            await indexes.ensure(database)

        place = f"of the collection {collection} in the database {database_name}"
        assert str(error.value) == f"The index {index} {place} is missing and cannot be created: {remedy}"


async def test_start_creates_missing_indexes(mongodb_uri: str, database_name: str) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await indexes.ensure(database)
        await database["rooms"].drop_index("visitor")

        await indexes.ensure(database)

        assert "visitor" in await database["rooms"].index_information()


async def test_all_other_indexes_exist_when_a_start_is_refused(mongodb_uri: str, database_name: str) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await duplicates(database)

        with pytest.raises(DeploymentError):
            await indexes.ensure(database)

        missing = {
            (collection, index.document["name"])
            for collection in database.collection_names
            for index in indexes.INDEXES.get(collection, ())
            if index.document["name"] not in await database[collection].index_information()
        }
        assert missing == {("roles", "name")}


async def test_processes_start_over_an_empty_database_at_the_same_time(mongodb_uri: str, database_name: str) -> None:
    async with Database(mongodb_uri, database_name) as one, Database(mongodb_uri, database_name) as other:
        await asyncio.gather(indexes.ensure(one), indexes.ensure(other))

        assert set(await one.raw.list_collection_names()) == set(one.collection_names)


async def test_start_does_not_wait_for_the_transactions_of_a_killed_process(
    mongodb_uri: str, database_name: str
) -> None:
    async with Storage.open(mongodb_uri, database_name) as storage:
        database = storage.database
        async with await database.client.start_session() as session, session.start_transaction():
            for name in ("users", "messages", "rooms", "visitors"):
                await database[name].insert_one({"_id": "open", "token": "open"}, session=session)

            async with asyncio.timeout(40), Storage.open(mongodb_uri, database_name):  # MongoDB ends it after 60 s
                pass

            await session.abort_transaction()
