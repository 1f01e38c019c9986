"""Consumers: positions in the log that are kept here, each held by one connection at a time."""

from datetime import datetime, timedelta

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from storage.database import Document, now, to_record
from storage.errors import ConsumerBusy, NotFound, shorten
from storage.records import Consumer
from storage.transactions import Reader

#: A connection that has not said for this long that it lives has lost its consumer to whoever asks next.
LEASE_SECONDS = 15.0


def _id(owner_id: str, name: str) -> Document:
    return {"owner": owner_id, "name": name}


def _decode(document: Document) -> Consumer:
    document.pop("_id")
    return to_record(document, Consumer)  # type: ignore[no-any-return]


async def list_of(reader: Reader, owner_id: str) -> list[Consumer]:
    """The consumers of an app or user, by name."""
    cursor = reader.collection("consumers").find({"ownerId": owner_id}, sort=[("name", ASCENDING)])
    return [_decode(document) for document in await cursor.to_list(None)]


async def find(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    document = await reader.collection("consumers").find_one({"_id": _id(owner_id, name)})
    return None if document is None else _decode(document)


async def take(reader: Reader, owner_id: str, name: str, *, connection_id: str, start: int) -> Consumer:
    """Hold the consumer for a connection; a new one starts at `start`. Raises ConsumerBusy while another holds it."""
    moment = now()
    free: Document = {"$or": [{"leasedUntil": None}, {"leasedUntil": {"$lte": moment}}]}
    lease = {
        "connectionId": connection_id,
        "leasedUntil": moment + timedelta(seconds=LEASE_SECONDS),
        "lastSeenAt": moment,
    }
    try:
        document = await reader.collection("consumers").find_one_and_update(
            {"_id": _id(owner_id, name), **free},
            {"$set": lease, "$setOnInsert": {"ownerId": owner_id, "name": name, "acked": start}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        raise ConsumerBusy(f"The consumer {shorten(name)} is being read by another connection.") from None
    return _decode(document)


async def renew(reader: Reader, owner_id: str, name: str, *, connection_id: str) -> bool:
    """Go on holding it; False when it is another's by now, or gone."""
    moment = now()
    result = await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "connectionId": connection_id},
        {"$set": {"leasedUntil": moment + timedelta(seconds=LEASE_SECONDS), "lastSeenAt": moment}},
    )
    return bool(result.matched_count)


async def release(reader: Reader, owner_id: str, name: str, *, connection_id: str) -> None:
    await reader.collection("consumers").update_one(
        {"_id": _id(owner_id, name), "connectionId": connection_id},
        {"$set": {"connectionId": None, "leasedUntil": None, "lastSeenAt": now()}},
    )


async def acknowledge(reader: Reader, owner_id: str, name: str, sequence: int) -> Consumer:
    """Move the position on, never back. Raises NotFound."""
    document = await reader.collection("consumers").find_one_and_update(
        {"_id": _id(owner_id, name)},
        {"$max": {"acked": sequence}, "$set": {"lastSeenAt": now()}},
        return_document=ReturnDocument.AFTER,
    )
    if document is None:
        raise NotFound("consumer", name, key="consumer")
    return _decode(document)


async def delete(reader: Reader, owner_id: str, name: str) -> None:
    """Forget it and its position. Raises NotFound."""
    result = await reader.collection("consumers").delete_one({"_id": _id(owner_id, name)})
    if not result.deleted_count:
        raise NotFound("consumer", name, key="consumer")


def is_held(consumer: Consumer, moment: datetime) -> bool:
    """Whether a connection holds it at that moment."""
    return consumer.leased_until is not None and consumer.leased_until > moment
