"""Among many departments, those that take rooms from gone agents are found by an index."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from storage.mongo.indexes import INDEXES

COUNT = 5_000


@pytest.fixture(scope="module")
def database(mongodb_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        found = client["test-gone-agents-use-indexes"]
        found["departments"].insert_many(
            {"_id": str(number), "whenAgentGone": "REQUEUE" if number % 100 == 0 else "KEEP"} for number in range(COUNT)
        )
        found["departments"].create_indexes(list(INDEXES["departments"]))
        yield found
        client.drop_database(found.name)


def test_departments_that_requeue_are_found_among_many(database: Database[dict[str, Any]]) -> None:
    stats = database["departments"].find({"whenAgentGone": "REQUEUE"}).sort("_id", 1).explain()["executionStats"]

    assert (stats["nReturned"], stats["totalKeysExamined"]) == (COUNT // 100, COUNT // 100)
