"""Acknowledgements of single events of a consumer. Each is a document of its own.

So mutations that acknowledge different events of one consumer do not write the same document, and do not conflict. The
position of the consumer (consumers.py) acknowledges all events up to it. Acknowledgements up to the position are not
needed any more, and are deleted.
"""

from collections.abc import Sequence
from datetime import timedelta

from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage.consumer_records import Consumer
from storage.errors import AlreadyAcknowledged, Unavailable
from storage.mongo.connection import Document
from storage.mongo.reader import Reader
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

#: How long an acknowledgement is kept at least, unless the position of the consumer has moved over it.
RETENTION = timedelta(days=1)
#: Up to this many events are looked up one by one, and more of them by their range.
LOOKUPS = 100
MAX_SEQUENCE = 2**53 - 1


def _id(consumer: Consumer, sequence: int) -> Document:
    """The key. A consumer that was removed and created again has another generation, and no acknowledgements."""
    return {
        "owner": consumer.owner_id,
        "name": consumer.name,
        "generation": consumer.generation,
        "sequence": sequence,
    }


def _range(consumer: Consumer, after: int, to: int) -> Document:
    return {"_id": {"$gt": _id(consumer, after), "$lte": _id(consumer, to)}}


async def is_acknowledged(reader: Reader, consumer: Consumer, sequence: int) -> bool:
    """Whether the event was acknowledged, by itself or by the position of the consumer."""
    if sequence <= consumer.acked:
        return True
    found = await reader.collection("acknowledgements").find_one({"_id": _id(consumer, sequence)}, {"_id": 1})
    return found is not None


async def require_unacknowledged(reader: Reader, consumer: Consumer, sequence: int) -> None:
    """Raise AlreadyAcknowledged if the event was acknowledged, by itself or by the position of the consumer."""
    if await is_acknowledged(reader, consumer, sequence):
        raise AlreadyAcknowledged(consumer.name)


def insert(tx: Transaction, consumer: Consumer, sequence: int) -> None:
    """Acknowledge one event in the transaction.

    Raises Conflict at the commit if the event was acknowledged, or the consumer removed, since `consumer` was read. The
    next attempt sees that.
    """
    acknowledgements = tx.collection("acknowledgements").delegate
    consumers = tx.collection("consumers").delegate
    document = {"_id": _id(consumer, sequence), "sequence": sequence, "at": tx.now}
    stored = {"_id": {"owner": consumer.owner_id, "name": consumer.name}}

    def write(session: ClientSession) -> None:
        # The position and the acknowledgement are of one snapshot. A process that moves the position over an
        # acknowledgement deletes the acknowledgement later. If both happen after this snapshot, the insertion is a
        # write conflict.
        found = consumers.find_one(stored, {"acked": 1, "generation": 1}, session=session)
        if found is None or found.get("generation", "") != consumer.generation or found["acked"] >= sequence:
            raise Conflict
        try:
            acknowledgements.insert_one(document, session=session)
        except DuplicateKeyError:
            raise Conflict from None

    tx.defer_write(write)


async def list_after(
    reader: Reader, consumer: Consumer, after: int, *, to: int = MAX_SEQUENCE, limit: int
) -> list[int]:
    """The sequences of up to `limit` acknowledged events after one sequence and up to another, in order."""
    cursor = reader.collection("acknowledgements").find(
        _range(consumer, after, to), sort=[("_id", ASCENDING)], limit=limit, batch_size=limit
    )
    return [int(document["sequence"]) for document in await cursor.to_list(None)]


async def list_among(reader: Reader, consumer: Consumer, sequences: Sequence[int]) -> list[int]:
    """The acknowledged events among `sequences`, which must be in order. May include events between them."""
    if len(sequences) > LOOKUPS:
        first, last = sequences[0], sequences[-1]
        return await list_after(reader, consumer, first - 1, to=last, limit=last - first + 1)
    keys = [_id(consumer, sequence) for sequence in sequences]
    cursor = reader.collection("acknowledgements").find({"_id": {"$in": keys}}, batch_size=len(keys))
    return [int(document["sequence"]) for document in await cursor.to_list(None)]


async def delete_up_to(reader: Reader, consumer: Consumer, position: int) -> None:
    """Delete the acknowledgements up to the stored position of the consumer.

    Raises Unavailable if the database does not answer.
    """
    try:
        await reader.collection("acknowledgements").delete_many(_range(consumer, -1, position))
    except PyMongoError as error:
        raise Unavailable("The database does not answer; try again.", retryable=True) from error


async def delete_outdated(reader: Reader, *, before: int) -> None:
    """Delete the acknowledgements of events before a sequence, whichever consumer they are of, after RETENTION.

    An app may still work on an event for some time after the log has deleted it.
    """
    old = {"sequence": {"$lt": before}, "at": {"$lt": reader.database.now() - RETENTION}}
    await reader.collection("acknowledgements").delete_many(old)
