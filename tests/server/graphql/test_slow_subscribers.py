"""Guarantee 8 of the log: the server stores only the position of a slow reader, and soon drops a dead one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typing_extensions import override
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from schema.events.pushed_subscriptions import BATCH_BYTES
from server.app import create_app, start_services
from server.process.run import bind
from server.process.uvicorn_server import Server, make_config
from server.settings import Settings
from server.transport import websocket_pings
from server.transport.frames import PING_HEAD
from server.transport.websocket_pings import BYTES_PER_STALL, MAX_STALLS, bytes_acknowledged
from server.transport.websocket_protocol import WebSocketProtocol
from server.transport.websocket_writes import MAX_UNANSWERED_BYTES
from storage.facts import VisitorSaved
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from tests.conftest import ADMIN_TOKEN
from tests.databases import emptied
from tests.processes import ServerProcess
from tests.server.websocket_client import connected, receive, send
from tests.storage.support import make_facts, until

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
FACTS = 4_000
STOPPED = 8
#: The size of a fact as JSON, for each subscriber.
FACT_BYTES = 4_000
#: Intervals of pings: one that ends a dead connection soon, and one that no test reaches.
SHORT_PING_SECONDS = 0.5
NO_PING_SECONDS = 3_600.0
EARLIER_PING = b"ping"
PROC = Path("/proc")


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def subscribed(stack: AsyncExitStack, url: str, after: int) -> ClientConnection:
    """A subscriber that reads only when the test receives."""
    connection = await stack.enter_async_context(connected(url, ADMIN))
    stack.callback(connection.transport.abort)  # closing would wait for unread messages
    await subscribe(connection, after)
    return connection


async def subscribe(connection: ClientConnection, after: int) -> None:
    query = """subscription ($after: Cursor) {
        events(after: $after) { sequence ... on VisitorSaved { visitor { name } } } }"""
    await send(
        connection, id="1", type="subscribe", payload={"query": query, "variables": {"after": event_cursor(after)}}
    )


def large(subject: str, count: int = FACTS) -> list[VisitorSaved]:
    return [
        msgspec.structs.replace(fact, visitor=msgspec.structs.replace(fact.visitor, name="x" * FACT_BYTES))
        for fact in make_facts(count, subject=subject)
    ]


async def append(storage: Storage, subject: str) -> None:
    """Append large facts, and wait until the log has them. A slow machine may need longer than the appender waits."""
    end = await storage.log.head() + FACTS
    await storage.appender.append(large(subject))

    async def is_appended() -> bool:
        return await storage.log.head() >= end

    await until(is_appended)


@pytest.mark.skipif(not PROC.exists(), reason="the memory of a process is read from /proc")
async def test_subscribers_that_stop_reading_cost_no_memory_and_miss_nothing(
    mongodb_uri: str, database_name: str
) -> None:
    with ServerProcess(mongodb_uri, database_name, LOG_LEVEL="error") as server:
        url = server.url
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(Storage.open(mongodb_uri, database_name))
            await append(storage, "before")
            head = await storage.log.head()
            readers = [await subscribed(stack, url, head - 1) for _ in range(STOPPED)]
            for reader in readers:
                await receive(reader)
            # These facts fill the buffer of recent facts.
            await append(storage, "first")
            await wait_until_delivered(stack, url, head + FACTS)
            before = resident_bytes(server.pid)

            await append(storage, "then")
            await wait_until_delivered(stack, url, head + 2 * FACTS)

            grown = resident_bytes(server.pid) - before
            seen = [await sequence(readers[0]) for _ in range(2 * FACTS)]

    assert grown < STOPPED * FACTS * FACT_BYTES / 4
    assert seen == list(range(head + 1, head + 2 * FACTS + 1))


async def wait_until_delivered(stack: AsyncExitStack, url: str, head: int) -> None:
    """Return when the server delivers the fact of that sequence."""
    assert await sequence(await subscribed(stack, url, head - 1)) == head


async def sequence(reader: ClientConnection) -> int:
    event: int = (await receive(reader))["payload"]["data"]["events"]["sequence"]
    return event


class Unparsed(asyncio.Protocol):
    """Takes what a websocket receives, and answers nothing."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.received = b""

    @override
    def data_received(self, data: bytes) -> None:
        self.received += data

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._connection.connection_lost(error)


@asynccontextmanager
async def replaying(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, *, slow_seconds: float
) -> AsyncIterator[tuple[ClientConnection, Unparsed, WebSocketProtocol, int]]:
    """A peer that answers no ping, to which one and a half times as much is sent as may be unanswered.

    It was sent a ping before. Yields also how many events are sent.
    """
    monkeypatch.setattr(websocket_pings, "SLOW_SECONDS", slow_seconds)
    async with serving(mongodb_uri, NO_PING_SECONDS) as (url, storage, server), AsyncExitStack() as stack:
        head, count = await storage.log.head(), 3 * MAX_UNANSWERED_BYTES // 2 // FACT_BYTES
        await storage.appender.append(large("past", count))
        peer = await stack.enter_async_context(connected(url, ADMIN))
        stack.callback(peer.transport.abort)
        unparsed = Unparsed(peer)
        peer.transport.set_protocol(unparsed)
        (connection,) = [one for one in server.server_state.connections if isinstance(one, WebSocketProtocol)]
        connection.keep_alive(EARLIER_PING)
        await subscribe(peer, head)
        yield peer, unparsed, connection, count


def answer(peer: ClientConnection, ping: bytes) -> None:
    peer.transport.write(Frame(Opcode.PONG, ping).serialize(mask=True))


async def test_past_events_wait_until_the_peer_answers_a_ping(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replaying(mongodb_uri, monkeypatch, slow_seconds=3_600) as (peer, unparsed, connection, count):

        async def is_waiting() -> bool:
            return connection._pong_awaited is not None and len(unparsed.received) > MAX_UNANSWERED_BYTES

        async def is_pinged_again() -> bool:
            ping = connection.pending_ping_payload or EARLIER_PING
            return ping != EARLIER_PING and unparsed.received.endswith(PING_HEAD + ping)

        async def has_all() -> bool:
            return unparsed.received.count(b'"sequence"') == count

        await until(is_waiting)
        assert connection.pending_ping_payload == EARLIER_PING
        answer(peer, EARLIER_PING)
        # It does not show that the peer has read what was sent after the ping.
        await until(is_pinged_again)
        assert MAX_UNANSWERED_BYTES < len(unparsed.received) < MAX_UNANSWERED_BYTES + BATCH_BYTES + 2 * FACT_BYTES
        assert connection.pending_ping_payload is not None
        answer(peer, connection.pending_ping_payload)
        await until(has_all)


async def test_past_events_do_not_wait_long_for_a_peer_that_reads_slowly(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replaying(mongodb_uri, monkeypatch, slow_seconds=0.01) as (_, unparsed, connection, count):

        async def has_all() -> bool:
            return unparsed.received.count(b'"sequence"') == count

        await until(has_all)
        assert connection.pending_ping_payload == EARLIER_PING
        assert connection._unanswered > MAX_UNANSWERED_BYTES


# ---------------------------------------------------------------- dead peers


@asynccontextmanager
async def serving(mongodb_uri: str, ping_seconds: float) -> AsyncIterator[tuple[str, Storage, Server]]:
    """A server that sends pings with that interval, and waits as long for a pong."""
    settings = Settings(admin_token=ADMIN_TOKEN, database=emptied(mongodb_uri, "test-dead"))
    async with start_services(mongodb_uri, settings) as (services, _):
        ready = asyncio.Event()
        config = make_config(create_app(services, settings), settings)
        config.ws_ping_interval = config.ws_ping_timeout = ping_seconds
        server = Server(config, ready.set)
        with bind("127.0.0.1", 0) as bound:
            running = asyncio.create_task(server.serve(sockets=[bound]))
            await ready.wait()
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/graphql", services.storage, server
            server.should_exit = True
            await running


async def consuming(stack: AsyncExitStack, url: str, storage: Storage) -> ClientConnection:
    """A subscriber with the lease of the consumer "c"."""
    connection = await stack.enter_async_context(connected(url, ADMIN))
    stack.callback(connection.transport.abort)
    query = """subscription {
        events(consumer: "c", maxInFlight: 10000) { sequence ... on VisitorSaved { visitor { name } } } }"""
    await send(connection, id="1", type="subscribe", payload={"query": query})
    await until(partial(is_leased, storage))
    return connection


async def is_leased(storage: Storage) -> bool:
    consumer: Any = await storage.database["consumers"].find_one({})
    return consumer is not None and consumer.get("connectionId") is not None


async def is_free(storage: Storage) -> bool:
    return not await is_leased(storage)


async def with_full_buffer(server: Server) -> WebSocketProtocol:
    """The server's only websocket, when its write buffer is full and the peer acknowledges no more bytes."""
    (protocol,) = [one for one in server.server_state.connections if isinstance(one, WebSocketProtocol)]
    acknowledged = [-1]

    async def is_stuck() -> bool:
        acknowledged.append(bytes_acknowledged(protocol.transport))
        return not protocol.writable.is_set() and acknowledged[-1] == acknowledged[-2]

    await until(is_stuck)
    return protocol


async def test_connection_of_a_dead_peer_is_closed_and_its_lease_ends(mongodb_uri: str) -> None:
    async with serving(mongodb_uri, SHORT_PING_SECONDS) as (url, storage, _), AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)

        peer.transport.pause_reading()

        await until(partial(is_free, storage))


async def test_dead_peer_with_a_full_send_buffer_is_disconnected_after_max_stalls(mongodb_uri: str) -> None:
    async with serving(mongodb_uri, NO_PING_SECONDS) as (url, storage, server), AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)
        peer.transport.pause_reading()
        await storage.appender.append(large("much"))
        connection = await with_full_buffer(server)

        time_outs = 0
        while not connection.transport.is_closing():
            connection.keepalive_timeout()
            time_outs += 1
            assert time_outs <= 10 * MAX_STALLS

        assert time_outs >= MAX_STALLS
        await until(partial(is_free, storage))


async def test_slow_peer_is_not_disconnected_before_max_stalls(mongodb_uri: str) -> None:
    async with serving(mongodb_uri, NO_PING_SECONDS) as (url, storage, server), AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)
        facts = large("much")
        appending = asyncio.create_task(storage.appender.append(facts))
        first = await sequence(peer)
        peer.transport.pause_reading()
        await appending
        connection = await with_full_buffer(server)

        for _ in range(MAX_STALLS - 1):
            connection.keepalive_timeout()
        assert await is_leased(storage)
        peer.transport.resume_reading()

        seen = [await sequence(peer) for _ in facts[1:]]
        assert seen == list(range(first + 1, first + len(facts)))


async def test_peer_that_has_much_to_read_has_longer_for_its_pong(mongodb_uri: str) -> None:
    count = 4 * BYTES_PER_STALL // FACT_BYTES
    async with serving(mongodb_uri, NO_PING_SECONDS) as (url, storage, server), AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)
        peer.transport.pause_reading()
        (connection,) = [one for one in server.server_state.connections if isinstance(one, WebSocketProtocol)]
        await storage.appender.append(large("some", count))

        async def is_sent() -> bool:
            return connection._unanswered >= count * FACT_BYTES

        await until(is_sent)
        time_outs = 0
        while not connection.transport.is_closing():
            connection.keepalive_timeout()
            time_outs += 1
            assert time_outs <= 10 * MAX_STALLS

        assert time_outs > 4
