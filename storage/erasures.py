"""Erasures: the progress of removing what is known of erased visitors, and the removal from each collection.

The transaction that erases the visitor inserts the erasure. Any process continues it, after any crash: every step may
be repeated. The erasure stays, as the record of when it was asked for and when it was done.
"""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ASCENDING

from storage import app_data, assignments, messages
from storage.app_data import DataOwner
from storage.log.log import Log
from storage.mongo.connection import MAX_BATCH_ROWS, Document, from_builtins, to_builtins
from storage.mongo.reader import Reader
from storage.records import Actor, Record, Visitor
from storage.transactions import idempotency
from storage.transactions.transaction import Transaction

COLLECTION = "erasures"
#: The erasures that may be unfinished at a time. Every process remembers the visitors of all of them.
MAX_UNFINISHED = 1_000


class Erasure(Record, frozen=True, kw_only=True):
    """The erasing of one visitor."""

    #: The id of the visitor.
    id: str
    #: Who asked for it.
    actor: Actor
    requested_at: datetime
    #: The rooms up to this one are done, and done the second time.
    after_room: str = ""
    confirmed_room: str = ""
    #: The numbers of rooms, messages and facts that lost their content.
    rooms: int = 0
    messages: int = 0
    facts: int = 0
    #: When nothing was left.
    done_at: datetime | None = None
    #: When it was done a second time, for what transactions wrote that ran during the first time.
    confirmed_at: datetime | None = None

    @property
    def position(self) -> str:
        """The room after which to continue."""
        return self.after_room if self.done_at is None else self.confirmed_room


async def insert(tx: Transaction, visitor: Visitor) -> None:
    """Insert the erasure of a visitor, by the actor of the transaction."""
    document: Document = {
        "_id": visitor.id,
        "actor": to_builtins(tx.actor),
        "requestedAt": tx.now,
        "unfinished": True,
    }
    await tx.collection(COLLECTION).insert_one(document, session=await tx.write_session())


async def get_many(reader: Reader, visitor_ids: Sequence[str]) -> dict[str, Erasure]:
    """The erasures of these visitors, by their ids."""
    found = reader.collection(COLLECTION).find({"_id": {"$in": list(visitor_ids)}}, batch_size=MAX_BATCH_ROWS)
    return {document["_id"]: _decode(document) for document in await found.to_list(None)}


async def list_unfinished(reader: Reader) -> list[Erasure]:
    """The erasures that are not finished, oldest first."""
    found = reader.collection(COLLECTION).find({"unfinished": True}, sort=[("requestedAt", ASCENDING)])
    return reader.database.undecodable.decode(COLLECTION, await found.to_list(None), _decode)


async def count_unfinished(reader: Reader) -> int:
    return int(await reader.collection(COLLECTION).count_documents({"unfinished": True}))


def _decode(document: Document) -> Erasure:
    erasure: Erasure = from_builtins({**document, "id": document["_id"]}, Erasure)
    return erasure


async def record_room(
    reader: Reader, erasure: Erasure, room_id: str, *, emptied: bool, messages: int, facts: int
) -> None:
    """Record that a room is done, and what lost its content."""
    counts = {"rooms": int(emptied), "messages": messages, "facts": facts}
    position = "afterRoom" if erasure.done_at is None else "confirmedRoom"
    await reader.collection(COLLECTION).update_one({"_id": erasure.id}, {"$set": {position: room_id}, "$inc": counts})


async def record_done(reader: Reader, erasure: Erasure, *, facts: int, at: datetime) -> None:
    """Record that nothing is left: for the first time, or for the second one, which finishes the erasure."""
    changed: Document = {"$set": {"doneAt": erasure.done_at or at}, "$inc": {"facts": facts}}
    if erasure.done_at is not None:
        changed["$set"]["confirmedAt"] = at
        changed["$unset"] = {"unfinished": ""}
    await reader.collection(COLLECTION).update_one({"_id": erasure.id, "confirmedAt": {"$exists": False}}, changed)


# ---------------------------------------------------------------- what is known of a visitor


async def has_waiting_facts(reader: Reader, subject_id: str) -> bool:
    """Whether facts about this subject are yet to be appended to the log."""
    return await reader.collection("outbox").find_one({"subject": subject_id}, {"_id": 1}) is not None


async def erase_room_content(reader: Reader, room_id: str, at: datetime) -> int:
    """Remove the content of the messages of a room, and what is kept beside it. Returns the number of messages."""
    erased = await messages.erase_content(reader, room_id, at)
    await assignments.erase_content(reader, room_id)
    await app_data.delete_of_owner(reader, DataOwner.ROOM, room_id)
    await idempotency.erase_answers(reader, room_id)
    return erased


async def erase_visitor_content(reader: Reader, visitor_id: str) -> None:
    """Remove what is kept beside the visitor."""
    await app_data.delete_of_owner(reader, DataOwner.VISITOR, visitor_id)
    await idempotency.erase_answers(reader, visitor_id)
    await reader.collection("tokens").delete_many({"holderId": visitor_id})


async def erase_facts_of_room(log: Log, room_id: str, at: datetime) -> int:
    """Remove the content of the facts about a room from the log. Returns their number."""
    return await log.erase({"fact.room.room.id": room_id, "fact.room.room.erasedAt": None}, at)


async def erase_facts_of_visitor(log: Log, visitor_id: str, at: datetime) -> int:
    """Remove the content of the facts about the visitor itself from the log. Returns their number."""
    return await log.erase({**Log.query_of_subject(visitor_id), "fact.visitor.erasedAt": None}, at)


async def unfinished_visitors(reader: Reader) -> dict[str, datetime]:
    """The ids of the visitors whose erasing is not finished, and when they were erased."""
    return {erasure.id: erasure.requested_at for erasure in await list_unfinished(reader)}
