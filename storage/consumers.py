"""Consumers: stored positions in the log. One connection at a time has the lease of a consumer."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage.errors import NotFound, Unavailable
from storage.filters.expressions import Expression
from storage.mongo.connection import Document, from_builtins, new_id, to_builtins, to_record
from storage.mongo.reader import Reader
from storage.records import Consumer
from storage.transactions.transaction import Transaction

# Leases are compared with the clock of the database, not with the clocks of processes.
_LEASED: Document = {"$gt": ["$leasedUntil", "$$NOW"]}


def _id(owner_id: str, name: str) -> Document:
    return {"owner": owner_id, "name": name}


def _decode(document: Document) -> Consumer:
    document.pop("_id")
    if document.get("where") is not None:
        document["where"] = from_builtins(document["where"], Expression)
    return to_record(document, Consumer)  # type: ignore[no-any-return]


def _lease(seconds: float) -> Document:
    milliseconds = int(seconds * 1000)
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": milliseconds}}
    return {"leasedUntil": until, "lastSeenAt": "$$NOW"}


async def list_by_owner(reader: Reader, owner_id: str) -> list[Consumer]:
    """Return the consumers of an app or user, sorted by name."""
    cursor = reader.collection("consumers").find({"ownerId": owner_id}, sort=[("name", ASCENDING)])
    return [_decode(document) for document in await cursor.to_list(None)]


async def find(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    document = await reader.collection("consumers").find_one({"_id": _id(owner_id, name)})
    return None if document is None else _decode(document)


async def create(reader: Reader, owner_id: str, name: str, *, start: int, begun_after: int | None = None) -> bool:
    """Create a consumer that begins after `start`. Return False if the name is taken."""
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name)},
            {
                "$setOnInsert": {
                    "ownerId": owner_id,
                    "name": name,
                    "generation": new_id(reader.database.now()),
                    "acked": start,
                    "begunAfter": begun_after,
                }
            },
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
    seconds: float,
    types: Sequence[str] | None = None,
    where: Expression | None = None,
) -> Consumer | None:
    """Acquire the lease of a consumer for a connection. Return None if another connection has it, or it was deleted.

    The lease of a crashed or paused process ends after `seconds` and not earlier, because a paused process acts on its
    leases until they expire.

    `types` and `where` are the filter of the subscription. They are stored to compute the lag.
    """
    subscription = {"types": None if types is None else list(types), "where": to_builtins(where)}
    # $literal keeps MongoDB from evaluating values of clients as expressions.
    literal = {key: {"$literal": value} for key, value in subscription.items()}
    result = await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _LEASED}},
        [{"$set": {"connectionId": connection_id, **literal, **_lease(seconds)}}],
    )
    return await find(reader, owner_id, name) if result.matched_count else None


def _position_after(sent: int, passed: int) -> Document:
    """Return the expression for the new position: `passed` if all facts up to `sent` are acknowledged."""
    return {"$cond": [{"$gte": ["$acked", sent]}, {"$max": ["$acked", passed]}, "$acked"]}


async def renew_lease(
    reader: Reader,
    owner_id: str,
    name: str,
    *,
    connection_id: str,
    seconds: float,
    sent: int = 0,
    passed: int = 0,
) -> bool:
    """Extend the lease to `seconds` from now. Return False if the connection has lost it.

    `sent` is the last fact that was sent, and `passed` the last one that was evaluated. If all sent facts are
    acknowledged, the position moves to `passed`. Raises Unavailable if the database does not answer.
    """
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner_id, name), "connectionId": connection_id},
            [{"$set": {"acked": _position_after(sent, passed), **_lease(seconds)}}],
        )
    except PyMongoError as error:
        raise Unavailable("The database does not answer; try again.", retryable=True) from error
    return bool(result.matched_count)


async def release_lease(
    reader: Reader, owner_id: str, name: str, *, connection_id: str, sent: int = 0, passed: int = 0
) -> None:
    """Release the lease if the connection still has it, and move the position as `renew_lease` does."""
    ended = {"connectionId": None, "leasedUntil": None, "lastSeenAt": "$$NOW"}
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "connectionId": connection_id},
        [{"$set": {"acked": _position_after(sent, passed), **ended}}],
    )


async def acknowledge(reader: Reader, owner_id: str, name: str, sequence: int) -> Consumer:
    """Move the position to `sequence` if it is before it. Raises NotFound."""
    # findAndModify is not used: its replies during a failover cannot be decoded with a type registry.
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name)},
        [{"$set": {"acked": {"$max": ["$acked", sequence]}, "lastSeenAt": "$$NOW"}}],
    )
    consumer = await find(reader, owner_id, name)
    if consumer is None:
        raise NotFound("consumer", name, key="consumer")
    return consumer


async def delete(tx: Transaction, owner_id: str, name: str) -> bool:
    """Delete a consumer unless a connection has its lease, and return whether it was deleted."""
    result = await tx.collection("consumers").delete_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _LEASED}}, session=await tx.write_session()
    )
    return bool(result.deleted_count)


def is_leased(consumer: Consumer, now: datetime) -> bool:
    """Return whether a connection has the lease of the consumer."""
    return consumer.leased_until is not None and consumer.leased_until > now
