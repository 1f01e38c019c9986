"""Promises 4, 5, 8 and 9 of the log: from any position everything once and in order, at the cost of a position."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from pymongo.errors import AutoReconnect
from pymongo.monitoring import CommandListener, CommandStartedEvent
from typing_extensions import override

from storage.errors import CursorExpired
from storage.facts import AnyFact
from storage.log.feed import CHUNK_SIZE, Feed, contiguous_after
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from storage.sizes import size_of
from tests.storage.support import made_up, opened, save, until

SMALL_RING = 8


async def follow(feed: Feed, after: int, until: int, *, limit: int = CHUNK_SIZE) -> list[int]:
    """The sequences that a reader sees from that position on, until it has come to the other."""
    seen: list[int] = []
    async with asyncio.timeout(60):
        while after < until:
            await feed.wait(after)
            facts = await feed.read(after, limit)
            seen.extend(fact.sequence for fact in facts)
            after = facts[-1].sequence
    return seen


class Finds(CommandListener):
    """Counts the reads of the log."""

    def __init__(self) -> None:
        self.count = 0

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "getMore" or event.command.get("find") == "log":
            self.count += 1

    @override
    def succeeded(self, event: Any) -> None:
        pass

    @override
    def failed(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("limit", [1, 3, CHUNK_SIZE])
async def test_reader_passes_from_history_to_the_ring_without_a_seam(
    mongodb_uri: str, empty_database: str, limit: int
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log, ring=SMALL_RING)
        await feed.open()
        storage.appender._published = feed.publish
        for fact in made_up(40):
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


async def test_what_happens_elsewhere_is_known_at_once(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.log.feed.POLL_SECONDS", 60)
    async with opened(mongodb_uri, empty_database, processes=2) as (writing, reading):

        async def watching() -> bool:
            return reading.feed.watching

        await until(watching)
        head = await reading.log.head()

        await save(writing, "one")

        async with asyncio.timeout(30):
            await reading.feed.wait(head)


async def test_what_happens_elsewhere_is_known_without_a_change_stream(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(log: object, *, but: str) -> None:
        raise AutoReconnect("the change stream is lost")

    monkeypatch.setattr("storage.log.log.Log.watch", broken)
    async with opened(mongodb_uri, empty_database, processes=2) as (writing, reading):
        head = await reading.log.head()

        await save(writing, "one")

        async with asyncio.timeout(30):
            await reading.feed.wait(head)


async def test_reader_that_is_ahead_of_its_process_sees_only_what_follows(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log)
        await feed.open()
        head = feed.head
        reading = asyncio.create_task(follow(feed, head + 2, head + 4))
        await asyncio.sleep(0)

        for fact in made_up(4):
            await storage.appender.append([fact])
            await feed._catch_up()
            await asyncio.sleep(0)

        assert await reading == [head + 3, head + 4]


async def test_facts_of_its_own_never_come_before_those_of_others_that_they_follow(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(log: object, *, but: str) -> None:
        raise AutoReconnect("the change stream is lost")

    monkeypatch.setattr("storage.log.log.Log.watch", broken)
    monkeypatch.setattr("storage.log.feed.POLL_SECONDS", 60)
    async with opened(mongodb_uri, empty_database, processes=2) as (here, elsewhere):
        head = await here.log.head()
        await here.feed._catch_up()
        reading = asyncio.create_task(follow(here.feed, head, head + 3))

        await save(here, "one")
        await save(elsewhere, "two")
        await save(here, "three")

        assert await reading == [head + 1, head + 2, head + 3]


async def test_those_who_replay_together_share_what_is_read(mongodb_uri: str, empty_database: str) -> None:
    finds = Finds()
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(4 * CHUNK_SIZE))
        head = await storage.log.head()
    async with Storage.open(mongodb_uri, empty_database, listeners=[finds]) as storage:
        feed = Feed(storage.log)
        await feed.open()
        finds.count = 0

        seen = await asyncio.gather(*(follow(feed, 0, head, limit=100) for _ in range(500)))

        assert all(one == list(range(1, head + 1)) for one in seen)
        # Five chunks, each read once, and what the storage does beside; each by itself, 500 readers ask 10,500 times.
        assert finds.count < 50


async def test_reader_goes_on_when_the_database_has_been_away(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(20))
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


async def test_reader_waits_for_what_is_only_out_of_sight(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As right after a failover, while the new primary does not know yet what a majority holds."""
    monkeypatch.setattr("storage.log.feed.POLL_SECONDS", 0.01)
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(CHUNK_SIZE + 20))
        feed = Feed(storage.log)
        await feed.open()
        read, behind = storage.log.read_within, [0, 10, 10]

        async def lagging(*args: Any, **kwargs: Any) -> tuple[list[AnyFact], bool]:
            facts, more = await read(*args, **kwargs)
            return (facts[: behind.pop(0)] if behind else facts), more

        monkeypatch.setattr(storage.log, "read_within", lagging)

        assert await follow(feed, 0, feed.head) == list(range(1, feed.head + 1))
        assert behind == []


async def test_position_that_is_no_longer_kept_is_refused_with_the_oldest_that_is(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(20))
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))
        feed = Feed(storage.log)
        await feed.open()

        with pytest.raises(CursorExpired) as refusal:
            await feed.read(feed.head - 2)

        assert refusal.value.data == {"oldestCursor": event_cursor(feed.head - 1)}
        assert [fact.sequence for fact in await feed.read(feed.head - 1)] == [feed.head]


async def test_trimming_in_the_middle_of_a_replay_is_told_and_skips_nothing(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(40))
        feed = Feed(storage.log)
        await feed.open()
        first = await feed.read(0, 10)

        await storage.log.trim(storage.log.now() + timedelta(seconds=1))
        feed._chunks.clear()

        with pytest.raises(CursorExpired):
            await feed.read(first[-1].sequence, 10)


def test_read_that_met_the_trimming_ends_where_its_hole_begins() -> None:
    numbered: list[AnyFact] = [
        msgspec.structs.replace(fact, sequence=sequence)
        for fact, sequence in zip(made_up(5), [5, 6, 7, 11, 12], strict=True)
    ]

    assert [fact.sequence for fact in contiguous_after(numbered, 4)] == [5, 6, 7]
    assert [fact.sequence for fact in contiguous_after(numbered[:3], 4)] == [5, 6, 7]
    assert contiguous_after(numbered, 3) == []


async def test_ring_forgets_all_but_the_newest(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log, ring=SMALL_RING)
        await feed.open()
        storage.appender._published = feed.publish

        for fact in made_up(100):
            await storage.appender.append([fact])

        assert SMALL_RING <= len(feed._ring) <= 1.5 * SMALL_RING


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


async def test_process_that_slept_past_the_trimming_goes_on_and_tells_that_it_missed_something(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        feed = Feed(storage.log)
        await feed.open()
        asleep = feed.head
        gaps: list[int] = []

        async def missed() -> None:
            gaps.append(feed.head)

        feed.reloaders.append(missed)
        await storage.appender.append(made_up(20))
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))

        await feed._catch_up()

        head = await storage.log.head()
        assert gaps == [asleep]
        assert [fact.sequence for fact in await feed.read(head - 1)] == [head]
        with pytest.raises(CursorExpired):
            await feed.read(asleep)


async def test_large_facts_are_read_in_runs_of_bounded_bytes(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RING_BYTES", "CHUNK_BYTES", "READ_BYTES"):
        monkeypatch.setattr(f"storage.log.feed.{name}", 2_000)
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(CHUNK_SIZE + 20))
        size = size_of((await storage.log.read(0, 1))[0])
        feed, live = Feed(storage.log), storage.feed
        await feed.open()

        runs = [len(await feed.read(position)) for position in (0, 100, CHUNK_SIZE - 2)]
        recent = await live.read(live.head - 2)

        assert await follow(feed, 0, feed.head) == list(range(1, feed.head + 1))
        assert await follow(live, 0, live.head) == list(range(1, live.head + 1))
        assert max(runs) <= 2_000 // size + 1
        assert [fact.sequence for fact in recent] == [live.head - 1, live.head]


async def test_the_ring_keeps_as_many_bytes_as_it_may(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.log.feed.RING_BYTES", 2_000)
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(300))

        kept = storage.feed._ring
        assert 0 < sum(map(size_of, kept)) <= 3_000
        assert kept[-1].sequence == storage.feed.head
