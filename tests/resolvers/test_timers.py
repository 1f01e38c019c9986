"""Timers of rooms are set, replaced, listed and cancelled, each within its room and for its caller."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from resolvers import messages, rooms, timers
from resolvers.auth.access import Caller
from storage.errors import Forbidden, IdempotencyMismatch, Invalid, NotFound, RoomClosed
from storage.facts import FACTS, RoomFact
from storage.records import Actor, ActorType, Room
from tests.resolvers.refusals import refused
from tests.resolvers.timer_steps import lease_held, names, set_timer, stored_timers
from tests.resolvers.world import APP, World

OTHER = Actor(type=ActorType.APP, id="other", name="Other")
ROOM_TYPES = [tag for tag, kind in FACTS.items() if issubclass(kind, RoomFact)]


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def no_background_task(world: World) -> AsyncIterator[None]:
    async with lease_held(world):
        yield


async def without_version(world: World, room: Room) -> Room:
    """The stored room with its version as it was."""
    return msgspec.structs.replace(await world.room(room), version=room.version)


# ---------------------------------------------------------------- setting


async def test_a_timer_is_due_after_its_seconds_and_changes_only_the_count_of_its_room(world: World) -> None:
    room, head = await world.waiting(), await world.head()
    room = await world.room(room)

    timer = await set_timer(world, room, "remind", seconds=90, data={"a": [1, None]})

    assert (timer.name, timer.set_by, timer.data_json) == ("remind", APP, '{"a":[1,null]}')
    assert timer.due_at - timer.set_at == timedelta(seconds=90)
    assert await timers.list_timers(world.context, room_id=room.id) == [timer]
    assert await without_version(world, room) == msgspec.structs.replace(room, timer_count=1)
    assert await world.facts(head) == []


async def test_a_timer_that_is_set_again_is_replaced(world: World) -> None:
    room = await world.waiting()
    await set_timer(world, room, seconds=90, data=1, cancel_on=["MESSAGE_SENT"])

    again = await set_timer(world, room, seconds=30)

    assert await timers.list_timers(world.context, room_id=room.id) == [again]
    assert (again.data_json, again.cancel_on) == (None, ())
    assert (await world.room(room)).timer_count == 1
    assert (await world.room(room)).timer_marks == {}


async def test_names_are_per_caller_and_everybody_sees_all_timers(world: World) -> None:
    room = await world.waiting()
    other = replace(world.context, caller=replace(world.context.caller, actor=OTHER))
    mine = await set_timer(world, room)
    theirs = await set_timer(world, room, context=other, seconds=30)

    assert await timers.list_timers(world.context, room_id=room.id) == [theirs, mine]
    assert await timers.cancel_timer(world.context, room_id=room.id, name="t")

    assert await timers.list_timers(other, room_id=room.id) == [theirs]


async def test_timers_are_listed_in_the_order_in_which_they_are_due(world: World) -> None:
    room = await world.waiting()
    for name, seconds in {"c": 300, "a": 100, "b": 200}.items():
        await set_timer(world, room, name, seconds=seconds)

    assert await names(world, room) == ["a", "b", "c"]


async def test_a_room_takes_a_hundred_timers_also_when_they_are_set_at_once(world: World, other: World) -> None:
    room = await world.waiting()
    for number in range(timers.MAX_TIMERS - 1):
        await set_timer(world, room, str(number))

    answers = await asyncio.gather(
        *(set_timer(one, room, f"last-{index}") for index, one in enumerate((world, other))), return_exceptions=True
    )

    (refusal,) = [one for one in answers if isinstance(one, BaseException)]
    assert isinstance(refusal, Invalid)
    message = "The room has 100 timers, which is the limit; cancel one."
    assert (refusal.message, refusal.data) == (message, {"key": "roomId"})
    assert len(await stored_timers(world)) == (await world.room(room)).timer_count == timers.MAX_TIMERS
    await set_timer(world, room, "0", seconds=10)  # replaces one
    async with refused(world, Invalid, message, key="roomId"):
        await set_timer(world, room, "one more")
    await set_timer(world, await world.waiting(), "in another room")


async def test_a_repeated_mutation_returns_the_first_timer(world: World) -> None:
    room, context = await world.waiting(), world.context.mutation("once")
    first = await set_timer(world, room, context=context, data="x")

    assert await set_timer(world, room, context=context, data="x") == first
    with pytest.raises(IdempotencyMismatch):
        await set_timer(world, room, context=context, data="y")
    assert await timers.cancel_timer(world.context.mutation("cancel"), room_id=room.id, name="t") is True
    assert await timers.cancel_timer(world.context.mutation("cancel"), room_id=room.id, name="t") is True

    assert await stored_timers(world) == []


# ---------------------------------------------------------------- cancelling


async def test_a_cancelled_timer_is_gone(world: World) -> None:
    room = await world.waiting()
    await set_timer(world, room, restart_on=["MESSAGE_SENT"])

    assert await timers.cancel_timer(world.context, room_id=room.id, name="t") is True

    after = await world.room(room)
    assert (await stored_timers(world), after.timer_count, after.timer_marks) == ([], 0, {})
    async with refused(world, NotFound, 'There is no timer "t".', key="name"):
        await timers.cancel_timer(world.context, room_id=room.id, name="t")


async def test_closing_a_room_cancels_its_timers(world: World) -> None:
    room, other = await world.waiting(), await world.waiting()
    for number in range(3):
        await set_timer(world, room, str(number))
    kept = await set_timer(world, other)

    await rooms.close_room(world.context, room_id=room.id)

    assert [one["name"] for one in await stored_timers(world)] == [kept.name]
    assert await names(world, room) == []
    assert (await world.room(room)).timer_count == 0
    async with refused(world, NotFound, 'There is no timer "0".', key="name"):
        await timers.cancel_timer(world.context, room_id=room.id, name="0")
    async with refused(world, RoomClosed, "The room is closed and takes no timers; start another room."):
        await set_timer(world, room)


async def test_a_timer_that_an_event_cancelled_is_gone_and_does_not_count(world: World) -> None:
    room = await world.waiting()
    for number in range(timers.MAX_TIMERS):
        await set_timer(world, room, str(number), cancel_on=["MESSAGE_SENT"], restart_on=["MESSAGE_SENT"])
    await messages.send_message(world.context, room_id=room.id, text="hi")

    assert await names(world, room) == []
    async with refused(world, NotFound, 'There is no timer "1".', key="name"):
        await timers.cancel_timer(world.context, room_id=room.id, name="1")
    await set_timer(world, room, "new", cancel_on=["MESSAGE_SENT"])

    assert [one["name"] for one in await stored_timers(world)] == ["new"]
    assert await names(world, room) == ["new"]


# ---------------------------------------------------------------- restarting


async def test_an_event_of_the_room_starts_the_time_anew_and_writes_no_timer(world: World) -> None:
    room, other = await world.waiting(), await world.waiting()
    await set_timer(world, room, "messages", seconds=60, restart_on=["MESSAGE_SENT", "ROOM_UPDATED"])
    plain = await set_timer(world, room, "plain")
    before = await stored_timers(world)

    sent = await messages.send_message(world.context, room_id=room.id, text="hi")
    await messages.send_message(world.context, room_id=other.id, text="in another room")

    assert await stored_timers(world) == before
    found = {one.name: one.due_at for one in await timers.list_timers(world.context, room_id=room.id) or ()}
    assert found == {"messages": sent.sent_at + timedelta(seconds=60), "plain": plain.due_at}


async def test_only_events_after_it_was_set_restart_or_cancel_a_timer(world: World) -> None:
    room = await world.waiting()
    await set_timer(world, room, "watching", restart_on=["MESSAGE_SENT"])
    await messages.send_message(world.context, room_id=room.id, text="hi")

    later = await set_timer(world, room, "later", restart_on=["MESSAGE_SENT"])
    cancelled_by_next = await set_timer(world, room, "next", cancel_on=["MESSAGE_SENT"])

    found = {one.name: one for one in await timers.list_timers(world.context, room_id=room.id) or ()}
    assert found["later"] == later
    assert found["next"] == cancelled_by_next


@pytest.mark.parametrize("tag", ["ROOM_UPDATED", "AGENT_ASSIGNED", "ROOM_HELD"])
async def test_every_event_of_an_operation_counts(world: World, tag: str) -> None:
    anna, room = await world.agent("anna"), await world.waiting()
    await set_timer(world, room, "cancelled", cancel_on=[tag])
    await set_timer(world, room, "kept", cancel_on=["ROOM_TRANSFERRED"])

    await rooms.update_room(world.context, room_id=room.id, subject="S")
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await rooms.hold_room(world.context, room_id=room.id)

    assert await names(world, room) == ["kept"]


async def test_a_room_without_timers_stores_no_marks(world: World) -> None:
    room = await world.waiting()

    await messages.send_message(world.context, room_id=room.id, text="hi")

    assert (await world.room(room)).timer_marks == {}


# ---------------------------------------------------------------- refusals

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"name": ""}, "name", "name must have 1 to 128 characters; this one is empty."),
    "long name": ({"name": "n" * 129}, "name", "name must have 1 to 128 characters; this one has 129."),
    "no seconds": ({"seconds": 0}, "seconds", "seconds must be 1 to 31536000; it is 0."),
    "more than a year": ({"seconds": 31_536_001}, "seconds", "seconds must be 1 to 31536000; it is 31536001."),
    "restarted by a user": (
        {"restart_on": ["MESSAGE_SENT", "USER_CREATED"]},
        "restartOn",
        f"restartOn takes types of events of rooms: {', '.join(ROOM_TYPES)}; USER_CREATED is not one.",
    ),
    "cancelled by a visitor": (
        {"cancel_on": ["VISITOR_SAVED"]},
        "cancelOn",
        f"cancelOn takes types of events of rooms: {', '.join(ROOM_TYPES)}; VISITOR_SAVED is not one.",
    ),
    "large data": ({"data": "x" * 16_383}, "data", "data takes 16,385 bytes as JSON; at most 16,384 are allowed."),
}


@pytest.mark.parametrize("case", BAD)
async def test_invalid_input_is_refused_by_its_name(world: World, case: str) -> None:
    room = await world.waiting()
    values, key, message = BAD[case]

    async with refused(world, Invalid, message, key=key):
        await set_timer(world, room, **values)


async def test_the_bounds_themselves_are_accepted(world: World) -> None:
    room = await world.waiting()

    await set_timer(world, room, "n" * 128, seconds=31_536_000, restart_on=ROOM_TYPES, cancel_on=ROOM_TYPES)
    await set_timer(world, room, "s", seconds=1, data="x" * 16_382)

    assert (await world.room(room)).timer_count == 2


async def test_a_room_that_the_caller_may_not_see_has_no_timers(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(bert)
    await set_timer(world, room)
    context = world.logged_in(anna, "rooms:write")
    message = f'There is no room "{room.id}".'

    assert await timers.list_timers(context, room_id=room.id) is None
    async with refused(world, NotFound, message, key="roomId"):
        await set_timer(world, room, context=context)
    async with refused(world, NotFound, message, key="roomId"):
        await timers.cancel_timer(context, room_id=room.id, name="t")
    assert await timers.list_timers(world.context, room_id="nowhere") is None
    async with refused(world, NotFound, 'There is no room "nowhere".', key="roomId"):
        await timers.set_timer(world.context, room_id="nowhere", name="t", seconds=1)


async def test_timers_need_the_scopes_of_rooms(world: World) -> None:
    room = await world.waiting()
    reader = replace(world.context, caller=Caller(actor=APP, scopes=frozenset({"rooms:read"})))
    writer = replace(world.context, caller=Caller(actor=APP, scopes=frozenset({"rooms:write"})))

    assert await timers.list_timers(reader, room_id=room.id) == []
    with pytest.raises(Forbidden):
        await timers.list_timers(writer, room_id=room.id)
    with pytest.raises(Forbidden):
        await set_timer(world, room, context=reader)
    with pytest.raises(Forbidden):
        await timers.cancel_timer(reader, room_id=room.id, name="t")
    await set_timer(world, room, context=writer)
