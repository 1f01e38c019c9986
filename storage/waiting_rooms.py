"""The rooms that wait in the queue: which of them routing may assign, their places, and the next time-out."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from pymongo import ASCENDING, DESCENDING

from storage import rooms
from storage.mongo import stored_documents
from storage.mongo.connection import Document, to_record
from storage.mongo.reader import Reader
from storage.records import RoomStatus, WaitingRoom

#: Highest priority first, then longest waiting.
WAITING_ORDER = (("priority", DESCENDING), ("queuedAt", ASCENDING), ("_id", ASCENDING))
_QUEUED: Mapping[str, object] = MappingProxyType({"status": RoomStatus.QUEUED.value})
_UNFILTERED: Mapping[str, object] = MappingProxyType({**_QUEUED, "hasAgentFilter": None})
#: The rows that `read_batches` reads and decodes at once. Each takes up to 40 KiB.
BATCH_ROWS = 100
#: The fields of a WaitingRoom.
_WAITING = (
    "departmentId",
    "priority",
    "queuedAt",
    "externalUntil",
    "declined",
    "passedOverId",
    "agentFilterExpression",
    "agentFilterUntil",
)


@dataclass(frozen=True, slots=True)
class OverdueRooms:
    """A condition: the rooms of a department for which the time of the decision of an app is over.

    Without a department, it is about the rooms without one.
    """

    department_id: str | None
    #: Rooms with a deadline up to this time are overdue.
    now: datetime
    #: Rooms without a deadline are overdue if they were queued up to this time; None: never.
    waiting_since: datetime | None


async def any_waiting(reader: Reader) -> bool:
    """Return whether any room is QUEUED."""
    found, _ = await stored_documents.find(
        reader.database, rooms.KIND.collection, _QUEUED, projection={"_id": 1}, limit=1
    )
    return bool(found)


async def list_waiting(
    reader: Reader,
    pools: Iterable[str | None],
    *,
    declined: Collection[str | None] = (),
    overdue: Sequence[OverdueRooms] = (),
    only_agents: Mapping[str | None, str | None] = MappingProxyType({}),
    excluding: Sequence[str] = (),
    limit: int = 0,
) -> list[WaitingRoom]:
    """Return the waiting rooms without an agent filter of these departments (None: no department), in WAITING_ORDER.

    Those of `declined` are the departments of which only the declined rooms count. Overdue rooms are returned too, with
    and without filters. If `limit` is 0, all rooms are returned. `only_agents` has the agent of each department with a
    single candidate. Rooms that must not be offered to that agent are left out.
    """
    choices: list[Document] = []
    if pools := list(pools):
        choices.append({**_UNFILTERED, "departmentId": {"$in": pools}})
    if declined:
        choices.append({**_UNFILTERED, "departmentId": {"$in": list(declined)}, "declined": True})
    for condition in overdue:
        undecided = {**_QUEUED, "departmentId": condition.department_id, "declined": {"$ne": True}}
        choices.append({**undecided, "externalUntil": {"$lte": condition.now}})
        if condition.waiting_since is not None:
            choices.append({**undecided, "externalUntil": None, "queuedAt": {"$lte": condition.waiting_since}})
    if not choices:
        return []
    query: Document = choices[0] if len(choices) == 1 else {"$or": choices}
    excluded: list[Document] = [{"_id": {"$in": list(excluding)}}] if excluding else []
    pools_of: dict[str, list[str | None]] = defaultdict(list)
    for pool, agent_id in only_agents.items():
        if agent_id is not None:
            pools_of[agent_id].append(pool)
    excluded += [
        {"passedOverId": agent_id, "departmentId": {"$in": pools_of_agent}}
        for agent_id, pools_of_agent in pools_of.items()
    ]
    if excluded:
        query = {"$and": [query, {"$nor": excluded}]}
    found = reader.collection(rooms.KIND.collection).find(
        query, _WAITING, sort=WAITING_ORDER, limit=limit, session=await reader.read_session()
    )
    return _decoded(reader, await found.to_list(limit or None))


async def read_batches(reader: Reader) -> AsyncIterator[list[WaitingRoom]]:
    """All waiting rooms, in no order, in batches of BATCH_ROWS."""
    cursor = reader.collection(rooms.KIND.collection).find({**_QUEUED}, _WAITING, batch_size=BATCH_ROWS)
    while found := await cursor.to_list(BATCH_ROWS):
        yield _decoded(reader, found)


def _decoded(reader: Reader, documents: list[Document]) -> list[WaitingRoom]:
    return reader.database.undecodable.decode(
        rooms.KIND.collection, documents, lambda document: to_record(document, WaitingRoom)
    )


async def list_by_ids(reader: Reader, ids: Collection[str]) -> list[WaitingRoom]:
    """Return those of the rooms that wait, in WAITING_ORDER."""
    if not ids:
        return []
    found = reader.collection(rooms.KIND.collection).find({**_QUEUED, "_id": {"$in": list(ids)}}, _WAITING)
    return sorted(_decoded(reader, await found.to_list(None)), key=lambda room: room.queue_position)


async def count_ahead(reader: Reader, room: WaitingRoom, *, limit: int) -> int:
    """Count the waiting rooms of the same department that precede the room in WAITING_ORDER, up to `limit`."""
    waiting = {**_QUEUED, "departmentId": room.department_id}
    same = {**waiting, "priority": room.priority}
    query: Document = {
        "$or": [
            {**waiting, "priority": {"$gt": room.priority}},
            {**same, "queuedAt": {"$lt": room.queued_at}},
            {**same, "queuedAt": room.queued_at, "_id": {"$lt": room.id}},
        ]
    }
    return int(await reader.collection(rooms.KIND.collection).count_documents(query, limit=limit))


async def next_external_until(reader: Reader, *, after: datetime) -> datetime | None:
    """Return the next deadline of an external decision, or None."""
    document = await reader.collection(rooms.KIND.collection).find_one(
        {**_QUEUED, "externalUntil": {"$gt": after}}, {"externalUntil": 1}, sort=[("externalUntil", ASCENDING)]
    )
    return None if document is None else document["externalUntil"]
