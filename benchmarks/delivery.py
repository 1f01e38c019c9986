"""Measures the time from a mutation to its event at 1,000 subscribers, beside an insert that a change stream shows.

    python -m benchmarks.delivery [--quick]

Starts a mongod and a server. Five times a second, a mutation sends a message, and each of 1,000 websockets receives its
event. The first reference is an insert with write concern "majority" by the driver alone, five times a second too,
until a change stream of another client of the driver shows it. The second is what an event to so many could cost at
least: the same insert, until a process with such a change stream has written ready bytes of the event's size to each
of 1,000 sockets. Rounds of all take turns.
"""

import argparse
import asyncio
import re
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from typing_extensions import override
from websockets.asyncio.client import ClientConnection

from benchmarks.bare_writes import DATABASE, bare_server
from benchmarks.event_log import change_stream_latency, quantile
from benchmarks.figures import Figure, record
from benchmarks.sockets import connected, mutate, server, start_rooms, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet

PER_SECOND = 5
SUBSCRIBERS = 1_000
#: The first events of a server, which are not measured: the code of a mutation runs there for the first time.
WARM_UP = 5
ROUNDS = 3
SELECTION = "messageSent { sequence clientMutationId message { messageId text } room { roomId status } }"
EVENT = re.compile(rb'"clientMutationId":"event (\d+)"')


class Deliveries:
    """The times at which each event came."""

    def __init__(self, events: int) -> None:
        self.times: list[list[float]] = [[] for _ in range(events)]
        self._missing = events * SUBSCRIBERS
        self.complete = asyncio.Event()
        #: The length of the last event, with the header of its frame.
        self.size = 0

    def add(self, event: int, at: float) -> None:
        self.times[event].append(at)
        self._missing -= 1
        if not self._missing:
            self.complete.set()


class Listener(asyncio.Protocol):
    """Takes the events that a websocket receives without parsing them, so that the client is not what is measured."""

    def __init__(self, deliveries: Deliveries, socket: ClientConnection | None = None) -> None:
        self._deliveries = deliveries
        self._socket = socket

    @override
    def data_received(self, data: bytes) -> None:
        found = EVENT.findall(data)
        now = time.perf_counter()
        for number in found:
            self._deliveries.add(int(number), now)
        if found:
            self._deliveries.size = len(data)
        elif self._socket is not None:
            self._socket.data_received(data)  # a ping

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self._socket is not None:
            self._socket.connection_lost(error)


async def delivery_latency(url: str, seconds: float) -> tuple[list[list[float]], int]:
    """Milliseconds from each mutation to each delivery of its event, and the bytes of an event."""
    count = WARM_UP + round(seconds * PER_SECOND)
    sent = [0.0] * count
    deliveries = Deliveries(count)
    async with AsyncExitStack() as stack:
        mutating = await stack.enter_async_context(connected(url))
        (room,) = await start_rooms(mutating, 1)
        for _ in range(SUBSCRIBERS):
            socket = await stack.enter_async_context(connected(url))
            await subscribe(socket, SELECTION)
            await socket.send('{"type": "ping"}')
            # Shows that the subscription was handled: it would be an error otherwise.
            assert await socket.recv() == '{"type":"pong"}'
            socket.transport.set_protocol(Listener(deliveries, socket))

        async def discard_responses() -> None:
            async for _ in mutating:
                pass

        discarding = asyncio.ensure_future(discard_responses())
        began = time.perf_counter() + 1
        for number in range(count):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            sent[number] = time.perf_counter()
            fields = {
                "roomId": room,
                "text": "hello",
                "as": {"visitorToken": "v"},
                "clientMutationId": f"event {number}",
            }
            await mutate(mutating, str(number), "sendMessage", "message { id }", fields)
        await asyncio.wait_for(deliveries.complete.wait(), 60)
        discarding.cancel()
    return since(sent, deliveries), deliveries.size


async def bare_latency(uri: str, seconds: float, size: int) -> list[list[float]]:
    """Milliseconds from each insert to each socket of the server of bare writes."""
    count = WARM_UP + round(seconds * PER_SECOND)
    sent = [0.0] * count
    deliveries = Deliveries(count)
    name = f"inserts_{secrets.token_hex(4)}"
    client = AsyncIOMotorClient[dict[str, Any]](uri)
    collection = client[DATABASE].get_collection(name, write_concern=WriteConcern(w="majority"))
    await collection.insert_one({"_id": -1})
    loop = asyncio.get_running_loop()
    with bare_server(uri, name, SUBSCRIBERS, size) as (port, process):
        for _ in range(SUBSCRIBERS):
            await loop.create_connection(lambda: Listener(deliveries), "127.0.0.1", port)
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        began = time.perf_counter() + 1
        for number in range(count):
            await asyncio.sleep(began + number / PER_SECOND - time.perf_counter())
            sent[number] = time.perf_counter()
            await collection.insert_one({"_id": number, "text": "hello"})
        await asyncio.wait_for(deliveries.complete.wait(), 60)
    client.close()
    return since(sent, deliveries)


def since(sent: list[float], deliveries: Deliveries) -> list[list[float]]:
    """Milliseconds from each event that is measured to each of its deliveries."""
    found = [[1000 * (one - at) for one in times] for at, times in zip(sent, deliveries.times, strict=True)]
    return found[WARM_UP:]


async def main(seconds: float) -> None:
    events: list[list[float]] = []
    inserts: list[float] = []
    writes: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder, EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod:
        for number in range(ROUNDS):
            with server(mongod.uri, f"delivery_{number}") as (url, _):
                found, size = await delivery_latency(url, seconds)
            events += found
            writes += await bare_latency(mongod.uri, seconds, size)
            reference = await change_stream_latency(mongod.uri, WARM_UP / PER_SECOND + seconds, PER_SECOND)
            inserts += reference[WARM_UP:]
    show("first delivery", [min(times) for times in events], inserts, [min(times) for times in writes])
    show("delivery", *([one for times in found for one in times] for found in (events, [inserts], writes)))
    show("last delivery", [max(times) for times in events], inserts, [max(times) for times in writes])


def show(which: str, measured: list[float], inserts: list[float], writes: list[float]) -> None:
    for name, share, times in (("p50", 0.5, 3), ("p99", 0.99, 4)):
        ours, insert, write = (quantile(found, share) for found in (measured, inserts, writes))
        what = f"mutation to {which}, {PER_SECOND}/s to {SUBSCRIBERS:,} subscribers, {name}"
        for is_, reference, target in (
            ("a bare insert in a bare change stream", insert, 1 / times),
            ("a bare insert and bare writes", write, None),
        ):
            record(Figure(what, ours, "ms", reference, is_, target, lower_is_better=True))
            print(f"{what}: {ours:.1f} ms, {reference:.1f} ms from {is_}: {ours / reference:.1f} x", flush=True)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter rounds, some minute in all")
    uvloop.run(main(5 if parser.parse_args().quick else 30))


if __name__ == "__main__":
    run()
