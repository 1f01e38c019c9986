"""Rooms as documents: read with everybody around them, written together with the facts of what became of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType

from pymongo import ASCENDING, DESCENDING

from storage import departments, entities, users, visitors
from storage.custom_fields import definitions
from storage.entities import Kind
from storage.errors import NotFound
from storage.facts import RoomFact
from storage.filters.expressions import And, AttributeCondition, Expression, Operator
from storage.filters.mongo_query import to_query
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import Document, id_range, to_record
from storage.mongo.pagination import Page, SortOrder
from storage.mongo.reader import Reader
from storage.mongo.undecodable import ERRORS
from storage.records import FieldDefinition, FieldTarget, Room, RoomSnapshot, RoomStatus, WaitingRoom
from storage.sizes import size_of
from storage.transactions.transaction import Transaction

KIND = Kind(
    "rooms",
    Room,
    noun="room",
    target=FieldTarget.ROOM,
    given=lambda room: (room.custom_fields, room.tags, room.subject),
)
ROOMS_BY_AGENT = Relation("users", "rooms", "servedById")
BY_CREATION = SortOrder("rooms")
BY_PRIORITY = SortOrder("rooms.priority", "priority", kind=int)
#: Highest priority first, then longest waiting.
WAITING_ORDER = (("priority", DESCENDING), ("queuedAt", ASCENDING), ("_id", ASCENDING))
#: Rooms whose size is looked at before more are read at once: with everybody around it one takes up to a megabyte.
FIRST_SNAPSHOTS = 8
_QUEUED: Mapping[str, object] = MappingProxyType({"status": RoomStatus.QUEUED.value})
#: What a WaitingRoom is made of.
_WAITING = ("departmentId", "priority", "queuedAt", "externalUntil", "passedOverId")


async def find(reader: Reader, room_id: str) -> Room | None:
    return await entities.find_by(reader, KIND, "_id", room_id)


async def get(reader: Reader, room_id: str) -> Room:
    return await entities.get(reader, KIND, room_id, key="roomId")


async def find_by_field(reader: Reader, definition: FieldDefinition, value: object) -> Room | None:
    """The room that holds that value of a unique field."""
    return await entities.find_by(reader, KIND, definitions.path(definition), value)


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Room]:
    return await entities.get_many(reader, KIND, ids)


async def get_snapshot(reader: Reader, room_id: str) -> RoomSnapshot:
    """A room with everybody around it. One round trip, whoever is around. Raises NotFound."""
    if await reader.read_session() is None:
        outside = Reader(reader.database, reader.definition_cache)
        lookups = reader.database.batch_loaders.loader("snapshots", lambda ids: get_snapshots(outside, ids))
        snapshot: RoomSnapshot | None = await lookups.load(room_id)
    else:
        snapshot = (await get_snapshots(reader, [room_id])).get(room_id)
    if snapshot is None:
        raise NotFound("room", room_id, key="roomId")
    return snapshot


async def get_snapshots(reader: Reader, ids: Sequence[str], *, step_around: bool = False) -> dict[str, RoomSnapshot]:
    """Rooms with everybody around them, by id; those that do not exist are absent. One round trip.

    With `step_around`, those are absent too that cannot be decoded, or somebody around them.
    """
    if not ids:
        return {}
    pipeline = [
        {"$match": {"_id": {"$in": list(ids)}}},
        _lookup_stages("visitors", "visitorId", "visitor"),
        _lookup_stages("departments", "departmentId", "department"),
        _lookup_stages("users", "servedById", "servedBy"),
        _lookup_stages("users", "lastServedById", "former"),
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
            if not step_around:
                raise
            reader.database.undecodable.note(KIND.collection, room_id, error)
    return snapshots


async def get_first_snapshots(reader: Reader, ids: Sequence[str], *, size: int) -> dict[str, RoomSnapshot | None]:
    """The first of these rooms with everybody around them, by id: as many as take `size` bytes, and at least one.

    A room that does not exist, or cannot be decoded, is None. Two round trips for rooms of ordinary size.
    """
    found: dict[str, RoomSnapshot | None] = {}
    total, count = 0, FIRST_SNAPSHOTS
    while total < size and len(found) < len(ids):
        asked = ids[len(found) : len(found) + count]
        snapshots = await get_snapshots(reader, asked, step_around=True)
        for room_id in asked:
            snapshot = snapshots.get(room_id)
            weight = 0 if snapshot is None else size_of(snapshot)
            if found and total + weight > size:
                return found
            total += weight
            found[room_id] = snapshot
        count = max(1, min(len(ids), (size - total) * len(found) // max(total, 1)))
    return found


async def _snapshot(reader: Reader, document: Document) -> RoomSnapshot:
    around = {name: document.pop(name) for name in ("visitor", "department", "servedBy", "former")}
    (room,) = await entities.decode(reader, KIND, [document])
    (visitor,) = await entities.decode(reader, visitors.KIND, around["visitor"])
    department = await entities.decode(reader, departments.KIND, around["department"])
    served_by = await entities.decode(reader, users.KIND, around["servedBy"])
    former = [] if room.served_by_id is not None else await entities.decode(reader, users.KIND, around["former"])
    return RoomSnapshot(
        room=room,
        visitor=visitor,
        department=department[0] if department else None,
        served_by=served_by[0] if served_by else None,
        former=former[0] if former else None,
    )


def _lookup_stages(collection: str, local: str, name: str) -> Mapping[str, object]:
    return {"$lookup": {"from": collection, "localField": local, "foreignField": "_id", "as": name}}


async def read_page(
    reader: Reader, where: Expression, *, order: SortOrder = BY_CREATION, first: int, after: str | None
) -> Page[Room]:
    query = to_query(where, FieldTarget.ROOM)
    if bounds := id_bounds(where):
        query = {"$and": [query, *bounds]}
    return await entities.read_page(reader, KIND, query, order=order, first=first, after=after)


def id_bounds(where: Expression) -> list[Document]:
    """What the filter says of when a room was started, said of its id, which begins with that time and is indexed."""
    match where:
        case And(parts=parts):
            return [bound for part in parts for bound in id_bounds(part)]
        case AttributeCondition(name="startedAt", operator=operator, value=moment):
            first, last = id_range(moment)
            since = operator in (Operator.GT, Operator.GTE)
            return [{"_id": {"$gte": first} if since else {"$lte": last}}]
    return []


async def read_pages_by_agent(
    reader: Reader, agent_ids: Sequence[str], where: Expression, *, first: int, after: str | None
) -> dict[str, Page[Room]]:
    """A page of the rooms that each agent serves and that match, in the order they were started, in one round trip."""

    async def decode(documents: list[Document]) -> list[Room]:
        return await entities.decode(reader, KIND, documents)

    query = to_query(where, FieldTarget.ROOM)
    return await child_pagination.read_pages(
        reader, ROOMS_BY_AGENT, agent_ids, query, decode=decode, first=first, after=after
    )


async def list_served_ids(
    reader: Reader, agent_id: str, *, limit: int, assigned_until: datetime | None = None, excluding: Sequence[str] = ()
) -> list[str]:
    """The first rooms that an agent serves, those on hold included, in the order they were started."""
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


# ---------------------------------------------------------------- those that wait


@dataclass(frozen=True, slots=True)
class OverdueRooms:
    """The rooms of a department that have waited long enough for an outside decision."""

    department_id: str
    moment: datetime
    #: Rooms without a time of their own have when they wait since then; None: they wait for ever.
    waiting_since: datetime | None


async def any_waiting(reader: Reader) -> bool:
    """Whether any room is QUEUED."""
    return await reader.collection(KIND.collection).find_one({**_QUEUED}, {"_id": 1}) is not None


async def list_waiting(
    reader: Reader,
    pools: Iterable[str | None] | None,
    *,
    overdue: Sequence[OverdueRooms] = (),
    only_agents: Mapping[str | None, str | None] = MappingProxyType({}),
    excluding: Sequence[str] = (),
    limit: int = 0,
) -> list[WaitingRoom]:
    """The rooms that wait in these departments (None: without department) and those overdue, in WAITING_ORDER.

    `pools` None: in all departments; `limit` 0: all of them. `only_agents` names, for departments whose rooms can go to
    one agent alone, that agent: rooms that are not to be offered to it are left out.
    """
    choices: list[Document] = [{**_QUEUED} if pools is None else {**_QUEUED, "departmentId": {"$in": list(pools)}}]
    for one in overdue:
        rooms = {**_QUEUED, "departmentId": one.department_id}
        choices.append({**rooms, "externalUntil": {"$lte": one.moment}})
        if one.waiting_since is not None:
            choices.append({**rooms, "externalUntil": None, "queuedAt": {"$lte": one.waiting_since}})
    query: Document = choices[0] if len(choices) == 1 else {"$or": choices}
    excluded: list[Document] = [{"_id": {"$in": list(excluding)}}] if excluding else []
    pools_of: dict[str, list[str | None]] = defaultdict(list)
    for pool, agent_id in only_agents.items():
        if agent_id is not None:
            pools_of[agent_id].append(pool)
    excluded += [{"passedOverId": agent_id, "departmentId": {"$in": only}} for agent_id, only in pools_of.items()]
    if excluded:
        query = {"$and": [query, {"$nor": excluded}]}
    found = reader.collection(KIND.collection).find(
        query, _WAITING, sort=WAITING_ORDER, limit=limit, session=await reader.read_session()
    )
    return reader.database.undecodable.decode(
        KIND.collection, await found.to_list(limit or None), lambda document: to_record(document, WaitingRoom)
    )


async def next_external_until(reader: Reader, *, after: datetime) -> datetime | None:
    """When the next outside decision will be overdue."""
    document = await reader.collection(KIND.collection).find_one(
        {**_QUEUED, "externalUntil": {"$gt": after}}, {"externalUntil": 1}, sort=[("externalUntil", ASCENDING)]
    )
    return None if document is None else document["externalUntil"]


# ---------------------------------------------------------------- counts


async def count_assigned(reader: Reader, agent_id: str | None = None) -> dict[str, int]:
    """How many ASSIGNED rooms each agent serves, or only that one; those who serve none are absent."""
    of_agent = {} if agent_id is None else {"servedById": agent_id}
    groups = reader.collection("rooms").aggregate(
        [
            {"$match": {"status": RoomStatus.ASSIGNED.value, **of_agent}},
            {"$group": {"_id": "$servedById", "count": {"$sum": 1}}},
        ],
        session=await reader.read_session(),
    )
    return {group["_id"]: int(group["count"]) async for group in groups}


# ---------------------------------------------------------------- writing


async def insert(tx: Transaction, room: Room, facts: Sequence[RoomFact]) -> Room:
    """Store a new room and the facts of how it began. Raises Duplicate for a unique field."""
    refusal = partial(definitions.unique_violation, tx, "room", room.custom_fields)
    room = await entities.insert(tx, KIND, room, facts=len(facts), refusal=refusal)
    tx.facts.extend(facts)
    return room


async def update(tx: Transaction, before: Room, after: Room, facts: Sequence[RoomFact]) -> Room:
    """Store what became of a room and the facts of it. Raises Duplicate for a unique field."""
    refusal = partial(definitions.unique_violation, tx, "room", after.custom_fields)
    after = await entities.replace(tx, KIND, before, after, facts=len(facts), refusal=refusal)
    tx.facts.extend(facts)
    return after


async def update_many(tx: Transaction, changes: Sequence[tuple[Room, Room, Sequence[RoomFact]]]) -> None:
    """Store what became of several rooms, none of whose unique fields change, each (before, after, facts)."""
    await entities.replace_many(tx, KIND, [(before, after, len(facts)) for before, after, facts in changes])
    for _, _, facts in changes:
        tx.facts.extend(facts)
