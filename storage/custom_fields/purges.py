"""Purges: the deletion of the values of removed custom fields, in the background, and its progress.

The transaction that removes a definition inserts the purge. Any process continues it, after any crash.
"""

from datetime import datetime

from pymongo import ASCENDING

from storage.mongo.connection import Document, from_builtins
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, Record
from storage.transactions.transaction import Transaction


class Purge(Record, frozen=True, kw_only=True):
    """The purge of one removed custom field. Its values occupy space until `done_at`."""

    #: The id of the definition.
    id: str
    target: FieldTarget
    key: str
    removed_at: datetime
    #: How many users, visitors or rooms had a value. None until they are counted.
    total: int | None = None
    #: How many of these values are deleted.
    purged: int = 0
    done_at: datetime | None = None


async def insert(tx: Transaction, definition: FieldDefinition) -> None:
    """Insert the purge of a definition."""
    document = {"_id": definition.id, "target": definition.target.value, "key": definition.key}
    values: Document = {**document, "removedAt": tx.now, "purged": 0}
    await tx.collection("removals").insert_one(values, session=await tx.write_session())


async def list_all(reader: Reader) -> list[Purge]:
    """All purges, oldest first. Finished ones are among them until they are deleted."""
    found = reader.collection("removals").find({"removedAt": {"$exists": True}}, sort=[("removedAt", ASCENDING)])
    return reader.database.undecodable.decode(
        "removals",
        await found.to_list(None),
        lambda document: from_builtins({**document, "id": document["_id"]}, Purge),
    )


async def record_total(reader: Reader, definition_id: str, total: int) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$set": {"total": total}})


async def record_purged(reader: Reader, definition_id: str, purged: int) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$inc": {"purged": purged}})


async def record_done(reader: Reader, definition_id: str, at: datetime) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$set": {"doneAt": at}})


async def delete_finished(reader: Reader, *, done_before: datetime) -> None:
    await reader.collection("removals").delete_many({"doneAt": {"$lt": done_before}})
