"""Stores the case-folded form of texts that filters and orders compare without case."""

from collections.abc import Mapping
from types import MappingProxyType

from pymongo import UpdateOne

from storage.migrations.migration import Progress
from storage.mongo.connection import Database

#: The paths of the texts. The folded text is at PATH followed by "Key".
FOLDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"rooms": ("source", "subject"), "users": ("name",), "visitors": ("token", "name", "phone")}
)
BATCH = 1_000


async def add_folded_text(database: Database, progress: Progress) -> None:
    """Store the folded texts of all documents. The position is a collection and an id."""
    for collection, paths in FOLDED.items():
        last, _, last_id = progress.position.partition("/")
        if last > collection:
            continue
        position = last_id if last == collection else ""
        while True:
            found = database[collection].find(
                {"_id": {"$gt": position}}, dict.fromkeys(paths, 1), sort=["_id"], limit=BATCH
            )
            documents = await found.to_list(None)
            if not documents:
                break
            writes = []
            for document in documents:
                texts = {path: document[path] for path in paths if document.get(path) is not None}
                if texts:
                    # A text that has changed meanwhile was stored with its folded text.
                    folded = {f"{path}Key": text.casefold() for path, text in texts.items()}
                    writes.append(UpdateOne({"_id": document["_id"], **texts}, {"$set": folded}))
            if writes:
                await database[collection].bulk_write(writes, ordered=False)
            position = documents[-1]["_id"]
            await progress.advance(f"{collection}/{position}", len(documents))
