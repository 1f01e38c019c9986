"""Processes of two versions on the same data."""

import logging

import pytest

from storage.errors import DeploymentError
from storage.mongo.connection import Database
from storage.mongo.data_version import DATA_VERSION, read, record, require_supported
from storage.runtime import Storage
from storage.timings import Timings
from tests.storage.support import until

NEWER = DATA_VERSION + 1


def refusal(database: str) -> str:
    return (
        f"A newer version of Switchboard has written to the database {database}: its data has version {NEWER}, and "
        f"this program supports versions up to {DATA_VERSION}. Upgrade this program, or set SWITCHBOARD_DATABASE to "
        "another database."
    )


async def test_start_records_the_version_of_the_data(mongodb_uri: str, empty_database: str) -> None:
    async with Storage.open(mongodb_uri, empty_database) as storage:
        assert await storage.database["versions"].find_one({"_id": "data"}) == {
            "_id": "data",
            "version": DATA_VERSION,
            "usableBy": DATA_VERSION,
        }


async def test_an_older_version_does_not_start_on_newer_data(mongodb_uri: str, empty_database: str) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        await record(database, NEWER, usable_by=NEWER)

        with pytest.raises(DeploymentError) as error:
            async with Storage.open(mongodb_uri, empty_database):
                pass

        assert str(error.value) == refusal(empty_database)
        assert await read(database) == NEWER
        assert await database["processes"].count_documents({}) == 0


async def test_an_older_version_starts_on_newer_data_that_it_can_use(mongodb_uri: str, empty_database: str) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        await record(database, DATA_VERSION, usable_by=DATA_VERSION)
        await record(database, NEWER, usable_by=None)

    async with Storage.open(mongodb_uri, empty_database) as storage:
        assert await read(storage.database) == NEWER


async def test_data_of_a_version_that_stored_only_its_number_are_for_that_version(
    mongodb_uri: str, empty_database: str
) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        await database["versions"].insert_one({"_id": "data", "version": NEWER})

        with pytest.raises(DeploymentError):
            await require_supported(database)
        await require_supported(database, supported=NEWER)


async def test_a_running_process_reports_that_a_newer_version_wrote_to_its_data(
    mongodb_uri: str, empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Storage.open(mongodb_uri, empty_database, timings=Timings(data_version_check=0.01)) as storage:
        await record(storage.database, NEWER, usable_by=NEWER)

        async def is_reported() -> bool:
            return any(failure.name == "check the data version" for failure in storage.supervisor.failures())

        await until(is_reported)
        (failure,) = storage.supervisor.failures()

    messages = [record for record in caplog.records if refusal(empty_database)[:100] in record.getMessage()]
    assert failure.essential
    assert [(record.levelno, record.exc_info) for record in messages] == [(logging.WARNING, None)]
