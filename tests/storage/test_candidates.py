"""Agents are found by indexes: candidates for routing by one that leaves out the agents that do not accept routing."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from storage import users
from storage.custom_fields.definition_cache import DefinitionCache
from storage.mongo.connection import Database
from storage.mongo.indexes import RETIRED, ensure
from storage.mongo.reader import Reader

LAST_ASSIGNED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def document(number: int, accepts: bool | None) -> dict[str, Any]:
    """An agent. With None, it is as version 0.1.0 stored it."""
    agent = {"status": "AVAILABLE", "openRoomCount": number, "lastAssignedAt": LAST_ASSIGNED_AT, "departmentIds": ["D"]}
    if accepts is not None:
        agent["acceptsRouting"] = accepts
    return {
        "_id": f"U{number}",
        "usernameKey": f"u{number:05}",
        "routable": True,
        "roles": ["bot"],
        "fields": {},
        "agent": {**agent, "maxRooms": None},
    }


@pytest.mark.parametrize("department", [None, "D"])
@pytest.mark.parametrize("least_loaded", [True, False])
async def test_candidates_are_the_first_of_those_that_accept_routing_and_no_others_are_read(
    mongodb_uri: str, database_name: str, department: str | None, least_loaded: bool
) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await ensure(database)
        many = [document(number, False) for number in range(500)]
        await database["users"].insert_many(
            [*many, *(document(number, [True, None][number % 2]) for number in range(500, 600))]
        )
        with MongoClient[dict[str, Any]](mongodb_uri) as client:
            client[database_name].command("profile", 2)
            reader = Reader(database, None)  # type: ignore[arg-type]
            found = await users.list_candidates(reader, department, least_loaded=least_loaded, limit=4)
            client[database_name].command("profile", 0)
            (run,) = client[database_name]["system.profile"].find({"op": "query", "ns": f"{database_name}.users"})

    assert [candidate.id for candidate in found] == ["U500", "U501", "U502", "U503"]
    assert (run["docsExamined"], run["keysExamined"] <= 102) == (100, True)


async def list_wrong_room_counts(reader: Reader) -> None:
    await users.find_wrong_room_counts(reader, {})


@pytest.mark.parametrize("read_all", [users.list_agents, list_wrong_room_counts])
async def test_all_agents_are_read_without_other_users(
    mongodb_uri: str, database_name: str, read_all: Callable[[Reader], Awaitable[object]]
) -> None:
    """The agents are the first users, so that MongoDB finds many at once in the order of ids."""
    async with Database(mongodb_uri, database_name) as database:
        await ensure(database)
        others = [{"_id": f"V{number}", "usernameKey": f"v{number:05}", "roles": []} for number in range(2_000)]
        await database["users"].insert_many([*(document(number, True) for number in range(200)), *others])
        with MongoClient[dict[str, Any]](mongodb_uri) as client:
            client[database_name].command("profile", 2)
            await read_all(Reader(database, DefinitionCache(database)))
            client[database_name].command("profile", 0)
            runs = list(client[database_name]["system.profile"].find({"ns": f"{database_name}.users"}))

    assert (sum(run["nreturned"] for run in runs), sum(run["docsExamined"] for run in runs)) == (200, 200)


async def test_indexes_of_earlier_versions_are_dropped(mongodb_uri: str, database_name: str) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await ensure(database)
        (retired, *_) = RETIRED["users"]
        await database["users"].create_index("routable", name=retired)

        await ensure(database)

        assert retired not in await database["users"].index_information()
