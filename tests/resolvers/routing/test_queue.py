"""The queue: when waiting rooms are assigned, in which order, and by several processes at the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from resolvers import agents, departments, roles, rooms, users
from resolvers.routing import queue
from resolvers.routing.queue import RoutingQueue
from storage.facts import AgentAssigned, AssignmentCause, Fact
from storage.records import AgentStatus, Presence, Room, RoomStatus, RoutingMethod, User
from tests.resolvers.world import World, facts_received_by
from tests.storage.support import outbox_is_empty

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


@asynccontextmanager
async def assignment_of(world: World, room: Room) -> AsyncIterator[None]:
    """Wait at the end of the block until the background queue has assigned the room."""
    assigned = asyncio.Event()

    def on_facts(facts: Any) -> None:
        if any(isinstance(fact, AgentAssigned) and fact.subject_id == room.id for fact in facts):
            assigned.set()

    listeners = world.services.storage.feed.listeners
    listeners.add(on_facts)
    try:
        yield
        async with asyncio.timeout(60):
            await assigned.wait()
    finally:
        listeners.remove(on_facts)


async def order_served(world: World) -> list[str]:
    """The rooms that routing assigned, by subject, in the order of the log."""
    return [
        fact.room.room.subject or ""
        for fact in await world.facts()
        if isinstance(fact, AgentAssigned) and fact.cause is AssignmentCause.ROUTED
    ]


# ---------------------------------------------------------------- causes


async def becomes_available(world: World, agent: User) -> None:
    await agents.set_agent_status(world.context, agent_id=agent.id, status=AgentStatus.NOT_AVAILABLE)
    await agents.update_agent(world.context, agent_id=agent.id, max_rooms=None)
    await agents.set_agent_status(world.context, agent_id=agent.id, status=AgentStatus.AVAILABLE)


async def comes_online(world: World, agent: User) -> None:
    await users.set_presence(world.context, user_id=agent.id, presence=Presence.OFFLINE)
    await agents.update_agent(world.context, agent_id=agent.id, max_rooms=None)
    await users.set_presence(world.context, user_id=agent.id, presence=Presence.ONLINE)


async def becomes_a_bot(world: World, agent: User) -> None:
    await users.set_presence(world.context, user_id=agent.id, presence=Presence.OFFLINE)
    await agents.update_agent(world.context, agent_id=agent.id, max_rooms=None)
    await roles.add_roles(world.context, user_id=agent.id, roles=["bot"])


async def is_activated_again(world: World, agent: User) -> None:
    await users.set_user_active(world.context, user_id=agent.id, active=False)
    await agents.update_agent(world.context, agent_id=agent.id, max_rooms=1)
    await users.set_user_active(world.context, user_id=agent.id, active=True)


CAUSES: dict[str, Callable[[World, User, Room], Awaitable[Any]]] = {
    "a room closes": lambda world, anna, own: rooms.close_room(world.context, room_id=own.id),
    "a room is held": lambda world, anna, own: rooms.hold_room(world.context, room_id=own.id),
    "a room is unassigned": lambda world, anna, own: rooms.unassign_agent(world.context, room_id=own.id),
    "the limit rises": lambda world, anna, own: agents.update_agent(world.context, agent_id=anna.id, max_rooms=2),
    "the limit is lifted": lambda world, anna, own: agents.update_agent(
        world.context, agent_id=anna.id, max_rooms=None
    ),
    "an agent becomes available": lambda world, anna, own: becomes_available(world, anna),
    "an agent comes online": lambda world, anna, own: comes_online(world, anna),
    "an agent becomes a bot": lambda world, anna, own: becomes_a_bot(world, anna),
    "a user is activated again": lambda world, anna, own: is_activated_again(world, anna),
    "another agent is added": lambda world, anna, own: world.agent("bert"),
}


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "POLL_SECONDS", 3_600)


@pytest.mark.usefixtures("no_poll")
@pytest.mark.parametrize("cause", CAUSES)
async def test_a_waiting_room_is_assigned_after_any_of_these_changes(world: World, cause: str) -> None:
    anna = await world.agent("anna", max_rooms=1)
    own = await world.assigned(anna)
    waiting = await world.start()
    assert waiting.status is RoomStatus.QUEUED

    async with assignment_of(world, waiting):
        await CAUSES[cause](world, anna, own)

    assert await world.served_by(waiting) in ("anna", "bert")


@pytest.mark.usefixtures("no_poll")
async def test_a_waiting_room_is_assigned_when_an_agent_joins_its_department(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    waiting, anna = await world.start(sales), await world.agent("anna")

    async with assignment_of(world, waiting):
        await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id])


@pytest.mark.usefixtures("no_poll")
async def test_a_waiting_room_is_assigned_when_its_department_becomes_automatic(world: World) -> None:
    manual = await world.department("Manual", MANUAL)
    await world.agent("anna", departments=[manual])
    waiting = await world.start(manual)

    async with assignment_of(world, waiting):
        await departments.update_department(world.context, department_id=manual.id, routing=LEAST_LOADED)


@pytest.mark.parametrize("method", [MANUAL, LEAST_LOADED, EXTERNAL])
async def test_the_queue_starts_no_round_for_rooms_that_nobody_can_take(world: World, method: RoutingMethod) -> None:
    department = await world.department("Sales", method)
    anna = await world.agent("anna", max_rooms=1, departments=[department])
    await world.assigned(anna)
    await world.start(department)

    assert RoutingQueue(world.services).may_assign() is (method is EXTERNAL)


@pytest.mark.parametrize("method", [MANUAL, LEAST_LOADED])
async def test_the_queue_starts_a_round_while_an_agent_accepts_rooms(world: World, method: RoutingMethod) -> None:
    department = await world.department("Sales", method)
    anna = await world.agent("anna", departments=[department])
    room = await world.start(department)
    if method is MANUAL:
        await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    # Routing does not offer it to the same agent, so it waits.
    await rooms.unassign_agent(world.context, room_id=room.id)

    assert RoutingQueue(world.services).may_assign() is (method is LEAST_LOADED)


# ---------------------------------------------------------------- order


async def test_waiting_rooms_are_assigned_by_priority_and_then_by_wait(world: World) -> None:
    for subject, priority in (("1", 0), ("2", 5), ("3", 0), ("4", 5), ("5", -1)):
        await world.start(subject=subject, priority=priority)

    await world.agent("anna")
    await world.await_routing()

    assert await order_served(world) == ["2", "4", "1", "3", "5"]


async def test_the_order_is_one_over_all_departments_of_an_agent(world: World) -> None:
    sales, support = await world.department("Sales", LEAST_LOADED), await world.department("Support", LEAST_LOADED)
    for subject, department, priority in (("1", sales, 0), ("2", support, 1), ("3", None, 0), ("4", support, 0)):
        await world.start(department, subject=subject, priority=priority)

    await world.agent("anna", departments=[sales, support])
    await world.await_routing()

    assert await order_served(world) == ["2", "1", "3", "4"]


async def test_a_new_room_does_not_overtake_a_waiting_room(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales], max_rooms=0)
    await world.start(sales, subject="waits")

    await asyncio.gather(
        agents.update_agent(world.context, agent_id=anna.id, max_rooms=1), world.start(subject="comes later")
    )
    await world.await_routing()

    assert await order_served(world) == ["waits"]


async def test_room_that_no_agent_can_take_does_not_block_the_queue(world: World) -> None:
    empty = await world.department("Empty", LEAST_LOADED)
    for _ in range(60):
        await world.start(empty, priority=9)
    await world.start(subject="served")

    await world.agent("anna")
    await world.await_routing()

    assert await order_served(world) == ["served"]


async def test_more_rooms_than_one_change_assigns_are_served_in_order(world: World) -> None:
    for number in range(120):
        await world.start(subject=str(number))

    for name in ("anna", "bert", "carl"):
        await world.agent(name, max_rooms=30)
    await world.await_routing()

    assert await order_served(world) == [str(number) for number in range(90)]
    counts = {one.username: one.agent.open_room_count for one in await all_agents(world) if one.agent}
    assert counts == {"anna": 30, "bert": 30, "carl": 30}


async def test_each_assignment_of_a_batch_has_its_own_version_of_the_agent(world: World, other: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    for _ in range(3):
        await world.start(sales)
    anna = await world.agent("anna", departments=[sales], max_rooms=4)
    await world.await_routing()

    assignments = [fact for fact in await world.facts() if isinstance(fact, AgentAssigned)]
    servers = [fact.room.served_by for fact in assignments if fact.room.served_by is not None]
    assert [one.agent.open_room_count for one in servers if one.agent is not None] == [1, 2, 3]
    assert [one.version for one in servers] == sorted({one.version for one in servers})
    assert servers[-1] == await world.user(anna)

    await facts_received_by(other, assignments[:1])
    started = [await other.start(sales) for _ in range(2)]

    assert [room.status for room in started] == [RoomStatus.ASSIGNED, RoomStatus.QUEUED]
    assert (await world.profile(anna)).open_room_count == 4


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Runs a function after each plan of a queue, before the assignments."""
    plan = RoutingQueue._plan

    def then(happen: Callable[[], Awaitable[Any]]) -> None:
        async def planned(queue: RoutingQueue, *given: Any, **moments: Any) -> Any:
            plans = await plan(queue, *given, **moments)
            await happen()
            return plans

        monkeypatch.setattr(RoutingQueue, "_plan", planned)

    return then


async def test_rooms_of_a_department_that_became_manual_are_not_assigned(
    world: World, planned: Callable[[Callable[[], Awaitable[Any]]], None]
) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    waiting = [await world.start(sales) for _ in range(3)]
    planned(lambda: departments.update_department(world.context, department_id=sales.id, routing=MANUAL))

    anna = await world.agent("anna", departments=[sales])
    await world.await_routing()

    assert [(await world.room(room)).status for room in waiting] == [RoomStatus.QUEUED] * 3
    assert (await world.profile(anna)).open_room_count == 0


async def test_a_change_of_the_method_applies_to_rooms_that_are_not_assigned_yet(
    world: World, planned: Callable[[Callable[[], Awaitable[Any]]], None]
) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    waiting = [await world.start(sales) for _ in range(3)]
    planned(lambda: departments.update_department(world.context, department_id=sales.id, routing=ROUND_ROBIN))

    await world.agent("anna", departments=[sales])
    await RoutingQueue(world.services).assign_waiting_rooms()

    assert [await world.served_by(room) for room in waiting] == ["anna"] * 3


async def all_agents(world: World) -> list[User]:
    page = await agents.list_agents(world.context)
    return list(page.items)


async def test_concurrent_queues_assign_every_room_once(world: World) -> None:
    for number in range(40):
        await world.start(subject=str(number))
    for name in ("anna", "bert", "carl", "dora"):
        await world.agent(name, max_rooms=10)

    await asyncio.gather(*(RoutingQueue(world.services).assign_waiting_rooms() for _ in range(4)))

    assert await outbox_is_empty(world.services.storage)  # the background task assigns rooms, too
    assert sorted(map(int, await order_served(world))) == list(range(40))
    assert all(one.agent and one.agent.open_room_count == 10 for one in await all_agents(world))


# ---------------------------------------------------------------- passing over


async def test_an_agent_that_one_room_passes_over_gets_other_rooms(world: World) -> None:
    await world.agent("anna", max_rooms=1)
    first = await world.start(subject="1")
    second = await world.start(subject="2")

    async with assignment_of(world, second):
        await rooms.unassign_agent(world.context, room_id=first.id)
    await rooms.close_room(world.context, room_id=second.id)
    await world.await_routing()

    assert await world.served_by(first) is None


async def test_preferred_bots_are_passed_over_too(world: World) -> None:
    world.routing(bots_first=True)
    await world.agent("robot", presence=Presence.OFFLINE, roles=["bot"])
    await world.agent("anna")
    room = await world.start()
    assert await world.served_by(room) == "robot"

    await rooms.unassign_agent(world.context, room_id=room.id)

    assert await world.served_by(room) == "anna"


async def test_assignments_by_the_queue_have_the_actor_system(world: World) -> None:
    room = await world.start()
    await world.agent("anna")
    await world.await_routing()

    assigned: Fact = (await world.facts_of(room))[-1]
    assert (assigned.actor.type, assigned.actor.id, assigned.client_mutation_id) == ("SYSTEM", None, None)
