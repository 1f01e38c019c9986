"""Databases that tests use one after the other."""

from typing import Any

from pymongo import MongoClient

from storage.custom_fields.unique_indexes import COLLECTIONS as COLLECTIONS_OF_FIELDS
from storage.custom_fields.unique_indexes import PREFIX
from storage.mongo.connection import COLLECTIONS


def emptied(uri: str, name: str) -> str:
    """Empty the database but for the built-in roles, and return its name. No process may use it.

    Its collections and indexes stay, because creating them takes longer than most tests.
    """
    with MongoClient[dict[str, Any]](uri) as client:
        database = client[name]
        for collection in COLLECTIONS:
            database[collection].delete_many({"builtIn": {"$ne": True}} if collection == "roles" else {})
        for collection in COLLECTIONS_OF_FIELDS.values():
            for index in list(database[collection].list_indexes()):
                if index["name"].startswith(PREFIX):
                    database[collection].drop_index(index["name"])
    return name
