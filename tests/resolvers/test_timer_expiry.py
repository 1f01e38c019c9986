"""Timers that are due become facts: once, in the order of their room, whichever process records them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from resolvers import messages, rooms, timer_expiry, timers
from resolvers.room_transition import RoomTransition
from resolvers.timer_expiry import TimerExpiry
from storage import rooms as stored_rooms
from storage import timers as stored
from storage.facts import TimerElapsed
from storage.mongo.reader import Reader
from storage.records import SYSTEM, RoomSnapshot
from storage.timers import Timer
from storage.transactions import leases
from tests.histories import verify_room
from tests.resolvers.timer_steps import (
    OWNER,
    elapse_due,
    elapsed,
    lease_held,
    move_back,
    names,
    set_timer,
    stored_timers,
    until,
)
from tests.resolvers.world import APP, World


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def no_background_task(world: World) -> AsyncIterator[None]:
    async with lease_held(world):
        yield


# ---------------------------------------------------------------- the end of a timer


async def test_a_due_timer_is_deleted_and_recorded_as_the_system_in_one_step(world: World) -> None:
    room = await world.waiting()
    timer = await set_timer(world, room, "remind", data={"a": 1}, restart_on=["MESSAGE_SENT"])
    before = await world.room(room)
    await move_back(world, timer)

    assert await elapse_due(world) == 1

    fact = (await world.facts_of(room))[-1]
    assert isinstance(fact, TimerElapsed)
    assert (fact.name, fact.data_json, fact.set_by) == ("remind", '{"a":1}', APP)
    assert (fact.actor, fact.client_mutation_id) == (SYSTEM, None)
    after = await world.room(room)
    assert fact.room.room.revision == after.revision == before.revision
    assert (after.timer_count, after.timer_marks, after.fact_count) == (0, {}, before.fact_count + 1)
    assert await stored_timers(world) == []
    verify_room(await world.facts_of(room))


async def test_a_timer_is_not_recorded_before_it_is_due(world: World) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room), seconds=30)

    assert await elapse_due(world) == 0
    assert not await TimerExpiry(world.services).elapse_room(room.id)

    assert (await names(world, room), await elapsed(world, room)) == (["t"], [])


async def test_the_background_task_records_timers(world: World) -> None:
    room = await world.waiting()
    await set_timer(world, room, seconds=1)

    await leases.release(world.services.storage.database, timer_expiry.LEASE_NAME, owner=OWNER)

    async def is_recorded() -> bool:
        return await elapsed(world, room) == ["t"]

    await until(is_recorded)


async def test_timers_of_a_room_elapse_in_the_order_in_which_they_are_due(world: World) -> None:
    room, other = await world.waiting(), await world.waiting()
    seconds = {"c": 30, "a": 10, "d": 40, "b": 20}
    for one in (room, other):
        await move_back(world, *[await set_timer(world, one, name, seconds=s) for name, s in seconds.items()])

    assert await elapse_due(world) == 8

    assert await elapsed(world, room) == await elapsed(world, other) == ["a", "b", "c", "d"]


async def test_the_order_counts_restarts_also_after_a_long_absence(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(timer_expiry, "BATCH", 1)
    room = await world.waiting()
    restarted = await set_timer(world, room, "restarted", seconds=1, restart_on=["ROOM_UPDATED"])
    plain = await set_timer(world, room, "plain", seconds=30)
    await move_back(world, plain, seconds=100)
    await move_back(world, restarted, seconds=200)
    updated = await rooms.update_room(world.context, room_id=room.id, subject="S")
    await move_mark(world, updated.id, "ROOM_UPDATED", seconds=50)

    assert await elapse_due(world) == 2

    assert await elapsed(world, room) == ["plain", "restarted"]


async def move_mark(world: World, room_id: str, tag: str, *, seconds: float) -> None:
    """Store the mark of a room as if its fact had been recorded so many seconds earlier."""
    database, path = world.services.storage.database, f"timerMarks.{tag}.at"
    earlier = database.now() - timedelta(seconds=seconds)
    await database["rooms"].update_one({"_id": room_id}, {"$set": {path: earlier}, "$inc": {"version": 1}})


async def test_a_room_is_read_once_for_each_of_its_due_timers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room, "first"), await set_timer(world, room, "second"))
    await set_timer(world, room, "later")
    get_snapshot, reads = stored_rooms.get_snapshot, 0

    async def count(reader: Reader, room_id: str) -> RoomSnapshot:
        nonlocal reads
        reads += room_id == room.id
        return await get_snapshot(reader, room_id)

    monkeypatch.setattr(stored_rooms, "get_snapshot", count)

    assert await elapse_due(world) == 2

    assert (reads, await elapsed(world, room)) == (2, ["first", "second"])


# ---------------------------------------------------------------- restarted and cancelled


async def test_a_restarted_timer_is_looked_at_again_when_it_is_due(world: World) -> None:
    room = await world.waiting()
    timer = await set_timer(world, room, restart_on=["MESSAGE_SENT"])
    await move_back(world, timer, seconds=100)
    sent = await messages.send_message(world.context, room_id=room.id, text="hi")

    assert await elapse_due(world) == 0
    (postponed,) = await stored_timers(world)
    assert postponed["dueAt"] == sent.sent_at + timedelta(seconds=60)
    assert await elapsed(world, room) == []

    await move_mark(world, room.id, "MESSAGE_SENT", seconds=60)
    await move_back(world, timer, seconds=200)
    assert await elapse_due(world) == 1


async def test_a_timer_that_an_event_cancelled_ends_without_a_fact(world: World) -> None:
    room = await world.waiting()
    both = ["MESSAGE_SENT"]
    cancelled = await set_timer(world, room, "cancelled", cancel_on=both, restart_on=both)
    kept = await set_timer(world, room, "kept", seconds=300)
    await messages.send_message(world.context, room_id=room.id, text="hi")
    await move_back(world, cancelled)
    head = await world.head()

    assert await elapse_due(world) == 0

    assert (await world.facts(head), await names(world, room)) == ([], [kept.name])
    assert [one["name"] for one in await stored_timers(world)] == [kept.name]
    after = await world.room(room)
    assert (after.timer_count, after.timer_marks) == (1, {})


async def test_the_end_of_a_timer_restarts_and_cancels_others(world: World) -> None:
    room = await world.waiting()
    first = await set_timer(world, room, "first", seconds=10)
    restarted = await set_timer(world, room, "restarted", seconds=20, restart_on=["TIMER_ELAPSED"])
    cancelled = await set_timer(world, room, "cancelled", seconds=30, cancel_on=["TIMER_ELAPSED"])
    await move_back(world, first, restarted, cancelled)

    assert await elapse_due(world) == 1

    assert (await elapsed(world, room), await names(world, room)) == (["first"], ["restarted"])


async def test_timers_of_a_closed_room_do_not_elapse(world: World) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room))
    await rooms.close_room(world.context, room_id=room.id)

    assert await elapse_due(world) == 0
    assert not await TimerExpiry(world.services).elapse_room(room.id)

    assert await elapsed(world, room) == []


# ---------------------------------------------------------------- several processes


async def test_several_processes_record_each_timer_once(world: World, other: World) -> None:
    timed = [await world.waiting() for _ in range(3)]
    for room in timed:
        await move_back(world, *[await set_timer(world, room, str(number), seconds=number + 1) for number in range(4)])

    answers = await asyncio.gather(
        *(TimerExpiry(one.services).elapse_room(timed[0].id) for one in (world, other) for _ in range(4))
    )
    assert sum(answers) == 4
    await elapse_due(world, other)

    for room in timed:
        assert await elapsed(world, room) == ["0", "1", "2", "3"]
    assert await stored_timers(world) == []


async def test_nothing_is_recorded_or_postponed_while_another_process_has_the_lease(world: World) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room))

    restarted = await set_timer(world, room, "restarted", restart_on=["MESSAGE_SENT"])
    await move_back(world, restarted)
    await messages.send_message(world.context, room_id=room.id, text="hi")
    before = await stored_timers(world)

    assert await TimerExpiry(world.services).elapse_due() == 0
    assert (await elapsed(world, room), await stored_timers(world)) == ([], before)

    assert await elapse_due(world) == 1


class Killed(BaseException):
    """Ends a transaction as a killed process does: nothing after it runs."""


@pytest.mark.parametrize("step", ["before its facts", "before its writes"])
async def test_a_timer_is_recorded_by_another_process_if_one_dies_while_it_records_it(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room))

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "before its facts":
            patched.setattr(RoomTransition, "elapse", die)
        else:
            patched.setattr(stored, "replace_all", die)
        with pytest.raises(Killed):
            await TimerExpiry(world.services).elapse_room(room.id)
    assert (await elapsed(world, room), await names(world, room)) == ([], ["t"])

    assert await TimerExpiry(other.services).elapse_room(room.id)

    assert await elapsed(world, room) == ["t"]


@pytest.mark.parametrize("meanwhile", ["it is set again", "it is cancelled", "a message restarts it"])
async def test_a_timer_that_changes_at_the_last_moment_is_not_recorded(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    room = await world.waiting()
    await move_back(world, await set_timer(world, room, restart_on=["MESSAGE_SENT"]))
    find, attempts = stored.find_data, 0

    async def find_after_the_change(*arguments: Any) -> str | None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await CHANGES[meanwhile](other, room.id)  # which has locks of its own
        return await find(*arguments)

    monkeypatch.setattr(stored, "find_data", find_after_the_change)

    assert not await TimerExpiry(world.services).elapse_room(room.id)

    assert (attempts, await elapsed(world, room)) == (1, [])


async def set_again(world: World, room_id: str) -> Timer:
    return await timers.set_timer(world.context, room_id=room_id, name="t", seconds=60)


CHANGES: dict[str, Any] = {
    "it is set again": set_again,
    "it is cancelled": lambda world, room_id: timers.cancel_timer(world.context, room_id=room_id, name="t"),
    "a message restarts it": lambda world, room_id: messages.send_message(world.context, room_id=room_id, text="hi"),
}


async def test_a_room_whose_timers_fail_does_not_keep_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = await world.waiting(), await world.waiting()
    await move_back(world, await set_timer(world, bad), seconds=90)
    await move_back(world, await set_timer(world, good))
    elapse_room = TimerExpiry.elapse_room

    async def fail(self: TimerExpiry, room_id: str) -> int:
        if room_id == bad.id:
            raise ValueError("broken")
        return await elapse_room(self, room_id)

    monkeypatch.setattr(TimerExpiry, "elapse_room", fail)
    with caplog.at_level(logging.ERROR):
        assert await elapse_due(world) == 1

    assert f"Cannot record the timers of the room {bad.id}. It is excluded for 5 seconds" in caplog.text
    assert await elapsed(world, good) == ["t"]


async def test_a_room_that_takes_long_does_not_keep_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_expiry, "CONCURRENT_ROOMS", 2)
    slow, second, third = [await world.waiting() for _ in range(3)]
    for seconds, room in ((90, slow), (80, second), (70, third)):
        await move_back(world, await set_timer(world, room), seconds=seconds)
    elapse_room, others = TimerExpiry.elapse_room, asyncio.Event()

    async def wait_for_others(self: TimerExpiry, room_id: str) -> int:
        if room_id == slow.id:
            await asyncio.wait_for(others.wait(), 30)
        found = await elapse_room(self, room_id)
        if room_id == third.id:
            others.set()
        return found

    monkeypatch.setattr(TimerExpiry, "elapse_room", wait_for_others)

    assert await elapse_due(world) == 3


async def test_a_batch_of_timers_that_cannot_be_decoded_does_not_keep_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_expiry, "BATCH", 1)
    database, room = world.services.storage.database, await world.waiting()
    past = database.now() - timedelta(seconds=90)
    await database["timers"].insert_one({"_id": "broken", "roomId": "elsewhere", "dueAt": past})
    await move_back(world, await set_timer(world, room))

    assert await elapse_due(world) == 1

    assert await elapsed(world, room) == ["t"]
