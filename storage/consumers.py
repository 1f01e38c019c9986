"""Consumers: stored positions in the log. One connection at a time has the lease of a consumer."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage import acknowledgements
from storage.consumer_records import Consumer, ConsumerFilter
from storage.errors import Unavailable
from storage.filters.expressions import Expression
from storage.mongo.connection import MAX_BATCH_ROWS, Document, from_builtins, new_id, to_builtins, to_record
from storage.mongo.reader import Reader
from storage.records import Actor, ActorType
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

# Leases are compared with the clock of the database, not with the clocks of processes.
_LEASED: Document = {"$gt": ["$leasedUntil", "$$NOW"]}
#: The fields of Consumer that are filters.
_EXPRESSIONS = ("where", "visible")


def _id(owner_id: str, name: str) -> Document:
    return {"owner": owner_id, "name": name}


def _decode(document: Document) -> Consumer:
    document.pop("_id")
    for key in _EXPRESSIONS:
        if document.get(key) is not None:
            document[key] = from_builtins(document[key], Expression)
    return to_record(document, Consumer)  # type: ignore[no-any-return]


def _lease(seconds: float) -> Document:
    milliseconds = int(seconds * 1000)
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": milliseconds}}
    return {"leasedUntil": until, "lastSeenAt": "$$NOW"}


async def list_all(reader: Reader, *, owner_id: str | None, limit: int) -> list[Consumer]:
    """Up to `limit` consumers, of an app or user or of everybody, sorted by owner and name."""
    query = {} if owner_id is None else {"ownerId": owner_id}
    order = [("ownerId", ASCENDING), ("name", ASCENDING)]
    cursor = reader.collection("consumers").find(query, sort=order, limit=limit, batch_size=limit)
    return [_decode(document) for document in await cursor.to_list(None)]


async def count(reader: Reader, owner_id: str, *, limit: int) -> int:
    """The number of consumers of an app or user, up to `limit`."""
    return int(await reader.collection("consumers").count_documents({"ownerId": owner_id}, limit=limit))


async def find(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    document = await reader.collection("consumers").find_one({"_id": _id(owner_id, name)})
    return None if document is None else _decode(document)


async def find_many(reader: Reader, keys: Collection[tuple[str, str]]) -> list[Consumer]:
    """The consumers with these owners and names, in any order."""
    query = {"_id": {"$in": [_id(*key) for key in keys]}}
    found = reader.collection("consumers").find(query, batch_size=MAX_BATCH_ROWS)
    return [_decode(document) for document in await found.to_list(None)]


async def read_progress(reader: Reader, consumer: Consumer, pending: Sequence[int]) -> tuple[int, list[int]]:
    """The stored position of a consumer, 0 if it was removed, and the acknowledged events among `pending`.

    Raises Unavailable if the database does not answer.
    """
    try:
        position, acknowledged = await asyncio.gather(
            read_position(reader, consumer), acknowledgements.list_among(reader, consumer, pending)
        )
    except PyMongoError as error:
        raise Unavailable("The database does not answer; try again.", retryable=True) from error
    return position, acknowledged


async def read_position(reader: Reader, consumer: Consumer) -> int:
    """The stored position of a consumer, 0 if it was removed."""
    stored = {"_id": _id(consumer.owner_id, consumer.name), "generation": {"$in": [consumer.generation, None]}}
    found = await reader.collection("consumers").find_one(stored, {"acked": 1})
    return 0 if found is None else int(found["acked"])


async def create(reader: Reader, owner: Actor, name: str, *, start: int, begun_after: int | None = None) -> bool:
    """Create a consumer that begins after `start`. Return False if the name is taken."""
    created: Document = {
        "ownerId": owner.id,
        "owner": to_builtins(owner),
        "name": name,
        "generation": new_id(reader.database.now()),
        "acked": start,
        "begunAfter": begun_after,
    }
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(owner.id or "", name)}, {"$setOnInsert": created}, upsert=True
        )
    except DuplicateKeyError:
        return False
    return result.upserted_id is not None


async def begin(reader: Reader, owner: Actor, name: str, *, generation: str, after: int) -> bool:
    """Let the consumer begin after a sequence as this generation, unless it has done so before.

    Return False while a connection has the lease of the consumer as another generation.
    """
    consumers, key = reader.collection("consumers"), _id(owner.id or "", name)
    begun: Document = {
        "ownerId": owner.id,
        "owner": to_builtins(owner),
        "name": name,
        "generation": generation,
        "acked": after,
        "sent": after,
        "begunAfter": after,
    }
    other = {"_id": key, "generation": {"$ne": generation}, "$expr": {"$not": _LEASED}}
    await consumers.update_one(other, {"$set": begun})
    with suppress(DuplicateKeyError):
        await consumers.update_one({"_id": key}, {"$setOnInsert": begun}, upsert=True)
    found = await find(reader, owner.id or "", name)
    return found is not None and found.generation == generation


async def acquire_lease(
    reader: Reader,
    owner: Actor,
    name: str,
    *,
    connection_id: str,
    seconds: float,
    subscription: ConsumerFilter,
) -> Consumer | None:
    """Acquire the lease of a consumer for a connection. Return None if another connection has it, or it was deleted.

    The lease of a crashed or paused process ends after `seconds` and not earlier, because a paused process acts on its
    leases until they expire. `subscription` is stored to compute the lag.
    """
    stored = {
        "owner": to_builtins(owner),
        "types": None if subscription.types is None else list(subscription.types),
        "where": to_builtins(subscription.where),
        "visible": to_builtins(subscription.visible),
        "notByOwner": subscription.not_by_owner,
    }
    # $literal keeps MongoDB from evaluating values of clients as expressions.
    literal = {key: {"$literal": value} for key, value in stored.items()}
    # The answer of the write has the position. A read after it may be older: a new primary shows what a majority has
    # stored only when it has learned that.
    document: Document | None = await reader.collection("consumers").find_one_and_update(
        {"_id": _id(owner.id or "", name), "$expr": {"$not": _LEASED}},
        [{"$set": {"connectionId": connection_id, "sent": "$acked", **literal, **_lease(seconds)}}],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else _decode(document)


async def renew_lease(
    reader: Reader, consumer: Consumer, *, connection_id: str, seconds: float, position: int = 0, sent: int = 0
) -> bool:
    """Extend the lease to `seconds` from now. Return False if the connection has lost it.

    `position` is a sequence up to which every fact is acknowledged or does not match, and `sent` the last fact that was
    sent. Raises Unavailable if the database does not answer.
    """
    try:
        result = await reader.collection("consumers").update_one(
            {"_id": _id(consumer.owner_id, consumer.name), "connectionId": connection_id},
            [{"$set": {**_progress(position, sent), **_lease(seconds)}}],
        )
    except PyMongoError as error:
        raise Unavailable("The database does not answer; try again.", retryable=True) from error
    return bool(result.matched_count)


async def release_lease(
    reader: Reader, consumer: Consumer, *, connection_id: str, position: int = 0, sent: int = 0
) -> bool:
    """Release the lease and move the position as `renew_lease` does. Return False if the connection has lost it."""
    ended = {"connectionId": None, "leasedUntil": None, "lastSeenAt": "$$NOW"}
    result = await reader.collection("consumers").update_one(
        {"_id": _id(consumer.owner_id, consumer.name), "connectionId": connection_id},
        [{"$set": {**_progress(position, sent), **ended}}],
    )
    return bool(result.matched_count)


def _progress(position: int, sent: int) -> Document:
    return {"acked": {"$max": ["$acked", position]}, "sent": {"$max": ["$sent", sent]}}


def acknowledge(tx: Transaction, consumer: Consumer, sequence: int) -> Consumer:
    """Move the position to `sequence` in the transaction, if it is before it. Returns the consumer after it.

    Raises Conflict at the commit if the consumer was removed since `consumer` was read.
    """
    consumers = tx.collection("consumers").delegate
    stored = {"_id": _id(consumer.owner_id, consumer.name), "generation": {"$in": [consumer.generation, None]}}
    update = [{"$set": {"acked": {"$max": ["$acked", sequence]}, "lastSeenAt": "$$NOW"}}]

    def write(session: ClientSession) -> None:
        if not consumers.update_one(stored, update, session=session).matched_count:
            raise Conflict

    tx.defer_write(write)
    return msgspec.structs.replace(consumer, acked=max(consumer.acked, sequence), last_seen_at=tx.now)


async def acknowledge_now(
    reader: Reader, owner_id: str, name: str, *, generation: str, sequence: int
) -> Consumer | None:
    """Move the position to `sequence`, if it is before it. Return the consumer before it; None if there is none."""
    document: Document | None = await reader.collection("consumers").find_one_and_update(
        {"_id": _id(owner_id, name), "generation": generation},
        [{"$set": {"acked": {"$max": ["$acked", sequence]}, "lastSeenAt": "$$NOW"}}],
    )
    return None if document is None else _decode(document)


async def list_leased(reader: Reader, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the owners and names of consumers whose leases connections have."""
    query = {"_id": {"$in": [_id(*key) for key in keys]}, "$expr": _LEASED}
    found = reader.collection("consumers").find(query, {"_id": 1}, batch_size=MAX_BATCH_ROWS)
    return {(one["_id"]["owner"], one["_id"]["name"]) for one in await found.to_list(None)}


async def delete(tx: Transaction, owner_id: str, name: str) -> bool:
    """Delete a consumer unless a connection has its lease, and return whether it was deleted."""
    result = await tx.collection("consumers").delete_one(
        {"_id": _id(owner_id, name), "$expr": {"$not": _LEASED}}, session=await tx.write_session()
    )
    return bool(result.deleted_count)


async def delete_generation(reader: Reader, owner_id: str, name: str, *, generation: str) -> None:
    """Delete a consumer if it has this generation. A connection that has its lease loses it."""
    await reader.collection("consumers").delete_one({"_id": _id(owner_id, name), "generation": generation})


def delete_by_owner(tx: Transaction, owner_id: str) -> None:
    """Delete all consumers of an app or user. Connections that have a lease lose it."""
    consumers = tx.collection("consumers").delegate
    tx.defer_write(lambda session: consumers.delete_many({"ownerId": owner_id}, session=session))


def is_leased(consumer: Consumer, now: datetime) -> bool:
    """Return whether a connection has the lease of the consumer."""
    return consumer.leased_until is not None and consumer.leased_until > now


async def find_owners(reader: Reader, owner_ids: Collection[str]) -> dict[str, Actor]:
    """The owners by id, for consumers that a version stored which did not store their owners."""
    query = {"_id": {"$in": list(owner_ids)}}
    users = await reader.collection("users").find(query, {"username": 1}).to_list(None)
    apps = await reader.collection("apps").find(query, {"name": 1}).to_list(None)
    return {
        **{str(one["_id"]): Actor(type=ActorType.USER, id=str(one["_id"]), name=one["username"]) for one in users},
        **{str(one["_id"]): Actor(type=ActorType.APP, id=str(one["_id"]), name=one["name"]) for one in apps},
    }
