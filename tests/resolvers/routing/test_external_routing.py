"""Rooms of EXTERNAL departments: the decision of an app, the timeout and the fallback."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import pytest

from resolvers import agents, departments, room_routing, rooms
from resolvers.routing.queue import RoutingQueue
from storage import users
from storage.errors import RoomClosed, RoomNotWaitingForDecision
from storage.facts import RoutingDeclined, RoutingRequested
from storage.mongo.clock import Clock
from storage.mongo.reader import Reader
from storage.records import SYSTEM, Room, RoomStatus, RoutingMethod
from tests.histories import verify_history
from tests.resolvers.routing.test_queue import assignment_of
from tests.resolvers.world import APP, World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


async def test_the_fallback_assigns_a_room_without_a_decision_in_time(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=1)
    await world.agent("anna", departments=[external])

    room = await world.start(external)
    assert room.status is RoomStatus.QUEUED
    assert room.external_until is not None
    left = (room.external_until - world.services.storage.database.now()).total_seconds()
    pause = await RoutingQueue(world.services).assign_waiting_rooms()
    # The queue looks again at the end of the timeout, and not only at its next poll.
    assert pause <= left or (await world.room(room)).status is RoomStatus.ASSIGNED
    async with assignment_of(world, room):
        pass

    assigned = (await world.facts_of(room))[-1]
    assert (assigned.occurred_at - room.started_at).total_seconds() >= 1


async def test_external_timeout_is_measured_by_the_clock_of_the_database(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=15)
    database = world.services.storage.database
    began = database.now()
    database.clock = Clock(wall=lambda: time.time() - 60)
    await database.measure_clock()

    room = await world.start(external)

    assert room.external_until is not None
    assert timedelta(seconds=15) <= room.external_until - began < timedelta(seconds=45)


async def test_an_external_decision_in_time_is_kept(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[external])
    bert, room = await world.agent("bert"), await world.start(external)

    await rooms.assign_agent(world.context, room_id=room.id, agent_id=bert.id)
    await world.await_routing()

    assert (await world.summary(room))[3:] == ["AGENT_ASSIGNED ASSIGNED bert (-)"]


@pytest.mark.parametrize(("fallback", "seconds"), [(MANUAL, 1), (None, None)])
async def test_room_keeps_waiting_without_an_automatic_fallback(
    world: World, fallback: RoutingMethod | None, seconds: int | None
) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=seconds, fallback_routing=fallback)
    await world.agent("anna", departments=[external])
    room = await world.start(external)
    await make_overdue(world, room)

    await world.await_routing()

    assert (await world.room(room)).status is RoomStatus.QUEUED


async def test_an_external_decision_that_is_overdue_at_the_start_falls_back_immediately(
    world: World,
) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[external])
    room = await world.start(external)
    await make_overdue(world, room)

    await world.await_routing()

    assert (await world.summary(room))[3:] == ["ROUTING_DECLINED", "AGENT_ASSIGNED ROUTED anna (-)"]


async def test_rooms_that_waited_before_a_department_became_external_fall_back_too(world: World) -> None:
    manual = await world.department("Manual", MANUAL)
    await world.agent("anna", departments=[manual])
    room = await world.start(manual)
    await departments.update_department(
        world.context, department_id=manual.id, routing=EXTERNAL, external_timeout_seconds=60
    )
    await world.await_routing()
    assert (await world.room(room)).status is RoomStatus.QUEUED

    await make_overdue(world, room)
    await world.await_routing()

    assert await world.served_by(room) == "anna"


# ---------------------------------------------------------------- requests and declines

DECLINED = ["ROUTING_DECLINED", "AGENT_ASSIGNED ROUTED anna (-)"]


async def test_a_decision_is_requested_each_time_the_room_is_queued(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    anna, room = await world.agent("anna"), await world.start(external)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    again = await rooms.unassign_agent(world.context, room_id=room.id)

    assert (await world.summary(room))[-3:] == [
        "AGENT_UNASSIGNED UNASSIGNED anna (-)",
        "ROOM_QUEUED",
        "ROUTING_REQUESTED",
    ]
    first, second = [fact for fact in await world.facts_of(room) if isinstance(fact, RoutingRequested)]
    assert [fact.room.room.routing_attempts for fact in (first, second)] == [1, 2]
    assert second.room.room.external_until == again.external_until == second.occurred_at + timedelta(seconds=60)
    assert {fact.actor for fact in (first, second)} == {SYSTEM}


async def test_a_decision_is_requested_about_rooms_of_a_removed_agent(world: World) -> None:
    external = await world.department("External", EXTERNAL)
    anna, room = await world.agent("anna"), await world.start(external)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    await agents.remove_agent(world.context, user_id=anna.id)

    assert (await world.summary(room))[-2:] == ["ROOM_QUEUED", "ROUTING_REQUESTED"]


async def test_a_declined_room_is_routed_by_the_fallback_at_once(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[external])
    room = await world.start(external)

    declined = await room_routing.decline_routing(world.context, room_id=room.id, reason="unknown case")

    assert declined.status is RoomStatus.ASSIGNED
    assert (await world.summary(room))[3:] == DECLINED
    fact = (await world.facts_of(room))[3]
    assert isinstance(fact, RoutingDeclined)
    assert (fact.actor, fact.reason, fact.room.room.external_until) == (APP, "unknown case", None)


async def test_a_declined_room_that_nobody_can_take_waits_for_the_fallback(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    room = await world.start(external)

    declined = await room_routing.decline_routing(world.context, room_id=room.id)

    assert (declined.status, declined.queued_at) == (RoomStatus.QUEUED, room.queued_at)
    assert (await world.summary(room))[3:] == ["ROUTING_DECLINED", "ROOM_QUEUED"]
    async with assignment_of(world, room):
        await world.agent("anna", departments=[external])


async def test_a_declined_room_does_not_overtake_one_that_waits(world: World) -> None:
    external = await world.department("External", EXTERNAL)
    sales = await world.department("Sales", MANUAL)
    first, second = await world.start(sales, subject="first"), await world.start(external, subject="second")
    anna = await world.agent("anna", departments=[external, sales], max_rooms=0)
    await departments.update_department(world.context, department_id=sales.id, routing=LEAST_LOADED)

    await asyncio.gather(
        agents.update_agent(world.context, agent_id=anna.id, max_rooms=1),
        room_routing.decline_routing(world.context, room_id=second.id),
    )
    await world.await_routing()

    assert [await world.served_by(room) for room in (first, second)] == ["anna", None]


async def test_a_round_of_routing_sees_what_changed_before_an_agent_became_routable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    external, sales = await world.department("External", EXTERNAL), await world.department("Sales", MANUAL)
    first, second = await world.start(sales, subject="first"), await world.start(external, subject="second")
    anna = await world.agent("anna", departments=[external, sales], max_rooms=0)
    list_pools, ended = users.list_routable_pools, asyncio.Event()
    in_this_round = ContextVar("in_this_round", default=False)

    async def list_late(reader: Reader) -> Any:
        """Change the department and the agent, and then read. The rounds in the background wait for this one."""
        if not in_this_round.get():
            await ended.wait()
        elif (await world.profile(anna)).max_rooms == 0:
            await departments.update_department(world.context, department_id=sales.id, routing=LEAST_LOADED)
            await agents.update_agent(world.context, agent_id=anna.id, max_rooms=1)
            await room_routing.decline_routing(world.context, room_id=second.id)
        return await list_pools(reader)

    monkeypatch.setattr(users, "list_routable_pools", list_late)
    in_this_round.set(True)
    await RoutingQueue(world.services).assign_waiting_rooms()
    ended.set()

    assert [await world.served_by(room) for room in (first, second)] == ["anna", None]


async def declined_before(world: World) -> Room:
    room = await world.start(await world.department("External", EXTERNAL))
    return await room_routing.decline_routing(world.context, room_id=room.id)


async def decided(world: World) -> Room:
    room, anna = await world.start(await world.department("External", EXTERNAL)), await world.agent("anna")
    return await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)


NOT_WAITING: dict[str, Callable[[World], Awaitable[Room]]] = {
    "another routing": lambda world: world.waiting(),
    "no department": lambda world: world.start(),
    "declined before": declined_before,
    "an agent": decided,
}


@pytest.mark.parametrize("why", NOT_WAITING)
async def test_only_a_room_that_waits_for_a_decision_is_declined(world: World, why: str) -> None:
    room = await NOT_WAITING[why](world)
    head = await world.head()

    with pytest.raises(RoomNotWaitingForDecision):
        await room_routing.decline_routing(world.context, room_id=room.id)

    assert await world.room(room) == room
    assert await world.head() == head


async def test_declining_a_closed_room_is_refused_as_closed(world: World) -> None:
    room = await world.closed()

    with pytest.raises(RoomClosed):
        await room_routing.decline_routing(world.context, room_id=room.id)

    assert await world.room(room) == room


async def test_one_of_a_concurrent_assignment_and_decline_takes_effect(world: World) -> None:
    external = await world.department("External", EXTERNAL)
    anna = await world.agent("anna")
    room = await world.start(external)

    answers = await asyncio.gather(
        rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id),
        *(room_routing.decline_routing(world.context, room_id=room.id) for _ in range(3)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Room) for answer in answers[1:]) <= 1
    verify_history(await world.facts(), first=(await world.facts())[0].sequence)


@pytest.mark.parametrize("fallback", [LEAST_LOADED, MANUAL])
async def test_an_overdue_decision_is_recorded_also_if_nobody_can_take_the_room(
    world: World, fallback: RoutingMethod
) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60, fallback_routing=fallback)
    overdue = [await world.start(external) for _ in range(3)]
    for room in overdue:
        await make_overdue(world, room)

    await world.await_routing()

    for room in overdue:
        assert (await world.summary(room))[3:] == ["ROUTING_DECLINED", "ROOM_QUEUED"]
        declined, queued = (await world.facts_of(room))[3:]
        assert isinstance(declined, RoutingDeclined)
        assert (declined.actor, declined.reason, queued.room.room.declined) == (SYSTEM, None, True)


async def test_rooms_without_a_department_have_the_time_of_the_deployment(world: World) -> None:
    world.routing(method=EXTERNAL, external_timeout_seconds=60, fallback=ROUND_ROBIN)
    await world.agent("anna")
    room = await world.start()
    assert (await world.summary(room)) == ["ROOM_STARTED", "ROOM_QUEUED", "ROUTING_REQUESTED"]
    assert room.external_until == room.started_at + timedelta(seconds=60)

    await make_overdue(world, room)
    await world.await_routing()

    assert (await world.summary(room))[3:] == DECLINED


async def test_rooms_without_a_department_wait_without_limit_by_default(world: World) -> None:
    world.routing(method=EXTERNAL)
    await world.agent("anna")
    room = await world.start()
    await make_overdue(world, room)

    await world.await_routing()

    assert (room.external_until, (await world.room(room)).status) == (None, RoomStatus.QUEUED)
    declined = await room_routing.decline_routing(world.context, room_id=room.id)
    assert declined.status is RoomStatus.ASSIGNED


async def make_overdue(world: World, room: Room) -> None:
    """Move the times of the room two minutes into the past."""
    database = world.services.storage.database
    ago = {"$dateSubtract": {"startDate": "$queuedAt", "unit": "second", "amount": 120}}
    until = {
        "$cond": [
            "$externalUntil",
            {**ago, "$dateSubtract": {**ago["$dateSubtract"], "startDate": "$externalUntil"}},
            None,
        ]
    }
    await database["rooms"].update_one(
        {"_id": room.id}, [{"$set": {"queuedAt": ago, "externalUntil": until, "version": {"$add": ["$version", 1]}}}]
    )
