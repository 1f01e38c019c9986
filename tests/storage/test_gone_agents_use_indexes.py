"""Among many users and rooms, gone agents and their rooms are found by an index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from storage import gone_agents
from storage.mongo.indexes import INDEXES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 5_000


def user(number: int) -> dict[str, Any]:
    """Every hundredth is OFFLINE and serves a room; half of these for so long that they are gone."""
    serves = number % 100 == 0
    return {
        "_id": f"{number:06}",
        "usernameKey": f"user-{number}",
        "presence": "OFFLINE" if number % 2 == 0 else "ONLINE",
        "offlineSince": NOW - timedelta(seconds=number % 200),
        "updatedAt": NOW,
        "roles": ["livechat-agent"],
        "agent": {"status": "AVAILABLE", "departmentIds": [], "openRoomCount": int(serves)},
        "routable": number % 2 == 1,
    }


@pytest.fixture(scope="module")
def database(mongodb_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        found = client["test-gone-agents-use-indexes"]
        found["users"].insert_many([user(number) for number in range(COUNT)], ordered=False)
        found["departments"].insert_many(
            {"_id": str(number), "whenAgentGone": "REQUEUE" if number % 100 == 0 else "KEEP"} for number in range(COUNT)
        )
        for name in ("users", "departments"):
            found[name].create_indexes(list(INDEXES[name]))
        yield found
        client.drop_database(found.name)


def test_gone_agents_are_found_by_the_time_since_when_they_are_offline(database: Database[dict[str, Any]]) -> None:
    query = gone_agents.agents_query(NOW - timedelta(seconds=50))

    stats = database["users"].find(query).sort("offlineSince", 1).explain()

    assert stats["executionStats"]["nReturned"] == COUNT // 200
    assert stats["executionStats"]["totalKeysExamined"] <= COUNT // 200 + 2
    assert "'indexName': 'gone'" in str(stats["queryPlanner"]["winningPlan"])
    assert "SORT" not in str(stats["queryPlanner"]["winningPlan"])


def test_departments_that_requeue_are_found_among_many(database: Database[dict[str, Any]]) -> None:
    stats = database["departments"].find({"whenAgentGone": "REQUEUE"}).sort("_id", 1).explain()["executionStats"]

    assert (stats["nReturned"], stats["totalKeysExamined"]) == (COUNT // 100, COUNT // 100)
