"""Measures what it costs to open subscriptions, each on a websocket and a room of its own, and deliveries meanwhile.

    python -m benchmarks.opening [--quick]

Starts a mongod and a server. Many clients connect at the same time, as after a restart: 64 at once open a websocket,
send their token, and subscribe to `agentAssigned` of one room. Then others do so, and then 1,000 at once, while a
mutation sends a message to 20 subscribers ten times a second. The reference for these deliveries is the time before.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop
from typing_extensions import override
from websockets.asyncio.client import ClientConnection

from benchmarks.event_log import quantile
from benchmarks.figures import Figure, record
from benchmarks.sockets import TOKEN, connected, cpu, mutate, server, start_rooms, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet

#: The websockets that are opened at the same time.
AT_ONCE = 64
MANY_AT_ONCE = 1_000
PER_SECOND = 10
SUBSCRIBERS = 20
#: The server has no more to do if it used less of a core than this for a quarter of a second, twice.
IDLE_SHARE = 0.15
UNLIMITED = {
    "MAX_CONNECTIONS": "100000",
    "MAX_CONNECTIONS_PER_CALLER": "100000",
    "MAX_OPERATIONS_PER_CALLER": "100000",
    "RATE_PER_CALLER": "100000",
    "RATE_PER_ADDRESS": "100000",
}
QUERY = """subscription($where: RoomFilter) { agentAssigned(where: $where) { id sequence occurredAt roomRevision cause
  room { id: roomId status revision subject visitor { id: visitorId name } customFields { key value } }
  agent { id: userId user { id: userId username name } } } }"""


class Opening(asyncio.Protocol):
    """A websocket that subscribes, and sends a ping. It parses little, so that the client is not what is measured."""

    transport: asyncio.Transport

    def __init__(self, path: str, room: str) -> None:
        self._path = path
        self._room = room
        self._received = b""
        self.is_open = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            self._received = b""
            self._send({"type": "connection_init", "payload": {"authorization": f"Bearer {TOKEN}"}})
        elif self._received.endswith(b'{"type":"connection_ack"}'):
            self._received = b""
            variables = {"where": {"ids": [self._room]}}
            self._send({"id": "1", "type": "subscribe", "payload": {"query": QUERY, "variables": variables}})
            self._send({"type": "ping"})
        elif self._received.endswith(b'{"type":"pong"}'):
            self.is_open.set_result(None)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(error or ConnectionResetError(self._received))

    def _send(self, message: object) -> None:
        payload = json.dumps(message).encode()
        size = len(payload)
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2)
        self.transport.write(head + bytes(4) + payload)  # with a mask of zeros


async def open_many(url: str, rooms: list[str], at_once: int = AT_ONCE) -> None:
    """Open a websocket for each room. They stay open."""
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 0)
    waiting = iter(rooms)

    async def open_some() -> None:
        for room in waiting:
            make = partial(Opening, address.path, room)
            _, opening = await asyncio.get_running_loop().create_connection(make, host, port)
            await opening.is_open

    await asyncio.gather(*(open_some() for _ in range(at_once)))


async def until_idle(process: int) -> None:
    idle = 0
    while idle < 2:
        before = cpu(process)
        await asyncio.sleep(0.25)
        idle = idle + 1 if cpu(process) - before < IDLE_SHARE * 0.25 else 0


class Deliveries:
    """The milliseconds from each mutation to each delivery of its message."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._sent: dict[str, float] = {}

    async def send(self, socket: ClientConnection, room: str) -> None:
        """Send messages until cancelled."""
        began = time.perf_counter()
        for number in range(1_000_000):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            text = str(number)
            self._sent[text] = time.perf_counter()
            await mutate(socket, text, "sendMessage", "clientMutationId", {"roomId": room, "text": text})

    async def receive(self, socket: ClientConnection) -> None:
        async for message in socket:
            now = time.perf_counter()
            payload = json.loads(message)["payload"]
            sent = self._sent[payload["data"]["messageSent"]["message"]["text"]]
            self.latencies.append(1_000 * (now - sent))

    def take(self) -> list[float]:
        taken, self.latencies = self.latencies, []
        return taken


async def discard(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


async def main(count: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod,
        server(mongod.uri, "opening", **UNLIMITED) as (url, process),
    ):
        rooms = [f"room_{number:024}" for number in range(3 * count)]
        await open_many(url, rooms[: AT_ONCE * 2])  # the code runs there for the first time
        await until_idle(process)
        before, began = cpu(process), time.perf_counter()
        await open_many(url, rooms[:count])
        acknowledged = time.perf_counter() - began
        await until_idle(process)
        each = 1_000 * (cpu(process) - before) / count
        record(Figure("opening a subscription of its own: CPU of the server", each, "ms", lower_is_better=True))
        print(f"{count:,} opened at {count / acknowledged:,.0f} a second, {each:.3f} ms of CPU for each", flush=True)
        await latencies(url, rooms[count:])


async def latencies(url: str, rooms: list[str]) -> None:
    deliveries = Deliveries()
    async with AsyncExitStack() as stack:
        mutating = await stack.enter_async_context(connected(url))
        (room,) = await start_rooms(mutating, 1)
        running = [asyncio.ensure_future(deliveries.send(mutating, room)), asyncio.ensure_future(discard(mutating))]
        for _ in range(SUBSCRIBERS):
            socket = await stack.enter_async_context(connected(url))
            await subscribe(socket, f'messageSent(where: {{ids: ["{room}"]}}) {{ sequence message {{ text }} }}')
            running.append(asyncio.ensure_future(deliveries.receive(socket)))
        await asyncio.sleep(2)
        deliveries.take()
        await asyncio.sleep(3)
        before = deliveries.take()
        meanwhile: dict[int, list[float]] = {}
        half = len(rooms) // 2
        for at_once, some in ((AT_ONCE, rooms[:half]), (MANY_AT_ONCE, rooms[half:])):
            await open_many(url, some, at_once)
            meanwhile[at_once] = deliveries.take()
        for task in running:
            task.cancel()
    for at_once, measured in meanwhile.items():
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            ours, reference = quantile(measured, share), quantile(before, share)
            what = f"mutation to delivery while subscriptions are opened, {at_once:,} at once, {name}"
            record(Figure(what, ours, "ms", reference, "before", lower_is_better=True))
            print(f"{what}: {ours:.1f} ms, {reference:.1f} ms before", flush=True)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3,000 subscriptions instead of 10,000")
    uvloop.run(main(3_000 if parser.parse_args().quick else 10_000))


if __name__ == "__main__":
    run()
