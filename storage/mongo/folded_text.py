"""Stores case-folded text in documents of an earlier version, before the indexes on it are created."""

from collections.abc import Mapping
from types import MappingProxyType

from pymongo import UpdateOne

from storage.mongo.connection import Database
from storage.mongo.indexes import NAMES_INDEX

#: The paths of text that filters and orders compare without case. The folded text is at PATH followed by "Key".
FOLDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"rooms": ("source", "subject"), "visitors": ("token", "name", "phone"), "users": ("name",)}
)
BATCH = 1_000


async def add_missing_folded_text(database: Database) -> None:
    """Store the folded text of documents that lack it, unless the index on users' names shows that this was done.

    Concurrent and repeated runs store the same texts.
    """
    if NAMES_INDEX in [index["name"] async for index in database["users"].list_indexes()]:
        return
    for collection, paths in FOLDED.items():
        writes: list[UpdateOne] = []
        async for document in database[collection].find({}, dict.fromkeys(paths, 1), batch_size=BATCH):
            texts = {path: document[path] for path in paths if document.get(path) is not None}
            if texts:
                # A text that has changed meanwhile was stored with its folded text.
                folded = {f"{path}Key": text.casefold() for path, text in texts.items()}
                writes.append(UpdateOne({"_id": document["_id"], **texts}, {"$set": folded}))
            if len(writes) == BATCH:
                await database[collection].bulk_write(writes, ordered=False)
                writes = []
        if writes:
            await database[collection].bulk_write(writes, ordered=False)
