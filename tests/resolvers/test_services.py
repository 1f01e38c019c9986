"""Maintenance: one of the processes runs it, and another one continues when that process ends or dies."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from resolvers import services
from storage import maintenance, supervisor
from storage.facts import CustomFieldRemoved
from storage.log.log import Log
from storage.mongo.reader import Reader
from storage.records import SYSTEM, FieldDefinition, FieldTarget, FieldType
from storage.runtime import Storage
from storage.timings import Timings
from storage.transactions import leases
from tests.databases import emptied
from tests.storage.support import make_facts, opened, until

QUICK = Timings(maintenance=0.02)
FIELD_REMOVED = CustomFieldRemoved(
    id="removed",
    occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    actor=SYSTEM,
    definition=FieldDefinition(
        id="case",
        target=FieldTarget.ROOM,
        key="case",
        type=FieldType.TEXT,
        label="Case",
    ),
)


async def test_one_of_several_processes_runs_maintenance(mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    busy: list[Log] = []

    async def trim(_: Reader, log: Log, *, keep: timedelta) -> int:
        busy.append(log)
        return 0

    monkeypatch.setattr(maintenance, "trim_log", trim)
    name = emptied(mongodb_uri, "test-services")
    async with (
        opened(mongodb_uri, name, processes=2, timings=QUICK) as storages,
        AsyncExitStack() as first,
        AsyncExitStack() as then,
    ):
        await first.enter_async_context(services.open_services(storages[0]))
        await until(lambda: _reached(busy, 1))
        await then.enter_async_context(services.open_services(storages[1]))
        await until(lambda: _reached(busy, 10))
        assert set(busy) == {storages[0].log}

        await first.aclose()
        busy.clear()

        await until(lambda: _reached(busy, 1))
        assert set(busy) == {storages[1].log}


async def _reached(busy: list[Log], count: int) -> bool:
    return len(busy) >= count


async def test_lease_of_a_process_that_died_goes_to_another(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-services")
    async with Storage.open(mongodb_uri, name) as storage:
        assert await leases.acquire(storage.database, "work", owner="dead", seconds=60)
        assert not await leases.acquire(storage.database, "work", owner="living", seconds=60)
        assert await leases.acquire(storage.database, "work", owner="dead", seconds=0.2)

        await until(lambda: leases.acquire(storage.database, "work", owner="living", seconds=60))

        assert not await leases.acquire(storage.database, "work", owner="dead", seconds=60)


async def test_facts_older_than_the_retention_are_deleted_in_the_background(mongodb_uri: str) -> None:
    name = emptied(mongodb_uri, "test-services")
    async with Storage.open(mongodb_uri, name, timings=QUICK) as storage:
        await storage.appender.append(make_facts(50))
        head = await storage.log.head()

        async def only_the_newest_is_left() -> bool:
            return await storage.log.oldest() == head

        async with services.open_services(storage, retention=timedelta(0)):
            await until(only_the_newest_is_left)

        assert await storage.log.head() == head


async def test_a_custom_field_that_changes_at_the_moment_of_the_stop_does_not_delay_it(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause of maintenance ends with the fact, and its task is cancelled before it goes on."""
    monkeypatch.setattr(supervisor, "CANCEL_AGAIN_SECONDS", 60)
    finished = asyncio.Event()

    async def delete_finished_purges(_: Reader) -> None:
        finished.set()

    monkeypatch.setattr(maintenance, "delete_finished_purges", delete_finished_purges)
    name = emptied(mongodb_uri, "test-services")
    async with Storage.open(mongodb_uri, name) as storage, asyncio.timeout(30), services.open_services(storage):
        await finished.wait()
        await asyncio.sleep(0)

        storage.feed.listeners.notify([FIELD_REMOVED])


async def test_maintenance_that_fails_is_tried_again(mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    failures = [ValueError("once"), ValueError("twice")]

    async def trim(_: Reader, log: Log, *, keep: timedelta) -> int:
        if failures:
            raise failures.pop()
        tried.set()
        return 0

    monkeypatch.setattr(maintenance, "trim_log", trim)
    name = emptied(mongodb_uri, "test-services")
    async with (
        Storage.open(mongodb_uri, name, timings=QUICK) as storage,
        services.open_services(storage),
        asyncio.timeout(30),
    ):
        await tried.wait()
