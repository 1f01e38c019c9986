"""Promises 1 to 3 of the log: every fact of what is true and no other, numbered densely, in order per subject."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from storage.log.log import Log
from storage.log.outbox import BATCH
from storage.runtime import Storage
from tests.storage.support import made_up, names, opened, outbox_is_empty, read_all, save, save_and_die, tokens, until


async def test_facts_of_several_processes_are_numbered_without_a_gap(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=4) as storages:
        head = await storages[0].log.head()
        wanted = [f"visitor-{process}-{n}" for process in range(4) for n in range(40)]

        await asyncio.gather(*(save(storages[index % 4], token) for index, token in enumerate(wanted)))

        facts = await read_all(storages[0], after=head)
        assert [fact.sequence for fact in facts] == list(range(head + 1, head + 161))
        assert sorted(tokens(facts)) == sorted(wanted)


async def test_appenders_that_contend_leave_no_gap_and_double_nothing(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=4) as storages:
        head = await storages[0].log.head()
        facts = made_up(100)

        # Each process appends all of the facts, ten at a time, as sweepers that find the same leftovers do.
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


async def test_whoever_appends_for_a_subject_appends_what_waits_for_it(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        head = await living.log.head()
        await save(dying, "one", "first")
        await save_and_die(dying, "one")
        await save_and_die(dying, "one")

        await save(living, "one", "last")

        assert [fact.subject_number for fact in await read_all(living, after=head)] == [1, 2, 3, 4]


async def test_sweeper_appends_what_a_dead_process_left(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        head = await living.log.head()
        await save_and_die(dying, "one")
        await save_and_die(dying, "two")

        await living.appender.sweep()

        assert tokens(await read_all(living, after=head)) == ["one", "two"]
        assert await outbox_is_empty(living)


async def test_what_a_process_left_whose_clock_was_ahead_is_appended_as_soon(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.log.outbox.SWEEP_SECONDS", 3600)  # nobody sweeps but when told to
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        head = await living.log.head()
        for token in ("one", "two"):
            await save_and_die(dying, token)
        await living.database["outbox"].update_many({}, {"$set": {"at": living.log.now() + timedelta(minutes=10)}})

        assert await living.appender.sweep_abandoned() == 0
        assert await living.appender.sweep_abandoned() == 2

        assert sorted(tokens(await read_all(living, after=head))) == ["one", "two"]
        await save_and_die(dying, "three")
        await living.database["outbox"].update_many({}, {"$set": {"at": living.log.now() + timedelta(minutes=10)}})
    async with opened(mongodb_uri, empty_database, processes=1) as (restarted,):
        await until(lambda: _has_come(restarted, head + 3))
        assert tokens(await read_all(restarted, after=head + 2)) == ["three"]


async def _has_come(storage: Storage, sequence: int) -> bool:
    return await storage.log.head() >= sequence


async def test_sweeper_leaves_to_others_what_they_have_only_just_put_there(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.log.outbox.SWEEP_SECONDS", 3600)
    async with opened(mongodb_uri, empty_database, processes=2) as (writing, sweeping):
        head = await sweeping.log.head()
        await save_and_die(writing, "before")
        await sweeping.appender.sweep_abandoned()
        await save_and_die(writing, "since")

        assert await sweeping.appender.sweep_abandoned() == 1

        assert tokens(await read_all(sweeping, after=head)) == ["before"]


async def test_sweeper_sees_that_a_leftover_is_in_the_log_already(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        await save_and_die(storage, "one")
        leftover = await storage.database["outbox"].find_one({})
        assert leftover is not None
        await storage.appender.sweep()
        await storage.appender.wait_for_cleanup()
        await storage.database["outbox"].insert_one(leftover)

        await storage.appender.sweep()

        assert tokens(await read_all(storage, after=head)) == ["one"]
        assert await outbox_is_empty(storage)


async def test_more_facts_than_fit_one_append_all_arrive(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()

        await storage.appender.append(made_up(2 * BATCH + 1))

        assert await storage.log.head() == head + 2 * BATCH + 1


# ---------------------------------------------------------------- trimming


async def test_numbers_go_on_after_everything_has_been_trimmed(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(20))
        head = await storage.log.head()

        await storage.log.trim(storage.log.now() + timedelta(seconds=1))

    # A process that starts on what is left has nothing to go by but the log.
    async with opened(mongodb_uri, empty_database, processes=1) as (restarted,):
        await save(restarted, "one")
        assert [fact.sequence for fact in await read_all(restarted)] == [head, head + 1]


async def test_trimming_forgets_what_is_old_and_nothing_else(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(20, subject="old"))
        cut = await storage.log.head()
        before = max([document["appendedAt"] async for document in storage.database["log"].find({"_id": cut})])

        async def later() -> bool:
            return bool(storage.log.now() > before)

        await until(later)
        moment = storage.log.now()
        await storage.appender.append(made_up(5, subject="new"))

        assert await storage.log.trim(moment) > 0

        assert await storage.log.oldest() == cut + 1
        assert [fact.id for fact in await read_all(storage)] == [f"new-{n}" for n in range(1, 6)]


async def test_nothing_is_trimmed_while_something_as_old_waits_to_be_appended(
    mongodb_uri: str, empty_database: str
) -> None:
    """Else a leftover that is in the log already would be trimmed first, and then enter a second time."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await save_and_die(storage, "one")
        leftover = await storage.database["outbox"].find_one({})
        assert leftover is not None
        await storage.appender.sweep()
        await storage.appender.wait_for_cleanup()
        await storage.database["outbox"].insert_one(leftover)
        await save(storage, "two")
        head = await storage.log.head()

        assert await storage.log.trim(storage.log.now() + timedelta(seconds=1)) == 0

        await storage.appender.sweep()
        assert await storage.log.head() == head


async def test_log_is_trimmed_from_the_old_end_a_little_at_a_time(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.log.log.TRIM_BATCH", 7)
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.append(made_up(50))
        first, head = await storage.log.oldest(), await storage.log.head()

        assert await Log(storage.database).trim(storage.log.now() + timedelta(seconds=1)) == head - first

        assert [fact.sequence for fact in await read_all(storage)] == [head]
