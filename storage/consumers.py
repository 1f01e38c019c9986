"""Consumers: positions in the log that are kept here, each held by one connection at a time."""

from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage.database import Document, to_record
from storage.errors import NotFound, Unavailable
from storage.records import Consumer
from storage.transactions import Reader, Transaction

#: A connection that has not said for this long that it lives has lost its consumer to whoever asks next, and nothing
#: else frees it sooner: a process that only stood still goes on believing in its leases until they are over.
LEASE_SECONDS = 5.0

# Leases go by the clock of the database, so that those of the processes need not agree.
_HELD: Document = {"$gt": ["$leasedUntil", "$$NOW"]}


def _id(owner_id: str, name: str) -> Document:
    return {"owner": owner_id, "name": name}


def _decode(document: Document) -> Consumer:
    document.pop("_id")
    return to_record(document, Consumer)  # type: ignore[no-any-return]


def _lease() -> Document:
    milliseconds = int(LEASE_SECONDS * 1000)
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": milliseconds}}
    return {"leasedUntil": until, "lastSeenAt": "$$NOW"}


async def list_of(reader: Reader, owner_id: str) -> list[Consumer]:
    """The consumers of an app or user, by name."""
    cursor = reader.collection("consumers").find({"ownerId": owner_id}, sort=[("name", ASCENDING)])
    return [_decode(document) for document in await cursor.to_list(None)]


async def find(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    document = await reader.collection("consumers").find_one({"_id": _id(owner_id, name)})
    return None if document is None else _decode(document)


async def create(reader: Reader, owner_id: str, name: str, *, start: int) -> bool:
    """Make it, to begin after `start`; False when there is one of that name."""
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name)},
            {"$setOnInsert": {"ownerId": owner_id, "name": name, "acked": start}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return result.upserted_id is not None


async def take(reader: Reader, owner_id: str, name: str, *, connection_id: str) -> Consumer | None:
    """Hold the consumer for a connection, for LEASE_SECONDS; None while another holds it, or when it is gone."""
    result = await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _HELD}},
        [{"$set": {"connectionId": connection_id, **_lease()}}],
    )
    return await find(reader, owner_id, name) if result.matched_count else None


async def renew(reader: Reader, owner_id: str, name: str, *, connection_id: str) -> bool:
    """Go on holding it for LEASE_SECONDS more; False when it is another's by now, or gone.

    Raises Unavailable when the database does not answer.
    """
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name), "connectionId": connection_id}, [{"$set": _lease()}]
        )
    except PyMongoError as error:
        raise Unavailable("The database does not answer.", retryable=True) from error
    return bool(result.matched_count)


async def release(reader: Reader, owner_id: str, name: str, *, connection_id: str) -> None:
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "connectionId": connection_id},
        [{"$set": {"connectionId": None, "leasedUntil": None, "lastSeenAt": "$$NOW"}}],
    )


async def acknowledge(reader: Reader, owner_id: str, name: str, sequence: int) -> Consumer:
    """Move the position on, never back. Raises NotFound."""
    # Not by findAndModify: what that answers in the midst of a failover, the driver cannot read with a codec like ours.
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name)},
        [{"$set": {"acked": {"$max": ["$acked", sequence]}, "lastSeenAt": "$$NOW"}}],
    )
    consumer = await find(reader, owner_id, name)
    if consumer is None:
        raise NotFound("consumer", name, key="consumer")
    return consumer


async def delete(tx: Transaction, owner_id: str, name: str) -> bool:
    """Forget it and its position, unless a connection holds it; whether it is gone now."""
    result = await tx.collection("consumers").delete_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _HELD}}, session=await tx.writing()
    )
    return bool(result.deleted_count)


def is_held(consumer: Consumer, moment: datetime) -> bool:
    """Whether a connection holds it at that moment."""
    return consumer.leased_until is not None and consumer.leased_until > moment
