"""Groups that are committed on the event loop have the outcomes of those that the driver commits."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, OperationFailure

from storage.errors import UsernameTaken
from storage.mongo import direct_writes
from storage.mongo.direct_commands import DirectCommands
from storage.mongo.direct_connections import DirectConnection
from storage.runtime import Storage
from storage.threads import Work
from storage.transactions.conflicts import Conflict
from storage.transactions.writes import PreparedChange
from tests.databases import emptied
from tests.storage.transactions.test_commit_groups import Group, WriteCommands, prepare

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storage(mongodb_uri: str) -> AsyncIterator[Storage]:
    async with Storage.open(mongodb_uri, emptied(mongodb_uri, "test-direct-commits")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def group(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Group:
    await storage.database["app_data"].delete_many({})
    return Group(storage, WriteCommands())


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(session: ClientSession) -> None:
        raise AssertionError("the driver commits")

    monkeypatch.setattr(ClientSession, "commit_transaction", refuse)


@pytest.mark.usefixtures("no_driver")
async def test_changes_are_committed(group: Group) -> None:
    errors = await group.commit(*(prepare(group.insert(name), group.replace(name, 1)) for name in ("one", "two")))

    assert errors == [None, None]
    assert await group.stored() == {"one": 2, "two": 2}


@pytest.mark.usefixtures("no_driver")
async def test_each_change_that_fails_fails_alone(group: Group) -> None:
    await group.commit(*(group.insert(name) for name in ("taken", "outdated", "twice")))
    await group.commit(group.replace("outdated", 1))
    late = prepare(group.insert("late"))
    late.deadline.abandoned = True

    errors = await group.commit(
        group.insert("taken"),
        group.replace("outdated", 1),
        group.replace("twice", 1),
        group.replace("twice", 1),
        late,
        group.insert("other"),
    )

    kinds = [type(error) for error in errors]
    assert kinds == [UsernameTaken, Conflict, type(None), Conflict, Conflict, type(None)]
    assert await group.stored() == {"taken": 1, "outdated": 2, "twice": 2, "other": 1}


@pytest.mark.usefixtures("no_driver")
async def test_change_of_a_document_that_another_transaction_holds_fails_alone(group: Group) -> None:
    await group.commit(*(group.insert(name) for name in ("free", "held")))
    async with await group.storage.database.client.start_session() as other, other.start_transaction():
        await group.storage.database["app_data"].update_one({"_id": "held"}, {"$inc": {"version": 5}}, session=other)

        free, held = await group.commit(group.replace("free", 1), group.replace("held", 1))
        await other.abort_transaction()

    assert free is None
    assert isinstance(held, OperationFailure)
    assert await group.stored() == {"free": 2, "held": 1}


@pytest.mark.usefixtures("no_driver")
async def test_change_that_requires_a_version_conflicts_if_there_is_another_one(group: Group) -> None:
    await group.commit(*(group.insert(name) for name in ("one", "two")))

    def requiring(version: int, document_id: str) -> PreparedChange:
        change = prepare(group.insert(f"{document_id} {version}"))
        return PreparedChange(change.writes, (), change.deadline, {("app_data", document_id): version})

    first, outdated, absent = await group.commit(requiring(1, "one"), requiring(2, "two"), requiring(1, "none"))

    assert first is None
    assert isinstance(outdated, Conflict)
    assert isinstance(absent, Conflict)
    assert await group.stored() == {"one": 1, "two": 1, "one 1": 1}


@pytest.mark.parametrize("cause", ["connection lost", "other server"])
async def test_a_change_runs_again_if_its_conditions_were_not_read_from_the_server_that_is_written_to(
    group: Group, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    await group.commit(group.insert("required"))
    connections = group.storage.database.direct_commands._connections[Work.CHANGES]
    for connection in [await connections.acquire() for _ in range(2)]:  # two are idle afterwards
        assert connection is not None
        connections.release(connection)
    change = prepare(group.insert("one"))
    requiring = PreparedChange(change.writes, (), change.deadline, {("app_data", "required"): 1})
    send = DirectCommands._send

    sent: list[DirectConnection] = []

    def send_elsewhere(reads: DirectCommands, *arguments: Any) -> Any:
        reply, connection = send(reads, *arguments), arguments[1]
        sent.append(connection)
        if len(sent) == 2:  # the condition
            if cause == "connection lost":
                connection.close()
            else:
                connection.address = ("elsewhere", 1)
        return reply

    with monkeypatch.context() as patched:
        patched.setattr(DirectCommands, "_send", send_elsewhere)
        (error,) = await group.commit(requiring)

    assert isinstance(error, AutoReconnect)
    assert error.has_error_label("TransientTransactionError")
    assert await group.stored() == {"required": 1}


async def test_a_change_runs_again_if_its_conditions_may_be_much_older_than_its_transaction(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group.commit(group.insert("required"))
    change = prepare(group.insert("one"))
    requiring = PreparedChange(change.writes, (), change.deadline, {("app_data", "required"): 1})

    with monkeypatch.context() as patched:
        patched.setattr(direct_writes, "MAX_SECONDS", 0)
        (error,) = await group.commit(requiring)

    assert isinstance(error, AutoReconnect)
    assert await group.stored() == {"required": 1}


async def test_commit_whose_reply_is_lost_is_repeated_by_the_driver_and_takes_effect_once(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, lost = direct_writes.commit, 0

    async def unheard(*arguments: Any) -> bool:
        nonlocal lost
        lost += 1
        await commit(*arguments)
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(direct_writes, "commit", unheard)

    errors = await group.commit(group.insert("one"), group.insert("two"))

    assert (errors, lost) == ([None, None], 1)
    assert await group.stored() == {"one": 1, "two": 1}


async def test_every_change_runs_again_when_the_connection_is_lost_before_the_commit(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group.commit(group.insert("before"))

    def lost(connection: DirectConnection, data: bytes) -> None:
        connection.close()

    with monkeypatch.context() as patched:
        patched.setattr(DirectConnection, "data_received", lost)
        errors = await group.commit(group.insert("one"), group.insert("two"))

    assert [type(error) for error in errors] == [AutoReconnect] * 2
    assert await group.stored() == {"before": 1}
