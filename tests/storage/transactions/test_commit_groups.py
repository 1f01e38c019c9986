"""Changes that are ready at the same time are committed in one transaction, and each fails for its own reason alone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override

from storage.errors import Unavailable, UsernameTaken
from storage.mongo.connection import Document
from storage.runtime import Storage
from storage.transactions import commit_groups, commits
from storage.transactions.commit_groups import CommitGroups
from storage.transactions.conflicts import Conflict
from storage.transactions.deadline import Deadline
from storage.transactions.writes import PreparedChange, Write, insertion, replacement
from tests.commands import StartedCommands
from tests.databases import emptied
from tests.storage.support import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class WriteCommands(StartedCommands):
    """The commands of transactions, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if "txnNumber" in event.command and event.command.get("autocommit") is False:
            self.seen.append(event.command_name)


class Group:
    """A group of changes of the collection `app_data`, which nothing else uses here."""

    def __init__(self, storage: Storage, commands: WriteCommands) -> None:
        self.storage = storage
        self.commands = commands
        self.collection = storage.database["app_data"].delegate
        self._groups = CommitGroups(storage.database, storage.process, storage.appender)

    def insert(self, document_id: str, **values: Any) -> Write:
        document = {"_id": document_id, "version": 1, **values}
        return insertion(self.collection, document, refusal=lambda _: UsernameTaken(document_id))

    def replace(self, document_id: str, version: int) -> Write:
        query = {"_id": document_id, "version": version}
        return replacement(self.collection, query, {"_id": document_id, "version": version + 1})

    async def commit(self, *changes: PreparedChange | Write) -> list[BaseException | None]:
        """Commit the changes at the same time. Returns the error of each, or None."""
        self.commands.seen.clear()
        prepared = [change if isinstance(change, PreparedChange) else prepare(change) for change in changes]
        results = await asyncio.gather(*map(self._groups.commit, prepared), return_exceptions=True)
        return [result if isinstance(result, BaseException) else None for result in results]

    async def commit_one(self, write: Write) -> None:
        await self._groups.commit(prepare(write))

    @property
    def in_flight(self) -> int:
        """The number of groups that have begun, and not ended."""
        return len(self._groups._in_flight)

    async def stored(self) -> dict[str, int]:
        """The version of every document, by id."""
        documents: list[Document] = await self.storage.database["app_data"].find({}).to_list(None)
        return {document["_id"]: document["version"] for document in documents}


def prepare(*writes: Write, seconds: float = 30) -> PreparedChange:
    return PreparedChange(writes, (), Deadline[Any](seconds))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storage_and_commands(mongodb_uri: str) -> AsyncIterator[tuple[Storage, WriteCommands]]:
    commands = WriteCommands()
    async with AsyncExitStack() as stack:
        name = emptied(mongodb_uri, "test-commit-groups")
        yield await stack.enter_async_context(Storage.open(mongodb_uri, name, listeners=[commands])), commands


@pytest_asyncio.fixture(loop_scope="module")
async def group(storage_and_commands: tuple[Storage, WriteCommands]) -> Group:
    storage, commands = storage_and_commands
    await storage.database["app_data"].delete_many({})
    return Group(storage, commands)


async def test_changes_that_are_ready_at_once_are_one_transaction(group: Group) -> None:
    errors = await group.commit(*(group.insert(str(number)) for number in range(20)))

    assert errors == [None] * 20
    assert await group.stored() == {str(number): 1 for number in range(20)}
    assert group.commands.seen == ["insert", "commitTransaction"]


async def test_writes_of_one_change_stay_in_their_order(group: Group) -> None:
    both = [prepare(group.insert(name), group.replace(name, 1), group.replace(name, 2)) for name in ("one", "two")]

    errors = await group.commit(*both)

    assert errors == [None, None]
    assert await group.stored() == {"one": 3, "two": 3}
    assert group.commands.seen == ["insert", "update", "commitTransaction"]


async def test_change_is_refused_by_what_is_committed_and_not_by_a_change_that_fails(group: Group) -> None:
    failing = prepare(group.insert("name"), group.replace("absent", 1))

    errors = await group.commit(failing, group.insert("name"), group.insert("other"))

    assert [type(error) for error in errors] == [Conflict, type(None), type(None)]
    assert await group.stored() == {"name": 1, "other": 1}


async def test_change_is_refused_after_the_change_that_has_the_value_is_committed(group: Group) -> None:
    stored: list[dict[str, int]] = []

    async def refused() -> None:
        with pytest.raises(UsernameTaken):
            await group.commit_one(group.insert("name"))
        stored.append(await group.stored())

    await asyncio.gather(group.commit_one(group.insert("name")), refused(), refused())
    assert stored == [{"name": 1}] * 2


async def test_group_has_a_limited_number_of_changes(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_groups, "MAX_CHANGES", 2)

    await group.commit(*(group.insert(str(number)) for number in range(6)))

    assert group.commands.seen.count("commitTransaction") == 3


async def test_group_has_a_limited_size(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_groups, "MAX_BYTES", 2_500)

    await group.commit(*(group.insert(str(number), text="x" * 1_000) for number in range(6)))

    assert group.commands.seen.count("commitTransaction") == 3


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], asyncio.Event]:
    """The sizes of the groups that began to be written, of which the first waits for the event."""
    sizes: list[int] = []
    release = asyncio.Event()

    async def write(*arguments: Any, **options: Any) -> bool:
        sizes.append(len(arguments[2]))
        if len(sizes) == 1:
            await release.wait()
        return await commits.write_and_commit(*arguments, **options)

    monkeypatch.setattr(commit_groups, "write_and_commit", write)
    return sizes, release


async def begin_first(group: Group, sizes: list[int]) -> "asyncio.Task[None]":
    """Commit the document "first" in a task, and wait until its group is being written."""

    async def is_written() -> bool:
        return sizes == [1]

    task = asyncio.create_task(group.commit_one(group.insert("first")))
    await until(is_written)
    return task


async def test_changes_that_become_ready_while_a_group_is_written_are_the_next_group(
    group: Group, held: tuple[list[int], asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_groups, "WRITING_SECONDS", 60)
    sizes, release = held
    first = await begin_first(group, sizes)
    others = [asyncio.create_task(group.commit_one(group.insert(str(number)))) for number in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert (sizes, group.in_flight) == ([1], 1)
    release.set()
    await asyncio.gather(first, *others)

    assert sizes == [1, 3]
    assert await group.stored() == {"first": 1, "0": 1, "1": 1, "2": 1}


async def test_next_group_is_written_while_the_driver_waits_for_the_majority_of_a_commit(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_groups, "WRITING_SECONDS", 60)
    commit, arrived, release = ClientSession.commit_transaction, threading.Event(), threading.Event()

    def commit_late(session: ClientSession) -> None:
        monkeypatch.setattr(ClientSession, "commit_transaction", commit)
        arrived.set()
        assert release.wait(60)
        commit(session)

    monkeypatch.setattr(ClientSession, "commit_transaction", commit_late)
    first = asyncio.create_task(group.commit_one(group.insert("first")))
    assert await asyncio.to_thread(arrived.wait, 60)
    async with asyncio.timeout(30):
        await group.commit_one(group.insert("second"))

    assert await group.stored() == {"second": 1}
    release.set()
    await first
    assert await group.stored() == {"first": 1, "second": 1}


async def test_group_that_is_written_for_long_holds_up_no_other(
    group: Group, held: tuple[list[int], asyncio.Event]
) -> None:
    sizes, release = held
    first = await begin_first(group, sizes)
    async with asyncio.timeout(30):
        await group.commit_one(group.insert("second"))

    assert await group.stored() == {"second": 1}
    release.set()
    await first
    assert await group.stored() == {"first": 1, "second": 1}


async def test_change_that_a_unique_index_refuses_fails_alone(group: Group) -> None:
    await group.commit(group.insert("taken"))

    first, refused, last = await group.commit(group.insert("one"), group.insert("taken"), group.insert("two"))

    assert (first, last) == (None, None)
    assert isinstance(refused, UsernameTaken)
    assert await group.stored() == {"taken": 1, "one": 1, "two": 1}


async def test_nothing_of_a_change_that_is_refused_is_stored(group: Group) -> None:
    await group.commit(group.insert("taken"))

    await group.commit(prepare(group.insert("one"), group.insert("taken")), group.insert("two"))

    assert await group.stored() == {"taken": 1, "two": 1}


async def test_change_of_an_outdated_version_conflicts_alone(group: Group) -> None:
    await group.commit(*(group.insert(name) for name in ("one", "two", "three")))
    await group.commit(group.replace("two", 1))

    first, outdated, last = await group.commit(*(group.replace(name, 1) for name in ("one", "two", "three")))

    assert (first, last) == (None, None)
    assert isinstance(outdated, Conflict)
    assert await group.stored() == {"one": 2, "two": 2, "three": 2}


async def test_one_of_two_changes_of_the_same_document_is_committed(group: Group) -> None:
    await group.commit(group.insert("one"))

    errors = await group.commit(group.replace("one", 1), group.replace("one", 1), group.insert("two"))

    assert [type(error) for error in errors] == [type(None), Conflict, type(None)]
    assert await group.stored() == {"one": 2, "two": 1}


async def test_change_of_a_document_that_another_transaction_holds_fails_alone(group: Group) -> None:
    await group.commit(*(group.insert(str(number)) for number in range(8)))
    client = group.storage.database.client
    async with await client.start_session() as other, other.start_transaction():
        await group.storage.database["app_data"].update_one({"_id": "5"}, {"$inc": {"version": 5}}, session=other)

        errors = await group.commit(*(group.replace(str(number), 1) for number in range(8)))
        await other.abort_transaction()

    assert [number for number, error in enumerate(errors) if error is not None] == [5]
    assert isinstance(errors[5], OperationFailure)
    assert await group.stored() == {str(number): 1 if number == 5 else 2 for number in range(8)}


async def test_change_whose_caller_was_told_that_nothing_changed_is_not_committed(group: Group) -> None:
    abandoned = prepare(group.insert("late"))
    abandoned.deadline.abandoned = True

    in_time, late = await group.commit(group.insert("in time"), abandoned)

    assert in_time is None
    assert isinstance(late, Conflict)
    assert not abandoned.deadline.committing
    assert await group.stored() == {"in time": 1}


async def test_group_whose_commit_had_no_response_is_committed_once(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, lost = ClientSession.commit_transaction, [lost_answer(), lost_answer()]

    def unheard(session: ClientSession) -> None:
        commit(session)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(ClientSession, "commit_transaction", unheard)

    errors = await group.commit(group.insert("one"), group.insert("two"))

    assert (errors, lost) == ([None, None], [])
    assert await group.stored() == {"one": 1, "two": 1}


async def test_outcome_of_every_change_is_unknown_if_that_of_the_commit_is(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(session: ClientSession) -> None:
        raise lost_answer()

    monkeypatch.setattr(ClientSession, "commit_transaction", unheard)

    errors = await group.commit(*(prepare(group.insert(name), seconds=0.1) for name in ("one", "two")))

    assert [error.data for error in errors if isinstance(error, Unavailable)] == [{"retryable": False}] * 2


async def test_group_whose_commit_stays_unknown_is_not_written_again(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ClientSession.commit_transaction

    def unheard(session: ClientSession) -> None:
        commit(session)
        raise lost_answer()

    monkeypatch.setattr(ClientSession, "commit_transaction", unheard)

    errors = await group.commit(*(prepare(group.insert(name), seconds=0) for name in ("one", "two")))

    assert [error.data for error in errors if isinstance(error, Unavailable)] == [{"retryable": False}] * 2
    assert group.commands.seen.count("insert") == 1
    assert await group.stored() == {"one": 1, "two": 1}


async def test_every_change_runs_again_when_the_connection_is_lost_before_the_commit(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(session: ClientSession) -> None:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(ClientSession, "commit_transaction", lost)

    errors = await group.commit(group.insert("one"), group.insert("two"))

    assert [type(error) for error in errors] == [AutoReconnect] * 2
    assert await group.stored() == {}


async def test_cancelled_caller_does_not_cancel_the_changes_of_others(group: Group) -> None:
    groups = CommitGroups(group.storage.database, group.storage.process, group.storage.appender)
    callers = [asyncio.ensure_future(groups.commit(prepare(group.insert(name)))) for name in ("one", "two")]
    await asyncio.sleep(0)

    callers[0].cancel()
    await callers[1]

    assert (await group.stored())["two"] == 1


def lost_answer() -> AutoReconnect:
    """The error of the driver when the connection is lost before the response to a commit."""
    error = AutoReconnect("connection closed")
    error._add_error_label("UnknownTransactionCommitResult")
    return error
