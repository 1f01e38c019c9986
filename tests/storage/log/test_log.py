"""The log has each fact of a committed transaction once, without a gap, and in order for each subject."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from storage.facts import AnyFact
from storage.log import log
from storage.log.outbox import BATCH, Appender
from storage.mongo.connection import Document
from storage.runtime import Storage
from storage.timings import Timings
from tests.storage.support import (
    make_facts,
    names,
    opened,
    outbox_is_empty,
    read_all,
    save,
    save_and_die,
    tokens,
    until,
)

#: Only the test sweeps the outbox.
NO_SWEEPS = Timings(outbox_sweep=3_600)


async def test_facts_of_several_processes_are_numbered_without_a_gap(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=4) as storages:
        head = await storages[0].log.head()
        wanted = [f"visitor-{process}-{n}" for process in range(4) for n in range(40)]

        await asyncio.gather(*(save(storages[index % 4], token) for index, token in enumerate(wanted)))

        facts = await read_all(storages[0], after=head)
        assert [fact.sequence for fact in facts] == list(range(head + 1, head + 161))
        assert sorted(tokens(facts)) == sorted(wanted)


async def test_contending_appenders_leave_no_gap_and_no_duplicate(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=4) as storages:
        head = await storages[0].log.head()
        facts = make_facts(100)

        # Each process appends all facts, ten at a time, as sweeps of several processes do.
        await asyncio.gather(
            *(storage.appender.append(facts[start : start + 10]) for storage in storages for start in range(0, 100, 10))
        )

        found = await read_all(storages[0], after=head)
        assert [fact.sequence for fact in found] == list(range(head + 1, head + 101))
        assert [fact.id for fact in found] == [fact.id for fact in facts]


async def test_facts_about_one_subject_are_in_order_whichever_process_appends(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=3) as storages:
        head = await storages[0].log.head()

        await asyncio.gather(*(save(storages[n % 3], "one", f"name {n}") for n in range(30)))

        facts = await read_all(storages[0], after=head)
        assert [fact.subject_number for fact in facts] == list(range(1, 31))
        assert Counter(names(facts)) == {f"name {n}": 1 for n in range(30)}


async def test_append_includes_earlier_facts_about_the_subject_from_the_outbox(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        head = await living.log.head()
        await save(dying, "one", "first")
        await save_and_die(dying, "one")
        await save_and_die(dying, "one")

        await save(living, "one", "last")

        assert [fact.subject_number for fact in await read_all(living, after=head)] == [1, 2, 3, 4]


async def test_sweep_appends_the_facts_of_a_dead_process(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        head = await living.log.head()
        await save_and_die(dying, "one")
        await save_and_die(dying, "two")

        await living.sweeps.sweep()

        assert tokens(await read_all(living, after=head)) == ["one", "two"]
        assert await outbox_is_empty(living)


async def test_sweep_appends_facts_with_timestamps_in_the_future(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_SWEEPS) as (dying, living):
        head = await living.log.head()
        for token in ("one", "two"):
            await save_and_die(dying, token)
        await living.database["outbox"].update_many({}, {"$set": {"at": living.log.now() + timedelta(minutes=10)}})

        assert await living.sweeps.sweep_abandoned() == 0
        assert await living.sweeps.sweep_abandoned() == 2

        assert sorted(tokens(await read_all(living, after=head))) == ["one", "two"]
        await save_and_die(dying, "three")
        await living.database["outbox"].update_many({}, {"$set": {"at": living.log.now() + timedelta(minutes=10)}})
    async with opened(mongodb_uri, empty_database, processes=1) as (restarted,):
        await until(lambda: _has_sequence(restarted, head + 3))
        assert tokens(await read_all(restarted, after=head + 2)) == ["three"]


async def _has_sequence(storage: Storage, sequence: int) -> bool:
    return await storage.log.head() >= sequence


async def test_sweep_leaves_out_facts_that_are_new_since_the_last_sweep(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_SWEEPS) as (writing, sweeping):
        head = await sweeping.log.head()
        await save_and_die(writing, "before")
        await sweeping.sweeps.sweep_abandoned()
        await save_and_die(writing, "since")

        assert await sweeping.sweeps.sweep_abandoned() == 1

        assert tokens(await read_all(sweeping, after=head)) == ["before"]


async def test_sweep_does_not_append_a_fact_of_the_log_again(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        await save_and_die(storage, "one")
        leftover = await storage.database["outbox"].find_one({})
        assert leftover is not None
        await storage.sweeps.sweep()
        await storage.appender.cleanup.wait()
        await storage.database["outbox"].insert_one(leftover)

        await storage.sweeps.sweep()

        assert tokens(await read_all(storage, after=head)) == ["one"]
        assert await outbox_is_empty(storage)


async def test_facts_of_more_than_one_append_are_all_appended(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()

        await storage.appender.append(make_facts(2 * BATCH + 1))

        assert await storage.log.head() == head + 2 * BATCH + 1


# ---------------------------------------------------------------- trimming


async def test_sequences_continue_after_all_facts_were_trimmed(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(20))
        head = await storage.log.head()

        assert await outbox_is_empty(storage)  # nothing is trimmed while it has facts as old
        await storage.log.trim(storage.log.now() + timedelta(seconds=1))

    # A new process computes the next sequence from the log alone.
    async with opened(mongodb_uri, empty_database, processes=1) as (restarted,):
        await save(restarted, "one")
        assert [fact.sequence for fact in await read_all(restarted)] == [head, head + 1]


async def test_trim_deletes_old_facts_only(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(20, subject="old"))
        cut = await storage.log.head()
        before = max([document["appendedAt"] async for document in storage.database["log"].find({"_id": cut})])

        async def later() -> bool:
            return bool(storage.log.now() > before)

        await until(later)
        now = storage.log.now()
        await storage.appender.append(make_facts(5, subject="new"))

        assert await storage.log.trim(now) > 0

        assert await storage.log.oldest() == cut + 1
        assert [fact.id for fact in await read_all(storage)] == [f"new-{n}" for n in range(1, 6)]


async def test_nothing_is_trimmed_while_the_outbox_has_a_fact_as_old(mongodb_uri: str, empty_database: str) -> None:
    """A fact that is in both the log and the outbox would be trimmed, and then appended again."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await save_and_die(storage, "one")
        leftover = await storage.database["outbox"].find_one({})
        assert leftover is not None
        await storage.sweeps.sweep()
        await storage.appender.cleanup.wait()
        await storage.database["outbox"].insert_one(leftover)
        await save(storage, "two")
        head = await storage.log.head()

        assert await storage.log.trim(storage.log.now() + timedelta(seconds=1)) == 0

        await storage.sweeps.sweep()
        assert await storage.log.head() == head


async def test_trim_deletes_in_batches(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(make_facts(50))
        first, head = await storage.log.oldest(), await storage.log.head()

        assert await storage.log.trim(storage.log.now() + timedelta(seconds=1), batch=7) == head - first

        assert [fact.sequence for fact in await read_all(storage)] == [head]


async def test_caller_waits_for_the_log_only_so_long_and_the_facts_are_appended_later(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        appender = Appender(storage.database, storage.feed.publish)  # does not run yet
        first, second = make_facts(2)

        with monkeypatch.context() as patched, caplog.at_level("WARNING", logger="storage.log.outbox"):
            patched.setattr("storage.log.outbox.APPEND_TIMEOUT_SECONDS", 0.01)
            await appender.append([first])

        assert [record.getMessage() for record in caplog.records] == [
            "1 facts are still in the outbox after 0 s: the log could not be written."
        ]
        assert appender.waiting == 1
        assert await storage.log.head() == 0
        running = asyncio.ensure_future(appender.run())
        await appender.append([second])
        assert [fact.id for fact in await storage.log.read(0, 10)] == [first.id, second.id]
        running.cancel()
        await asyncio.wait([running])


async def test_other_tasks_run_while_many_facts_are_decoded(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = make_facts(3 * log.DECODE_BATCH)
    passes = 0
    decoded_in: list[int] = []
    original = log.decode

    async def count_passes() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    def decode(document: Document) -> AnyFact:
        decoded_in.append(passes)
        return original(document)

    monkeypatch.setattr(log, "decode", decode)
    async with Storage.open(mongodb_uri, empty_database) as storage, asyncio.TaskGroup() as tasks:
        head = await storage.log.head()
        await storage.appender.append(facts)
        decoded_in.clear()
        counting = tasks.create_task(count_passes())
        found = await storage.log.read(head, limit=len(facts))
        counting.cancel()

    assert [fact.id for fact in found] == [fact.id for fact in facts]
    assert list(Counter(decoded_in).values()) == [log.DECODE_BATCH] * 3
