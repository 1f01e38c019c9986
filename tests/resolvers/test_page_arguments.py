"""Cursors, sizes, totals and filters of pages."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resolvers import agents, departments, messages, rooms, users, visitors
from resolvers.ordering import Ordering
from storage import rooms as stored_rooms
from storage import users as stored_users
from storage.errors import Invalid, InvalidCursor
from storage.filters.expressions import AttributeCondition, Operator
from storage.mongo import counts
from storage.mongo.cursors import page_cursor
from storage.records import RoutingMethod
from tests.resolvers.pages import ids, insert, room, user
from tests.resolvers.refusals import refused
from tests.resolvers.world import World


async def test_cursor_of_another_order_is_refused(world: World) -> None:
    await insert(world, stored_users.KIND, *(user(username) for username in ("delta", "Alpha", "charlie")))
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


async def test_cursor_of_another_list_is_refused(world: World) -> None:
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
async def test_invented_cursor_is_refused(world: World, values: list[object]) -> None:
    with pytest.raises(InvalidCursor):
        await users.list_users(world.context, after=page_cursor("users", values))
    with pytest.raises(InvalidCursor):
        await agents.list_agents_by_department(world.context, ["x"], after=page_cursor("departments.users", values))


@pytest.mark.parametrize(
    "values", [[None, "a"], [True, "a"], ["1", "a"], [{}, "a"], [1.5, "a"], [2**64 - 1, "a"], [[1], "a"], [1, 2], [1]]
)
async def test_invented_cursor_of_another_order_is_refused(world: World, values: list[object]) -> None:
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


async def test_total_is_exact_up_to_its_limit_and_null_above(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_started_at_is_filtered_to_the_millisecond(world: World) -> None:
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
    await insert(world, stored_rooms.KIND, *everything)
    context = world.context
    all_of_them = await rooms.list_rooms(context, first=200)

    assert (await rooms.list_rooms(context)).items == everything[:50]
    assert (await rooms.list_rooms(context, after=all_of_them.cursors[2])).items == everything[3:53]
    assert (await rooms.list_rooms(context, before=all_of_them.cursors[57])).items == everything[7:57]
    assert (await rooms.list_rooms(context, last=2)).items == everything[58:]
