"""Large rooms, and rooms that the queue cannot assign, do not block other rooms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from resolvers import agents, rooms
from resolvers.batch_sizes import BatchSize, ExcludedItems
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.routing import queue as queues
from resolvers.routing.queue import RoutingQueue
from storage.facts import AgentAssigned
from storage.records import AgentStatus, Department, FieldTarget, FieldType, Room, RoomStatus, RoutingMethod
from tests.resolvers.world import World

LEAST_LOADED = RoutingMethod.LEAST_LOADED


async def large_rooms(world: World, count: int, department: Department) -> list[Room]:
    """Rooms of nearly the largest size."""
    for number in range(15):
        await definitions.define_custom_field(
            world.context, target=FieldTarget.ROOM, key=f"f{number}", type=FieldType.TEXT
        )
    fields = [FieldAssignment(f"f{number}", "🙂" * 4_096) for number in range(15)]
    return [
        await rooms.start_room(world.context, visitor_token="v", custom_fields=fields, department_id=department.id)
        for _ in range(count)
    ]


async def test_large_rooms_are_served_in_order_in_small_batches(world: World) -> None:
    sales, support = await world.department("Sales", LEAST_LOADED), await world.department("Support", LEAST_LOADED)
    large = await large_rooms(world, 24, sales)
    plain = await world.start(support)

    await world.agent("anna", departments=[sales])
    await world.agent("bert", departments=[support])
    await world.await_routing()

    assert {(await world.room(room)).status for room in large} == {RoomStatus.ASSIGNED}
    assert await world.served_by(plain) == "bert"
    served = [fact.subject_id for fact in await world.facts() if isinstance(fact, AgentAssigned)]
    assert [one for one in served if one != plain.id] == [room.id for room in large]


async def test_room_that_cannot_be_decoded_does_not_block_the_queue(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await world.agent("anna", status=AgentStatus.NOT_AVAILABLE)
    waiting = [await world.start() for _ in range(5)]
    bad = waiting[1]
    collection = world.context.reader.collection("rooms")
    await collection.update_one({"_id": bad.id}, {"$set": {"revision": "first"}})

    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.AVAILABLE)
    await world.await_routing()

    assigned = [fact.subject_id for fact in await world.facts() if isinstance(fact, AgentAssigned)]
    assert sorted(assigned) == sorted(room.id for room in waiting if room is not bad)
    assert f"The record {bad.id} in rooms cannot be decoded by this version" in caplog.text
    await collection.update_one({"_id": bad.id}, {"$set": {"revision": bad.revision}})
    await world.await_routing()
    assert await world.served_by(bad) == "anna"


@asynccontextmanager
async def not_assignable(world: World, room: Room) -> AsyncIterator[None]:
    """MongoDB refuses every write that assigns the room."""
    database = world.services.storage.database.raw
    refused = {"_id": room.id, "status": RoomStatus.ASSIGNED.value}
    await database.command("collMod", "rooms", validator={"$nor": [refused]})
    try:
        yield
    finally:
        await database.command("collMod", "rooms", validator={})


async def test_room_whose_assignment_fails_is_excluded_and_does_not_block_the_queue(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await world.agent("anna", status=AgentStatus.NOT_AVAILABLE)
    waiting = [await world.start() for _ in range(5)]
    bad = waiting[1]
    queue = RoutingQueue(world.services)
    async with not_assignable(world, bad):
        await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.AVAILABLE)
        await queue.assign_waiting_rooms()

        assert [await world.served_by(room) for room in waiting] == ["anna", None, "anna", "anna", "anna"]
        assert (await world.profile(anna)).open_room_count == 4
        assert f"Cannot assign the room {bad.id}. Routing excludes it for 5 seconds." in caplog.text

    await world.await_routing()
    assert await world.served_by(bad) == "anna"
    assert (await world.profile(anna)).open_room_count == 5


async def test_a_transaction_takes_as_many_rooms_as_its_bytes_allow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "BATCH_BYTES", 1)
    anna = await world.agent("anna", status=AgentStatus.NOT_AVAILABLE)
    waiting = [await world.start() for _ in range(3)]

    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.AVAILABLE)
    await world.await_routing()

    assert [await world.served_by(room) for room in waiting] == ["anna"] * 3


def test_a_batch_that_fails_is_halved_and_one_that_does_not_is_doubled() -> None:
    batch = BatchSize(50)
    sizes = []
    for _ in range(7):
        batch.failed(batch.current)
        sizes.append(batch.current)
    batch.succeeded()
    sizes.append(batch.current)

    assert sizes == [25, 12, 6, 3, 1, 1, 1, 2]


def test_an_item_that_fails_again_is_excluded_for_twice_as_long() -> None:
    excluded = ExcludedItems()

    assert [excluded.exclude("room") for _ in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert excluded.names() == ["room"]
