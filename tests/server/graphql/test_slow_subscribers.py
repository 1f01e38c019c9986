"""Guarantee 8 of the log: the server stores only the position of a slow reader, and soon drops a dead one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from server.app import create_app, start_services
from server.process.run import Server, bind, make_config
from server.settings import Settings
from server.transport import websocket_protocol
from storage.facts import VisitorSaved
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from tests.conftest import ADMIN_TOKEN
from tests.databases import emptied
from tests.processes import ServerProcess
from tests.server.graphql.test_transport_ws import connected, receive, send
from tests.storage.support import made_up, until

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
FACTS = 4_000
STOPPED = 8
#: What the facts take as JSON, for each subscriber.
FACT_BYTES = 4_000
#: How long the impatient server waits between pings, and for answers.
PATIENCE_SECONDS = 0.5
PROC = Path("/proc")


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def subscribed(stack: AsyncExitStack, url: str, after: int) -> ClientConnection:
    """A subscriber that does not read until it is asked to."""
    connection = await stack.enter_async_context(connected(url, ADMIN))
    stack.callback(connection.transport.abort)  # or it would wait for what it has not read
    query = """subscription ($after: Cursor) {
        events(after: $after) { sequence ... on VisitorSaved { visitor { name } } } }"""
    await send(
        connection, id="1", type="subscribe", payload={"query": query, "variables": {"after": event_cursor(after)}}
    )
    return connection


def large(subject: str) -> list[VisitorSaved]:
    return [
        msgspec.structs.replace(fact, visitor=msgspec.structs.replace(fact.visitor, name="x" * FACT_BYTES))
        for fact in made_up(FACTS, subject=subject)
    ]


@pytest.mark.skipif(not PROC.exists(), reason="the memory of a process is read from /proc")
async def test_subscribers_that_stop_reading_cost_no_memory_and_miss_nothing(
    mongodb_uri: str, database_name: str
) -> None:
    with ServerProcess(mongodb_uri, database_name, LOG_LEVEL="error") as server:
        url = server.url
        async with AsyncExitStack() as stack:
            storage = await stack.enter_async_context(Storage.open(mongodb_uri, database_name))
            await storage.appender.append(large("before"))
            head = await storage.log.head()
            readers = [await subscribed(stack, url, head - 1) for _ in range(STOPPED)]
            for reader in readers:
                await receive(reader)
            # So much happens first that the server holds all the recent facts that it ever will.
            await storage.appender.append(large("first"))
            await known(stack, url, head + FACTS)
            before = resident_bytes(server.pid)

            await storage.appender.append(large("then"))
            await known(stack, url, head + 2 * FACTS)

            grown = resident_bytes(server.pid) - before
            seen = [await sequence(readers[0]) for _ in range(2 * FACTS)]

    assert grown < STOPPED * FACTS * FACT_BYTES / 4
    assert seen == list(range(head + 1, head + 2 * FACTS + 1))


async def known(stack: AsyncExitStack, url: str, head: int) -> None:
    """Return when the server delivers the fact of that sequence."""
    assert await sequence(await subscribed(stack, url, head - 1)) == head


async def sequence(reader: ClientConnection) -> int:
    event: int = (await receive(reader))["payload"]["data"]["events"]["sequence"]
    return event


# ---------------------------------------------------------------- dead peers


@pytest.fixture
async def impatient(mongodb_uri: str) -> AsyncIterator[tuple[str, Storage]]:
    """A server that often asks its peers whether they live, and what it stores."""
    settings = Settings(admin_token=ADMIN_TOKEN, database=emptied(mongodb_uri, "test-dead"))
    async with start_services(mongodb_uri, settings) as (services, _):
        ready = asyncio.Event()
        config = make_config(create_app(services, settings), settings)
        config.ws_ping_interval = config.ws_ping_timeout = PATIENCE_SECONDS
        server = Server(config, ready.set)
        with bind("127.0.0.1", 0) as bound:
            running = asyncio.create_task(server.serve(sockets=[bound]))
            await ready.wait()
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/graphql", services.storage
            server.should_exit = True
            await running


async def consuming(stack: AsyncExitStack, url: str, storage: Storage) -> ClientConnection:
    """A subscriber that holds the consumer "c"."""
    connection = await stack.enter_async_context(connected(url, ADMIN))
    stack.callback(connection.transport.abort)
    query = 'subscription { events(consumer: "c") { sequence ... on VisitorSaved { visitor { name } } } }'
    await send(connection, id="1", type="subscribe", payload={"query": query})
    await until(partial(is_held, storage))
    return connection


async def is_held(storage: Storage) -> bool:
    consumer: Any = await storage.database["consumers"].find_one({})
    return consumer is not None and consumer.get("connectionId") is not None


async def is_free(storage: Storage) -> bool:
    return not await is_held(storage)


async def test_connection_of_a_dead_peer_is_closed_and_its_lease_ends(impatient: tuple[str, Storage]) -> None:
    url, storage = impatient
    async with AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)

        peer.transport.pause_reading()

        await until(partial(is_free, storage))


async def test_dead_peer_is_detected_with_a_full_send_buffer(
    impatient: tuple[str, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_protocol, "MAX_STALLS", 3)
    url, storage = impatient
    async with AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)
        peer.transport.pause_reading()

        await storage.appender.append(large("much"))

        await until(partial(is_free, storage))


async def test_slow_peer_is_not_disconnected(impatient: tuple[str, Storage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "MAX_STALLS", 1_000)
    url, storage = impatient
    async with AsyncExitStack() as stack:
        peer = await consuming(stack, url, storage)
        facts = large("much")
        appending = asyncio.create_task(storage.appender.append(facts))
        first = await sequence(peer)
        peer.transport.pause_reading()
        await appending

        await asyncio.sleep(4 * PATIENCE_SECONDS)
        assert await is_held(storage)
        peer.transport.resume_reading()

        seen = [await sequence(peer) for _ in facts[1:]]
        assert seen == list(range(first + 1, first + len(facts)))
