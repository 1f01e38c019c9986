"""Tests for storage/mongo/direct_commands.py: finds have the driver's results, whatever happens to a connection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import ExecutionTimeout, OperationFailure
from typing_extensions import override

from storage.mongo import stored_documents
from storage.mongo.connection import Database
from storage.mongo.deadlines import time_limit
from storage.mongo.direct_commands import DirectCommands
from storage.mongo.direct_connections import DirectConnection
from storage.threads import DIRECT_CONNECTIONS, Work, context_of
from tests.commands import StartedCommands
from tests.storage.support import until

COUNT = 30


class Finds(StartedCommands):
    """The finds that the driver sent."""

    def __init__(self) -> None:
        self.count = 0

    @override
    def started(self, event: Any) -> None:
        self.count += event.command_name == "find"


@pytest.fixture
async def database(mongodb_uri: str, empty_database: str) -> AsyncIterator[Database]:
    async with Database(mongodb_uri, empty_database) as opened:
        await opened["passwords"].insert_many([{"_id": f"{number:02}", "n": number % 3} for number in range(COUNT)])
        yield opened
        # Nothing closes a connection that is opened after the end of the loop.
        while any(one._opening for one in opened.direct_commands._connections.values()):  # noqa: ASYNC110 - on threads
            await asyncio.sleep(0.001)


def connections(database: Database) -> list[DirectConnection]:
    return list(database.direct_commands._connections[Work.READS]._open)


async def find(database: Database, query: dict[str, Any], **options: Any) -> list[str]:
    found, _ = await stored_documents.find(database, "passwords", query, **options)
    return [stored_documents.decode(one)["_id"] for one in found]


async def unanswered(database: Database, connection: DirectConnection) -> "asyncio.Task[list[str]]":
    """A read of one document that was sent, and whose reply does not arrive until `answer` is called."""
    assert connection._transport is not None
    connection._transport.pause_reading()
    reading = asyncio.ensure_future(find(database, {"_id": "04"}))
    while not database.direct_commands.replies:  # noqa: ASYNC110 - until it is sent
        await asyncio.sleep(0)
    return reading


def answer(connection: DirectConnection) -> None:
    assert connection._transport is not None
    connection._transport.resume_reading()


async def idle_cursors(database: Database) -> list[Any]:
    stages: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True}},
        {"$match": {"type": "idleCursor", "ns": f"{database.raw.name}.passwords"}},
    ]
    return await database.client.admin.aggregate(stages).to_list(None)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"limit": 5},
    {"sort": [("n", -1), ("_id", 1)], "limit": 12},
    {"projection": {"n": 0}, "sort": [("_id", -1)]},
    {"size": 100, "sort": [("_id", 1)]},
    {"size": 0, "limit": 3},
    {"size": 10_000},
]


@pytest.mark.parametrize("options", OPTIONS)
async def test_result_is_that_of_the_driver(database: Database, options: dict[str, Any]) -> None:
    query = {"n": {"$in": [0, 2]}}

    found = await stored_documents.find(database, "passwords", query, **options)
    assert connections(database)  # not by the driver
    database.direct_commands._is_enabled = False
    by_driver = await stored_documents.find(database, "passwords", query, **options)

    assert found == by_driver
    assert found[0]


async def test_result_of_several_batches_is_complete(database: Database) -> None:
    text = "x" * 7_000_000
    await database["passwords"].insert_many([{"_id": f"large {number}", "text": text} for number in range(3)])
    query = {"_id": {"$gte": "large"}}

    assert await find(database, query) == ["large 0", "large 1", "large 2"]
    documents, more = await stored_documents.find(database, "passwords", query, size=1_000)
    assert (len(documents), more) == (1, True)
    assert await idle_cursors(database) == []


async def test_error_is_that_of_the_driver(database: Database) -> None:
    with pytest.raises(OperationFailure, match="unknown operator"):
        await find(database, {"n": {"$wrong": 1}})
    assert await find(database, {"_id": "07"}) == ["07"]


async def test_reads_wait_for_a_connection_beyond_the_limit(database: Database) -> None:
    found = await asyncio.gather(*(find(database, {"_id": f"{number:02}"}) for number in range(COUNT)))

    assert found == [[f"{number:02}"] for number in range(COUNT)]
    assert 0 < len(connections(database)) <= DIRECT_CONNECTIONS[Work.READS] < COUNT
    assert database.direct_commands.idle == len(connections(database))
    assert database.direct_commands.waiting(Work.READS) == 0


async def test_cancelled_read_leaves_its_connection_to_the_next(database: Database) -> None:
    await find(database, {})
    (connection,) = connections(database)
    cancelled = asyncio.ensure_future(find(database, {"n": 1}))
    while not database.direct_commands.replies:  # noqa: ASYNC110 - until it is sent
        await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    while not database.direct_commands.idle:  # noqa: ASYNC110 - until its reply is there
        await asyncio.sleep(0)

    assert await find(database, {"_id": "03"}) == ["03"]
    assert connections(database) == [connection]


async def test_cancelled_wait_for_a_connection_loses_none(database: Database) -> None:
    waiting = [asyncio.ensure_future(find(database, {})) for _ in range(COUNT)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert await find(database, {"_id": "03"}) == ["03"]
    while database.direct_commands._connections[Work.READS]._opening:  # noqa: ASYNC110 - on threads of the driver
        await asyncio.sleep(0.001)
    assert database.direct_commands.idle == len(connections(database))


async def test_read_on_a_connection_that_closes_is_repeated(database: Database) -> None:
    await find(database, {})
    (connection,) = connections(database)
    reading = asyncio.ensure_future(find(database, {"_id": "04"}))
    while not database.direct_commands.replies:  # noqa: ASYNC110 - until it is sent
        await asyncio.sleep(0)
    connection.close()

    assert await reading == ["04"]
    assert connection not in connections(database)


async def test_read_that_the_driver_interrupts_is_repeated(database: Database) -> None:
    await find(database, {})
    (connection,) = connections(database)
    reading = asyncio.ensure_future(find(database, {"_id": "04"}))
    while not database.direct_commands.replies:  # noqa: ASYNC110 - until it is sent
        await asyncio.sleep(0)
    connection.driver.cancel_context.cancel()
    database.direct_commands._close_interrupted()

    assert connections(database) == []
    assert await reading == ["04"]


async def test_read_without_a_reply_is_repeated_after_the_socket_timeout_of_the_uri(
    mongodb_uri: str, empty_database: str
) -> None:
    uri = f"{mongodb_uri}{'&' if '?' in mongodb_uri else '/?'}socketTimeoutMS=30000"
    async with Database(uri, empty_database) as database:
        await database["passwords"].insert_one({"_id": "04"})
        await find(database, {})
        (connection,) = connections(database)
        reading = await unanswered(database, connection)
        database.direct_commands._close_interrupted()
        assert connections(database) == [connection]
        connection._called_at -= 31
        database.direct_commands._close_interrupted()

        assert connections(database) == []
        assert await reading == ["04"]


async def test_read_without_a_reply_waits_if_the_uri_has_no_socket_timeout(database: Database) -> None:
    await find(database, {})
    (connection,) = connections(database)
    reading = await unanswered(database, connection)
    connection._called_at -= 3_600
    database.direct_commands._close_interrupted()

    assert connections(database) == [connection]
    answer(connection)
    assert await reading == ["04"]


async def test_read_on_a_connection_that_the_driver_gave_up_is_repeated_once_there_is_another_primary(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await find(database, {})
    (connection,) = connections(database)
    reading = await unanswered(database, connection)
    connection._pool.reset_without_pause()
    database.direct_commands._close_interrupted()
    assert connections(database) == [connection]
    with monkeypatch.context() as patch:
        patch.setattr(DirectCommands, "primary", ("another", 27017))
        database.direct_commands._close_interrupted()

    assert connections(database) == []
    assert await reading == ["04"]


async def test_connection_of_a_cancelled_read_is_checked_until_its_reply(database: Database) -> None:
    await find(database, {})
    (connection,) = connections(database)
    reading = await unanswered(database, connection)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    database.direct_commands._close_interrupted()
    assert database.direct_commands._check is not None
    answer(connection)
    while database.direct_commands.replies:  # noqa: ASYNC110 - until its reply is there
        await asyncio.sleep(0)
    database.direct_commands._close_interrupted()
    assert database.direct_commands._check is None


async def test_connection_of_an_earlier_generation_is_replaced(database: Database) -> None:
    await find(database, {})
    (before,) = connections(database)
    before._pool.reset_without_pause()

    assert await find(database, {"_id": "05"}) == ["05"]
    (after,) = connections(database)
    assert after is not before


async def test_time_limit_that_has_passed_is_an_error_and_keeps_the_connection(database: Database) -> None:
    await find(database, {})
    with time_limit(0), pytest.raises(ExecutionTimeout):
        await find(database, {})

    assert database.direct_commands.idle == 1


async def test_time_limit_is_sent_to_the_server(database: Database) -> None:
    await database["passwords"].insert_many([{"n": 9, "text": "x" * 1000} for _ in range(2000)])
    slow = {"$expr": {"$gt": [{"$size": {"$filter": {"input": {"$range": [0, 100_000]}, "cond": True}}}, 0]}}
    with time_limit(0.05), pytest.raises(ExecutionTimeout):
        await find(database, slow)


async def test_other_classes_of_work_read_through_the_driver(database: Database) -> None:
    task = asyncio.get_running_loop().create_task(find(database, {}), context=context_of(Work.SCANS))

    assert len(await task) == COUNT
    assert database.direct_commands.idle == 0


async def test_commands_that_somebody_listens_to_go_through_the_driver(mongodb_uri: str, empty_database: str) -> None:
    finds = Finds()
    async with Database(mongodb_uri, empty_database, listeners=(finds,)) as database:
        await find(database, {"_id": "heard"})

        assert database.direct_commands.idle == 0
    assert finds.count == 1


async def test_a_connection_is_given_back_when_the_database_closes_while_the_loop_opens_it(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[DirectConnection] = []
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    made = DirectConnection.connection_made

    def close(connection: DirectConnection, transport: asyncio.BaseTransport) -> None:
        made(connection, transport)
        opened.append(connection)
        storage.direct_commands.close()

    monkeypatch.setattr(DirectConnection, "connection_made", close)
    async with Database(mongodb_uri, empty_database) as storage:
        await find(storage, {})  # through the driver, which finds out who is the primary
        assert await find(storage, {}) == []

        assert [(one._pool.active_sockets, one.driver.closed) for one in opened] == [(0, True)]
    assert errors == []


async def test_connections_are_given_back_when_the_database_closes(database: Database) -> None:
    await asyncio.gather(*(find(database, {}) for _ in range(3)))
    while database.direct_commands._connections[Work.READS]._opening:  # noqa: ASYNC110 - on threads of the driver
        await asyncio.sleep(0.001)
    pool = connections(database)[0]._pool

    async def all_are_open() -> bool:
        """A connection that no read waits for any more may still be opening."""
        return pool.active_sockets == len(connections(database))

    await until(all_are_open)

    database.direct_commands.close()

    assert (pool.active_sockets, connections(database)) == (0, [])
    assert len(await find(database, {})) == COUNT
