"""A transaction that runs alone inserts its facts into the log itself. Whatever happens, they are there once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, cast

import pytest
import pytest_asyncio
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect

from storage.errors import Unavailable
from storage.log.outbox import Appender
from storage.log.reservations import Reservation
from storage.mongo import direct_writes, sessions
from storage.mongo.direct_connections import DirectConnection, Lost
from storage.runtime import Storage
from storage.transactions import commits
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.transaction import Transaction
from tests.storage.support import find, opened, outbox_is_empty, put, read_all, save, save_and_die, tokens


@pytest_asyncio.fixture
async def storage(mongodb_uri: str, empty_database: str) -> AsyncIterator[Storage]:
    """A process that has appended a fact, and so knows the end of the log."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await save(storage, "first")
        await storage.process.reap_dead_processes()  # it finds no other process
        yield storage


@pytest.fixture
def reservations(monkeypatch: pytest.MonkeyPatch) -> list[Reservation | None]:
    """What the appenders of the test have reserved for transactions."""
    made: list[Reservation | None] = []
    reserve = Appender.reserve

    def recorded(appender: Appender, *arguments: Any) -> Reservation | None:
        made.append(reserve(appender, *arguments))
        return made[-1]

    monkeypatch.setattr(Appender, "reserve", recorded)
    return made


def forbid_aborts(patch: pytest.MonkeyPatch) -> None:
    """Let neither the process nor the driver abort a transaction, as if the server did not answer."""

    async def unanswered(*_: Any, **__: Any) -> bool:
        return False

    patch.setattr(direct_writes, "abort", unanswered)
    patch.setattr(ClientSession, "abort_transaction", lambda _: None)  # also called at the end of a session


async def log_of(storage: Storage) -> list[str]:
    """The tokens in the log, whose sequences are asserted to have no gap."""
    facts = await read_all(storage, after=0)
    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    return [token for token in tokens(facts) if token]


async def test_facts_need_no_outbox(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the appender appends")

    monkeypatch.setattr(Appender, "append", refuse)
    monkeypatch.setattr(Appender, "append_behind", refuse)

    visitor = await save(storage, "one")

    assert await find(storage, "one") == visitor
    assert await log_of(storage) == ["first", "one"]
    assert await outbox_is_empty(storage)


async def test_the_next_facts_follow_whoever_appends_them(
    storage: Storage, reservations: list[Reservation | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await save(storage, "one")
    with monkeypatch.context() as patched:
        patched.setattr(storage.appender, "reserve", lambda *_: None)
        await save(storage, "two")
    await save(storage, "three")

    assert len([one for one in reservations if one is not None]) == 2
    assert await log_of(storage) == ["first", "one", "two", "three"]


async def test_facts_about_the_same_subject_are_in_order(
    storage: Storage, reservations: list[Reservation | None]
) -> None:
    for name in "abc":
        await save(storage, "one", name)

    assert None not in reservations
    assert await log_of(storage) == ["first", "one", "one", "one"]


async def test_another_live_process_ends_it(
    storage: Storage, empty_database: str, mongodb_uri: str, reservations: list[Reservation | None]
) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (other,):
        await storage.process.reap_dead_processes()
        await other.process.reap_dead_processes()
        for one in (storage, other, storage, other):
            await save(one, f"by {one.process.id}")

    assert reservations == []
    assert len(await log_of(storage)) == 5


async def test_a_process_that_believes_itself_alone_runs_again_when_its_number_is_taken(
    storage: Storage, empty_database: str, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessHeartbeat, "is_alone", True)
    async with opened(mongodb_uri, empty_database, processes=1) as (other,):
        expected = ["first"]
        for number in range(3):
            for one in (storage, other):
                await save(one, f"{number} by {one.process.id}")
                expected.append(f"{number} by {one.process.id}")

    assert await log_of(storage) == expected
    assert await outbox_is_empty(storage)


async def test_processes_that_believe_themselves_alone_at_the_same_time_lose_nothing(
    storage: Storage, empty_database: str, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessHeartbeat, "is_alone", True)

    async def save_some(one: Storage) -> list[str]:
        names = [f"{number} by {one.process.id}" for number in range(20)]
        for name in names:
            await save(one, name)
        return names

    async with opened(mongodb_uri, empty_database, processes=1) as (other,):
        saved = await asyncio.gather(save_some(storage), save_some(other))
        found = await log_of(other)

    for names in saved:
        assert [token for token in found if token in names] == names
    assert len(found) == 41


async def test_facts_of_a_dead_process_about_the_same_subject_come_first(
    storage: Storage, reservations: list[Reservation | None]
) -> None:
    await save_and_die(storage, "one")

    await save(storage, "one", "Ada")

    assert reservations[-1] is None
    assert await log_of(storage) == ["first", "one", "one"]


async def test_a_commit_whose_reply_is_lost_takes_effect_once(
    storage: Storage, reservations: list[Reservation | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = direct_writes.commit

    async def unheard(*arguments: Any) -> bool:
        await commit(*arguments)
        raise AutoReconnect("connection closed")

    with monkeypatch.context() as patched:
        patched.setattr(direct_writes, "commit", unheard)
        await save(storage, "one")
    await save(storage, "two")

    assert None not in reservations
    assert await log_of(storage) == ["first", "one", "two"]


async def test_a_commit_whose_outcome_stays_unknown_does_not_hold_its_number(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is still open: MongoDB would keep the number from others for a minute."""

    async def lost(*_: Any, **__: Any) -> bool:
        raise AutoReconnect("connection closed")

    def unknown(session: ClientSession) -> None:
        error = AutoReconnect("connection closed")
        error._add_error_label("UnknownTransactionCommitResult")
        raise error

    storage.transactions.timeout_seconds = 0.2
    with monkeypatch.context() as patched:
        patched.setattr(direct_writes, "commit", lost)
        patched.setattr(ClientSession, "commit_transaction", unknown)
        forbid_aborts(patched)
        with pytest.raises(Unavailable, match="did not say"):
            await save(storage, "one")
        await storage.transactions.wait_for_running()
    storage.transactions.timeout_seconds = 20

    await asyncio.wait_for(save(storage, "two"), 10)

    assert await find(storage, "one") is None
    assert await log_of(storage) == ["first", "two"]


async def test_a_transaction_that_could_not_be_aborted_is_aborted_soon(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost after the writes. MongoDB would keep the number and the visitor locked for a minute."""
    write, lost = commits._write_directly, 0

    async def written_and_lost(*arguments: Any) -> bool:
        nonlocal lost
        written = await write(*arguments)
        lost += 1
        if lost == 1:
            raise AutoReconnect("connection closed")
        return written

    monkeypatch.setattr(commits, "_write_directly", written_and_lost)
    forbid_aborts(monkeypatch)

    visitor = await asyncio.wait_for(save(storage, "one"), 10)

    assert await find(storage, "one") == visitor
    assert await log_of(storage) == ["first", "one"]


@pytest.mark.parametrize("when", ["after the abort", "after its end"])
async def test_a_transaction_that_arrives_late_does_not_keep_its_number(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The connection counts as lost, and the server reads later what was sent."""
    call, abort, end = DirectConnection.call, direct_writes.abort, sessions.end
    late: list[Callable[[], object]] = []
    sent = False

    def held(connection: DirectConnection, message: bytes, *, replies: int = 1) -> "asyncio.Future[bytes]":
        nonlocal sent
        if sent or b"startTransaction" not in message:
            return call(connection, message, replies=replies)
        sent = True
        late.append(lambda: call(connection, message, replies=replies))
        lost: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        lost.set_exception(Lost())
        return lost

    async def aborted(*arguments: Any, **options: Any) -> bool:
        is_aborted = await abort(*arguments, **options)
        if when == "after the abort":
            await cast(Any, late.pop()())
        return is_aborted

    async def ended(*arguments: Any) -> None:
        await end(*arguments)
        if late:
            await cast(Any, late.pop()())

    monkeypatch.setattr(DirectConnection, "call", held)
    monkeypatch.setattr(direct_writes, "abort", aborted)
    monkeypatch.setattr(sessions, "end", ended)

    visitor = await asyncio.wait_for(save(storage, "one"), 10)

    assert (sent, late) == (True, [])
    assert await find(storage, "one") == visitor
    assert await log_of(storage) == ["first", "one"]


async def test_a_process_that_stops_in_the_transaction_leaves_it_to_others(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process were killed: the others find its session, and kill it after some seconds."""
    is_written = asyncio.Event()
    stuck: list[asyncio.Task[Any]] = []

    async def stopped(*_: Any) -> bool:
        stuck.append(cast("asyncio.Task[Any]", asyncio.current_task()))
        is_written.set()
        await asyncio.Event().wait()
        return False

    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await save(storage, "first")
        await storage.process.reap_dead_processes()
        with monkeypatch.context() as patched:
            patched.setattr(commits, "_commit_directly", stopped)
            saving = asyncio.create_task(save(storage, "one"))
            await is_written.wait()
    assert storage.appender.holds_numbers

    async with opened(mongodb_uri, empty_database, processes=1) as (following,):
        await asyncio.wait_for(save(following, "two"), 15)
        assert await log_of(following) == ["first", "two"]
    for task in (saving, *stuck):
        task.cancel()
    await asyncio.wait([saving, *stuck])


async def test_a_process_that_stops_reserves_no_more_numbers(
    storage: Storage, reservations: list[Reservation | None]
) -> None:
    storage.appender.close()

    await save(storage, "one")

    assert reservations == [None]
    assert await log_of(storage) == ["first", "one"]


@pytest.mark.parametrize("failing", ["abort", "acknowledge"])
async def test_an_unexpected_error_does_not_keep_the_numbers(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    async def fail(*_: Any) -> bool:
        raise RuntimeError

    with monkeypatch.context() as patched:
        if failing == "abort":
            patched.setattr(commits, "_write_directly", fail)
            patched.setattr(commits, "_abort", fail)
        else:
            patched.setattr(Transaction, "_remember_written", lambda _: 1 / 0)
        with pytest.raises((RuntimeError, ZeroDivisionError)):
            await save(storage, "one")

    await asyncio.wait_for(save(storage, "two"), 10)

    written = [] if failing == "abort" else ["one"]
    assert await log_of(storage) == ["first", *written, "two"]


async def test_a_refused_change_leaves_its_number_to_the_next_one(
    storage: Storage, reservations: list[Reservation | None]
) -> None:
    """Two mutations of the same visitor without a lock: the second one conflicts, and runs again."""
    await asyncio.gather(*(storage.transactions.run(partial(put, token="one", name=name)) for name in "ab"))

    assert await log_of(storage) == ["first", "one", "one"]
    await save(storage, "two")
    await save(storage, "three")
    assert reservations[-1] is not None
    assert await log_of(storage) == ["first", "one", "one", "two", "three"]


async def test_other_appends_wait_for_the_transaction(
    storage: Storage, reservations: list[Reservation | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, is_written, is_waiting = asyncio.Event(), asyncio.Event(), asyncio.Event()
    commit, wait = commits._commit_directly, Reservation.wait

    async def waiting(reservation: Reservation) -> None:
        is_waiting.set()
        await wait(reservation)

    monkeypatch.setattr(Reservation, "wait", waiting)

    async def stopped(*arguments: Any) -> bool:
        is_written.set()
        await go_on.wait()
        return await commit(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(commits, "_commit_directly", stopped)
        first = asyncio.create_task(save(storage, "one"))
        await is_written.wait()
    second = asyncio.create_task(save(storage, "two"))
    await asyncio.wait_for(is_waiting.wait(), 60)
    assert not second.done()
    go_on.set()
    await asyncio.wait_for(asyncio.gather(first, second), 60)

    assert len([one for one in reservations if one is not None]) == 1
    assert await log_of(storage) == ["first", "one", "two"]
