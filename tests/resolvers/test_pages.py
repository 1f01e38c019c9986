"""Lists are read page by page: each entry once, whatever is added meanwhile, in every order there is."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers import agents, departments, messages, rooms, users, visitors
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

    shown = await walk(users.list_users, size=size, context=world.context, order_by=(field, descending))

    def place(one: User) -> tuple[str, str]:
        return (one.username.casefold() if field == "USERNAME" else "", one.id)

    assert shown == sorted(everybody, key=place, reverse=descending)


@pytest.mark.parametrize("size", [1, 3, 12])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["STARTED_AT", "PRIORITY"])
async def test_rooms_are_shown_once_each_in_every_order(world: World, field: str, descending: bool, size: int) -> None:
    everything = [room(priority) for priority in PRIORITIES]
    await put(world, stored_rooms.KIND, *everything)

    shown = await walk(rooms.list_rooms, size=size, context=world.context, order_by=(field, descending))

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

    shown = await walk(users.list_users, size=3, between=add, context=world.context, order_by=(field, descending))

    assert len(set(ids(shown))) == len(shown)
    assert set(ids(everybody)) <= set(ids(shown))
    old = [one for one in shown if one in everybody]
    assert old == [
        one
        for one in await walk(users.list_users, size=200, context=world.context, order_by=(field, descending))
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
    named = (await users.list_users(context, first=1, order_by=("USERNAME", False))).cursors[0]

    message = "This is not a cursor of this list in this order."
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=named)
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=created, order_by=("USERNAME", False))
    async with refused(world, InvalidCursor, message, key="after"):
        await users.list_users(context, after=named, order_by=("USERNAME", True))
    async with refused(world, InvalidCursor, message, key="after"):
        await rooms.list_rooms(context, after=created, order_by=("PRIORITY", False))


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
        await rooms.list_rooms(world.context, after=page_cursor("rooms.priority", values), order_by=("PRIORITY", False))


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
