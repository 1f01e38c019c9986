"""Mutations that decide by the memory of the process give the same results as those that read the database."""

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from resolvers import departments, messages, rooms, visitors
from storage import rooms as stored_rooms
from storage.errors import NotFound, RoomClosed
from storage.facts import AgentAssigned
from storage.records import Room, RoomSnapshot, RoomStatus, RoutingMethod
from tests.resolvers.world import World


def in_memory(world: World, room: Room) -> RoomSnapshot:
    storage = world.services.storage
    found = storage.database.recent_entities.get(stored_rooms.SNAPSHOTS, room.id, storage.definition_cache.revision)
    assert isinstance(found, RoomSnapshot)
    newest = world.services.agent_cache.newest
    return replace(
        found,
        served_by=None if found.served_by is None else newest(found.served_by),
        former=None if found.former is None else newest(found.former),
    )


def outdate(world: World, snapshot: RoomSnapshot) -> None:
    """Put a snapshot into the memory, as if the newer facts were still on their way to this process."""
    storage = world.services.storage
    storage.database.recent_entities.clear()
    storage.database.recent_entities.put(
        stored_rooms.SNAPSHOTS,
        snapshot.room.id,
        snapshot,
        version=snapshot.room.version,
        revision=storage.definition_cache.revision,
    )


async def assign(world: World, room: Room) -> None:
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=(await world.agent("bert")).id)


async def transfer(world: World, room: Room) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    await assign(world, room)
    await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)


async def hold(world: World, room: Room) -> None:
    await assign(world, room)
    await rooms.hold_room(world.context, room_id=room.id)


async def resume(world: World, room: Room) -> None:
    await hold(world, room)
    await rooms.resume_room(world.context, room_id=room.id)


async def unassign(world: World, room: Room) -> None:
    await assign(world, room)
    await rooms.unassign_agent(world.context, room_id=room.id)


async def close(world: World, room: Room) -> None:
    await assign(world, room)
    await rooms.close_room(world.context, room_id=room.id, comment="done")


async def update(world: World, room: Room) -> None:
    await rooms.update_room(world.context, room_id=room.id, subject="new", tags=["one"], priority=3)


async def send(world: World, room: Room) -> None:
    await messages.send_message(world.context, room_id=room.id, text="hello")


@pytest.mark.parametrize("change", [assign, transfer, hold, resume, unassign, close, update, send])
async def test_the_memory_has_what_is_stored(world: World, change: Callable[[World, Room], Awaitable[None]]) -> None:
    room = await world.waiting()

    await change(world, room)

    assert in_memory(world, room) == await stored_rooms.get_snapshot(world.context.reader, room.id)


async def test_the_queue_puts_rooms_that_it_assigns_into_the_memory(world: World) -> None:
    room = await world.start()
    await world.agent("anna")
    await world.await_routing()

    assert in_memory(world, room) == await stored_rooms.get_snapshot(world.context.reader, room.id)


async def test_a_change_by_an_outdated_room_is_repeated_with_the_stored_one(world: World) -> None:
    room, anna = await world.waiting(), await world.agent("anna")
    before = in_memory(world, room)
    await rooms.update_room(world.context, room_id=room.id, subject="new")
    outdate(world, before)

    assigned = await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    assert (assigned.subject, assigned.status) == ("new", RoomStatus.ASSIGNED)
    facts = [fact for fact in await world.facts() if isinstance(fact, AgentAssigned)]
    assert [fact.room.room.subject for fact in facts] == ["new"]


async def test_a_change_by_an_outdated_visitor_is_repeated_with_the_stored_one(world: World) -> None:
    room, anna = await world.waiting(), await world.agent("anna")
    before = in_memory(world, room)
    await visitors.save_visitor(world.context, token="v", name="Ida")
    outdate(world, before)

    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    facts = [fact for fact in await world.facts() if isinstance(fact, AgentAssigned)]
    assert [fact.room.visitor.name for fact in facts] == ["Ida"]


async def test_a_refusal_by_an_outdated_room_is_not_returned(world: World) -> None:
    room, anna = await world.waiting(), await world.agent("anna")
    before = in_memory(world, room)
    outdate(world, replace(before, room=replace(before.room, status=RoomStatus.CLOSED)))

    assigned = await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    assert assigned.status is RoomStatus.ASSIGNED


async def test_a_refusal_by_the_stored_room_is_returned_when_the_memory_is_outdated(world: World) -> None:
    room, anna = await world.waiting(), await world.agent("anna")
    before = in_memory(world, room)
    await rooms.close_room(world.context, room_id=room.id)
    outdate(world, before)
    head = await world.head()

    with pytest.raises(RoomClosed):
        await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    assert await world.head() == head
    assert (await world.room(room)).status is RoomStatus.CLOSED


async def test_a_change_without_an_effect_returns_the_stored_room(world: World) -> None:
    room = await world.waiting()
    before = in_memory(world, room)
    await rooms.update_room(world.context, room_id=room.id, subject="new", priority=2)
    outdate(world, before)

    answer = await rooms.update_room(world.context, room_id=room.id, subject="new")

    assert (answer.subject, answer.priority) == ("new", 2)
    assert answer == await world.room(room)


async def test_a_room_starts_in_the_department_as_it_is_stored(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    recent = world.services.storage.database.recent_entities
    revision = world.services.storage.definition_cache.revision
    await world.agent("anna", departments=[department])
    await departments.update_department(world.context, department_id=department.id, routing=RoutingMethod.LEAST_LOADED)
    recent.clear()
    recent.put("departments", department.id, department, version=department.version, revision=revision)

    room = await world.start(department)

    assert room.status is RoomStatus.ASSIGNED


async def test_a_visitor_that_is_gone_starts_no_room(world: World) -> None:
    await world.start()
    await world.services.storage.database["visitors"].delete_many({})
    head = await world.head()

    with pytest.raises(NotFound):
        await world.start()

    assert await world.head() == head


async def test_a_fact_of_another_process_removes_what_it_changed_from_the_memory(world: World, other: World) -> None:
    room = await world.waiting()

    await rooms.update_room(other.context, room_id=room.id, subject="new")
    await visitors.save_visitor(other.context, token="v", name="Ida")

    feed, head = world.services.storage.feed, await world.head()
    while feed.head < head:
        await feed.wait(feed.head)
    storage = world.services.storage
    revision = storage.definition_cache.revision
    assert storage.database.recent_entities.get(stored_rooms.SNAPSHOTS, room.id, revision) is None
    assert storage.database.recent_entities.get("visitors", "v", revision) is None
