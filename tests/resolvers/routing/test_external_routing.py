"""Rooms of EXTERNAL departments: the decision of an app, the timeout and the fallback."""

import time
from datetime import timedelta

import pytest

from resolvers import departments, rooms
from resolvers.routing.queue import POLL_SECONDS
from storage.mongo.clock import Clock
from storage.records import Room, RoomStatus, RoutingMethod
from tests.resolvers.routing.test_queue import assignment_of
from tests.resolvers.world import World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


async def test_the_fallback_assigns_a_room_without_a_decision_in_time(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=1)
    await world.agent("anna", departments=[external])

    room = await world.start(external)
    assert room.status is RoomStatus.QUEUED
    async with assignment_of(world, room):
        pass

    assigned = (await world.facts_of(room))[-1]
    assert room.external_until is not None
    waited = (assigned.occurred_at - room.started_at).total_seconds()
    assert 1.0 <= waited < 1.0 + POLL_SECONDS / 2


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

    assert (await world.summary(room))[2:] == ["AGENT_ASSIGNED ASSIGNED bert (-)"]


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

    assert (await world.summary(room))[2:] == ["AGENT_ASSIGNED ROUTED anna (-)"]


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
    await database["rooms"].update_one({"_id": room.id}, [{"$set": {"queuedAt": ago, "externalUntil": until}}])
