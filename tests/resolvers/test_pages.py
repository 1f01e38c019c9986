"""Lists are read page by page: each entry once, whatever is added meanwhile, in every order there is."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from resolvers import agents, departments, events, messages, rooms, users, visitors
from resolvers.ordering import Ordering
from storage import rooms as stored_rooms
from storage import users as stored_users
from storage import visitors as stored_visitors
from storage.entities import Kind, encode
from storage.errors import Invalid, InvalidCursor
from storage.filters.expressions import AttributeCondition, Operator
from storage.mongo import counts
from storage.mongo.connection import new_id
from storage.mongo.cursors import page_cursor
from storage.mongo.pagination import Page
from storage.records import Entity, Room, RoomStatus, RoutingMethod, User, Visitor
from tests.resolvers.refusals import refused
from tests.resolvers.world import World

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: Compared without case, and by code point: digits, then letters, then everything else.
USERNAMES = ["delta", "Alpha", "charlie", "10", "9", "bravo", "Émile", "echo", "ALFRED", "zulu", "😀", "bra"]
PRIORITIES = [0, 5, 0, -3, 5, 0, 2**31 - 1, 0, -3, 1, 0, -(2**31) + 1]


async def put(world: World, kind: Kind[Any], *entities: Entity) -> None:
    """Store entities as they are, without telling anything."""
    reader = world.context.reader
    await reader.collection(kind.collection).insert_many([encode(reader, kind, entity) for entity in entities])


def user(username: str) -> User:
    return User(id=new_id(MOMENT), username=username, created_at=MOMENT, updated_at=MOMENT)


def room(priority: int) -> Room:
    return Room(
        id=new_id(MOMENT),
        status=RoomStatus.CLOSED,
        revision=1,
        visitor_id="v",
        priority=priority,
        started_at=MOMENT,
    )


async def walk(
    read: Callable[..., Awaitable[Page[Any]]],
    *,
    size: int,
    between: Callable[[], Awaitable[None]] | None = None,
    **arguments: object,
) -> list[Any]:
    """Everything on all pages, in the order in which it was shown."""
    shown: list[Any] = []
    after = None
    while True:
        page = await read(first=size, after=after, **arguments)
        assert page.has_previous is (after is not None)
        assert len(page.items) == len(page.cursors) <= size
        shown += page.items
        if not page.has_next:
            return shown
        assert len(page.items) == size
        after = page.cursors[-1]
        if between is not None:
            await between()


# ---------------------------------------------------------------- every order


@pytest.mark.parametrize("size", [1, 3, 11, 12, 13])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["CREATED_AT", "USERNAME"])
async def test_users_are_shown_once_each_in_every_order(world: World, field: str, descending: bool, size: int) -> None:
    everybody = [user(username) for username in USERNAMES]
    await put(world, stored_users.KIND, *everybody)

    shown = await walk(users.list_users, size=size, context=world.context, order_by=Ordering(field, descending))

    def place(one: User) -> tuple[str, str]:
        return (one.username.casefold() if field == "USERNAME" else "", one.id)

    assert shown == sorted(everybody, key=place, reverse=descending)


@pytest.mark.parametrize("size", [1, 3, 12])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["STARTED_AT", "PRIORITY"])
async def test_rooms_are_shown_once_each_in_every_order(world: World, field: str, descending: bool, size: int) -> None:
    everything = [room(priority) for priority in PRIORITIES]
    await put(world, stored_rooms.KIND, *everything)

    shown = await walk(rooms.list_rooms, size=size, context=world.context, order_by=Ordering(field, descending))

    def place(one: Room) -> tuple[int, str]:
        return (one.priority if field == "PRIORITY" else 0, one.id)

    assert shown == sorted(everything, key=place, reverse=descending)


async def test_the_other_lists_are_shown_once_each_too(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    everybody = [await world.agent(f"agent-{n}", departments=[department]) for n in range(5)]
    anna = everybody[0]
    served = [await world.assigned(anna) for _ in range(5)]
    said = [await messages.send_message(world.context, room_id=served[0].id, text=str(n)) for n in range(5)]
    met = [Visitor(id=new_id(MOMENT), token=f"t{n}", created_at=MOMENT) for n in range(5)]
    await put(world, stored_visitors.KIND, *met)

    context = world.context

    async def of_department(**arguments: Any) -> Page[Any]:
        return (await agents.list_agents_by_department(context, [department.id], **arguments))[department.id]

    async def of_agent(**arguments: Any) -> Page[Any]:
        return (await rooms.list_rooms_by_agent(context, [anna.id], **arguments))[anna.id]

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await messages.list_messages(context, [served[0].id], **arguments))[served[0].id]

    assert ids(await walk(agents.list_agents, size=2, context=context)) == ids(everybody)
    assert ids(await walk(of_department, size=2)) == ids(everybody)
    assert ids(await walk(of_agent, size=2)) == ids(served)
    assert await walk(of_room, size=2) == said
    others = AttributeCondition("token", Operator.STARTS_WITH, "t")
    assert await walk(visitors.list_visitors, size=2, context=context, where=others) == met


def ids(entities: Sequence[Entity]) -> list[str]:
    return [entity.id for entity in entities]


# ---------------------------------------------------------------- meanwhile


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["CREATED_AT", "USERNAME"])
async def test_what_is_added_meanwhile_neither_repeats_nor_hides_anything(
    world: World, field: str, descending: bool
) -> None:
    everybody = [user(username) for username in USERNAMES]
    await put(world, stored_users.KIND, *everybody)
    added: list[User] = []

    async def add() -> None:
        if len(added) >= 9:
            return
        more = [user(f"{name}-{len(added)}") for name in ("0", "bravo", "zz")]
        added.extend(more)
        await put(world, stored_users.KIND, *more)

    shown = await walk(
        users.list_users, size=3, between=add, context=world.context, order_by=Ordering(field, descending)
    )

    assert len(set(ids(shown))) == len(shown)
    assert set(ids(everybody)) <= set(ids(shown))
    old = [one for one in shown if one in everybody]
    assert old == [
        one
        for one in await walk(users.list_users, size=200, context=world.context, order_by=Ordering(field, descending))
        if one in everybody
    ]


async def test_what_is_removed_meanwhile_hides_nothing_else(world: World) -> None:
    everybody = [user(username) for username in USERNAMES]
    await put(world, stored_users.KIND, *everybody)
    first = await users.list_users(world.context, first=4)

    await world.services.storage.database["users"].delete_many({"_id": {"$in": ids(first.items[2:])}})
    rest = await users.list_users(world.context, first=200, after=first.cursors[-1])

    assert rest.items == everybody[4:]


# ---------------------------------------------------------------- cursors, sizes, totals


async def test_a_cursor_is_good_for_its_own_list_in_its_own_order(world: World) -> None:
    await put(world, stored_users.KIND, *(user(username) for username in USERNAMES))
    context = world.context
    created = (await users.list_users(context, first=1)).cursors[0]
    named = (await users.list_users(context, first=1, order_by=Ordering("USERNAME", False))).cursors[0]

    message = "This is not a cursor of this list in this order."
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=named)
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=created, order_by=Ordering("USERNAME", False))
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=named, order_by=Ordering("USERNAME", True))
    async with refused(world, InvalidCursor, message, key="after"):
        await rooms.list_rooms(context, after=created, order_by=Ordering("PRIORITY", False))


async def test_a_cursor_of_one_list_is_good_for_no_other(world: World) -> None:
    await world.waiting()
    context, department = world.context, (await departments.list_departments(world.context))[0].id
    room = (await rooms.list_rooms(context)).items[0].id
    agent = await world.agent("agent")
    await world.assigned(agent)
    await messages.send_message(context, room_id=room, text="Hello")
    cursors = [
        (await users.list_users(context)).cursors[0],
        (await agents.list_agents(context)).cursors[0],
        (await rooms.list_rooms(context)).cursors[0],
        (await visitors.list_visitors(context)).cursors[0],
        (await rooms.list_rooms_by_agent(context, [agent.id]))[agent.id].cursors[0],
        (await messages.list_messages(context, [room]))[room].cursors[0],
    ]
    lists: list[Callable[[str], Awaitable[object]]] = [
        lambda after: users.list_users(context, after=after),
        lambda after: agents.list_agents(context, after=after),
        lambda after: rooms.list_rooms(context, after=after),
        lambda after: visitors.list_visitors(context, after=after),
        lambda after: rooms.list_rooms_by_agent(context, [agent.id], after=after),
        lambda after: messages.list_messages(context, [room], after=after),
        lambda after: agents.list_agents_by_department(context, [department], after=after),
    ]

    for number, cursor in enumerate(cursors):
        for other, read in enumerate(lists):
            if number == other:
                await read(cursor)
            else:
                with pytest.raises(InvalidCursor):
                    await read(cursor)


@pytest.mark.parametrize("values", [[None], [1], [["a"]], [{"$gt": ""}], [True], [b"a"], ["a", "b"], []])
async def test_a_cursor_that_somebody_made_up_is_refused(world: World, values: list[object]) -> None:
    with pytest.raises(InvalidCursor):
        await users.list_users(world.context, after=page_cursor("users", values))
    with pytest.raises(InvalidCursor):
        await agents.list_agents_by_department(world.context, ["x"], after=page_cursor("departments.users", values))


@pytest.mark.parametrize(
    "values", [[None, "a"], [True, "a"], ["1", "a"], [{}, "a"], [1.5, "a"], [2**64 - 1, "a"], [[1], "a"], [1, 2], [1]]
)
async def test_so_is_one_in_another_order(world: World, values: list[object]) -> None:
    with pytest.raises(InvalidCursor):
        await rooms.list_rooms(
            world.context, after=page_cursor("rooms.priority", values), order_by=Ordering("PRIORITY", False)
        )


@pytest.mark.parametrize("first", [0, -1, 201, 2**31 - 1])
async def test_a_page_has_one_to_two_hundred_entries(world: World, first: int) -> None:
    context = world.context

    message = f"first must be 1 to 200; it is {first}."
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: users.list_users(context, first=first),
        lambda: agents.list_agents(context, first=first),
        lambda: agents.list_agents_by_department(context, ["x"], first=first),
        lambda: rooms.list_rooms(context, first=first),
        lambda: rooms.list_rooms_by_agent(context, ["x"], first=first),
        lambda: messages.list_messages(context, ["x"], first=first),
        lambda: visitors.list_visitors(context, first=first),
    ]
    for read in reads:
        async with refused(world, Invalid, message, key="first"):
            await read()


async def test_a_total_is_exact_and_given_up_when_it_is_too_large(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    for n in range(3):
        await world.agent(f"agent-{n}", departments=[department])

    async def totals() -> list[int | None]:
        alone = await users.list_users(world.context, first=1)
        of_department = await agents.list_agents_by_department(world.context, [department.id, "none"], first=1)
        return [await alone.total(), *[await page.total() for page in of_department.values()]]

    exact = await totals()
    monkeypatch.setattr(counts, "COUNT_LIMIT", 2)
    bounded = await totals()

    assert exact == [3, 3, 0]
    assert bounded == [None, None, 0]


async def test_rooms_are_found_by_when_they_were_started_to_the_millisecond(world: World) -> None:
    first, second = await world.start(), await world.start()
    while second.started_at == first.started_at:
        second = await world.start()

    async def started(operator: Operator) -> list[str]:
        where = AttributeCondition("startedAt", operator, first.started_at)
        return ids((await rooms.list_rooms(world.context, where=where)).items)

    assert first.id in await started(Operator.GTE)
    assert first.id in await started(Operator.LTE)
    assert first.id not in await started(Operator.GT)
    assert first.id not in await started(Operator.LT)
    assert second.id in await started(Operator.GT)


# ---------------------------------------------------------------- backwards


async def walk_back(read: Callable[..., Awaitable[Page[Any]]], *, size: int, **arguments: object) -> list[Any]:
    """Everything on all pages, read from the end, in the order of the list."""
    shown: list[Any] = []
    before = None
    while True:
        page = await read(last=size, before=before, **arguments)
        assert page.has_next is (before is not None)
        assert len(page.items) == len(page.cursors) <= size
        shown = [*page.items, *shown]
        if not page.has_previous:
            return shown
        assert len(page.items) == size
        before = page.cursors[0]


def waiting_or_closed(number: int) -> Room:
    """Rooms of every kind that the orders tell apart: waiting or not, closed or not, with messages or without."""
    at = MOMENT + timedelta(minutes=number % 4)
    return msgspec.structs.replace(
        room(number % 3),
        status=RoomStatus.QUEUED if number % 2 else RoomStatus.CLOSED,
        queued_at=at if number % 2 else None,
        closed_at=None if number % 3 else at,
        last_message_at=None if number % 4 == 1 else at,
    )


ROOM_PLACES: dict[str, Callable[[Room], tuple[Any, ...] | None]] = {
    "STARTED_AT": lambda one: (),
    "PRIORITY": lambda one: (one.priority,),
    "QUEUE": lambda one: (-one.priority, one.queued_at) if one.status is RoomStatus.QUEUED else None,
    "CLOSED_AT": lambda one: None if one.closed_at is None else (one.closed_at,),
    "LAST_MESSAGE_AT": lambda one: None if one.last_message_at is None else (one.last_message_at,),
}


def in_order(entities: Sequence[Any], place: Callable[[Any], tuple[Any, ...] | None], descending: bool) -> list[Any]:
    """Sorted by place, then id; those without a place last."""
    placed = [one for one in entities if place(one) is not None]
    others = [one for one in entities if place(one) is None]
    return [
        *sorted(placed, key=lambda one: (place(one), one.id), reverse=descending),
        *sorted(others, key=lambda one: one.id, reverse=descending),
    ]


@pytest.mark.parametrize("size", [1, 3, 13])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ROOM_PLACES)
async def test_rooms_are_in_order_forwards_and_backwards(world: World, field: str, descending: bool, size: int) -> None:
    everything = [waiting_or_closed(number) for number in range(13)]
    await put(world, stored_rooms.KIND, *everything)
    expected = in_order(everything, ROOM_PLACES[field], descending)
    arguments: dict[str, Any] = {"context": world.context, "order_by": Ordering(field, descending)}

    assert await walk(rooms.list_rooms, size=size, **arguments) == expected
    assert await walk_back(rooms.list_rooms, size=size, **arguments) == expected

    order = await rooms.room_order(world.context, Ordering(field, descending))
    assert sorted(everything, key=order.sort_key) == expected


@pytest.mark.parametrize("descending", [False, True])
async def test_users_without_a_name_come_last_forwards_and_backwards(world: World, descending: bool) -> None:
    everybody = [
        msgspec.structs.replace(user(f"user-{number}"), name=name)
        for number, name in enumerate(["Zoë", None, "anna", "Anna", None, "émile", "Bob"])
    ]
    await put(world, stored_users.KIND, *everybody)
    expected = in_order(everybody, lambda one: one.name and (one.name.casefold(),), descending)
    arguments: dict[str, Any] = {"context": world.context, "order_by": Ordering("NAME", descending)}

    assert await walk(users.list_users, size=2, **arguments) == expected
    assert await walk_back(users.list_users, size=2, **arguments) == expected


async def test_the_other_lists_are_read_backwards_too(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    everybody = [await world.agent(f"agent-{n}", departments=[department]) for n in range(3)]
    served = [await world.assigned(everybody[0]) for _ in range(3)]
    said = [await messages.send_message(world.context, room_id=served[0].id, text=str(n)) for n in range(3)]
    met = [Visitor(id=new_id(MOMENT), token=f"t{n}", created_at=MOMENT) for n in range(3)]
    await put(world, stored_visitors.KIND, *met)
    context = world.context

    async def of_department(**arguments: Any) -> Page[Any]:
        return (await agents.list_agents_by_department(context, [department.id], **arguments))[department.id]

    async def of_agent(**arguments: Any) -> Page[Any]:
        return (await rooms.list_rooms_by_agent(context, [everybody[0].id], **arguments))[everybody[0].id]

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await messages.list_messages(context, [served[0].id], **arguments))[served[0].id]

    assert ids(await walk_back(agents.list_agents, size=2, context=context)) == ids(everybody)
    assert ids(await walk_back(of_department, size=2)) == ids(everybody)
    assert ids(await walk_back(of_agent, size=2)) == ids(served)
    assert await walk_back(of_room, size=2) == said
    assert ids(await walk_back(visitors.list_visitors, size=2, context=context)) == ids(
        await walk(visitors.list_visitors, size=2, context=context)
    )


async def test_events_are_read_backwards_as_forwards(world: World) -> None:
    anna = await world.agent("anna")
    for _ in range(3):
        await world.assigned(anna)
    room_id = (await world.assigned(anna)).id
    context = world.context

    async def of_room(**arguments: Any) -> Page[Any]:
        return (await events.list_events_by_room(context, [room_id], **arguments))[room_id]

    reads: list[tuple[Any, dict[str, Any]]] = [(events.list_events, {"context": context}), (of_room, {})]
    for read, arguments in reads:
        everything = await walk(read, size=200, **arguments)
        assert len(everything) >= 2
        assert await walk(read, size=2, **arguments) == everything
        assert await walk_back(read, size=2, **arguments) == everything


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"first": 1, "last": 1}, "last"),
        ({"first": 1, "before": "x"}, "before"),
        ({"last": 1, "after": "x"}, "after"),
        ({"after": "x", "before": "x"}, "before"),
        ({"first": 0}, "first"),
        ({"first": 201}, "first"),
        ({"last": 0}, "last"),
        ({"last": 201}, "last"),
    ],
)
async def test_arguments_across_directions_and_sizes_out_of_bounds_are_refused(
    world: World, arguments: dict[str, Any], key: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await rooms.list_rooms(world.context, **arguments)

    assert refusal.value.code == "INVALID_INPUT"
    assert refusal.value.data == {"key": key}


async def test_without_sizes_a_page_has_fifty_entries_in_its_direction(world: World) -> None:
    everything = [room(0) for _ in range(60)]
    await put(world, stored_rooms.KIND, *everything)
    context = world.context
    all_of_them = await rooms.list_rooms(context, first=200)

    assert (await rooms.list_rooms(context)).items == everything[:50]
    assert (await rooms.list_rooms(context, after=all_of_them.cursors[2])).items == everything[3:53]
    assert (await rooms.list_rooms(context, before=all_of_them.cursors[57])).items == everything[7:57]
    assert (await rooms.list_rooms(context, last=2)).items == everything[58:]


async def test_what_lies_behind_a_cursor_is_told_when_its_entry_is_gone(world: World) -> None:
    everything = [room(0) for _ in range(4)]
    await put(world, stored_rooms.KIND, *everything)
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
