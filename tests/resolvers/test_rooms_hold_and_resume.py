"""Hold, resume, update and close: the transitions that do not assign an agent."""

import pytest

from resolvers import agents, rooms, users
from resolvers.custom_fields.definitions import define_custom_field
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from storage.changes import Change
from storage.errors import AgentNotRoutable
from storage.facts import RoomClosed, RoomUpdated
from storage.records import AgentStatus, FieldTarget, FieldType, Presence, RoomStatus
from tests.resolvers.world import World


async def define(world: World, key: str, type: FieldType) -> None:
    await define_custom_field(world.context, target=FieldTarget.ROOM, key=key, type=type)


# ---------------------------------------------------------------- hold and resume


async def test_room_on_hold_frees_capacity(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    first, second = await world.start(), await world.start()

    held = await rooms.hold_room(world.context, room_id=first.id, comment="a moment")
    await world.await_routing()

    assert (held.status, held.served_by_id) == (RoomStatus.ON_HOLD, anna.id)
    assert (await world.summary(first))[2:] == ["ROOM_HELD"]
    assert await world.served_by(second) == "anna"
    assert (await world.profile(anna)).open_room_count == 1


async def test_a_room_is_resumed_and_counts_again(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    room = await world.on_hold(anna)

    resumed = await rooms.resume_room(world.context, room_id=room.id)

    assert resumed.status is RoomStatus.ASSIGNED
    assert (await world.summary(room))[-1] == "ROOM_RESUMED"
    assert (await world.profile(anna)).open_room_count == 1


async def test_an_agent_at_its_limit_cannot_resume_a_room(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    room = await world.on_hold(anna)
    await world.assigned(anna)
    head = await world.head()

    with pytest.raises(AgentNotRoutable) as refusal:
        await rooms.resume_room(world.context, room_id=room.id)

    assert refusal.value.data == {"reason": "AT_CAPACITY"}
    assert await world.room(room) == room
    assert await world.head() == head


@pytest.mark.parametrize("leaves", ["OFFLINE", "NOT_AVAILABLE"])
async def test_an_agent_that_is_not_available_resumes_its_own_rooms(world: World, leaves: str) -> None:
    anna = await world.agent("anna")
    room = await world.on_hold(anna)
    if leaves == "OFFLINE":
        await users.set_presence(world.context, user_id=anna.id, presence=Presence.OFFLINE)
    else:
        await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)

    resumed = await rooms.resume_room(world.context, room_id=room.id)

    assert resumed.status is RoomStatus.ASSIGNED


# ---------------------------------------------------------------- update


async def test_an_update_changes_its_arguments_and_increments_atomically(world: World) -> None:
    await define(world, "note", FieldType.TEXT)
    await define(world, "count", FieldType.NUMBER)
    room = await world.start(custom_fields=[FieldAssignment("note", "n"), FieldAssignment("count", 1)], tags=["a"])

    after = await rooms.update_room(
        world.context,
        room_id=room.id,
        subject="S",
        priority=2,
        custom_fields=[FieldAssignment("note", None)],
        increment=[FieldIncrement("count", 2)],
    )

    assert (after.subject, after.priority, after.tags, after.custom_fields) == ("S", 2, ("a",), {"count": 3})
    fact = (await world.facts_of(room))[-1]
    assert isinstance(fact, RoomUpdated)
    assert fact.changes == (
        Change("subject"),
        Change("priority", 0),
        Change("customFields.count", 1),
        Change("customFields.note", "n"),
    )


async def test_null_removes_a_value_of_a_room(world: World) -> None:
    room = await world.start(subject="S", priority=2, tags=["a"])

    after = await rooms.update_room(world.context, room_id=room.id, subject=None, priority=None, tags=None)

    assert (after.subject, after.priority, after.tags) == (None, 0, ())


async def test_an_update_of_a_room_without_a_change_records_no_fact(world: World) -> None:
    room = await world.start(subject="S")
    head = await world.head()

    after = await rooms.update_room(world.context, room_id=room.id, subject="S", if_revision=room.revision)

    assert after == room
    assert await world.head() == head


# ---------------------------------------------------------------- close


async def test_closing_stores_comment_tags_and_fields(world: World) -> None:
    await define(world, "rating", FieldType.NUMBER)
    anna = await world.agent("anna")
    room = await world.start(tags=["a"])

    closed = await rooms.close_room(
        world.context,
        room_id=room.id,
        comment="done",
        tags=["b", "a"],
        custom_fields=[FieldAssignment("rating", 5)],
        if_revision=room.revision,
    )

    assert (closed.status, closed.tags, closed.custom_fields) == (RoomStatus.CLOSED, ("a", "b"), {"rating": 5})
    assert (await world.summary(room))[2:] == ["AGENT_UNASSIGNED CLOSED anna (-)", "ROOM_CLOSED"]
    fact = (await world.facts_of(room))[-1]
    assert isinstance(fact, RoomClosed)
    assert (fact.room.room.tags, fact.room.room.custom_fields, fact.comment) == (("a", "b"), {"rating": 5}, "done")
    assert (closed.served_by_id, closed.last_served_by_id) == (None, anna.id)
    assert (await world.profile(anna)).open_room_count == 0


async def test_a_waiting_room_is_closed_without_an_unassignment(world: World) -> None:
    room = await world.closed()

    assert await world.summary(room) == ["ROOM_STARTED", "ROOM_QUEUED", "ROOM_CLOSED"]


async def test_a_room_on_hold_is_closed_and_its_agent_unassigned(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.on_hold(anna)

    await rooms.close_room(world.context, room_id=room.id)

    assert (await world.summary(room))[-2:] == ["AGENT_UNASSIGNED CLOSED anna (-)", "ROOM_CLOSED"]
    assert (await world.profile(anna)).open_room_count == 0
