"""The messages of `roomList`."""

from dataclasses import replace
from typing import Any

import pytest

from resolvers import agents, messages, rooms
from resolvers.auth.access import Caller
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.live import list_view
from resolvers.live.window import ListChange
from resolvers.ordering import Ordering
from storage.errors import Forbidden, Invalid, InvalidCursor, UnknownField
from storage.filters.expressions import AttributeCondition, Operator
from storage.records import FieldTarget, FieldType, RoutingMethod
from tests.resolvers.live.reader import ListReader
from tests.resolvers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRESENT, READY, ENTERED, CHANGED, LEFT = ListChange


def changes_of(reader: ListReader, since: int = 0) -> list[tuple[ListChange, str | None, int | None]]:
    return [(one.change, one.room_id, one.total) for one in reader.updates[since:]]


async def test_rooms_are_sent_in_order_and_then_ready_with_the_total(world: World) -> None:
    started = [await world.start() for _ in range(3)]
    reader = ListReader(world.context, first=2)
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader) == [(PRESENT, started[0].id, None), (PRESENT, started[1].id, None), (READY, None, 3)]
    await reader.close()


async def test_an_empty_list_is_ready_at_once(world: World) -> None:
    reader = ListReader(world.context)
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader) == [(READY, None, 0)]
    await reader.close()


async def test_a_room_that_takes_the_place_of_another_enters(world: World) -> None:
    waiting = AttributeCondition("status", Operator.EQ, "QUEUED")
    first, second = await world.start(), await world.start()
    reader = ListReader(world.context, first=1, where=waiting)
    await reader.open()
    await reader.until_ready()
    await rooms.close_room(world.context, room_id=first.id)
    left, entered = await reader.next(), await reader.next()
    assert changes_of(reader, 2) == [(LEFT, first.id, 1), (ENTERED, second.id, None)]
    assert left.cursor != entered.cursor
    assert left.room is not None
    assert left.room.status == "CLOSED"
    await reader.close()


async def test_a_room_leaves_the_list_when_another_takes_its_place(world: World) -> None:
    low = await world.start(priority=1)
    reader = ListReader(world.context, first=1, order_by=Ordering("PRIORITY", True))
    await reader.open()
    await reader.until_ready()
    high = await world.start(priority=2)
    while reader.ids != [high.id]:
        await reader.next()
    assert [(change, room) for change, room, _ in changes_of(reader, 2)][:2] == [(LEFT, low.id), (ENTERED, high.id)]
    await reader.close()


async def test_a_change_beyond_the_list_sends_only_the_total(world: World) -> None:
    listed = await world.start()
    reader = ListReader(world.context, first=1)
    await reader.open()
    await reader.until_ready()
    await world.start()
    await reader.next()
    await rooms.update_room(world.context, room_id=listed.id, subject="hello")
    await reader.next()
    assert changes_of(reader, 2) == [(READY, None, 2), (CHANGED, listed.id, None)]
    await reader.close()


async def test_messages_are_changes_for_callers_that_may_read_them(world: World) -> None:
    room = await world.start()
    everything = ListReader(world.context)
    scoped = World(world.services)
    scoped.context = replace(
        world.context, caller=Caller(actor=world.context.caller.actor, scopes=frozenset({"rooms:read"}))
    )
    without = ListReader(scoped.context)
    for reader in (everything, without):
        await reader.open()
        await reader.until_ready()
    await messages.send_message(world.context, room_id=room.id, text="hi")
    await rooms.update_room(world.context, room_id=room.id, subject="hello")
    await everything.next()
    await everything.next()
    await without.next()
    assert changes_of(everything, 2) == [(CHANGED, room.id, None), (CHANGED, room.id, None)]
    assert changes_of(without, 2) == [(CHANGED, room.id, None)]
    assert [one.room and one.room.subject for one in everything.updates[2:]] == [None, "hello"]
    for reader in (everything, without):
        await reader.close()


async def test_resuming_sends_the_changes_and_then_ready(world: World) -> None:
    gone, changed, same = await world.start(), await world.start(), await world.start()
    waiting = AttributeCondition("status", Operator.EQ, "QUEUED")
    reader = ListReader(world.context, where=waiting)
    await reader.open()
    await reader.until_ready()
    await reader.close()
    assert len(world.services.live_views) == 0
    await rooms.close_room(world.context, room_id=gone.id)
    await rooms.update_room(world.context, room_id=changed.id, subject="hello")
    came = await world.start()
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader, 4) == [
        (LEFT, gone.id, None),
        (CHANGED, changed.id, None),
        (ENTERED, came.id, None),
        (READY, None, 3),
    ]
    assert reader.ids == [changed.id, same.id, came.id]
    await reader.close()


async def test_resuming_between_the_changes_of_one_event_sends_the_rest(world: World) -> None:
    first, second = await world.start(), await world.start()
    reader = ListReader(world.context, first=1, where=AttributeCondition("status", Operator.EQ, "QUEUED"))
    await reader.open()
    await reader.until_ready()
    await rooms.close_room(world.context, room_id=first.id)
    assert (await reader.next()).change is LEFT
    await reader.close()
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader, 3) == [(ENTERED, second.id, None), (READY, None, 1)]
    await reader.close()


async def test_resuming_among_the_present_rooms_sends_the_rest(world: World, other: World) -> None:
    started = [await world.start() for _ in range(3)]
    reader = ListReader(world.context)
    await reader.open()
    await reader.next()
    await reader.close()
    await reader.open(context=other.context)
    await reader.until_ready()
    assert changes_of(reader, 1) == [(ENTERED, started[1].id, None), (ENTERED, started[2].id, None), (READY, None, 3)]
    await reader.close()


async def test_resuming_too_far_back_sends_the_whole_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await world.start()
    reader = ListReader(world.context)
    await reader.open()
    await reader.until_ready()
    await reader.close()
    monkeypatch.setattr(list_view, "MAX_MISSED_FACTS", 1)
    await rooms.update_room(world.context, room_id=room.id, subject="a")
    await rooms.update_room(world.context, room_id=room.id, subject="b")
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader, 2) == [(PRESENT, room.id, None), (READY, None, 1)]
    await reader.close()


async def test_resuming_too_far_back_sends_an_empty_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await world.start()
    reader = ListReader(world.context, where=AttributeCondition("status", Operator.EQ, "QUEUED"))
    await reader.open()
    await reader.until_ready()
    await reader.close()
    monkeypatch.setattr(list_view, "MAX_MISSED_FACTS", 0)
    await rooms.close_room(world.context, room_id=room.id)
    await reader.open()
    await reader.until_ready()
    assert changes_of(reader, 2) == [(READY, None, 0)]
    assert reader.ids == []
    await reader.close()


async def test_a_redaction_in_a_closed_room_changes_no_list_of_closed_rooms(world: World) -> None:
    closed = [await world.start() for _ in range(3)]
    message = await messages.send_message(world.context, room_id=closed[0].id, text="Hi")
    for room in closed:
        await rooms.close_room(world.context, room_id=room.id)
    reader = ListReader(world.context, first=2, order_by=Ordering("CLOSED_AT"))
    await reader.open()
    await reader.until_ready()
    shown = reader.ids
    await reader.close()
    await messages.redact_message(world.context, message_id=message.id)
    await reader.open()
    await reader.until_ready()
    assert reader.ids == shown
    assert not {LEFT, ENTERED} & {update.change for update in reader.updates}
    await reader.close()


async def test_a_cursor_of_another_list_is_refused(world: World) -> None:
    reader = ListReader(world.context, first=2)
    await reader.open()
    await reader.until_ready()
    await reader.close()
    for arguments in (
        {"first": 3},
        {"first": 2, "order_by": Ordering("PRIORITY", False)},
        {"first": 2, "where": AttributeCondition("status", Operator.EQ, "QUEUED")},
    ):
        another = ListReader(world.context, **arguments)
        another.cursor = reader.cursor
        with pytest.raises(InvalidCursor):
            await another.open()
    event_cursor = ListReader(world.context)
    event_cursor.cursor = "nonsense"
    with pytest.raises(InvalidCursor):
        await event_cursor.open()
    assert len(world.services.live_views) == 0


async def test_a_list_has_from_1_to_200_rooms(world: World) -> None:
    for size in (0, 201, -1):
        with pytest.raises(Invalid) as refusal:
            await ListReader(world.context, first=size).open()
        assert refusal.value.data["key"] == "first"
    assert len(world.services.live_views) == 0


async def test_a_list_needs_the_scope_to_read_rooms(world: World) -> None:
    user = await world.agent("nobody")
    await agents.remove_agent(world.context, user_id=user.id)
    with pytest.raises(Forbidden):
        await ListReader(world.logged_in(await world.user(user))).open()


async def test_an_agent_gets_only_the_rooms_that_it_may_see(world: World) -> None:
    department = await world.department("Manual", RoutingMethod.MANUAL)
    agent = await world.agent("anna", departments=[department])
    other = await world.agent("bert", departments=[department])
    room = await world.start(department)
    reader = ListReader(world.logged_in(await world.user(agent)))
    await reader.open()
    await reader.until_ready()
    assert reader.ids == [room.id]
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=other.id)
    left = await reader.next()
    assert (left.change, left.room_id, left.room) == (LEFT, room.id, None)
    await reader.close()


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("descending", [True, False])
async def test_a_list_ordered_by_a_custom_field_equals_the_query(world: World, unique: bool, descending: bool) -> None:
    defined = await definitions.define_custom_field(
        world.context, target=FieldTarget.ROOM, key="score", type=FieldType.NUMBER, unique=unique
    )
    arguments: dict[str, Any] = {"first": 2, "order_by": Ordering("CUSTOM_FIELD", descending, "score")}
    started = [await world.start() for _ in range(4)]
    reader = ListReader(world.context, **arguments)
    await reader.open()
    await reader.until_ready()

    for index, score in ((0, 5), (1, 3), (2, 9), (0, 1), (2, None), (3, 4), (1, 7), (3, None), (1, None)):
        changed = await rooms.update_room(
            world.context,
            room_id=started[index].id,
            custom_fields=[FieldAssignment("score", score)],
            subject=str(score),
        )
        page = await rooms.list_rooms(world.context, **arguments)
        expected = {room.id: room.revision for room in page.items}
        if changed.id in expected or changed.id in reader.rooms:
            while {room.id: room.revision for room in reader.rooms.values()} != expected:
                await reader.next()
        assert {room.id: room.revision for room in reader.rooms.values()} == expected

    await reader.close()
    await reader.open()
    await reader.until_ready()
    assert set(reader.rooms) == {room.id for room in (await rooms.list_rooms(world.context, **arguments)).items}

    await definitions.remove_custom_field(world.context, id=defined.id)
    with pytest.raises(UnknownField):
        await reader.next()
    assert len(world.services.live_views) == 0


async def test_a_list_without_spare_rooms_reads_the_next_rooms_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_view, "slack", lambda _: 0)
    started = [await world.start() for _ in range(4)]
    reader = ListReader(world.context, first=2, where=AttributeCondition("status", Operator.EQ, "QUEUED"))
    await reader.open()
    await reader.until_ready()
    await rooms.close_room(world.context, room_id=started[0].id)
    await reader.next()
    await reader.next()
    assert changes_of(reader, 3) == [(LEFT, started[0].id, 3), (ENTERED, started[2].id, None)]
    assert reader.ids == [started[1].id, started[2].id]
    await reader.close()


async def test_a_room_that_left_during_an_absence_is_sent_with_its_state(world: World) -> None:
    """The first room leaves because it is closed, the second one because a room enters before it."""
    arguments: Any = {
        "order_by": Ordering("PRIORITY", True),
        "where": AttributeCondition("status", Operator.EQ, "QUEUED"),
    }
    closed, pushed_out = await world.start(priority=3), await world.start(priority=2)
    reader = ListReader(world.context, first=2, **arguments)
    await reader.open()
    await reader.until_ready()
    await reader.close()
    await rooms.close_room(world.context, room_id=closed.id)
    entered = [await world.start(priority=5) for _ in range(2)]

    await reader.open()
    updates = await reader.until_ready()

    left = [one for one in updates if one.change is LEFT]
    assert [one.room_id for one in left] == [closed.id, pushed_out.id]
    assert [one.room.status if one.room else None for one in left] == ["CLOSED", "QUEUED"]
    assert set(reader.rooms) == {room.id for room in entered}
    await reader.close()
