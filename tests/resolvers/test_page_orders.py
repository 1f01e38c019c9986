"""A list has each entry once, in every order and direction, also if entries are added or removed between pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from resolvers import agents, events, messages, rooms, users, visitors
from resolvers.ordering import Ordering
from storage import rooms as stored_rooms
from storage import users as stored_users
from storage import visitors as stored_visitors
from storage.filters.expressions import AttributeCondition, Operator
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page
from storage.records import Room, RoomStatus, RoutingMethod, User, Visitor
from tests.resolvers.pages import (
    CREATED_AT,
    ids,
    in_order,
    insert,
    read_all_pages,
    read_all_pages_backwards,
    room,
    user,
)
from tests.resolvers.world import World

#: Sorted without case, by code point: digits, letters, other characters.
USERNAMES = ["delta", "Alpha", "charlie", "10", "9", "bravo", "Émile", "echo", "ALFRED", "zulu", "😀", "bra"]


PRIORITIES = [0, 5, 0, -3, 5, 0, 2**31 - 1, 0, -3, 1, 0, -(2**31) + 1]


@pytest.mark.parametrize("descending", [False, True])
async def test_rooms_of_the_lowest_and_highest_priorities_are_in_order(world: World, descending: bool) -> None:
    everything = [room(priority) for priority in PRIORITIES]
    await insert(world, stored_rooms.KIND, *everything)

    shown = await read_all_pages(
        rooms.list_rooms, size=3, context=world.context, order_by=Ordering("PRIORITY", descending)
    )

    assert shown == sorted(everything, key=lambda one: (one.priority, one.id), reverse=descending)


ROOM_PLACES: dict[str, Callable[[Room], tuple[Any, ...] | None]] = {
    "STARTED_AT": lambda one: (),
    "PRIORITY": lambda one: (one.priority,),
    "QUEUE": lambda one: (-one.priority, one.queued_at) if one.status is RoomStatus.QUEUED else None,
    "CLOSED_AT": lambda one: None if one.closed_at is None else (one.closed_at,),
    "LAST_MESSAGE_AT": lambda one: None if one.last_message_at is None else (one.last_message_at,),
}


def waiting_or_closed(number: int) -> Room:
    """Rooms that differ in all orders: waiting or not, closed or not, with and without messages."""
    at = CREATED_AT + timedelta(minutes=number % 4)
    return msgspec.structs.replace(
        room(number % 3),
        status=RoomStatus.QUEUED if number % 2 else RoomStatus.CLOSED,
        queued_at=at if number % 2 else None,
        closed_at=None if number % 3 else at,
        last_message_at=None if number % 4 == 1 else at,
    )


@pytest.mark.parametrize("size", [1, 11, 12, 13])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["CREATED_AT", "USERNAME"])
async def test_every_order_lists_each_user_once(world: World, field: str, descending: bool, size: int) -> None:
    entities = [user(username) for username in USERNAMES]
    await insert(world, stored_users.KIND, *entities)

    shown = await read_all_pages(
        users.list_users, size=size, context=world.context, order_by=Ordering(field, descending)
    )

    def place(one: User) -> tuple[str, str]:
        return (one.username.casefold() if field == "USERNAME" else "", one.id)

    assert shown == sorted(entities, key=place, reverse=descending)


@pytest.mark.parametrize("size", [1, 3, 13])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ROOM_PLACES)
async def test_rooms_are_in_order_forwards_and_backwards(world: World, field: str, descending: bool, size: int) -> None:
    everything = [waiting_or_closed(number) for number in range(13)]
    await insert(world, stored_rooms.KIND, *everything)
    expected = in_order(everything, ROOM_PLACES[field], descending)
    arguments: dict[str, Any] = {"context": world.context, "order_by": Ordering(field, descending)}

    assert await read_all_pages(rooms.list_rooms, size=size, **arguments) == expected
    assert await read_all_pages_backwards(rooms.list_rooms, size=size, **arguments) == expected

    order = await rooms.room_order(world.context, Ordering(field, descending))
    assert sorted(everything, key=order.sort_key) == expected


@pytest.mark.parametrize("descending", [False, True])
async def test_users_without_a_name_come_last_forwards_and_backwards(world: World, descending: bool) -> None:
    entities = [
        msgspec.structs.replace(user(f"user-{number}"), name=name)
        for number, name in enumerate(["Zoë", None, "anna", "Anna", None, "émile", "Bob"])
    ]
    await insert(world, stored_users.KIND, *entities)
    expected = in_order(entities, lambda one: one.name and (one.name.casefold(),), descending)
    arguments: dict[str, Any] = {"context": world.context, "order_by": Ordering("NAME", descending)}

    assert await read_all_pages(users.list_users, size=2, **arguments) == expected
    assert await read_all_pages_backwards(users.list_users, size=2, **arguments) == expected


async def test_other_lists_contain_each_entry_once(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    entities = [await world.agent(f"agent-{n}", departments=[department]) for n in range(5)]
    anna = entities[0]
    served = [await world.assigned(anna) for _ in range(5)]
    said = [await messages.send_message(world.context, room_id=served[0].id, text=str(n)) for n in range(5)]
    met = [Visitor(id=new_id(CREATED_AT), token=f"t{n}", created_at=CREATED_AT) for n in range(5)]
    await insert(world, stored_visitors.KIND, *met)

    context = world.context

    async def of_department(**arguments: Any) -> Page[Any]:
        return (await agents.list_agents_by_department(context, [department.id], **arguments))[department.id]

    async def of_agent(**arguments: Any) -> Page[Any]:
        return (await rooms.list_rooms_by_agent(context, [anna.id], **arguments))[anna.id]

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await messages.list_messages(context, [served[0].id], **arguments))[served[0].id]

    assert ids(await read_all_pages(agents.list_agents, size=2, context=context)) == ids(entities)
    assert ids(await read_all_pages(of_department, size=2)) == ids(entities)
    assert ids(await read_all_pages(of_agent, size=2)) == ids(served)
    assert await read_all_pages(of_room, size=2) == said
    others = AttributeCondition("token", Operator.STARTS_WITH, "t")
    assert await read_all_pages(visitors.list_visitors, size=2, context=context, where=others) == met


async def test_other_lists_are_read_backwards(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    entities = [await world.agent(f"agent-{n}", departments=[department]) for n in range(3)]
    served = [await world.assigned(entities[0]) for _ in range(3)]
    said = [await messages.send_message(world.context, room_id=served[0].id, text=str(n)) for n in range(3)]
    met = [Visitor(id=new_id(CREATED_AT), token=f"t{n}", created_at=CREATED_AT) for n in range(3)]
    await insert(world, stored_visitors.KIND, *met)
    context = world.context

    async def of_department(**arguments: Any) -> Page[Any]:
        return (await agents.list_agents_by_department(context, [department.id], **arguments))[department.id]

    async def of_agent(**arguments: Any) -> Page[Any]:
        return (await rooms.list_rooms_by_agent(context, [entities[0].id], **arguments))[entities[0].id]

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await messages.list_messages(context, [served[0].id], **arguments))[served[0].id]

    assert ids(await read_all_pages_backwards(agents.list_agents, size=2, context=context)) == ids(entities)
    assert ids(await read_all_pages_backwards(of_department, size=2)) == ids(entities)
    assert ids(await read_all_pages_backwards(of_agent, size=2)) == ids(served)
    assert await read_all_pages_backwards(of_room, size=2) == said
    assert ids(await read_all_pages_backwards(visitors.list_visitors, size=2, context=context)) == ids(
        await read_all_pages(visitors.list_visitors, size=2, context=context)
    )


async def test_events_are_read_backwards_as_forwards(world: World) -> None:
    anna = await world.agent("anna")
    room_ids = [(await world.assigned(anna)).id for _ in range(4)]
    room_id = room_ids[-1]
    context = world.context
    # The log has large facts of other tests, which end a page early.
    of_rooms = {"context": context, "where": AttributeCondition("id", Operator.IN, tuple(room_ids))}

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await events.list_events_by_room(context, [room_id], **arguments))[room_id]

    reads: list[tuple[Any, dict[str, Any]]] = [(events.list_events, of_rooms), (of_room, {})]
    for read, arguments in reads:
        everything = await read_all_pages(read, size=200, **arguments)
        assert len(everything) >= 2
        assert await read_all_pages(read, size=2, **arguments) == everything
        assert await read_all_pages_backwards(read, size=2, **arguments) == everything


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["CREATED_AT", "USERNAME"])
async def test_entities_added_between_pages_repeat_and_skip_no_others(
    world: World, field: str, descending: bool
) -> None:
    entities = [user(username) for username in USERNAMES]
    await insert(world, stored_users.KIND, *entities)
    added: list[User] = []

    async def add() -> None:
        if len(added) >= 9:
            return
        more = [user(f"{name}-{len(added)}") for name in ("0", "bravo", "zz")]
        added.extend(more)
        await insert(world, stored_users.KIND, *more)

    shown = await read_all_pages(
        users.list_users, size=3, between=add, context=world.context, order_by=Ordering(field, descending)
    )

    assert len(set(ids(shown))) == len(shown)
    assert set(ids(entities)) <= set(ids(shown))
    old = [one for one in shown if one in entities]
    assert old == [
        one
        for one in await read_all_pages(
            users.list_users, size=200, context=world.context, order_by=Ordering(field, descending)
        )
        if one in entities
    ]


async def test_entities_removed_between_pages_skip_no_others(world: World) -> None:
    entities = [user(username) for username in USERNAMES]
    await insert(world, stored_users.KIND, *entities)
    first = await users.list_users(world.context, first=4)

    await world.services.storage.database["users"].delete_many({"_id": {"$in": ids(first.items[2:])}})
    rest = await users.list_users(world.context, first=200, after=first.cursors[-1])

    assert rest.items == entities[4:]


async def test_page_after_a_removed_entry_reports_the_entries_behind_it(world: World) -> None:
    everything = [room(0) for _ in range(4)]
    await insert(world, stored_rooms.KIND, *everything)
    context = world.context
    cursors = (await rooms.list_rooms(context)).cursors
    await context.reader.collection("rooms").delete_one({"_id": everything[0].id})
    await context.reader.collection("rooms").delete_one({"_id": everything[2].id})

    gone_first = await rooms.list_rooms(context, after=cursors[0])
    gone_third = await rooms.list_rooms(context, after=cursors[2])
    backwards = await rooms.list_rooms(context, before=cursors[2])

    assert (gone_first.items, gone_first.has_previous) == ([everything[1], everything[3]], False)
    assert (gone_third.items, gone_third.has_previous) == ([everything[3]], True)
    assert (backwards.items, backwards.has_next, backwards.has_previous) == ([everything[1]], True, False)
