"""Rooms as documents: read with everybody around them, written together with the facts of what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from storage import custom_fields, departments, entities, pages, users, visitors
from storage.database import Document
from storage.entities import Kind
from storage.errors import NotFound
from storage.facts import RoomFact
from storage.filters import Expression
from storage.pages import Order, Page
from storage.queries import to_query
from storage.records import FieldDefinition, FieldTarget, Room, RoomSnapshot, RoomStatus
from storage.transactions import Reader, Transaction

KIND = Kind("rooms", Room, noun="room", target=FieldTarget.ROOM)
BY_PRIORITY = Order("priority", "priority")
#: Highest priority first, then longest waiting.
WAITING_ORDER = (("priority", DESCENDING), ("queuedAt", ASCENDING), ("_id", ASCENDING))


async def find(reader: Reader, room_id: str) -> Room | None:
    return await entities.find(reader, KIND, {"_id": room_id})


async def get(reader: Reader, room_id: str) -> Room:
    return await entities.get(reader, KIND, room_id, key="roomId")


async def find_by_field(reader: Reader, definition: FieldDefinition, value: object) -> Room | None:
    """The room that holds that value of a unique field."""
    return await entities.find(reader, KIND, custom_fields.holds(definition, value))


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Room]:
    return await entities.get_many(reader, KIND, ids)


async def get_snapshot(reader: Reader, room_id: str) -> RoomSnapshot:
    """A room with everybody around it. One round trip, whoever is around. Raises NotFound."""
    pipeline = [
        {"$match": {"_id": room_id}},
        _joined("visitors", "visitorId", "visitor"),
        _joined("departments", "departmentId", "department"),
        _joined("users", "servedById", "servedBy"),
        _joined("users", "lastServedById", "former"),
    ]
    found = await reader.collection("rooms").aggregate(pipeline, session=reader.session).to_list(1)
    if not found:
        raise NotFound("room", room_id, key="roomId")
    document = found[0]
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


def _joined(collection: str, local: str, name: str) -> Mapping[str, object]:
    return {"$lookup": {"from": collection, "localField": local, "foreignField": "_id", "as": name}}


async def read_page(
    reader: Reader, where: Expression, *, order: Order = pages.BY_CREATION, first: int, after: str | None
) -> Page[Room]:
    return await pages.read(reader, KIND, to_query(where, FieldTarget.ROOM), order=order, first=first, after=after)


async def list_served(reader: Reader, agent_id: str) -> list[Room]:
    """The rooms that an agent serves, those on hold included, in the order they were started."""
    status = {"$in": [RoomStatus.ASSIGNED.value, RoomStatus.ON_HOLD.value]}
    return await entities.list_all(reader, KIND, {"servedById": agent_id, "status": status})


async def list_waiting(
    reader: Reader,
    pools: Iterable[str | None],
    *,
    overdue_pools: Iterable[str | None] = (),
    moment: datetime | None = None,
    excluding: Sequence[str] = (),
    limit: int,
) -> list[Room]:
    """The rooms that wait in these departments (None: without department), who is served next first.

    Of `overdue_pools`, those that have waited for an outside decision until `moment`.
    """
    choices: list[Document] = [{"status": RoomStatus.QUEUED.value, "departmentId": {"$in": list(pools)}}]
    if overdue := list(overdue_pools):
        choices.append(
            {
                "status": RoomStatus.QUEUED.value,
                "departmentId": {"$in": overdue},
                "externalUntil": {"$ne": None, "$lte": moment},
            }
        )
    query: Document = choices[0] if len(choices) == 1 else {"$or": choices}
    if excluding:
        query = {"$and": [query, {"_id": {"$nin": list(excluding)}}]}
    return await entities.list_all(reader, KIND, query, sort=WAITING_ORDER, limit=limit)


async def next_external_until(reader: Reader, *, after: datetime) -> datetime | None:
    """When the next outside decision will be overdue."""
    document = await reader.collection("rooms").find_one(
        {"status": RoomStatus.QUEUED.value, "externalUntil": {"$gt": after}},
        {"externalUntil": 1},
        sort=[("externalUntil", ASCENDING)],
    )
    return None if document is None else document["externalUntil"]


async def count_assigned(reader: Reader) -> dict[str, int]:
    """How many ASSIGNED rooms each agent serves, by the agent's id; those who serve none are absent."""
    groups = reader.collection("rooms").aggregate(
        [
            {"$match": {"status": RoomStatus.ASSIGNED.value}},
            {"$group": {"_id": "$servedById", "count": {"$sum": 1}}},
        ],
        session=reader.session,
    )
    return {group["_id"]: int(group["count"]) async for group in groups}


async def insert(tx: Transaction, room: Room, facts: Sequence[RoomFact]) -> Room:
    """Store a new room and the facts of how it began. Raises Duplicate for a unique field."""
    try:
        room = await entities.insert(tx, KIND, room, facts=len(facts))
    except DuplicateKeyError as error:
        raise custom_fields.refusal(tx, "room", room.custom_fields, error) from None
    tx.facts.extend(facts)
    return room


async def update(tx: Transaction, before: Room, after: Room, facts: Sequence[RoomFact]) -> Room:
    """Store what became of a room and the facts of it. Raises Duplicate for a unique field."""
    try:
        after = await entities.replace(tx, KIND, before, after, facts=len(facts))
    except DuplicateKeyError as error:
        raise custom_fields.refusal(tx, "room", after.custom_fields, error) from None
    tx.facts.extend(facts)
    return after
