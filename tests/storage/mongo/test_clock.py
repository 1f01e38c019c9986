"""Processes use the clock of the database, also if their own clocks differ."""

import logging
import time
from datetime import UTC, datetime, timedelta

import pytest

from storage import maintenance
from storage.mongo.clock import STOOD_STILL_SECONDS, TICK_SECONDS, Clock
from storage.mongo.connection import Database, Document
from storage.runtime import Storage
from storage.transactions import leases
from tests.databases import emptied
from tests.storage.support import make_facts, save

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Timer:
    """A timer that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def wall(**ahead: float) -> Clock:
    """A clock whose wall clock is that far ahead."""
    seconds = timedelta(**ahead).total_seconds()
    return Clock(wall=lambda: datetime.now(UTC).timestamp() + seconds)


async def ask() -> datetime:
    return NOON


async def test_clock_returns_the_time_of_the_database_plus_the_elapsed_time() -> None:
    timer = Timer()
    clock = Clock(wall=lambda: 0.0, timer=timer)
    await clock.measure(ask)
    timer.seconds += 90

    assert clock.now() == NOON + timedelta(seconds=90)


async def test_of_several_samples_the_one_with_the_shortest_round_trip_counts() -> None:
    timer = Timer()
    clock = Clock(timer=timer)
    began = timer.seconds
    rounds = iter([(0.0, 2.0), (0.01, 0.01), (1.0, 0.0)])  # seconds before and after the database reads its clock

    async def ask_slowly() -> datetime:
        before, after = next(rounds)
        timer.seconds += before
        answer = NOON + timedelta(seconds=timer.seconds - began)
        timer.seconds += after
        return answer

    await clock.measure(ask_slowly)

    assert clock.now() - NOON - timedelta(seconds=timer.seconds - began) < timedelta(milliseconds=2)


async def test_difference_within_the_error_of_a_sample_changes_nothing() -> None:
    timer = Timer()
    clock = Clock(timer=timer)
    await clock.measure(ask)

    async def ask_a_little_later() -> datetime:
        return NOON + timedelta(milliseconds=1)

    await clock.measure(ask_a_little_later)

    assert clock.now() == NOON


async def test_wall_clock_that_differs_is_reported_once_until_it_is_right(caplog: pytest.LogCaptureFixture) -> None:
    timer, seconds = Timer(), NOON.timestamp() + 8
    clock = Clock(wall=lambda: seconds, timer=timer)

    await clock.measure(ask)
    await clock.measure(ask)
    before = clock.difference
    seconds = NOON.timestamp() - 2
    await clock.measure(ask)

    assert before is not None
    assert round(before.total_seconds()) == 8
    assert clock.difference is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("The clock of this machine is 8.0 s ahead of the database's")


async def test_process_that_did_not_run_logs_one_line_and_measures_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timer = Timer()
    clock = Clock(wall=lambda: NOON.timestamp(), timer=timer)
    await clock.tick(ask)
    timer.seconds += TICK_SECONDS
    await clock.tick(ask)
    timer.seconds += TICK_SECONDS + STOOD_STILL_SECONDS + 40
    notifications: list[str] = []
    clock.listeners.add(lambda: notifications.append("ran again"))

    await clock.tick(ask)
    timer.seconds += TICK_SECONDS
    await clock.tick(ask)

    assert notifications == ["ran again"]
    (record,) = caplog.records
    assert record.getMessage().startswith("This process did not run for 45 s")
    assert clock.now() == NOON + timedelta(seconds=TICK_SECONDS)


async def test_stored_times_are_those_of_the_database(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-clock")
    async with (
        Storage.open(mongodb_uri, name, own_clock=wall(days=8)) as ahead,
        Storage.open(mongodb_uri, name, own_clock=wall(seconds=-3)) as behind,
    ):
        first = await save(ahead, "question")
        second = await save(behind, "answer")
        third = await save(ahead, "thanks")

    assert first.created_at <= second.created_at <= third.created_at < first.created_at + timedelta(minutes=1)
    assert [first.id[:10], second.id[:10], third.id[:10]] == sorted([first.id[:10], second.id[:10], third.id[:10]])


async def test_process_whose_clock_is_days_ahead_trims_no_facts(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-clock")
    async with Storage.open(mongodb_uri, name, own_clock=wall(days=8)) as storage:
        await storage.appender.append(make_facts(20))

        assert await maintenance.trim_log(storage.reader, storage.log, keep=timedelta(days=7)) == 0

        assert storage.database.clock.difference is not None


async def test_lease_ends_by_the_clock_of_the_database(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-clock")
    async with (
        Storage.open(mongodb_uri, name) as right,
        Storage.open(mongodb_uri, name, own_clock=wall(days=8)) as ahead,
    ):
        assert await leases.acquire(right.database, "work", owner="right", seconds=60)
        assert not await leases.acquire(ahead.database, "work", owner="ahead", seconds=60)
        held: Document | None = await right.database["leases"].find_one({"_id": "work"})

    assert held is not None
    assert held["holder"] == "right"
    assert held["until"] - right.database.now() < timedelta(seconds=61)


async def test_released_lease_can_be_acquired(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-clock")
    async with Storage.open(mongodb_uri, name) as storage:
        assert await leases.acquire(storage.database, "work", owner="$one", seconds=60)
        assert await leases.acquire(storage.database, "work", owner="$one", seconds=60)
        assert not await leases.acquire(storage.database, "work", owner="two", seconds=60)

        await leases.release(storage.database, "work", owner="$one")

        assert await leases.acquire(storage.database, "work", owner="two", seconds=60)


async def test_the_time_of_the_database_does_not_depend_on_the_time_zone_of_the_machine(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        async with Database(mongodb_uri, empty_database) as database:
            await database.measure_clock()

            assert abs(database.now() - datetime.now(UTC)) < timedelta(minutes=1)
    finally:
        monkeypatch.undo()
        time.tzset()
