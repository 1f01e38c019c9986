"""Commands on the event loop have the replies and the effects of the driver's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, InvalidOperation, NotPrimaryError, OperationFailure, PyMongoError
from typing_extensions import override

from storage.mongo import direct_writes, pipelines
from storage.mongo.connection import Database, Document
from storage.mongo.direct_connections import DirectConnection
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.threads import Work, work
from tests.commands import StartedCommands


@pytest.fixture
async def database(mongodb_uri: str, empty_database: str) -> AsyncIterator[Database]:
    async with Database(mongodb_uri, empty_database) as opened:
        await opened["passwords"].insert_one({"_id": "taken"})
        token = work.set(Work.CHANGES)
        yield opened
        work.reset(token)


def begun(database: Database) -> ClientSession:
    session: ClientSession = database.client.delegate.start_session()
    session.start_transaction()
    return session


async def run(database: Database, *commands: Document, session: ClientSession | None = None) -> list[Any] | None:
    client = database.client.delegate
    return await direct_writes.run(database.direct_commands, client, database.raw.name, commands, session=session)


def insertion(document_id: str, **options: Any) -> Document:
    return {"insert": "passwords", "documents": [{"_id": document_id}], **options}


def update(document_id: str) -> Document:
    return {"update": "passwords", "updates": [{"q": {"_id": document_id}, "u": {"$inc": {"count": 1}}}]}


async def stored(database: Database) -> dict[str, Any]:
    return {one["_id"]: one.get("count") for one in await database["passwords"].find({}).to_list(None)}


def summary(reply: Any) -> object:
    if isinstance(reply, PyMongoError):
        return type(reply), getattr(reply, "code", None)
    return {name: value for name, value in reply.items() if name in ("n", "nModified", "ok", "writeErrors", "cursor")}


COMMANDS: dict[str, Document] = {
    "refused": insertion("taken"),
    "found": update("taken"),
    "missed": update("none"),
    "read": {"find": "passwords", "filter": {"_id": "taken"}, "projection": {"_id": 1}, "singleBatch": True},
    "unknown": {"none": 1},
    "not acknowledged": insertion("one", writeConcern={"w": 3, "wtimeout": 1}),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_reply_is_that_of_the_driver(database: Database, name: str) -> None:
    replies = await run(database, {**COMMANDS[name]})
    await database["passwords"].delete_one({"_id": "one"})

    by_driver = pipelines.run(database.client.delegate, database.raw.name, [{**COMMANDS[name]}])

    assert replies is not None
    assert [*map(summary, replies)] == [*map(summary, by_driver)]


async def test_the_replies_of_several_commands_are_in_their_order(database: Database) -> None:
    large = {"find": "passwords", "filter": {}, "batchSize": 1_000, "singleBatch": True}
    await database["passwords"].insert_many([{"_id": str(number), "text": "x" * 1_000} for number in range(500)])

    replies = await run(database, insertion("one"), {**large}, {"none": 1}, {**large}, update("one"))

    assert replies is not None
    inserted, first, unknown, second, updated = replies
    assert (inserted["n"], len(first["cursor"]["firstBatch"]), len(second["cursor"]["firstBatch"])) == (1, 502, 502)
    assert isinstance(unknown, OperationFailure)
    assert updated["n"] == 1


@pytest.mark.parametrize("length", [1, 7, 1_000])
async def test_replies_may_arrive_in_pieces(database: Database, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    receive = DirectConnection.data_received

    def in_pieces(connection: DirectConnection, data: bytes) -> None:
        for start in range(0, len(data), length):
            receive(connection, data[start : start + length])

    monkeypatch.setattr(DirectConnection, "data_received", in_pieces)
    for number in range(3):
        replies = await run(database, insertion(str(number)), update("taken"), {"none": 1}, update("none"))

        assert replies is not None
        inserted, found, unknown, missed = replies
        assert (inserted["n"], found["n"], missed["n"]) == (1, 1, 0)
        assert isinstance(unknown, OperationFailure)


async def test_a_transaction_is_committed(database: Database) -> None:
    session = begun(database)
    await run(database, insertion("one"), update("one"), session=session)
    before = await stored(database)

    committed = await direct_writes.commit(database.direct_commands, database.client.delegate, session)

    assert committed
    assert before == {"taken": None}
    assert await stored(database) == {"taken": None, "one": 1}
    with pytest.raises(InvalidOperation):
        session.abort_transaction()
    session.end_session()


async def test_a_transaction_that_is_aborted_is_not_committed(database: Database) -> None:
    session = begun(database)
    await run(database, insertion("one"), insertion("taken"), session=session)

    committed = await direct_writes.commit(database.direct_commands, database.client.delegate, session)

    assert not committed
    assert await stored(database) == {"taken": None}
    session.end_session()


async def test_a_transaction_whose_connection_is_lost_has_no_effect(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begun(database)
    await run(database, insertion("one"), session=session)

    def lost(connection: DirectConnection, data: bytes) -> None:
        connection.close()

    with monkeypatch.context() as patched:
        patched.setattr(DirectConnection, "data_received", lost)
        with pytest.raises(AutoReconnect) as caught:
            await run(database, update("one"), session=session)

    assert caught.value.has_error_label("TransientTransactionError")
    session.abort_transaction()
    assert await stored(database) == {"taken": None}


async def test_the_driver_looks_for_another_primary_after_a_reply_of_a_server_that_is_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(database, update("taken"))
    primary = database.has_primary

    def refuse(reply: Document, *_: object, **__: object) -> None:
        raise NotPrimaryError("not primary", {"ok": 0, "code": 10_107})

    with monkeypatch.context() as patched:
        patched.setattr("pymongo.helpers_shared._check_command_response", refuse)
        with pytest.raises(NotPrimaryError):
            await run(database, update("taken"))

        assert primary
        assert not database.has_primary


async def test_nothing_is_sent_if_somebody_listens_to_commands(mongodb_uri: str, empty_database: str) -> None:
    class Listener(StartedCommands):
        @override
        def started(self, event: Any) -> None:
            pass

    async with Database(mongodb_uri, empty_database, listeners=(Listener(),)) as database:
        assert await run(database, insertion("one")) is None
        assert await database.run(insertion("one")) is not None
        assert await stored(database) == {"one": None}


async def test_a_command_raises_its_error(database: Database) -> None:
    with pytest.raises(OperationFailure):
        await database.run({"none": 1})


async def test_the_driver_knows_the_newest_time_of_several_replies(database: Database) -> None:
    session = begun(database)

    replies = await run(database, insertion("one"), update("one"), session=session)

    assert replies is not None
    first, last = replies
    assert "operationTime" not in first
    assert session.operation_time == last["operationTime"]
    assert database.client.delegate._topology.max_cluster_time() is not None
    session.abort_transaction()
    session.end_session()


# ---------------------------------------------------------------- commits that no majority has acknowledged yet


async def committed_locally(database: Database, document_id: str) -> tuple[ClientSession, LocalCommit]:
    session = begun(database)
    assert await run(database, insertion(document_id), session=session) is not None
    commit = await direct_writes.commit_locally(database.direct_commands, database.client.delegate, session)
    assert commit is not None
    return session, commit


async def run_behind(database: Database, commit: LocalCommit, command: Document) -> list[Any] | None:
    client, name = database.client.delegate, database.raw.name
    return await direct_writes.run(database.direct_commands, client, name, [command], behind=[commit])


async def test_a_command_is_run_behind_a_commit_over_an_older_connection(database: Database) -> None:
    _, commit = await committed_locally(database, "one")

    replies = await run_behind(database, commit, insertion("two", writeConcern={"w": "majority"}))

    assert replies is not None
    assert replies[0]["n"] == 1
    assert await stored(database) == {"taken": None, "one": None, "two": None}


async def test_nothing_is_run_behind_a_commit_over_a_younger_connection(database: Database) -> None:
    session, commit = await committed_locally(database, "one")
    for connection in tuple(database.direct_commands._connections[Work.CHANGES]._open):
        connection.close()

    with pytest.raises(NotBehind):
        await run_behind(database, commit, insertion("two"))

    session.commit_transaction()
    assert await stored(database) == {"taken": None, "one": None}


async def test_nothing_is_run_behind_a_commit_by_the_driver(database: Database) -> None:
    session, commit = await committed_locally(database, "one")
    database.direct_commands.close()

    with pytest.raises(NotBehind):
        await database.run(insertion("two"), behind=[commit])

    session.commit_transaction()
    assert await stored(database) == {"taken": None, "one": None}


async def test_the_driver_can_commit_again_what_the_primary_has_committed(database: Database) -> None:
    session, _ = await committed_locally(database, "one")

    session.commit_transaction()

    assert await stored(database) == {"taken": None, "one": None}
