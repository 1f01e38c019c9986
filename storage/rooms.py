"""Rooms: reads them with their visitors, departments and agents, and writes them with the facts about their changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

from msgspec.structs import replace
from pymongo import ASCENDING

from storage import assignments, departments, entities, timers, users, visitors
from storage.custom_fields import definitions
from storage.entities import Kind
from storage.errors import NotFound
from storage.facts import RoomFact
from storage.filters.expressions import And, AttributeCondition, Expression, Operator
from storage.filters.mongo_query import to_query
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import Document, id_range
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortKey, SortOrder, field_order
from storage.mongo.undecodable import ERRORS
from storage.records import FieldDefinition, FieldTarget, Room, RoomSnapshot, RoomStatus, User
from storage.sizes import size_of
from storage.transactions.transaction import Transaction


def _derive(room: Room, document: Document) -> None:
    document["sourceKey"] = room.source.casefold()
    if room.subject is not None:
        document["subjectKey"] = room.subject.casefold()
    if room.agent_filter_expression is not None:
        document["hasAgentFilter"] = True


KIND = Kind(
    "rooms",
    Room,
    noun="room",
    target=FieldTarget.ROOM,
    derive=_derive,
    client_values=lambda room: (room.custom_fields, room.tags, room.subject, room.agent_filter),
)
ROOMS_BY_AGENT = Relation("users", "rooms", "servedById")
BY_CREATION = SortOrder("rooms")
BY_PRIORITY = SortOrder("rooms.priority", (SortKey("priority", (int,)),), read=lambda room: (room.priority,))
#: As the queue serves them. Rooms that do not wait come last.
BY_QUEUE = SortOrder(
    "rooms.queue",
    (SortKey("priority", (int,), descending=True), SortKey("queuedAt", (datetime,))),
    present={"status": RoomStatus.QUEUED.value},
    absent={"status": {"$in": [one.value for one in RoomStatus if one is not RoomStatus.QUEUED]}},
    read=lambda room: (room.priority, room.queued_at) if room.status is RoomStatus.QUEUED else None,
)
BY_CLOSING = SortOrder(
    "rooms.closedAt",
    (SortKey("closedAt", (datetime,)),),
    present={"closedAt": {"$type": "date"}},
    absent={"closedAt": None},
    read=lambda room: None if room.closed_at is None else (room.closed_at,),
)
BY_LAST_MESSAGE = SortOrder(
    "rooms.lastMessageAt",
    (SortKey("lastMessageAt", (datetime,)),),
    present={"lastMessageAt": {"$type": "date"}},
    absent={"lastMessageAt": None},
    read=lambda room: None if room.last_message_at is None else (room.last_message_at,),
)
#: The orders of rooms by built-in attributes.
ORDERS: Mapping[str, SortOrder] = MappingProxyType(
    {
        "STARTED_AT": BY_CREATION,
        "PRIORITY": BY_PRIORITY,
        "QUEUE": BY_QUEUE,
        "CLOSED_AT": BY_CLOSING,
        "LAST_MESSAGE_AT": BY_LAST_MESSAGE,
    }
)
#: Rooms in the first read of `get_first_snapshots`, whose sizes decide how many the next read has. One snapshot takes
#: up to a megabyte.
FIRST_SNAPSHOTS = 8
#: The kind of snapshots among the recent entities.
SNAPSHOTS = "snapshots"
#: The statuses of rooms that are not closed.
OPEN_STATUSES = tuple(one.value for one in RoomStatus if one is not RoomStatus.CLOSED)


async def find(reader: Reader, room_id: str) -> Room | None:
    return await entities.find_by(reader, KIND, "_id", room_id)


async def get(reader: Reader, room_id: str) -> Room:
    return await entities.get(reader, KIND, room_id, key="roomId")


async def find_by_field(reader: Reader, definition: FieldDefinition, value: object) -> Room | None:
    """Return the room with that value of a unique field."""
    return await entities.find_by(reader, KIND, definitions.path(definition), value)


async def get_many(reader: Reader, ids: Iterable[str], *, skip_undecodable: bool = False) -> dict[str, Room]:
    return await entities.get_many(reader, KIND, ids, skip_undecodable=skip_undecodable)


async def count_open(reader: Reader, visitor_id: str, *, limit: int) -> int:
    """Return the number of the visitor's rooms that are not closed, up to `limit`."""
    query: Document = {"visitorId": visitor_id, "status": {"$in": list(OPEN_STATUSES)}}
    found = reader.collection(KIND.collection).find(query, {"_id": 1}, limit=limit, session=await reader.read_session())
    return len(await found.to_list(None))


async def list_ids_of_visitor(reader: Reader, visitor_id: str, *, after: str, limit: int) -> list[str]:
    """Return the ids of the visitor's rooms after this one, in the order of their start."""
    query: Document = {"visitorId": visitor_id, "_id": {"$gt": after}}
    found = reader.collection(KIND.collection).find(query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=limit)
    return [document["_id"] for document in await found.to_list(limit)]


async def get_snapshot(reader: Reader, room_id: str) -> RoomSnapshot:
    """Return a room with its visitor, department and agents, in one round trip. Raises NotFound."""
    if await reader.read_session() is None:
        reader_without_session = Reader(reader.database, reader.definition_cache)
        loader = reader.database.batch_loaders.loader(
            "snapshots", lambda ids: get_snapshots(reader_without_session, ids)
        )
        snapshot: RoomSnapshot | None = await loader.load(room_id)
    else:
        snapshot = (await get_snapshots(reader, [room_id])).get(room_id)
    if snapshot is None:
        raise NotFound("room", room_id, key="roomId")
    return snapshot


async def get_recent_snapshot(tx: Transaction, room_id: str, *, newest: Callable[[User], User]) -> RoomSnapshot:
    """Return what `get_snapshot` returns, from the memory of this process if possible. Raises NotFound.

    The commit requires its versions then. `newest` returns the newest version of a user that this process has.
    """
    recent: RoomSnapshot | None = tx.recent(SNAPSHOTS, room_id)
    if recent is None:
        return await get_snapshot(tx, room_id)
    served_by = None if recent.served_by is None else newest(recent.served_by)
    former = None if recent.former is None else newest(recent.former)
    tx.require_version(KIND.collection, recent.room)
    tx.require_version(visitors.KIND.collection, recent.visitor)
    if recent.department is not None:
        tx.require_version(departments.KIND.collection, recent.department)
    for agent in (served_by, former):
        if agent is not None:
            tx.require_version(users.KIND.collection, agent)
    return replace(recent, served_by=served_by, former=former)


async def get_snapshots(
    reader: Reader, ids: Sequence[str], *, skip_undecodable: bool = False
) -> dict[str, RoomSnapshot]:
    """Return snapshots of rooms by id, in one round trip. Missing rooms are left out.

    With `skip_undecodable`, snapshots that cannot be decoded are left out too.
    """
    if not ids:
        return {}
    pipeline = [
        {"$match": {"_id": {"$in": list(ids)}}},
        _lookup_stage("visitors", "visitorId", "visitor"),
        _lookup_stage("departments", "departmentId", "department"),
        _lookup_stage("users", "servedById", "servedBy"),
        _lookup_stage("users", "lastServedById", "former"),
    ]
    found = (
        await reader.collection(KIND.collection).aggregate(pipeline, session=await reader.read_session()).to_list(None)
    )
    snapshots: dict[str, RoomSnapshot] = {}
    for document in found:
        room_id = str(document["_id"])
        try:
            snapshots[room_id] = await _snapshot(reader, document)
        except ERRORS as error:
            if not skip_undecodable:
                raise
            reader.database.undecodable.report(KIND.collection, room_id, error)
    return snapshots


async def get_first_snapshots(reader: Reader, ids: Sequence[str], *, size: int) -> dict[str, RoomSnapshot | None]:
    """Return snapshots of the first of these rooms, by id: up to `size` bytes, and at least one.

    A room that does not exist or cannot be decoded is None. Rooms of ordinary size take two round trips.
    """
    found: dict[str, RoomSnapshot | None] = {}
    total, count = 0, FIRST_SNAPSHOTS
    while total < size and len(found) < len(ids):
        batch = ids[len(found) : len(found) + count]
        snapshots = await get_snapshots(reader, batch, skip_undecodable=True)
        for room_id in batch:
            snapshot = snapshots.get(room_id)
            weight = 0 if snapshot is None else size_of(snapshot)
            if found and total + weight > size:
                return found
            total += weight
            found[room_id] = snapshot
        count = max(1, min(len(ids), (size - total) * len(found) // max(total, 1)))
    return found


async def _snapshot(reader: Reader, document: Document) -> RoomSnapshot:
    related = {name: document.pop(name) for name in ("visitor", "department", "servedBy", "former")}
    (room,) = await entities.decode(reader, KIND, [document])
    (visitor,) = await entities.decode(reader, visitors.KIND, related["visitor"])
    department = await entities.decode(reader, departments.KIND, related["department"])
    served_by = await entities.decode(reader, users.KIND, related["servedBy"])
    former = [] if room.served_by_id is not None else await entities.decode(reader, users.KIND, related["former"])
    return RoomSnapshot(
        room=room,
        visitor=visitor,
        department=department[0] if department else None,
        served_by=served_by[0] if served_by else None,
        former=former[0] if former else None,
    )


def _lookup_stage(collection: str, local: str, name: str) -> Mapping[str, object]:
    return {"$lookup": {"from": collection, "localField": local, "foreignField": "_id", "as": name}}


async def read_page(
    reader: Reader, where: Expression, *, order: SortOrder = BY_CREATION, page: PageRequest
) -> Page[Room]:
    """A page of the rooms that match. Raises InvalidCursor, and QueryTooComplex if too many match to sort them."""
    return await entities.read_page(reader, KIND, room_query(where), order=order, page=page)


def room_query(where: Expression) -> Document:
    """The MongoDB query for the rooms that match."""
    query = to_query(where, FieldTarget.ROOM)
    return {"$and": [query, *bounds]} if (bounds := id_bounds(where)) else query


def order_by_field(definition: FieldDefinition) -> SortOrder:
    """By the value of a custom field, rooms without one last. Raises Invalid for a field without an order."""
    return field_order(KIND.collection, definition)


def id_bounds(where: Expression) -> list[Document]:
    """Translate conditions on startedAt to bounds of the id, which begins with that time and has an index."""
    match where:
        case And(parts=parts):
            return [bound for part in parts for bound in id_bounds(part)]
        case AttributeCondition(name="startedAt", operator=operator, value=started_at):
            first, last = id_range(started_at)
            is_lower_bound = operator in (Operator.GT, Operator.GTE)
            return [{"_id": {"$gte": first} if is_lower_bound else {"$lte": last}}]
    return []


async def read_pages_by_agent(
    reader: Reader, agent_ids: Sequence[str], where: Expression, *, page: PageRequest
) -> dict[str, Page[Room]]:
    """Return a page of the matching rooms of each agent, in the order of their start, in one round trip."""

    async def decode(documents: list[Document]) -> list[Room]:
        return await entities.decode(reader, KIND, documents)

    query = to_query(where, FieldTarget.ROOM)
    return await child_pagination.read_pages(reader, ROOMS_BY_AGENT, agent_ids, query, decode=decode, page=page)


async def list_served_ids(
    reader: Reader, agent_id: str, *, limit: int, assigned_until: datetime | None = None, excluding: Sequence[str] = ()
) -> list[str]:
    """Return the ids of the first rooms that an agent serves, including those on hold, in the order of their start."""
    query: Document = {
        "servedById": agent_id,
        "status": {"$in": [RoomStatus.ASSIGNED.value, RoomStatus.ON_HOLD.value]},
        "_id": {"$nin": list(excluding)},
    }
    if assigned_until is not None:
        query["assignedAt"] = {"$lte": assigned_until}
    found = reader.collection(KIND.collection).find(
        query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=limit, session=await reader.read_session()
    )
    return [document["_id"] for document in await found.to_list(limit)]


async def count_assigned(reader: Reader, agent_id: str | None = None) -> dict[str, int]:
    """Count the ASSIGNED rooms of each agent, or of one. Agents without rooms are left out."""
    agent_query = {} if agent_id is None else {"servedById": agent_id}
    groups = reader.collection("rooms").aggregate(
        [
            {"$match": {"status": RoomStatus.ASSIGNED.value, **agent_query}},
            {"$group": {"_id": "$servedById", "count": {"$sum": 1}}},
        ],
        session=await reader.read_session(),
    )
    return {group["_id"]: int(group["count"]) async for group in groups}


# ---------------------------------------------------------------- writing


async def insert(tx: Transaction, room: Room, facts: Sequence[RoomFact]) -> Room:
    """Insert a room, and record the facts about its start. Raises Duplicate for a unique field."""
    refusal = partial(definitions.unique_violation, tx, "room", room.custom_fields)
    room = await entities.insert(tx, KIND, room, facts=len(facts), refusal=refusal)
    _record(tx, facts)
    _remember(tx, None, room, facts)
    return room


async def update(tx: Transaction, before: Room, after: Room, facts: Sequence[RoomFact]) -> Room:
    """Replace a room, and record the facts about its change. Raises Duplicate for a unique field."""
    refusal = partial(definitions.unique_violation, tx, "room", after.custom_fields)
    if before.timer_count and after.status is RoomStatus.CLOSED:
        timers.replace_all(tx, before.id, keep=())
    erasing = after.erased_at is not None
    after = await entities.replace(tx, KIND, before, after, facts=len(facts), refusal=refusal, entirely=erasing)
    _record(tx, facts)
    _remember(tx, before, after, facts)
    return after


async def update_many(tx: Transaction, changes: Sequence[tuple[Room, Room, Sequence[RoomFact]]]) -> None:
    """Replace several rooms, each (before, after, facts), and record the facts. Unique fields must not change."""
    stored = await entities.replace_many(tx, KIND, [(before, after, len(facts)) for before, after, facts in changes])
    _record(tx, [fact for _, _, facts in changes for fact in facts])
    for room, (before, _, facts) in zip(stored, changes, strict=True):
        _remember(tx, before, room, facts)


def _record(tx: Transaction, facts: Sequence[RoomFact]) -> None:
    """Record facts, and store the assignments that they begin and end."""
    tx.facts.extend(facts)
    assignments.record(tx, facts)


def _remember(tx: Transaction, before: Room | None, stored: Room, facts: Sequence[RoomFact]) -> None:
    """Put the room with what it refers to into the memory of the process."""
    if facts:
        last = facts[-1]
        tx.remember(SNAPSHOTS, stored.id, replace(last.room, room=stored), version=stored.version, fact=last)
        return
    recent: RoomSnapshot | None = tx.recent_now(SNAPSHOTS, stored.id)
    if recent is not None and before is not None and recent.room.version == before.version:
        tx.remember(SNAPSHOTS, stored.id, replace(recent, room=stored), version=stored.version)
