"""What removing a custom field leaves to be tidied up behind everybody's back, and how far that is.

The note of it is made in the transaction of the removal, so that whoever dies in the midst of the work leaves it to the
next one.
"""

from datetime import datetime

from pymongo import ASCENDING

from storage.mongo.connection import Document, from_builtins
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, Record
from storage.transactions.transaction import Transaction


class Purge(Record, frozen=True, kw_only=True):
    """A removed custom field, whose values still take up room until it is done."""

    #: The definition's.
    id: str
    target: FieldTarget
    key: str
    removed_at: datetime
    #: How many users, visitors or rooms held a value; None until they are counted.
    total: int | None = None
    #: How many of them have been freed of it.
    purged: int = 0
    done_at: datetime | None = None


async def insert(tx: Transaction, definition: FieldDefinition) -> None:
    """Note that the values of a definition are to be freed."""
    note = {"_id": definition.id, "target": definition.target.value, "key": definition.key}
    values: Document = {**note, "removedAt": tx.now, "purged": 0}
    await tx.collection("removals").insert_one(values, session=await tx.write_session())


async def list_all(reader: Reader) -> list[Purge]:
    """The removed definitions, longest removed first, until some time after they are done."""
    found = reader.collection("removals").find({"removedAt": {"$exists": True}}, sort=[("removedAt", ASCENDING)])
    return reader.database.undecodable.decode(
        "removals", await found.to_list(None), lambda note: from_builtins({**note, "id": note["_id"]}, Purge)
    )


async def record_total(reader: Reader, definition_id: str, total: int) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$set": {"total": total}})


async def record_purged(reader: Reader, definition_id: str, purged: int) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$inc": {"purged": purged}})


async def record_done(reader: Reader, definition_id: str, at: datetime) -> None:
    await reader.collection("removals").update_one({"_id": definition_id}, {"$set": {"doneAt": at}})


async def delete_finished(reader: Reader, *, done_before: datetime) -> None:
    """Forget what was done long ago."""
    await reader.collection("removals").delete_many({"doneAt": {"$lt": done_before}})
