"""`roomCounts` as a query and as a subscription."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from resolvers import messages, rooms
from resolvers.custom_fields import definitions
from resolvers.live import counter
from resolvers.live.counts import CountsView, RoomCounts, count_rooms, subscribe_room_counts
from storage import room_views
from storage.errors import Forbidden, QueryTooComplex, UnknownField
from storage.filters.expressions import AttributeCondition, FieldCondition, Operator
from storage.mongo.cursors import event_cursor
from storage.records import FieldTarget, FieldType, RoutingMethod
from tests.resolvers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


def summary(found: RoomCounts) -> list[tuple[str | None, str | None, str | None, int, datetime | None]]:
    return [(one.status, one.department_id, one.served_by_id, one.count, one.oldest_queued_at) for one in found.groups]


async def test_rooms_are_counted_by_each_existing_combination_of_values(world: World) -> None:
    department = await world.department("Manual", RoutingMethod.MANUAL)
    agent = await world.agent("anna")
    oldest = await world.start(department)
    await world.start(department)
    served = await world.start(department)
    await rooms.assign_agent(world.context, room_id=served.id, agent_id=agent.id)
    found = await count_rooms(world.context, by=["SERVED_BY", "STATUS", "DEPARTMENT"])
    assert summary(found) == [
        ("ASSIGNED", department.id, agent.id, 1, None),
        ("QUEUED", department.id, None, 2, oldest.queued_at),
    ]
    assert found.cursor == event_cursor(await world.head())


async def test_without_a_grouping_all_rooms_are_one_group(world: World) -> None:
    assert summary(await count_rooms(world.context, by=[])) == []
    room = await world.start()
    assert summary(await count_rooms(world.context, by=[])) == [(None, None, None, 1, room.queued_at)]


async def test_only_matching_and_visible_rooms_are_counted(world: World) -> None:
    department = await world.department("Manual", RoutingMethod.MANUAL)
    agent = await world.agent("anna", max_rooms=0)
    await world.start(department)
    mine = await world.start()
    context = world.logged_in(agent)
    assert [one.count for one in (await count_rooms(world.context, by=[])).groups] == [2]
    assert [one.count for one in (await count_rooms(context, by=[])).groups] == [1]
    where = AttributeCondition("id", Operator.EQ, mine.id)
    assert [one.count for one in (await count_rooms(world.context, where=where, by=["SOURCE"])).groups] == [1]


async def test_counting_needs_the_scope_to_read_rooms(world: World) -> None:
    user = await world.agent("anna")
    context = world.logged_in(user)
    bare: Any = type(context.caller)(actor=context.caller.actor, user=user)
    with pytest.raises(Forbidden):
        await count_rooms(replace(context, caller=bare), by=[])


async def test_too_many_groups_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_views, "MAX_GROUPS", 1)
    await world.start(source="one")
    await world.start(source="two")
    with pytest.raises(QueryTooComplex):
        await count_rooms(world.context, by=["SOURCE"])


async def test_counts_are_sent_initially_and_when_they_change(world: World) -> None:
    stream = await subscribe_room_counts(world.context, by=["STATUS"])
    async with asyncio.timeout(60):
        assert summary(await anext(stream)) == []
        room = await world.start()
        assert summary(await anext(stream)) == [("QUEUED", None, None, 1, room.queued_at)]
        await rooms.close_room(world.context, room_id=room.id)
        assert summary(await anext(stream)) == [("CLOSED", None, None, 1, None)]
    await stream.aclose()
    assert len(world.services.live_views) == 0


async def test_counts_are_sent_at_most_twice_a_second(world: World) -> None:
    clock = asyncio.get_running_loop().time
    stream = await subscribe_room_counts(world.context, by=[])
    async with asyncio.timeout(60):
        received = [(clock(), await anext(stream))]
        for _ in range(10):
            await world.start()
        while not received[-1][1].groups or received[-1][1].groups[0].count < 10:
            found = await anext(stream)
            received.append((clock(), found))
    await stream.aclose()
    assert all(after - before >= 0.49 for (before, _), (after, _) in pairwise(received))


async def test_the_oldest_waiting_room_is_updated_when_older_rooms_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_views, "OLDEST_KEPT", 2)
    started = [await world.start() for _ in range(6)]
    stream = await subscribe_room_counts(world.context, by=["STATUS"])
    async with asyncio.timeout(60):
        found = await anext(stream)
        for room in started[:5]:
            await rooms.close_room(world.context, room_id=room.id)
        while {one.status: one.count for one in found.groups} != {"CLOSED": 5, "QUEUED": 1}:
            found = await anext(stream)
    assert [one.oldest_queued_at for one in found.groups] == [None, started[5].queued_at]
    await stream.aclose()


async def test_a_subscriber_that_waits_receives_the_counts_of_a_rebuilt_view(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_views, "OLDEST_KEPT", 1)
    monkeypatch.setattr(counter, "OLDEST_KEPT", 1)
    wait_for_change, waits = CountsView.wait_for_change, asyncio.Event()

    async def noticed(view: CountsView) -> None:
        waits.set()
        await wait_for_change(view)

    monkeypatch.setattr(CountsView, "wait_for_change", noticed)
    oldest, second, _ = [await world.start() for _ in range(3)]
    stream = await subscribe_room_counts(world.context, by=[])
    async with asyncio.timeout(60):
        assert [(one.count, one.oldest_queued_at) for one in (await anext(stream)).groups] == [(3, oldest.queued_at)]
        waiting = asyncio.ensure_future(anext(stream))
        await waits.wait()
        await rooms.close_room(world.context, room_id=oldest.id)

        assert [(one.count, one.oldest_queued_at) for one in (await waiting).groups] == [(3, second.queued_at)]
    await stream.aclose()


async def test_no_counts_are_sent_while_a_view_is_rebuilt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_views, "OLDEST_KEPT", 1)
    monkeypatch.setattr(counter, "OLDEST_KEPT", 1)
    oldest, second, _ = [await world.start() for _ in range(3)]
    read_groups, reads, go_on = room_views.read_groups, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **keywords: Any) -> Any:
        reads.set()
        await go_on.wait()
        return await read_groups(*arguments, **keywords)

    stream = await subscribe_room_counts(world.context, by=[])
    async with asyncio.timeout(60):
        await anext(stream)
        monkeypatch.setattr(room_views, "read_groups", slow)
        await world.start()
        await rooms.close_room(world.context, room_id=oldest.id)
        await reads.wait()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.wait({waiting}, timeout=1)
        assert not waiting.done()
        go_on.set()

        assert [(one.count, one.oldest_queued_at) for one in (await waiting).groups] == [(4, second.queued_at)]
    await stream.aclose()


async def test_a_redaction_in_a_closed_room_changes_no_count_of_closed_rooms(world: World) -> None:
    room = await world.start()
    message = await messages.send_message(world.context, room_id=room.id, text="Hi")
    closed = await rooms.close_room(world.context, room_id=room.id)
    assert closed.closed_at is not None
    where = AttributeCondition("closedAt", Operator.GTE, closed.closed_at)
    stream = await subscribe_room_counts(world.context, where=where, by=[])
    async with asyncio.timeout(60):
        assert [one.count for one in (await anext(stream)).groups] == [1]
        await messages.redact_message(world.context, message_id=message.id)
        another = await world.start()
        await rooms.close_room(world.context, room_id=another.id)

        assert [one.count for one in (await anext(stream)).groups] == [2]
    await stream.aclose()


async def test_counts_end_if_a_field_of_their_filter_is_removed_before_they_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = await definitions.define_custom_field(
        world.context, target=FieldTarget.ROOM, key="score", type=FieldType.NUMBER
    )
    read_groups = room_views.read_groups

    async def removing(*args: Any, **kwargs: Any) -> Any:
        await definitions.remove_custom_field(world.context, id=defined.id)
        return await read_groups(*args, **kwargs)

    monkeypatch.setattr(room_views, "read_groups", removing)
    stream = await subscribe_room_counts(
        world.context, where=FieldCondition("score", Operator.EXISTS, False), by=["STATUS"]
    )
    with pytest.raises(UnknownField, match="score"):
        await anext(stream)
    assert len(world.services.live_views) == 0
