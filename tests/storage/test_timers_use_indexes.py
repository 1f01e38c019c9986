"""Among many timers, those that are due and those of a room are found by an index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from storage import timers
from storage.mongo.indexes import INDEXES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 5_000
DUE = 20


@pytest.fixture(scope="module")
def database(mongodb_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        found = client["test-timers-use-indexes"]
        found["timers"].insert_many(
            {"_id": f"{number:06}", "roomId": f"{number % 500}", "dueAt": NOW + timedelta(seconds=number - DUE + 1)}
            for number in range(COUNT)
        )
        found["timers"].create_indexes(list(INDEXES["timers"]))
        yield found
        client.drop_database(found.name)


@pytest.mark.parametrize("excluding", [(), ("0", "1")])
def test_due_timers_are_found_in_order(database: Database[dict[str, Any]], excluding: tuple[str, ...]) -> None:
    plan = database["timers"].find(timers.due_query(NOW, excluding)).sort([("dueAt", 1), ("_id", 1)]).explain()

    stats = plan["executionStats"]
    assert (stats["nReturned"], stats["totalKeysExamined"]) == (DUE - len(excluding), DUE)
    assert "SORT" not in str(plan["queryPlanner"]["winningPlan"])


def test_the_timers_of_a_room_are_found_among_many(database: Database[dict[str, Any]]) -> None:
    stats = database["timers"].find({"roomId": "7"}).explain()["executionStats"]

    assert (stats["nReturned"], stats["totalKeysExamined"]) == (COUNT // 500, COUNT // 500)
