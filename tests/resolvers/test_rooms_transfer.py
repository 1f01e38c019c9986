"""Transfers of rooms to an agent or a department: the new agent and the events."""

from datetime import timedelta

import pytest

from resolvers import rooms
from storage.facts import RoomTransferred, RoutingRequested
from storage.records import RoomStatus, RoutingMethod
from tests.resolvers.world import World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


async def test_a_room_is_transferred_to_an_agent(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(anna)

    after = await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id, comment="yours")

    assert (after.served_by_id, after.revision) == (bert.id, room.revision + 3)
    assert (await world.summary(room))[3:] == [
        "AGENT_UNASSIGNED TRANSFERRED anna (bert)",
        "ROOM_TRANSFERRED anna/Manual to bert/-",
        "AGENT_ASSIGNED TRANSFERRED bert (anna)",
    ]
    fact = (await world.facts_of(room))[-2]
    assert isinstance(fact, RoomTransferred)
    assert fact.comment == "yours"
    assert (await world.profile(anna)).open_room_count == 0
    assert (await world.profile(bert)).open_room_count == 1


async def test_a_waiting_room_is_transferred_to_an_agent(world: World) -> None:
    room, anna = await world.waiting(), await world.agent("anna")

    await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=anna.id)

    assert (await world.summary(room))[2:] == [
        "ROOM_TRANSFERRED -/Manual to anna/-",
        "AGENT_ASSIGNED TRANSFERRED anna (-)",
    ]


async def test_a_room_on_hold_is_transferred_to_an_agent_and_counts_again(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.on_hold(anna)

    after = await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id)

    assert after.status is RoomStatus.ASSIGNED
    assert (await world.profile(anna)).open_room_count == 0
    assert (await world.profile(bert)).open_room_count == 1


async def test_a_transferred_room_is_routed_by_the_new_department(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna")
    await world.agent("bert", departments=[sales])
    room = await world.assigned(anna)

    after = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)

    assert after.department_id == sales.id
    assert (await world.summary(room))[3:] == [
        "AGENT_UNASSIGNED TRANSFERRED anna (-)",
        "ROOM_TRANSFERRED anna/Manual to -/Sales",
        "AGENT_ASSIGNED ROUTED bert (anna)",
    ]


@pytest.mark.parametrize("target", ["agent", "department"])
async def test_a_transfer_records_the_former_agent_without_the_room(world: World, target: str) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna, bert = await world.agent("anna"), await world.agent("bert", departments=[sales])
    room = await world.assigned(anna)

    if target == "agent":
        await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id)
    else:
        await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)

    unassigned, transferred = (await world.facts_of(room))[3:5]
    assert isinstance(transferred, RoomTransferred)
    assert transferred.from_agent == unassigned.room.former == await world.user(anna)


async def test_room_transferred_to_a_department_without_agents_waits_there(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    room = await world.assigned(await world.agent("anna"))

    after = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)

    assert (after.status, after.department_id) == (RoomStatus.QUEUED, sales.id)
    assert (await world.summary(room))[-2:] == ["ROOM_TRANSFERRED anna/Manual to -/Sales", "ROOM_QUEUED"]


async def test_the_load_of_the_former_agent_excludes_the_room(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales], max_rooms=1)
    bert = await world.agent("bert", departments=[sales])
    await world.assigned(bert)
    room = await world.assigned(anna)

    after = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)

    assert after.served_by_id == anna.id
    assert (await world.profile(anna)).open_room_count == 1


async def test_a_transfer_restarts_the_external_timeout_of_a_room_that_waited_long(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[external])
    room = await world.waiting()
    ago = room.started_at - timedelta(hours=1)
    await world.services.storage.database["rooms"].update_one(
        {"_id": room.id}, {"$set": {"queuedAt": ago}, "$inc": {"version": 1}}
    )

    after = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=external.id)

    assert (after.status, after.queued_at) == (RoomStatus.QUEUED, ago)
    transferred, queued, requested = (await world.facts_of(room))[-3:]
    assert isinstance(transferred, RoomTransferred)
    assert isinstance(requested, RoutingRequested)
    assert after.external_until == transferred.occurred_at + timedelta(seconds=60)
    assert queued.room.room.external_until == requested.room.room.external_until == after.external_until


async def test_transfer_to_an_external_department_starts_a_new_timeout(world: World) -> None:
    first = await world.department("First", EXTERNAL, external_timeout_seconds=1, fallback_routing=MANUAL)
    second = await world.department("Second", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[second])
    room = await world.start(first)
    until = room.external_until
    assert until is not None

    after = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=second.id)

    assert after.status is RoomStatus.QUEUED
    assert after.external_until is not None
    assert after.external_until - until > timedelta(seconds=50)
