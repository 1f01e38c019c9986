"""What becomes of the rooms of agents who leave, for a while or for good."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from resolvers import agents, rooms, users
from resolvers.routing import departures
from resolvers.routing.departures import Departures
from schema.agents import Agent
from storage import rooms as stored_rooms
from storage.errors import AgentNotRoutable
from storage.facts import AgentUnassigned, tag_of
from storage.records import AgentStatus, Presence, RoomStatus, RoutingMethod, User
from storage.transactions import leases
from tests.resolvers.world import APP, World, facts_received_by

LEAST_LOADED = RoutingMethod.LEAST_LOADED


async def test_an_agent_that_is_not_available_keeps_its_rooms_and_gets_no_new_ones(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()

    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)

    assert await world.served_by(room) == "anna"
    assert (await world.start()).status is RoomStatus.QUEUED


async def test_an_agent_that_goes_offline_keeps_its_rooms_and_gets_no_new_ones(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()

    await users.set_presence(world.context, user_id=anna.id, presence=Presence.OFFLINE)

    assert await world.served_by(room) == "anna"
    assert (await world.start()).status is RoomStatus.QUEUED


@pytest.mark.parametrize("way", ["removeAgent", "setUserActive"])
async def test_the_rooms_of_an_agent_that_leaves_for_good_go_back_to_the_queue(world: World, way: str) -> None:
    anna = await world.agent("anna")
    served, held = await world.assigned(anna), await world.held(anna)
    also_served = await world.assigned(anna)

    if way == "removeAgent":
        left = await agents.remove_agent(world.context, user_id=anna.id)
    else:
        left = await users.set_user_active(world.context, user_id=anna.id, active=False)

    for room in (served, held, also_served):
        assert (await world.story(room))[-2:] == ["AGENT_UNASSIGNED AGENT_REMOVED anna (-)", "ROOM_QUEUED"]
        assert (await world.room(room)).last_served_by_id == anna.id
    unassigned = [fact.room.former for fact in await world.facts() if isinstance(fact, AgentUnassigned)]
    counts = [Agent.from_record(user).open_room_count for user in unassigned if user is not None]
    assert counts == [1, 1, 0]
    assert (
        (left.agent is None) if way == "removeAgent" else (left.agent is not None and left.agent.open_room_count == 0)
    )
    told = [tag_of(type(fact)) for fact in await world.facts()]
    assert told[-7] == ("AGENT_REMOVED" if way == "removeAgent" else "USER_UPDATED")


@pytest.mark.parametrize("way", ["removeAgent", "setUserActive"])
async def test_whoever_heard_only_of_its_rooms_does_not_give_another_to_an_agent_that_left(
    world: World, other: World, way: str
) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])
    for _ in range(2):
        await world.assigned(anna)
    if way == "removeAgent":
        await agents.remove_agent(world.context, user_id=anna.id)
    else:
        await users.set_user_active(world.context, user_id=anna.id, active=False)
    left = await world.user(anna)
    told = [fact for fact in await world.facts() if isinstance(fact, AgentUnassigned)]

    await facts_received_by(other, told[:1])
    started = await other.start(sales)

    assert started.status is RoomStatus.QUEUED
    assert await world.user(anna) == left
    versions = [fact.room.former.version for fact in told if fact.room.former is not None]
    assert versions == sorted({*versions, left.version})


async def test_the_rooms_of_an_agent_that_leaves_go_to_the_others(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()
    await world.agent("bert")

    await agents.remove_agent(world.context, user_id=anna.id)
    await world.await_routing()

    assert (await world.story(room))[2:] == [
        "AGENT_UNASSIGNED AGENT_REMOVED anna (-)",
        "ROOM_QUEUED",
        "AGENT_ASSIGNED ROUTED bert (anna)",
    ]


async def busy_agent(world: World, count: int) -> User:
    """An agent that serves so many rooms."""
    anna = await world.agent("anna")
    for _ in range(count):
        await world.assigned(anna)
    return anna


async def rooms_of(world: World, user: User) -> int:
    return len(await stored_rooms.list_served_ids(world.context.reader, user.id, limit=1_000))


@pytest.mark.parametrize("way", ["removeAgent", "setUserActive"])
async def test_many_rooms_go_back_in_steps_after_the_agent_has_left(
    world: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "STEP_ROOMS", 2)
    monkeypatch.setattr(departures, "PATROL_SECONDS", 3_600)
    anna = await busy_agent(world, 5)
    head = await world.head()
    async with paused(world):
        if way == "removeAgent":
            left = await agents.remove_agent(world.context, user_id=anna.id)
        else:
            left = await users.set_user_active(world.context, user_id=anna.id, active=False)
        after_the_first = [tag_of(type(fact)) for fact in await world.facts(head)]

        assert left.leave is not None
        assert (await rooms_of(world, anna), after_the_first[-4:]) == (3, ["AGENT_UNASSIGNED", "ROOM_QUEUED"] * 2)
        assert after_the_first[-5] == ("AGENT_REMOVED" if way == "removeAgent" else "USER_UPDATED")

        steps = Departures(world.services)
        counts = []
        while await steps.step():
            user = await world.user(anna)
            counts.append((await rooms_of(world, anna), Agent.from_record(user).open_room_count))

    assert counts[-1] == (0, 0)
    assert counts == sorted(counts, reverse=True)
    assert (await world.user(anna)).leave is None
    told = [fact for fact in await world.facts(head) if isinstance(fact, AgentUnassigned)]
    assert len(told) == 5
    assert {(fact.actor, fact.cause) for fact in told} == {(APP, "AGENT_REMOVED")}
    assert [Agent.from_record(fact.room.former).open_room_count for fact in told if fact.room.former] == [4, 3, 2, 1, 0]


async def test_another_process_goes_on_when_the_one_that_removed_an_agent_is_gone(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "STEP_ROOMS", 2)
    anna = await busy_agent(world, 5)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        assert await rooms_of(world, anna) == 3

        while await Departures(other.services).step():
            pass

    assert await rooms_of(world, anna) == 0


async def test_rooms_that_remain_with_an_agent_that_left_can_be_closed_and_passed_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "STEP_ROOMS", 1)
    anna = await busy_agent(world, 4)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        bert = await world.agent("bert")
        first, second, third = await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9)
        await rooms.close_room(world.context, room_id=first)
        await rooms.hold_room(world.context, room_id=second)
        with pytest.raises(AgentNotRoutable):
            await rooms.resume_room(world.context, room_id=second)
        await rooms.transfer_room(world.context, room_id=third, to_agent_id=bert.id)

        assert Agent.from_record(await world.user(anna)).open_room_count == 0
        while await Departures(world.services).step():
            pass

    user = await world.user(anna)
    assert (user.agent, user.leave, await rooms_of(world, anna)) == (None, None, 0)
    assert (await world.profile(bert)).open_room_count == 1


async def test_an_agent_that_comes_back_keeps_only_the_rooms_it_gets_from_then_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departures, "STEP_ROOMS", 1)
    anna = await busy_agent(world, 3)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        await agents.add_agent(world.context, user_id=anna.id)
        assert (await world.profile(anna)).open_room_count == 2
        room = await world.waiting()
        await condition(lambda: world.services.storage.database.now() > room.started_at)
        kept = await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
        while await Departures(world.services).step():
            pass

    assert await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9) == [kept.id]
    assert ((await world.profile(anna)).open_room_count, (await world.user(anna)).leave) == (1, None)


async def test_a_room_that_cannot_go_back_is_stepped_around(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(departures, "STEP_ROOMS", 2)
    anna = await busy_agent(world, 5)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        bad, *_ = await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9)
        collection = world.context.reader.collection("rooms")
        await collection.update_one({"_id": bad}, {"$set": {"priority": "high"}})
        steps = Departures(world.services)
        while await steps.step():
            pass

        assert await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9) == [bad]
        assert f"The room {bad} could not go back to the queue and is left out for 5 seconds" in caplog.text
        await collection.update_one({"_id": bad}, {"$set": {"priority": 0}})
        while await Departures(world.services).step():
            pass

    assert await rooms_of(world, anna) == 0


@asynccontextmanager
async def paused(world: World) -> AsyncIterator[None]:
    """Nobody continues in the background."""
    database = world.services.storage.database
    await condition(lambda: leases.acquire(database, departures.LEASE, owner="test", seconds=3_600))
    try:
        yield
    finally:
        await leases.release(database, departures.LEASE, owner="test")


async def condition(ask: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            answer = ask()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)
