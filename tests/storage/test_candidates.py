"""Candidates for routing are found by an index that leaves out the agents that do not accept routing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from storage import users
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


async def test_indexes_of_earlier_versions_are_dropped(mongodb_uri: str, database_name: str) -> None:
    async with Database(mongodb_uri, database_name) as database:
        await ensure(database)
        (retired, *_) = RETIRED["users"]
        await database["users"].create_index("routable", name=retired)

        await ensure(database)

        assert retired not in await database["users"].index_information()
