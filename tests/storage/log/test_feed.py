"""A reader gets each fact once and in order, from any position in the log."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from pymongo.errors import AutoReconnect
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override

from storage.errors import CursorExpired
from storage.facts import AnyFact
from storage.log.feed import CHUNK_SIZE, Feed, FeedLimits, contiguous_after
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from storage.sizes import size_of
from storage.timings import Timings
from tests.commands import StartedCommands
from tests.storage.support import make_facts, opened, outbox_is_empty, save, until

SMALL_BUFFER = FeedLimits(buffer_facts=8)


async def follow(feed: Feed, after: int, until: int, *, limit: int = CHUNK_SIZE) -> list[int]:
    """The sequences that a reader gets from the position `after` up to the position `until`."""
    sequences: list[int] = []
    async with asyncio.timeout(60):
        while after < until:
            await feed.wait(after)
            facts = await feed.read(after, limit)
            sequences.extend(fact.sequence for fact in facts)
            after = facts[-1].sequence
    return sequences


class Finds(StartedCommands):
    """Counts the reads of the log."""

    def __init__(self) -> None:
        self.count = 0

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "getMore" or event.command.get("find") == "log":
            self.count += 1


@pytest.mark.parametrize("limit", [1, 3, CHUNK_SIZE])
async def test_reader_gets_all_facts_of_history_and_the_buffer(
    mongodb_uri: str, empty_database: str, limit: int
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log, limits=SMALL_BUFFER)
        await feed.open()
        storage.appender._published = feed.publish
        for fact in make_facts(40):
            await storage.appender.append([fact])
        head = await storage.log.head()

        for after in range(head):
            assert await follow(feed, after, head, limit=limit) == list(range(after + 1, head + 1))


async def test_reader_sees_each_fact_once_while_several_processes_write(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=3) as (*writers, reading):
        head = await reading.log.head()
        readers = [asyncio.create_task(follow(reading.feed, head, head + 90)) for _ in range(5)]
        readers.append(asyncio.create_task(follow(writers[0].feed, head, head + 90)))

        await asyncio.gather(*(save(writers[n % 2], f"visitor {n}") for n in range(90)))

        for seen in await asyncio.gather(*readers):
            assert seen == list(range(head + 1, head + 91))


async def test_facts_of_another_process_are_read_immediately(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=Timings(log_poll=60)) as (writing, reading):

        async def watching() -> bool:
            return reading.feed.watching

        await until(watching)
        head = await reading.log.head()

        await save(writing, "one")

        async with asyncio.timeout(30):
            await reading.feed.wait(head)


async def test_facts_of_another_process_are_read_without_a_change_stream(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(log: object, *, exclude_process_id: str) -> None:
        raise AutoReconnect("the change stream is lost")

    monkeypatch.setattr("storage.log.log.Log.watch", broken)
    async with opened(mongodb_uri, empty_database, processes=2) as (writing, reading):
        head = await reading.log.head()

        await save(writing, "one")

        async with asyncio.timeout(30):
            await reading.feed.wait(head)


async def test_reader_ahead_of_the_feed_gets_only_later_facts(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log)
        await feed.open()
        head = feed.head
        reading = asyncio.create_task(follow(feed, head + 2, head + 4))
        await asyncio.sleep(0)

        for fact in make_facts(4):
            await storage.appender.append([fact])
            await feed._catch_up()
            await asyncio.sleep(0)

        assert await reading == [head + 3, head + 4]


async def test_facts_of_two_processes_are_read_in_the_order_of_the_log(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(log: object, *, exclude_process_id: str) -> None:
        raise AutoReconnect("the change stream is lost")

    monkeypatch.setattr("storage.log.log.Log.watch", broken)
    async with opened(mongodb_uri, empty_database, processes=2, timings=Timings(log_poll=60)) as (here, elsewhere):
        head = await here.log.head()
        await here.feed._catch_up()
        reading = asyncio.create_task(follow(here.feed, head, head + 3))

        await save(here, "one")
        await save(elsewhere, "two")
        await save(here, "three")

        assert await reading == [head + 1, head + 2, head + 3]


async def test_readers_of_history_share_chunks(mongodb_uri: str, empty_database: str) -> None:
    finds = Finds()
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        assert await outbox_is_empty(storage)  # a new database has facts of its own
        await storage.appender.append(make_facts(4 * CHUNK_SIZE - await storage.log.head()))
        head = await storage.log.head()
    async with Storage.open(mongodb_uri, empty_database, listeners=[finds]) as storage:
        feed = Feed(storage.log)
        await feed.open()
        finds.count = 0

        seen = await asyncio.gather(*(follow(feed, 0, head, limit=100) for _ in range(500)))

        assert all(one == list(range(1, head + 1)) for one in seen)
        # Five chunks and the reads of background tasks. 500 readers without shared chunks would read 10,500 times.
        assert finds.count < 50


async def test_reader_retries_while_the_database_does_not_answer(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(20))
        feed = Feed(storage.log)
        await feed.open()
        read, failures = storage.log.read_within, 2

        async def failing(*args: Any, **kwargs: Any) -> tuple[list[AnyFact], bool]:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise AutoReconnect("the primary is gone")
            return await read(*args, **kwargs)

        storage.log.read_within = failing  # type: ignore[method-assign]

        assert await follow(feed, 0, feed.head) == list(range(1, feed.head + 1))


async def test_reader_waits_for_facts_that_a_majority_read_lacks(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover, majority reads on the new primary may lack committed facts for a short time."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(CHUNK_SIZE + 20))
        feed = Feed(storage.log, poll_seconds=0.01)
        await feed.open()
        read, behind = storage.log.read_within, [0, 10, 10]

        async def lagging(*args: Any, **kwargs: Any) -> tuple[list[AnyFact], bool]:
            facts, more = await read(*args, **kwargs)
            return (facts[: behind.pop(0)] if behind else facts), more

        monkeypatch.setattr(storage.log, "read_within", lagging)

        assert await follow(feed, 0, feed.head) == list(range(1, feed.head + 1))
        assert behind == []


async def test_trimmed_position_is_refused_with_the_oldest_cursor(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(20))
        assert await outbox_is_empty(storage)  # nothing is trimmed while it has facts as old
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))
        feed = Feed(storage.log)
        await feed.open()

        with pytest.raises(CursorExpired) as refusal:
            await feed.read(feed.head - 2)

        assert refusal.value.data == {"oldestCursor": event_cursor(feed.head - 1)}
        assert [fact.sequence for fact in await feed.read(feed.head - 1)] == [feed.head]


async def test_reader_whose_next_fact_is_trimmed_is_refused(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(40))
        feed = Feed(storage.log)
        await feed.open()
        first = await feed.read(0, 10)

        assert await outbox_is_empty(storage)  # nothing is trimmed while it has facts as old
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))
        feed._chunks.clear()

        with pytest.raises(CursorExpired):
            await feed.read(first[-1].sequence, 10)


def test_facts_after_a_gap_are_left_out() -> None:
    numbered: list[AnyFact] = [
        msgspec.structs.replace(fact, sequence=sequence)
        for fact, sequence in zip(make_facts(5), [5, 6, 7, 11, 12], strict=True)
    ]

    assert [fact.sequence for fact in contiguous_after(numbered, 4)] == [5, 6, 7]
    assert [fact.sequence for fact in contiguous_after(numbered[:3], 4)] == [5, 6, 7]
    assert contiguous_after(numbered, 3) == []


async def test_buffer_is_trimmed_to_the_newest_facts(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log, limits=SMALL_BUFFER)
        await feed.open()
        storage.appender._published = feed.publish

        for fact in make_facts(100):
            await storage.appender.append([fact])

        assert 8 <= len(feed._buffer) <= 12


async def test_listeners_after_one_that_raises_are_called(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        received: list[int] = []

        def fail(facts: object) -> None:
            raise ValueError("raised by a listener")

        storage.feed.listeners.add(fail)
        storage.feed.listeners.add(lambda facts: received.extend(fact.sequence for fact in facts))

        await save(storage, "one")
        await save(storage, "two")

        assert received == [storage.feed.head - 1, storage.feed.head]


async def test_feed_behind_the_oldest_fact_reloads_and_continues(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log)
        await feed.open()
        stopped_at = feed.head
        gaps: list[int] = []

        async def missed() -> None:
            gaps.append(feed.head)

        feed.reloaders.append(missed)
        await storage.appender.append(make_facts(20))
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))

        await feed._catch_up()

        head = await storage.log.head()
        assert gaps == [stopped_at]
        assert [fact.sequence for fact in await feed.read(head - 1)] == [head]
        with pytest.raises(CursorExpired):
            await feed.read(stopped_at)


async def test_reads_of_large_facts_end_at_the_byte_limit(mongodb_uri: str, empty_database: str) -> None:
    limits = FeedLimits(buffer_bytes=2_000, chunk_bytes=2_000, read_bytes=2_000)
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        live = Feed(storage.log, limits=limits)
        await live.open()
        await storage.appender.append(make_facts(CHUNK_SIZE + 20))
        await live._catch_up()
        size = size_of((await storage.log.read(0, 1))[0])
        feed = Feed(storage.log, limits=limits)
        await feed.open()

        runs = [len(await feed.read(position)) for position in (0, 100, CHUNK_SIZE - 2)]
        recent = await live.read(live.head - 2)

        assert await follow(feed, 0, feed.head) == list(range(1, feed.head + 1))
        assert await follow(live, 0, live.head) == list(range(1, live.head + 1))
        assert max(runs) <= 2_000 // size + 1
        assert [fact.sequence for fact in recent] == [live.head - 1, live.head]


async def test_buffer_is_trimmed_to_its_byte_limit(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log, limits=FeedLimits(buffer_bytes=2_000))
        await feed.open()
        await storage.appender.append(make_facts(300))

        await feed._catch_up()

        assert 0 < sum(map(size_of, feed._buffer)) <= 3_000
        assert feed._buffer[-1].sequence == feed.head
