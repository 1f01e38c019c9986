"""A process hears of the changes of several collections by one change stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from pymongo.errors import OperationFailure

from storage.mongo import change_stream
from storage.mongo.change_stream import UNAUTHORIZED, ChangeStream, Watch
from storage.mongo.connection import Database, Document
from tests.storage.support import until

INSERTS: Document = {"operationType": "insert"}


def ignore(_: Document) -> None:
    pass


@asynccontextmanager
async def running(stream: ChangeStream) -> AsyncIterator[None]:
    """The stream runs, and is open when the block begins."""
    task = asyncio.ensure_future(stream.run())
    await until_open(stream)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_open(stream: ChangeStream) -> None:
    async def is_open() -> bool:
        return stream.is_open

    await until(is_open)


async def until_true(condition: Callable[[], bool]) -> None:
    async def is_true() -> bool:
        return condition()

    await until(is_true)


async def test_changes_that_meet_a_condition_arrive_in_the_order_of_the_writes(
    mongodb_uri: str, empty_database: str
) -> None:
    heard: list[tuple[str, object]] = []
    async with Database(mongodb_uri, empty_database) as database:
        stream = ChangeStream(database)
        names = {"operationType": {"$in": ["insert", "update"]}, "documentKey._id": {"$ne": "own"}}
        stream.add(
            Watch("imports", names, changed=lambda change: heard.append(("import", change["documentKey"]["_id"])))
        )
        stream.add(
            Watch(
                "apps",
                INSERTS,
                changed=lambda change: heard.append(("app", change["fullDocument"])),
                fields=("fullDocument.name",),
            )
        )
        async with running(stream):
            await database["imports"].insert_one({"_id": "one"})
            await database["imports"].insert_one({"_id": "own"})
            await database["apps"].insert_one({"_id": 1, "name": "bot", "secret": "s"})
            await database["app_data"].insert_one({"_id": "elsewhere"})
            await database["apps"].update_one({"_id": 1}, {"$set": {"name": "other"}})
            await database["imports"].update_one({"_id": "one"}, {"$set": {"name": "n"}})
            await database["apps"].insert_one({"_id": 2})
            await until_true(lambda: ("app", {}) in heard)

    assert heard == [("import", "one"), ("app", {"name": "bot"}), ("import", "one"), ("app", {})]


async def test_a_stream_that_has_ended_is_opened_again_and_changes_may_have_been_missed(
    mongodb_uri: str, empty_database: str
) -> None:
    heard: list[Document] = []
    missed: list[bool] = []
    async with Database(mongodb_uri, empty_database) as database:
        stream = ChangeStream(database)
        stream.add(Watch("imports", INSERTS, changed=heard.append, missed=lambda: missed.append(stream.is_open)))
        async with running(stream):
            assert missed == [True]
            await database["imports"].insert_one({"_id": "one"})
            await until_true(lambda: bool(heard))
            await database.client.drop_database(database.raw.name)  # ends the stream
            await until_true(lambda: missed == [True, False, True])
            await database["imports"].insert_one({"_id": "two"})
            await until_true(lambda: len(heard) == 2)

        assert [change["documentKey"] for change in heard] == [{"_id": "one"}, {"_id": "two"}]
        assert missed == [True, False, True, False]
        assert not stream.is_open


async def test_a_refusal_is_logged_once_and_the_stream_is_tried_again(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(change_stream, "REOPEN_SECONDS", 0)
    missed: list[None] = []
    async with Database(mongodb_uri, empty_database) as database:
        stream = ChangeStream(database)
        stream.add(Watch("imports", INSERTS, changed=ignore, missed=lambda: missed.append(None)))

        def refuse() -> list[Document]:
            if len(missed) == 5:
                monkeypatch.undo()
            raise OperationFailure("not authorized on switchboard to execute command", UNAUTHORIZED)

        monkeypatch.setattr(stream, "_pipeline", refuse)
        async with running(stream):
            pass

    assert len(missed) == 8  # six attempts, and the begin and the end of the stream
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [f"a change stream on the database {empty_database}" in one for one in warnings] == [True]


async def test_other_errors_are_raised(mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        stream = ChangeStream(database)

        def fail() -> list[Document]:
            raise OperationFailure("interrupted", 11_601)

        monkeypatch.setattr(stream, "_pipeline", fail)
        with pytest.raises(OperationFailure):
            await stream.run()
