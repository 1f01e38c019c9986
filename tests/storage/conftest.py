"""What tests of storage share: storages as several processes have them, over one database."""

import pytest
from pymongo import MongoClient

from storage.database import COLLECTIONS

#: Emptied and not dropped between tests: creating collections and indexes takes longer than a test.
KEPT = ("roles",)


@pytest.fixture
def empty_database(mongodb_uri: str) -> str:
    """The name of a database in which nothing is but the built-in roles, after it was opened for the first time."""
    name = "test-storage"
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        for collection in COLLECTIONS:
            if collection not in KEPT:
                client[name][collection].delete_many({})
    return name
