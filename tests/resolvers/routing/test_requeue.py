"""Rooms of agents that become unavailable, go offline, are removed or deactivated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from resolvers import agents, rooms, users
from resolvers.routing import requeue
from resolvers.routing.requeue import RequeueWorker
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


@pytest.mark.parametrize("operation", ["removeAgent", "setUserActive"])
async def test_the_rooms_of_a_removed_or_deactivated_agent_return_to_the_queue(world: World, operation: str) -> None:
    anna = await world.agent("anna")
    served, held = await world.assigned(anna), await world.on_hold(anna)
    also_served = await world.assigned(anna)

    if operation == "removeAgent":
        removed = await agents.remove_agent(world.context, user_id=anna.id)
    else:
        removed = await users.set_user_active(world.context, user_id=anna.id, active=False)

    for room in (served, held, also_served):
        assert (await world.summary(room))[-2:] == ["AGENT_UNASSIGNED AGENT_REMOVED anna (-)", "ROOM_QUEUED"]
        assert (await world.room(room)).last_served_by_id == anna.id
    unassigned = [fact.room.former for fact in await world.facts() if isinstance(fact, AgentUnassigned)]
    counts = [Agent.from_record(user).open_room_count for user in unassigned if user is not None]
    assert counts == [1, 1, 0]
    assert (
        (removed.agent is None)
        if operation == "removeAgent"
        else (removed.agent is not None and removed.agent.open_room_count == 0)
    )
    tags = [tag_of(type(fact)) for fact in await world.facts()]
    assert tags[-7] == ("AGENT_REMOVED" if operation == "removeAgent" else "USER_UPDATED")


@pytest.mark.parametrize("operation", ["removeAgent", "setUserActive"])
async def test_process_with_outdated_facts_assigns_no_room_to_a_removed_agent(
    world: World, other: World, operation: str
) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])
    for _ in range(2):
        await world.assigned(anna)
    if operation == "removeAgent":
        await agents.remove_agent(world.context, user_id=anna.id)
    else:
        await users.set_user_active(world.context, user_id=anna.id, active=False)
    removed = await world.user(anna)
    unassigned = [fact for fact in await world.facts() if isinstance(fact, AgentUnassigned)]

    await facts_received_by(other, unassigned[:1])
    started = await other.start(sales)

    assert started.status is RoomStatus.QUEUED
    assert await world.user(anna) == removed
    versions = [fact.room.former.version for fact in unassigned if fact.room.former is not None]
    assert versions == sorted({*versions, removed.version})


async def test_the_rooms_of_a_removed_agent_are_assigned_to_other_agents(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()
    await world.agent("bert")

    await agents.remove_agent(world.context, user_id=anna.id)
    await world.await_routing()

    assert (await world.summary(room))[2:] == [
        "AGENT_UNASSIGNED AGENT_REMOVED anna (-)",
        "ROOM_QUEUED",
        "AGENT_ASSIGNED ROUTED bert (anna)",
    ]


async def busy_agent(world: World, count: int) -> User:
    """An agent that serves this number of rooms."""
    anna = await world.agent("anna")
    for _ in range(count):
        await world.assigned(anna)
    return anna


async def rooms_of(world: World, user: User) -> int:
    return len(await stored_rooms.list_served_ids(world.context.reader, user.id, limit=1_000))


@pytest.mark.parametrize("operation", ["removeAgent", "setUserActive"])
async def test_many_rooms_of_a_removed_agent_return_to_the_queue_in_batches(
    world: World, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeue, "BATCH_ROOMS", 2)
    monkeypatch.setattr(requeue, "POLL_SECONDS", 3_600)
    anna = await busy_agent(world, 5)
    head = await world.head()
    async with paused(world):
        if operation == "removeAgent":
            removed = await agents.remove_agent(world.context, user_id=anna.id)
        else:
            removed = await users.set_user_active(world.context, user_id=anna.id, active=False)
        after_the_first = [tag_of(type(fact)) for fact in await world.facts(head)]

        assert removed.leave is not None
        assert (await rooms_of(world, anna), after_the_first[-4:]) == (3, ["AGENT_UNASSIGNED", "ROOM_QUEUED"] * 2)
        assert after_the_first[-5] == ("AGENT_REMOVED" if operation == "removeAgent" else "USER_UPDATED")

        worker = RequeueWorker(world.services)
        counts = []
        while await worker.step():
            user = await world.user(anna)
            counts.append((await rooms_of(world, anna), Agent.from_record(user).open_room_count))

    assert counts[-1] == (0, 0)
    assert counts == sorted(counts, reverse=True)
    assert (await world.user(anna)).leave is None
    unassigned = [fact for fact in await world.facts(head) if isinstance(fact, AgentUnassigned)]
    assert len(unassigned) == 5
    assert {(fact.actor, fact.cause) for fact in unassigned} == {(APP, "AGENT_REMOVED")}
    assert [Agent.from_record(fact.room.former).open_room_count for fact in unassigned if fact.room.former] == [
        4,
        3,
        2,
        1,
        0,
    ]


async def test_another_process_continues_after_the_process_that_removed_the_agent_died(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeue, "BATCH_ROOMS", 2)
    anna = await busy_agent(world, 5)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        assert await rooms_of(world, anna) == 3

        while await RequeueWorker(other.services).step():
            pass

    assert await rooms_of(world, anna) == 0


async def test_remaining_rooms_of_a_removed_agent_can_be_closed_held_and_transferred(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeue, "BATCH_ROOMS", 1)
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
        while await RequeueWorker(world.services).step():
            pass

    user = await world.user(anna)
    assert (user.agent, user.leave, await rooms_of(world, anna)) == (None, None, 0)
    assert (await world.profile(bert)).open_room_count == 1


async def test_an_agent_that_is_added_again_keeps_only_rooms_assigned_after_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requeue, "BATCH_ROOMS", 1)
    anna = await busy_agent(world, 3)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        await agents.add_agent(world.context, user_id=anna.id)
        assert (await world.profile(anna)).open_room_count == 2
        room = await world.waiting()
        await condition(lambda: world.services.storage.database.now() > room.started_at)
        assigned = await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
        while await RequeueWorker(world.services).step():
            pass

    assert await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9) == [assigned.id]
    assert ((await world.profile(anna)).open_room_count, (await world.user(anna)).leave) == (1, None)


async def test_a_room_that_cannot_return_to_the_queue_is_excluded(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(requeue, "BATCH_ROOMS", 2)
    anna = await busy_agent(world, 5)
    async with paused(world):
        await agents.remove_agent(world.context, user_id=anna.id)
        bad, *_ = await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9)
        collection = world.context.reader.collection("rooms")
        await collection.update_one({"_id": bad}, {"$set": {"priority": "high"}})
        # Two batches with the room fail at their time-out.
        monkeypatch.setattr(world.services.storage.transactions, "timeout_seconds", 3)
        worker = RequeueWorker(world.services)
        while await worker.step():
            pass

        assert await stored_rooms.list_served_ids(world.context.reader, anna.id, limit=9) == [bad]
        assert f"Cannot return the room {bad} to the queue. It is excluded for 5 seconds" in caplog.text
        await collection.update_one({"_id": bad}, {"$set": {"priority": 0}})
        while await RequeueWorker(world.services).step():
            pass

    assert await rooms_of(world, anna) == 0


@asynccontextmanager
async def paused(world: World) -> AsyncIterator[None]:
    """Hold the lease, so that no background task returns rooms."""
    database = world.services.storage.database
    await condition(lambda: leases.acquire(database, requeue.LEASE_NAME, owner="test", seconds=3_600))
    try:
        yield
    finally:
        await leases.release(database, requeue.LEASE_NAME, owner="test")


async def condition(ask: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = ask()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)
