"""Databases that tests have to themselves, one after the other."""

from pymongo import MongoClient

from storage.mongo.connection import COLLECTIONS

#: Stays as it is: the built-in roles are made when a database is opened for the first time.
KEPT = ("roles",)


def emptied(uri: str, name: str) -> str:
    """The name, once nothing is in the database of that name but the built-in roles.

    It is emptied and not dropped, for creating collections and indexes takes longer than most tests.
    """
    with MongoClient[dict[str, object]](uri) as client:
        for collection in COLLECTIONS:
            if collection not in KEPT:
                client[name][collection].delete_many({})
    return name
