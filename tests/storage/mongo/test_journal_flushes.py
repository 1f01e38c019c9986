"""A write to the log that MongoDB has missed to flush does not wait for the next periodic flush of the journal."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from storage.log import outbox
from storage.mongo.connection import Database, Document
from storage.mongo.journal_flushes import FlushedWhileWaiting
from storage.mongo.local_commits import LocalCommit
from storage.runtime import Storage
from storage.transactions import commits
from tests.storage.support import read_all, save, tokens, until


class Flushes:
    """The flushes that a database is asked for. They are executed, too."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replies: list[Document] = []
        self.done = asyncio.Event()
        self._run = database.run
        monkeypatch.setattr(database, "run", self._run_recorded)

    async def _run_recorded(self, command: Document, **options: Any) -> Document:
        reply = await self._run(command, **options)
        if command["writeConcern"] == {"w": 1, "j": True}:
            self.replies.append(reply)
            self.done.set()
        return reply


async def test_the_journal_is_flushed_while_a_write_waits(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        flushes = Flushes(database, monkeypatch)

        with FlushedWhileWaiting(database, lambda: True):
            await flushes.done.wait()

        assert [reply["n"] for reply in flushes.replies] == [0] * len(flushes.replies)
        assert await database["outbox"].count_documents({}) == 0


async def test_the_journal_is_not_flushed_without_need(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, asked_twice = 0, asyncio.Event()

    def is_needed() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            asked_twice.set()
        return False

    async with Database(mongodb_uri, empty_database) as database:
        flushes = Flushes(database, monkeypatch)

        with FlushedWhileWaiting(database, is_needed):
            await asked_twice.wait()

        assert flushes.replies == []


def let_commits_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commits wait for their facts to be appended, however slow the machine is."""
    monkeypatch.setattr(outbox, "BEHIND_TIMEOUT_SECONDS", 60)
    monkeypatch.setattr(outbox, "BUSY_SECONDS", 60)


async def save_two(storage: Storage, first_is_writing: asyncio.Event) -> None:
    """Save the visitor "one", and "two" while the facts about "one" are being written."""
    async with asyncio.TaskGroup() as saving:
        saving.create_task(save(storage, "one"))
        await first_is_writing.wait()
        saving.create_task(save(storage, "two"))


async def test_a_commit_behind_a_write_to_the_log_has_the_journal_flushed_for_it(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_commits_wait(monkeypatch)
    async with Storage.open(mongodb_uri, empty_database) as storage:
        head = await storage.log.head()
        flushes = Flushes(storage.database, monkeypatch)
        insert, is_writing = storage.appender.insert, asyncio.Event()

        async def unflushed(documents: Sequence[Document], *, behind: Sequence[LocalCommit] = ()) -> None:
            is_writing.set()
            await flushes.done.wait()
            await insert(documents, behind=behind)

        monkeypatch.setattr(storage.appender, "insert", unflushed)
        monkeypatch.setattr(storage.appender, "reserve", lambda *_: None)
        await save_two(storage, is_writing)

        assert tokens(await read_all(storage, after=head)) == ["one", "two"]


async def test_a_commit_behind_a_transaction_that_writes_to_the_log_has_the_journal_flushed_for_it(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_commits_wait(monkeypatch)
    async with Storage.open(mongodb_uri, empty_database) as storage:
        await save(storage, "none")  # the appender knows the end of the log

        async def is_alone() -> bool:
            return storage.process.is_alone

        await until(is_alone)
        head = await storage.log.head()
        flushes = Flushes(storage.database, monkeypatch)
        commit, is_committing = commits._commit_directly, asyncio.Event()

        async def unflushed(*arguments: Any) -> bool:
            assert storage.appender.holds_numbers
            is_committing.set()
            await flushes.done.wait()
            return await commit(*arguments)

        monkeypatch.setattr(commits, "_commit_directly", unflushed)
        await save_two(storage, is_committing)

        assert tokens(await read_all(storage, after=head)) == ["one", "two"]
