"""Promise 1 of the log: a change and its facts are committed together or not at all, also after a crash or conflict."""

import asyncio
import threading
import time
from typing import Any

import msgspec
import pytest
from pymongo.client_session import ClientSession
from pymongo.client_session_shared import _TxnState
from pymongo.errors import AutoReconnect, PyMongoError

from storage import visitors
from storage.errors import Refused, Unavailable
from storage.mongo import direct_writes
from storage.mongo.direct_commands import DirectCommands
from storage.mongo.local_commits import LocalCommit
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.transaction import Transaction
from tests.storage.support import (
    create_temporary_index,
    find,
    names,
    opened,
    outbox_is_empty,
    put,
    read_all,
    read_while_index_is_dropped,
    save,
    tokens,
)


def lost_answer() -> PyMongoError:
    """The error of the driver when the connection is lost before the response to a commit."""
    error = AutoReconnect("connection closed")
    error._add_error_label("UnknownTransactionCommitResult")
    return error


async def test_facts_are_in_the_log_when_a_mutation_returns(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()

        visitor, facts = await storage.transactions.run(lambda tx: put(tx, "one", "Ada"))

        assert await find(storage, "one") == visitor
        found = await read_all(storage, after=head)
        assert [(fact.sequence, fact.id) for fact in found] == [(head + 1, facts[0].id)]
        assert await outbox_is_empty(storage)


async def test_mutation_whose_index_is_dropped_during_a_read_runs_again(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await create_temporary_index(storage, [1, 2, 3])
        attempts: list[int] = []

        found, _ = await storage.transactions.run(lambda tx: read_while_index_is_dropped(tx, attempts))

        assert (found, attempts) == ([1, 2, 3], [1, 2])


async def test_mutation_with_a_conflict_runs_again_with_the_new_state(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (here, elsewhere):
        await save(here, "one", "before")
        head = await here.log.head()
        seen: list[str | None] = []

        async def slow(tx: Transaction) -> None:
            visitor = await visitors.find_by_token(tx, "one")
            assert visitor is not None
            seen.append(visitor.name)
            if len(seen) == 1:
                await save(elsewhere, "one", "winner")
            await visitors.update(tx, visitor, msgspec.structs.replace(visitor, name=f"after {visitor.name}"))

        await here.transactions.run(slow)

        assert seen == ["before", "winner"]
        assert names(await read_all(here, after=head)) == ["winner", "after winner"]


async def test_refused_mutation_writes_nothing_and_records_no_fact(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await storage.appender.cleanup.wait()
        head = await storage.log.head()

        async def refused(tx: Transaction) -> None:
            await put(tx, "one", None)
            await tx.flush()
            raise Refused("not as things stand")

        with pytest.raises(Refused):
            await storage.transactions.run(refused)

        assert await find(storage, "one") is None
        assert await storage.database["outbox"].count_documents({}) == 0
        await storage.sweeps.sweep()
        assert await storage.log.head() == head


async def test_mutation_of_a_cancelled_caller_is_completed(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        begun = asyncio.Event()

        async def slow(tx: Transaction) -> None:
            await put(tx, "one", None)
            await tx.flush()
            begun.set()

        caller = asyncio.create_task(storage.transactions.run(slow))
        await begun.wait()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await storage.transactions.wait_for_running()

        assert caller.cancelled()
        assert await find(storage, "one") is not None
        assert tokens(await read_all(storage, after=head)) == ["one"]


async def test_commit_without_a_response_is_repeated_and_takes_effect_once(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ClientSession.commit_transaction
    lost = [lost_answer(), lost_answer()]

    def unheard(session: ClientSession) -> None:
        commit(session)
        if lost:
            raise lost.pop()

    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        storage.database.direct_commands.close()  # the driver commits
        head = await storage.log.head()
        monkeypatch.setattr(ClientSession, "commit_transaction", unheard)

        await save(storage, "one", "Ada")

        assert lost == []
        assert names(await read_all(storage, after=head)) == ["Ada"]


async def test_commit_with_an_unknown_outcome_is_unavailable_and_not_retryable(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(session: ClientSession) -> None:
        raise lost_answer()

    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        storage.database.direct_commands.close()  # the driver commits
        storage.transactions.timeout_seconds = 2
        monkeypatch.setattr(ClientSession, "commit_transaction", unheard)

        with pytest.raises(Unavailable) as caught:
            await save(storage, "one")

        assert caught.value.data == {"retryable": False}


async def test_mutation_without_an_answer_of_the_database_is_retryable(mongodb_uri: str, empty_database: str) -> None:
    async def away(tx: Transaction) -> None:
        raise AutoReconnect("no primary")

    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        storage.transactions.timeout_seconds = 0.05
        with pytest.raises(Unavailable) as caught:
            await storage.transactions.run(away)

        assert caught.value.data == {"retryable": True}


async def test_mutation_after_its_deadline_does_not_take_effect(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        storage.transactions.timeout_seconds = 0.2
        go_on = asyncio.Event()

        async def stuck(tx: Transaction) -> None:
            await put(tx, "one", None)
            await tx.flush()
            await go_on.wait()

        with pytest.raises(Unavailable) as caught:
            await storage.transactions.run(stuck)
        go_on.set()
        await storage.transactions.wait_for_running()

        assert caught.value.data == {"retryable": True}
        assert await find(storage, "one") is None
        assert await storage.database["outbox"].count_documents({}) == 0
        assert await storage.log.head() == head


async def test_mutation_whose_deadline_passes_during_its_writes_does_not_take_effect(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        storage.transactions.timeout_seconds = 0.2
        go_on = threading.Event()

        def waits(_: ClientSession) -> None:
            assert go_on.wait(60)

        async def slow(tx: Transaction) -> None:
            await put(tx, "one", None)
            tx.defer_write(waits)

        with pytest.raises(Unavailable) as caught:
            await storage.transactions.run(slow)
        go_on.set()
        await storage.transactions.wait_for_running()

        assert caught.value.data == {"retryable": True}
        assert await find(storage, "one") is None
        assert await storage.log.head() == head


async def test_commit_beyond_its_deadline_is_not_retryable_and_keeps_its_facts(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, go_on = ClientSession.commit_transaction, threading.Event()

    def slow(session: ClientSession) -> None:
        go_on.wait(30)
        commit(session)

    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        storage.database.direct_commands.close()  # the driver commits
        head = await storage.log.head()
        storage.transactions.timeout_seconds, storage.transactions.commit_grace_seconds = 0.2, 0.05
        monkeypatch.setattr(ClientSession, "commit_transaction", slow)

        with pytest.raises(Unavailable) as caught:
            await save(storage, "one")
        go_on.set()
        await storage.transactions.wait_for_running()

        assert caught.value.data == {"retryable": False}
        assert tokens(await read_all(storage, after=head)) == ["one"]


async def test_committed_mutation_is_answered_before_its_facts_are_appended(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        storage.transactions.timeout_seconds = 2
        append, go_on = storage.appender._append, asyncio.Event()

        async def slow(*arguments: Any) -> None:
            await go_on.wait()
            await append(*arguments)

        monkeypatch.setattr(storage.appender, "_append", slow)

        visitor = await save(storage, "one")
        assert await find(storage, "one") == visitor
        assert await storage.log.head() == head
        go_on.set()
        await storage.transactions.wait_for_running()

        assert tokens(await read_all(storage, after=head)) == ["one"]


async def test_failed_commit_removes_its_facts_from_the_outbox(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The facts are written in the transaction of their change, so a failed commit removes them."""

    class CommitFails(Exception):
        pass

    def fail(session: ClientSession) -> None:
        raise CommitFails

    async with opened(mongodb_uri, empty_database, processes=2) as (failing, other):
        failing.database.direct_commands.close()  # the driver commits
        head = await other.log.head()
        with monkeypatch.context() as patch:
            patch.setattr(ClientSession, "commit_transaction", fail)
            with pytest.raises(CommitFails):
                await save(failing, "one")

        assert await other.database["outbox"].find({}).to_list(None) == []
        assert await find(other, "one") is None
        await other.sweeps.sweep()
        assert await other.log.head() == head


async def test_mutation_continues_after_the_primary_was_unavailable(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()
        attempts = 0

        async def interrupted(tx: Transaction) -> None:
            nonlocal attempts
            attempts += 1
            await put(tx, "one", f"attempt {attempts}")
            await tx.flush()
            if attempts < 3:
                raise AutoReconnect("the primary is gone")

        await storage.transactions.run(interrupted)

        assert names(await read_all(storage, after=head)) == ["attempt 3"]


# ---------------------------------------------------------------- one majority for a commit and its facts


async def test_a_majority_acknowledges_a_commit_and_its_facts_together(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine, a majority may acknowledge the commits of some changes alone."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        monkeypatch.setattr(ProcessHeartbeat, "is_alone", False)  # otherwise a transaction appends its facts itself
        head, commits = await storage.log.head(), 0
        commit, commit_by_driver = direct_writes.commit, ClientSession.commit_transaction

        async def counted(*arguments: Any) -> bool:
            nonlocal commits
            commits += 1
            return await commit(*arguments)

        def counted_by_driver(session: ClientSession) -> None:
            nonlocal commits
            commits += 1
            commit_by_driver(session)

        monkeypatch.setattr(direct_writes, "commit", counted)
        monkeypatch.setattr(ClientSession, "commit_transaction", counted_by_driver)

        saved = [f"{number}" for number in range(20)]
        for token in saved:
            await save(storage, token)

        assert commits < len(saved)
        assert [(await find(storage, token)) is not None for token in saved] == [True] * len(saved)
        assert tokens(await read_all(storage, after=head)) == saved


async def test_facts_whose_append_has_no_response_are_in_the_log_once(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head, insert, lost = await storage.log.head(), storage.appender.insert, 0

        async def unheard(*documents: Any, **options: Any) -> None:
            nonlocal lost
            await insert(*documents, **options)
            if not lost:
                lost += 1
                raise lost_answer()

        monkeypatch.setattr(storage.appender, "insert", unheard)

        visitor = await save(storage, "one")

        assert lost == 1
        assert await find(storage, "one") == visitor
        assert tokens(await read_all(storage, after=head)) == ["one"]


async def test_mutation_whose_commit_is_rolled_back_runs_again_and_its_facts_are_in_the_log_once(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes its connections before it rolls back (tests/faults/test_rollbacks.py)."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        monkeypatch.setattr(storage.appender, "reserve", lambda *_: None)
        head, commit_locally = await storage.log.head(), direct_writes.commit_locally
        commits = 0

        async def rolled_back(connections: DirectCommands, client: Any, session: ClientSession) -> LocalCommit | None:
            nonlocal commits
            commits += 1
            if commits > 1:
                return await commit_locally(connections, client, session)
            at = time.monotonic()
            await asyncio.to_thread(session.abort_transaction)
            session._transaction.state = _TxnState.COMMITTED
            for kind in connections._connections.values():
                for connection in tuple(kind._open):
                    connection.close()
            assert connections.primary is not None
            return LocalCommit(connections.primary, at)

        monkeypatch.setattr(direct_writes, "commit_locally", rolled_back)

        visitor = await save(storage, "one")

        assert commits == 2
        assert await find(storage, "one") == visitor
        assert tokens(await read_all(storage, after=head)) == ["one"]
