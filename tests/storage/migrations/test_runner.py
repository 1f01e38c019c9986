"""Migrations: run once by one of several processes, continued after an interruption, recorded, and refused when other
programs could not use the data."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern

from storage.custom_fields.definition_leases import wait_for_epoch
from storage.custom_fields.epochs import DOCUMENT_ID
from storage.errors import DeploymentError
from storage.migrations import older_processes, records, runner
from storage.migrations.migration import Migration, Progress, State
from storage.migrations.registry import MIGRATIONS
from storage.mongo import data_version
from storage.mongo.connection import Database, Document
from storage.mongo.data_version import DATA_VERSION
from storage.runtime import NO_EPOCH, Storage
from storage.supervisor import end, spawn
from storage.timings import Timings
from tests.storage.support import until

NEXT = DATA_VERSION + 1
QUICK = Timings(older_processes=0.0, data_version_check=0.05)


async def upper(database: Database, progress: Progress) -> None:
    """Store the subject of each room in capitals."""
    while True:
        found = database["rooms"].find({"_id": {"$gt": progress.position}}, sort=["_id"], limit=2)
        rooms: list[Any] = await found.to_list(None)
        if not rooms:
            return
        for room in rooms:
            await database["rooms"].update_one({"_id": room["_id"]}, {"$set": {"upper": room["subject"].upper()}})
        await progress.advance(rooms[-1]["_id"], len(rooms))


def with_next(step: Callable[[Database, Progress], Awaitable[None]], *, compatible: bool = False) -> list[Migration]:
    return [*MIGRATIONS, Migration(NEXT, "upper case", step, compatible)]


async def fill(uri: str, name: str, subjects: str) -> None:
    """Rooms as the present version stores them."""
    async with Storage.open(uri, name) as storage:
        await storage.database["rooms"].insert_many([{"_id": one, "subject": one} for one in subjects])


async def uppers(database: Database) -> list[str | None]:
    found = await database["rooms"].find({}, {"upper": 1}, sort=["_id"]).to_list(None)
    return [room.get("upper") for room in found]


async def states(database: Database, migrations: Sequence[Migration]) -> list[tuple[State, int]]:
    return [(one.state, one.documents) for one in await records.list_states(database, migrations)]


def test_the_version_of_the_data_is_that_of_the_last_migration() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, DATA_VERSION + 1))


async def test_a_new_database_needs_no_migration(mongodb_uri: str, empty_database: str) -> None:
    async def unexpected(database: Database, progress: Progress) -> None:
        raise AssertionError

    async with Storage.open(mongodb_uri, empty_database, migrations=with_next(unexpected)) as storage:
        found = await storage.database["versions"].find({}).to_list(None)
        listed = await states(storage.database, with_next(unexpected))

    assert found == [{"_id": "data", "version": NEXT, "usableBy": NEXT}]
    assert listed == [(State.DONE, 0)] * NEXT


async def test_a_migration_runs_once_and_is_recorded(
    mongodb_uri: str, empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(mongodb_uri, empty_database, "abc")
    caplog.set_level(logging.INFO, runner.__name__)

    async with Storage.open(mongodb_uri, empty_database, migrations=with_next(upper)):
        pass
    async with Storage.open(mongodb_uri, empty_database, migrations=with_next(upper)) as storage:
        found = await uppers(storage.database)
        document = await records.read(storage.database, with_next(upper)[-1])
        version = await data_version.read(storage.database)

    assert found == ["A", "B", "C"]
    assert document is not None
    assert (document["name"], document["state"], document["documents"], document["repeat"]) == (
        *("upper case", "done", 3),
        False,
    )
    assert version == NEXT
    assert [re.sub(r"[\d.]+ s", "N s", record.getMessage()) for record in caplog.records] == [
        f"Migration {NEXT} (upper case) starts.",
        f"Migration {NEXT} (upper case): 2 documents.",
        f"Migration {NEXT} (upper case): 3 documents.",
        f"Migration {NEXT} (upper case) is done: 3 documents in N s.",
    ]


async def test_one_of_several_processes_runs_it_and_the_others_wait(mongodb_uri: str, empty_database: str) -> None:
    await fill(mongodb_uri, empty_database, "abc")
    runs = 0

    async def counted(database: Database, progress: Progress) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        await upper(database, progress)

    async def start() -> list[str | None]:
        async with Storage.open(mongodb_uri, empty_database, migrations=with_next(counted)) as storage:
            return await uppers(storage.database)

    found = await asyncio.gather(*(start() for _ in range(3)))

    assert found == [["A", "B", "C"]] * 3
    assert runs == 1


async def test_an_interrupted_migration_continues_where_it_was(mongodb_uri: str, empty_database: str) -> None:
    await fill(mongodb_uri, empty_database, "abc")

    class Interrupted(BaseException):
        pass

    async def interrupted(database: Database, progress: Progress) -> None:
        await database["rooms"].update_many({"_id": {"$lte": "b"}}, {"$set": {"upper": "before"}})
        await progress.advance("b", 2)
        raise Interrupted

    async with Database(mongodb_uri, empty_database) as database:
        with pytest.raises(Interrupted):
            await runner.migrate(database, with_next(interrupted))
        between = await states(database, with_next(upper))

        await runner.migrate(database, with_next(upper))

        assert between[-1] == (State.RUNNING, 2)
        assert await uppers(database) == ["before", "before", "C"]
        assert (await states(database, with_next(upper)))[-1] == (State.DONE, 3)


async def test_a_failure_is_recorded_and_the_next_start_tries_again(mongodb_uri: str, empty_database: str) -> None:
    await fill(mongodb_uri, empty_database, "ab")
    async with Database(mongodb_uri, empty_database) as database:
        await database["rooms"].update_one({"_id": "b"}, {"$set": {"subject": 7}})

        with pytest.raises(DeploymentError) as error:
            async with Storage.open(mongodb_uri, empty_database, migrations=with_next(upper)):
                pass
        (*_, failed) = await records.list_states(database, with_next(upper))
        await database["rooms"].update_one({"_id": "b"}, {"$set": {"subject": "b"}})
        async with Storage.open(mongodb_uri, empty_database, migrations=with_next(upper)):
            pass

        assert str(error.value) == (
            f"The migration {NEXT} (upper case) of the database {empty_database} failed: 'int' object has no attribute "
            "'upper'. Correct the cause and start again: it continues where it was."
        )
        assert (failed.state, failed.error) == (
            State.FAILED,
            "AttributeError: 'int' object has no attribute 'upper'",
        )
        assert await uppers(database) == ["A", "B"]
        assert (await records.list_states(database, with_next(upper)))[-1].error == ""


# ---------------------------------------------------------------- processes of an earlier version


@asynccontextmanager
async def older_process(uri: str, name: str) -> AsyncIterator[Document]:
    """The document of a process that knows only the data of 0.1.0, with its heartbeat, until the block ends."""
    document: Document = {"_id": "older", "beats": 1}
    async with Database(uri, name) as database:
        await database["processes"].insert_one(document)

        async def beat() -> None:
            while True:
                await database["processes"].update_one({"_id": "older"}, {"$inc": {"beats": 1}})
                await asyncio.sleep(0.05)

        beating = spawn(beat(), name="heartbeat of an older process")
        try:
            yield document
        finally:
            await end([beating])
            await database["processes"].delete_one({"_id": "older"})


async def test_data_that_an_older_process_could_not_use_stay_while_it_runs(
    mongodb_uri: str, empty_database: str
) -> None:
    await fill(mongodb_uri, empty_database, "a")
    async with older_process(mongodb_uri, empty_database), Database(mongodb_uri, empty_database) as database:
        with pytest.raises(DeploymentError) as error:
            async with Storage.open(mongodb_uri, empty_database, migrations=with_next(upper), timings=QUICK):
                pass

        assert str(error.value) == (
            f"Servers of an earlier version use the database {empty_database} (processes: 1), and cannot use it after "
            f"the migration {NEXT} (upper case). Stop them, and start this version again."
        )
        assert await uppers(database) == [None]
        assert await data_version.read(database) == DATA_VERSION
        assert (await states(database, with_next(upper)))[-1] == (State.PENDING, 0)


async def test_an_older_process_that_starts_while_the_version_is_recorded_prevents_the_migration(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(mongodb_uri, empty_database, "a")
    record = data_version.record
    async with AsyncExitStack() as stack, Database(mongodb_uri, empty_database) as database:

        async def record_after_a_start(database: Database, version: int, *, usable_by: int | None) -> None:
            await stack.enter_async_context(older_process(mongodb_uri, empty_database))
            await record(database, version, usable_by=usable_by)

        monkeypatch.setattr(data_version, "record", record_after_a_start)
        with pytest.raises(DeploymentError, match="Servers of an earlier version use the database"):
            await runner.migrate(database, with_next(upper), older_seconds=0.0)

        assert await uppers(database) == [None]
        # An older process that starts later is refused.
        with pytest.raises(DeploymentError):
            await data_version.require_supported(database, supported=DATA_VERSION)


async def test_a_process_has_heartbeats_while_it_starts(mongodb_uri: str, empty_database: str) -> None:
    """Others must see that it uses the database, but need not wait for it when they change a definition."""
    await fill(mongodb_uri, empty_database, "a")
    found: list[Document] = []

    async def read_processes(database: Database, progress: Progress) -> None:
        async def has_two_heartbeats() -> bool:
            found[:] = await database["processes"].find({"_id": {"$ne": other.process.id}}).to_list(None)
            return bool(found) and found[0]["beats"] >= 2

        await until(has_two_heartbeats)
        epoch = other.definition_cache.epoch + 1
        await database["rules"].update_one({"_id": DOCUMENT_ID}, {"$set": {"epoch": epoch}}, upsert=True)
        await wait_for_epoch(other.process, other.definition_cache, epoch)

    async with Storage.open(mongodb_uri, empty_database) as other:
        migrations = with_next(read_processes, compatible=True)
        async with Storage.open(mongodb_uri, empty_database, migrations=migrations, timings=QUICK) as storage:
            (one,) = found
            assert (one["_id"], one["dataVersion"], one["epoch"]) == (storage.process.id, NEXT, NO_EPOCH)
            assert storage.definition_cache.epoch == other.definition_cache.epoch

            async def publishes_its_epoch() -> bool:
                of_this = {"_id": storage.process.id, "epoch": storage.definition_cache.epoch}
                return await storage.database["processes"].find_one(of_this) is not None

            await until(publishes_its_epoch)


async def test_a_process_that_could_not_start_has_no_heartbeat(mongodb_uri: str, empty_database: str) -> None:
    async def fail(database: Database, progress: Progress) -> None:
        raise ValueError

    await fill(mongodb_uri, empty_database, "a")
    async with Database(mongodb_uri, empty_database) as database:
        processes = database["processes"].with_options(read_concern=ReadConcern("local"))  # as they are written
        with pytest.raises(DeploymentError):
            async with Storage.open(mongodb_uri, empty_database, migrations=with_next(fail)):
                pass
        after_a_failure = await processes.find({}).to_list(None)
        await data_version.record(database, NEXT, usable_by=NEXT)
        with pytest.raises(DeploymentError):
            async with Storage.open(mongodb_uri, empty_database):
                pass

        assert after_a_failure == []
        assert await processes.find({}).to_list(None) == []


async def test_an_older_process_that_was_killed_delays_a_migration_for_seconds(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(older_processes, "DEAD_SECONDS", 0.5)
    await fill(mongodb_uri, empty_database, "a")
    async with Database(mongodb_uri, empty_database) as database:
        await database["processes"].insert_one({"_id": "killed", "beats": 5})

        await runner.migrate(database, with_next(upper))

        assert await uppers(database) == ["A"]
        await database["processes"].delete_one({"_id": "killed"})


async def test_a_compatible_migration_is_repeated_when_older_processes_have_ended(
    mongodb_uri: str, empty_database: str
) -> None:
    await fill(mongodb_uri, empty_database, "a")
    migrations = with_next(upper, compatible=True)
    async with older_process(mongodb_uri, empty_database):
        storage_open = Storage.open(mongodb_uri, empty_database, migrations=migrations, timings=QUICK)
        storage = await storage_open.__aenter__()
        database = storage.database
        at_first = await uppers(database)
        # An older process writes a document in its form, after the migration.
        await database["rooms"].insert_one({"_id": "b", "subject": "b"})
        # A program of the version before starts on the data, and one that is older still does not.
        await data_version.require_supported(database, supported=DATA_VERSION)
        with pytest.raises(DeploymentError):
            await data_version.require_supported(database, supported=DATA_VERSION - 1)
        while_older = await uppers(database)

    try:

        async def is_repeated() -> bool:
            document = await records.read(database, migrations[-1])
            return document is not None and document["state"] == "done" and not document["repeat"]

        await until(is_repeated)
        assert (at_first, while_older, await uppers(database)) == (["A"], ["A", None], ["A", "B"])
        assert storage.supervisor.failures() == []
    finally:
        await storage_open.__aexit__(None, None, None)
