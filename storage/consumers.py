"""Consumers: positions in the log that are kept here, each held by one connection at a time."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage.errors import NotFound, Unavailable
from storage.filters.expressions import Expression
from storage.mongo.connection import Document, from_builtins, to_builtins, to_record
from storage.mongo.reader import Reader
from storage.records import Consumer
from storage.transactions.transaction import Transaction

#: A connection that has not said for this long that it lives has lost its consumer to whoever asks next, and nothing
#: else frees it sooner: a process that only stood still goes on believing in its leases until they are over.
LEASE_SECONDS = 5.0

# Leases go by the clock of the database, so that those of the processes need not agree.
_LEASED: Document = {"$gt": ["$leasedUntil", "$$NOW"]}


def _id(owner_id: str, name: str) -> Document:
    return {"owner": owner_id, "name": name}


def _decode(document: Document) -> Consumer:
    document.pop("_id")
    if document.get("where") is not None:
        document["where"] = from_builtins(document["where"], Expression)
    return to_record(document, Consumer)  # type: ignore[no-any-return]


def _lease() -> Document:
    milliseconds = int(LEASE_SECONDS * 1000)
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": milliseconds}}
    return {"leasedUntil": until, "lastSeenAt": "$$NOW"}


async def list_by_owner(reader: Reader, owner_id: str) -> list[Consumer]:
    """The consumers of an app or user, by name."""
    cursor = reader.collection("consumers").find({"ownerId": owner_id}, sort=[("name", ASCENDING)])
    return [_decode(document) for document in await cursor.to_list(None)]


async def find(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    document = await reader.collection("consumers").find_one({"_id": _id(owner_id, name)})
    return None if document is None else _decode(document)


async def create(reader: Reader, owner_id: str, name: str, *, start: int, begun_after: int | None = None) -> bool:
    """Make it, to begin after `start`; False when there is one of that name."""
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name)},
            {"$setOnInsert": {"ownerId": owner_id, "name": name, "acked": start, "begunAfter": begun_after}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return result.upserted_id is not None


async def acquire_lease(
    reader: Reader,
    owner_id: str,
    name: str,
    *,
    connection_id: str,
    types: Sequence[str] | None = None,
    where: Expression | None = None,
) -> Consumer | None:
    """Hold the consumer for a connection, for LEASE_SECONDS; None while another holds it, or when it is gone.

    `types` and `where` are what the connection reads of the log, kept to tell the lag by.
    """
    asked = {"types": None if types is None else list(types), "where": to_builtins(where)}
    # What clients gave is a literal: nothing in it is an expression of MongoDB.
    literal = {key: {"$literal": value} for key, value in asked.items()}
    result = await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _LEASED}},
        [{"$set": {"connectionId": connection_id, **literal, **_lease()}}],
    )
    return await find(reader, owner_id, name) if result.matched_count else None


def _moved_on(sent: int, passed: int) -> Document:
    """Where the position is after a connection that has sent facts up to `sent` has passed those up to `passed`."""
    return {"$cond": [{"$gte": ["$acked", sent]}, {"$max": ["$acked", passed]}, "$acked"]}


async def renew_lease(
    reader: Reader, owner_id: str, name: str, *, connection_id: str, sent: int = 0, passed: int = 0
) -> bool:
    """Go on holding it for LEASE_SECONDS more; False when it is another's by now, or gone.

    If everything that the connection has sent is acknowledged, the position moves on over what it passed, which was not
    for this consumer. Raises Unavailable when the database does not answer.
    """
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name), "connectionId": connection_id},
            [{"$set": {"acked": _moved_on(sent, passed), **_lease()}}],
        )
    except PyMongoError as error:
        raise Unavailable("The database does not answer.", retryable=True) from error
    return bool(result.matched_count)


async def release_lease(
    reader: Reader, owner_id: str, name: str, *, connection_id: str, sent: int = 0, passed: int = 0
) -> None:
    """Give it back, if the connection still holds it, and move its position on as `renew` does."""
    ended = {"connectionId": None, "leasedUntil": None, "lastSeenAt": "$$NOW"}
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "connectionId": connection_id},
        [{"$set": {"acked": _moved_on(sent, passed), **ended}}],
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
        {"_id": _id(owner_id, name), "$expr": {"$not": _LEASED}}, session=await tx.write_session()
    )
    return bool(result.deleted_count)


def is_leased(consumer: Consumer, moment: datetime) -> bool:
    """Whether a connection holds it at that moment."""
    return consumer.leased_until is not None and consumer.leased_until > moment
