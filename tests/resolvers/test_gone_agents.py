"""The rooms of agents that are OFFLINE for longer than their department allows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from resolvers import departments, gone_agents, room_preconditions, rooms, users
from resolvers.gone_agents import GoneAgents
from storage.facts import AgentUnassigned
from storage.records import SYSTEM, AgentGoneAction, Department, Presence, Room, RoomStatus, RoutingMethod, User
from storage.transactions import leases
from tests.resolvers.world import World

KEEP, REQUEUE = AgentGoneAction.KEEP, AgentGoneAction.REQUEUE
ONLINE, OFFLINE = Presence.ONLINE, Presence.OFFLINE
LEAST_LOADED, MANUAL = RoutingMethod.LEAST_LOADED, RoutingMethod.MANUAL
#: For how long agents of the departments below must be OFFLINE.
SECONDS = 60
#: The test, as owner of the lease.
OWNER = "test"
TAKEN = ["AGENT_UNASSIGNED AGENT_GONE anna (-)", "ROOM_QUEUED"]


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def no_background_task(world: World) -> AsyncIterator[None]:
    """The test has the lease, so that no background task takes rooms."""
    async with lease_held(world):
        yield


@asynccontextmanager
async def lease_held(world: World) -> AsyncIterator[None]:
    await acquire_lease(world)
    try:
        yield
    finally:
        await leases.release(world.services.storage.database, gone_agents.LEASE_NAME, owner=OWNER)


async def acquire_lease(world: World) -> None:
    database = world.services.storage.database
    await until(lambda: leases.acquire(database, gone_agents.LEASE_NAME, owner=OWNER, seconds=3_600))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(3_000):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("The condition does not become true.")


async def team(world: World, action: AgentGoneAction = REQUEUE, routing: RoutingMethod = MANUAL) -> Department:
    return await world.department("Team", routing, when_agent_gone=action, agent_gone_after_seconds=SECONDS)


async def served(world: World, agent: User, department: Department | None) -> Room:
    """A room that this agent was assigned."""
    room = await world.start(department)
    return room if room.served_by_id else await rooms.assign_agent(world.context, room_id=room.id, agent_id=agent.id)


async def go_offline(world: World, agent: User, *rooms: Room, seconds: float = SECONDS, assigned: float = 0) -> None:
    """Set the agent OFFLINE, since `seconds` ago. It was assigned the rooms `assigned` seconds before that."""
    await users.set_presence(world.context, user_id=agent.id, presence=OFFLINE)
    since = world.services.storage.database.now() - timedelta(seconds=seconds)
    await stored_as(world, "users", agent.id, offlineSince=since)
    for room in rooms:
        await stored_as(world, "rooms", room.id, assignedAt=since - timedelta(seconds=assigned))


async def stored_as(world: World, collection: str, id: str, **values: Any) -> None:
    """Change stored values that no operation can set."""
    await world.services.storage.database[collection].update_one({"_id": id}, {"$set": values, "$inc": {"version": 1}})


async def take_all(*worlds: World) -> int:
    """Take the due rooms in each of these processes, with the lease of the test. Returns the number of rooms."""
    for world in worlds:
        await world.services.agent_cache.load(world.services.storage.reader)  # `stored_as` records no facts
    taken = await asyncio.gather(*(GoneAgents(world.services, owner=OWNER).take_due() for world in worlds))
    await acquire_lease(worlds[0])
    return sum(taken)


# ---------------------------------------------------------------- rooms that are taken


async def test_the_rooms_of_a_gone_agent_return_to_the_queue(world: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    first, second = [await served(world, anna, department) for _ in range(2)]
    await go_offline(world, anna, first, second)

    await take_all(world)

    for room in (first, second):
        after = await world.room(room)
        assert (after.status, after.served_by_id, after.last_served_by_id) == (RoomStatus.QUEUED, None, anna.id)
        assert (await world.summary(room))[-2:] == TAKEN
    unassigned = [fact for fact in await world.facts() if isinstance(fact, AgentUnassigned)]
    assert {fact.actor for fact in unassigned} == {SYSTEM}
    assert [
        fact.room.former.agent.open_room_count for fact in unassigned if fact.room.former and fact.room.former.agent
    ] == [1, 0]
    assert (await world.profile(anna)).open_room_count == 0


async def test_a_room_of_a_gone_agent_is_routed_in_the_same_step(world: World) -> None:
    department = await team(world, routing=LEAST_LOADED)
    anna = await world.agent("anna", departments=[department])
    room = await served(world, anna, department)
    await world.agent("bert", departments=[department])
    await go_offline(world, anna, room)

    await take_all(world)

    assert (await world.summary(room))[-2:] == [TAKEN[0], "AGENT_ASSIGNED ROUTED bert (anna)"]


async def test_an_app_decides_about_the_room_of_a_gone_agent_in_an_external_department(world: World) -> None:
    department, anna = await team(world, routing=RoutingMethod.EXTERNAL), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)

    await take_all(world)

    assert (await world.summary(room))[-3:] == [*TAKEN, "ROUTING_REQUESTED"]


async def test_rooms_without_a_department_follow_the_settings(world: World) -> None:
    anna = await world.agent("anna")
    room = await served(world, anna, None)
    await go_offline(world, anna, room)

    await take_all(world)
    assert await world.served_by(room) == "anna"
    world.routing(when_agent_gone=REQUEUE, agent_gone_after_seconds=SECONDS + 60)
    await take_all(world)
    assert await world.served_by(room) == "anna"
    world.routing(agent_gone_after_seconds=SECONDS)
    await take_all(world)

    assert (await world.summary(room))[-2:] == TAKEN


async def test_change_to_requeue_applies_to_agents_that_are_gone_already(world: World) -> None:
    department, anna = await team(world, KEEP), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)

    await take_all(world)
    assert await world.served_by(room) == "anna"
    await departments.update_department(world.context, department_id=department.id, when_agent_gone=REQUEUE)
    await take_all(world)

    assert (await world.summary(room))[-2:] == TAKEN


async def test_a_room_that_is_resumed_while_its_agent_is_gone_is_taken(world: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await rooms.hold_room(world.context, room_id=room.id)
    await go_offline(world, anna, room)

    await take_all(world)
    assert (await world.room(room)).status is RoomStatus.ON_HOLD
    await rooms.resume_room(world.context, room_id=room.id)
    await take_all(world)

    assert (await world.summary(room))[-2:] == TAKEN


async def test_an_agent_without_a_stored_time_counts_from_its_last_change(world: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)
    await stored_as(world, "users", anna.id, offlineSince=None)

    await take_all(world)
    assert await world.served_by(room) == "anna"
    past = world.services.storage.database.now() - timedelta(seconds=SECONDS)
    await stored_as(world, "users", anna.id, updatedAt=past)
    await take_all(world)

    assert (await world.summary(room))[-2:] == TAKEN


async def test_background_task_takes_the_rooms(world: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)

    await leases.release(world.services.storage.database, gone_agents.LEASE_NAME, owner=OWNER)

    async def is_taken() -> bool:
        return (await world.room(room)).status is RoomStatus.QUEUED

    await until(is_taken)


# ---------------------------------------------------------------- rooms that are kept

Circumstance = Callable[[World, User, Room], Awaitable[object]]
KEPT: dict[str, Circumstance] = {
    "it went OFFLINE too late": lambda world, anna, room: go_offline(
        world, anna, room, seconds=SECONDS - 30, assigned=90
    ),
    "it got the room too late": lambda world, anna, room: go_offline(world, anna, room, assigned=-30),
    "it is ONLINE": lambda world, anna, room: users.set_presence(world.context, user_id=anna.id, presence=ONLINE),
    "it is AWAY": lambda world, anna, room: users.set_presence(world.context, user_id=anna.id, presence=Presence.AWAY),
    "it is BUSY": lambda world, anna, room: users.set_presence(world.context, user_id=anna.id, presence=Presence.BUSY),
    "it is a bot": lambda world, anna, room: stored_as(world, "users", anna.id, roles=["bot", "livechat-agent"]),
    "the room is on hold": lambda world, anna, room: rooms.hold_room(world.context, room_id=room.id),
    "the room is closed": lambda world, anna, room: rooms.close_room(world.context, room_id=room.id),
    "the department keeps": lambda world, anna, room: departments.update_department(
        world.context, department_id=room.department_id or "", when_agent_gone=KEEP
    ),
    "the department waits longer": lambda world, anna, room: departments.update_department(
        world.context, department_id=room.department_id or "", agent_gone_after_seconds=SECONDS + 60
    ),
}


@pytest.mark.parametrize("circumstance", KEPT)
async def test_an_agent_keeps_the_room_if(world: World, circumstance: str) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)
    await KEPT[circumstance](world, anna, room)
    before, head = await world.room(room), await world.head()

    await take_all(world)
    assert not await GoneAgents(world.services).take(room.id)

    assert (await world.room(room), await world.facts(head)) == (before, [])


async def test_a_room_that_does_not_exist_is_not_taken(world: World) -> None:
    assert not await GoneAgents(world.services).take("nowhere")


# ---------------------------------------------------------------- since when an agent is gone


async def since(world: World, agent: User) -> datetime | None:
    return (await world.user(agent)).offline_since


async def test_a_user_is_offline_from_the_change_on(world: World) -> None:
    anna = await users.create_user(world.context, username="anna")
    assert anna.offline_since == anna.created_at

    online = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE)
    assert online.offline_since is None
    offline = await users.set_presence(world.context, user_id=anna.id, presence=OFFLINE)
    assert offline.offline_since == offline.updated_at
    again = await users.set_presence(world.context, user_id=anna.id, presence=OFFLINE)

    assert again == offline


async def test_a_user_whose_lease_ends_is_offline_from_then_on(world: World) -> None:
    anna = await world.agent("anna")
    leased = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=1)

    async def is_offline() -> bool:
        return (await world.user(anna)).presence is OFFLINE

    await until(is_offline)

    ended = await since(world, anna)
    assert ended is not None
    assert leased.presence_until is not None
    assert ended >= leased.presence_until


# ---------------------------------------------------------------- concurrency and failures


async def test_several_processes_take_each_room_once(world: World, other: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    taken = [await served(world, anna, department) for _ in range(4)]
    await go_offline(world, anna, *taken)

    answers = await asyncio.gather(
        *(GoneAgents(one.services).take(room.id) for room in taken[:2] for one in (world, other))
    )
    assert sum(answers) == 2
    await take_all(world, other)

    for room in taken:
        assert (await world.summary(room))[3:] == TAKEN
    assert (await world.profile(anna)).open_room_count == 0


async def test_an_agent_that_comes_back_at_the_last_moment_keeps_the_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)
    release, attempts = room_preconditions.release_agent, 0

    async def release_while_it_comes_back(*arguments: Any) -> User:
        nonlocal attempts
        attempts += 1
        await users.set_presence(world.context, user_id=anna.id, presence=ONLINE)
        return await release(*arguments)

    monkeypatch.setattr(room_preconditions, "release_agent", release_while_it_comes_back)

    assert not await GoneAgents(world.services).take(room.id)

    assert attempts == 1
    assert await world.served_by(room) == "anna"
    assert (await world.profile(anna)).open_room_count == 1


async def test_nothing_is_taken_while_another_process_has_the_lease(world: World) -> None:
    department, anna = await team(world), await world.agent("anna")
    room = await served(world, anna, department)
    await go_offline(world, anna, room)

    assert await GoneAgents(world.services).take_due() == 0

    assert await world.served_by(room) == "anna"


async def test_room_that_cannot_be_taken_is_excluded(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    department, anna = await team(world), await world.agent("anna")
    bad, good = [await served(world, anna, department) for _ in range(2)]
    await go_offline(world, anna, bad, good)
    await stored_as(world, "rooms", bad.id, priority="high")

    await take_all(world)

    assert await world.served_by(good) is None
    assert f"Cannot take the room {bad.id} from its agent, who is gone. It is excluded for 5 seconds" in caplog.text
    await stored_as(world, "rooms", bad.id, priority=0)
    await take_all(world)
    assert await world.served_by(bad) is None
