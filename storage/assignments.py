"""Assignments: which agent served a room, from when until when. They are stored as long as the room.

They are written in the transaction of the facts that begin and end them, and do not depend on the log, which is short.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from pymongo import ASCENDING

from storage import entities, users
from storage.facts import AgentAssigned, AgentUnassigned, AssignmentCause, RoomClosed, RoomFact, RoomTransferred
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import Document, to_builtins, to_record
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.records import Actor, ActorType, Record, User
from storage.transactions.transaction import Transaction
from storage.transactions.writes import insertion, update

COLLECTION = "assignments"
ASSIGNMENTS_BY_ROOM = Relation("rooms", COLLECTION, "roomId", number="number")


class Assignment(Record, frozen=True, kw_only=True):
    """The time in which one agent served a room."""

    #: The id of the room and the number, joined by "-".
    id: str
    room_id: str
    #: 1, 2, 3, ... in the room.
    number: int
    #: The agent just after the assignment.
    agent: User
    since: datetime
    #: None while the agent serves the room.
    until: datetime | None = None
    cause: AssignmentCause
    end_cause: AssignmentCause | None = None
    #: Who assigned the room.
    by: Actor
    #: The comment of the mutation that ended it.
    comment: str | None = None


def record(tx: Transaction, facts: Sequence[RoomFact]) -> None:
    """Store the assignments that these facts, about one or several rooms, begin and end."""
    collection = tx.collection(COLLECTION).delegate
    for index, fact in enumerate(facts):
        number = fact.room.room.assignment_count
        match fact:
            case AgentAssigned():
                tx.defer_write(insertion(collection, _begun(tx, fact, number)))
            case AgentUnassigned() if number:  # the room may have its agent from before assignments were recorded
                comment = fact.comment or _comment(fact, facts[index + 1 :])
                ended = {"until": fact.occurred_at, "endCause": fact.cause.value, "comment": comment}
                tx.defer_write(update(collection, {"_id": f"{fact.subject_id}-{number}"}, {"$set": ended}))


def _begun(tx: Transaction, fact: AgentAssigned, number: int) -> Document:
    assert fact.room.served_by is not None, "an assignment names its agent"
    agent = entities.encode(tx, users.KIND, fact.room.served_by)
    del agent["attrs"]  # values of custom fields for filters
    return {
        "_id": f"{fact.subject_id}-{number}",
        "roomId": fact.subject_id,
        "number": number,
        "agent": agent,
        "since": fact.occurred_at,
        "until": None,
        "cause": fact.cause.value,
        "endCause": None,
        "by": to_builtins(fact.actor),
        "comment": None,
    }


def _comment(ended: AgentUnassigned, later: Iterable[RoomFact]) -> str | None:
    """The comment of the transfer or the closing in the same mutation."""
    for fact in later:
        if fact.subject_id == ended.subject_id and isinstance(fact, RoomTransferred | RoomClosed):
            return fact.comment
    return None


async def read_pages(reader: Reader, room_ids: Sequence[str], *, page: PageRequest) -> dict[str, Page[Assignment]]:
    """Return a page of the assignments of each room, oldest first, in one round trip for all rooms."""

    return await child_pagination.read_pages(
        reader, ASSIGNMENTS_BY_ROOM, room_ids, {}, decode=partial(_decode, reader), page=page
    )


async def list_by_room(reader: Reader, room_id: str, *, after: int, limit: int) -> list[Assignment]:
    """The assignments of a room with numbers above `after`, in their order."""
    query: Document = {"roomId": room_id, "number": {"$gt": after}}
    found = reader.collection(COLLECTION).find(query, sort=[("number", ASCENDING)], limit=limit, batch_size=limit)
    return await _decode(reader, await found.to_list(limit))


async def _decode(reader: Reader, documents: list[Document]) -> list[Assignment]:
    # As the agents of other reads: without values of removed custom fields.
    agents = await entities.decode(reader, users.KIND, [document.pop("agent") for document in documents])
    return [
        to_record({**document, "agent": to_builtins(agent)}, Assignment)
        for document, agent in zip(documents, agents, strict=True)
    ]


async def erase_content(reader: Reader, room_id: str) -> None:
    """Remove the comments about a room, and the name of its visitor."""
    collection = reader.collection(COLLECTION)
    await collection.update_many({"roomId": room_id, "comment": {"$ne": None}}, {"$set": {"comment": None}})
    visitor: Document = {"roomId": room_id, "by.type": ActorType.VISITOR.value}
    await collection.update_many(visitor, {"$set": {"by.name": None}})


async def delete_values(reader: Reader, definition_id: str) -> None:
    """Delete the values of a removed custom field of users from the agents of assignments."""
    path = f"agent.fields.{definition_id}"
    await reader.collection(COLLECTION).update_many({path: {"$exists": True}}, {"$unset": {path: ""}})
