"""A mixed load of new documents, filters, consumers and connections leaks nothing.

The short form is part of every run of the tests; `make soak` runs it for SOAK_SECONDS.
"""

import asyncio
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.faults.clients import Client, Refused
from tests.processes import ADMIN_TOKEN, ServerProcess
from tests.storage.support import until

LOAD_SECONDS = float(os.environ.get("SOAK_SECONDS", "6"))
#: The share of the load before the first measurement, which fills caches and pools.
WARM_UP = 1 / 3
AT_ONCE = 6
REST_SECONDS = 30
#: The allowed growth: the size of pools and caches, which does not depend on the duration of the load.
MORE_MEMORY_KB = 64 * 1024
MORE_TASKS, MORE_THREADS, MORE_DESCRIPTORS = 8, 4, 12


def count_on_signal(path: Path) -> None:
    """Write the figures of this process to the file whenever it gets SIGUSR1."""

    def count(*_: object) -> None:
        gc.unfreeze()  # otherwise those that a full collection found are left out
        tasks = sum(isinstance(one, asyncio.Task) and not one.done() for one in gc.get_objects())
        # The pools of driver calls start threads up to their sizes when they need them (storage/threads.py).
        threads = sum(not thread.name.startswith("mongodb ") for thread in threading.enumerate())
        figures = {"tasks": tasks, "threads": threads, "descriptors": len(os.listdir("/dev/fd"))}
        written = path.with_suffix(".new")
        written.write_text(json.dumps(figures))
        written.replace(path)

    signal.signal(signal.SIGUSR1, count)


@dataclass(frozen=True)
class Figures:
    memory_kb: int
    tasks: int
    threads: int
    descriptors: int

    @override
    def __str__(self) -> str:
        return (
            f"{self.memory_kb / 1024:.0f} MiB, {self.tasks} tasks, {self.threads} threads, "
            f"{self.descriptors} file descriptors"
        )


class CountedServer(ServerProcess):
    """A server that counts its tasks, threads and file descriptors."""

    def __init__(self, uri: str, database: str, path: Path) -> None:
        self._path = path
        super().__init__(uri, database, partial(count_on_signal, path))

    async def figures(self) -> Figures:
        self._path.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)

        async def is_written() -> bool:
            return self._path.exists()

        await until(is_written)
        memory = await asyncio.to_thread(
            subprocess.run, ["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, text=True, check=True
        )
        return Figures(memory_kb=int(memory.stdout), **json.loads(self._path.read_text()))


async def test_mixed_load_leaks_nothing(
    mongodb_uri: str, database_name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    with CountedServer(mongodb_uri, database_name, tmp_path / "figures") as server:
        url = await asyncio.to_thread(lambda: server.url)
        async with Client([url]) as client:
            await client.visitor("v")
            numbers = itertools.count()
            await _load(url, numbers, LOAD_SECONDS * WARM_UP)
            before = await _at_rest(server, None)
            await _load(url, numbers, LOAD_SECONDS * (1 - WARM_UP))
            after = await _at_rest(server, before)
            assert (await client.send("{ consumers { name } }"))["consumers"] == []

    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"\n  {next(numbers)} rounds of mixed load: before {before}; after {after}\n")
    assert after.memory_kb <= before.memory_kb + MORE_MEMORY_KB
    assert _is_flat(before, after), f"before {before}, after {after}"


def _is_flat(before: Figures, after: Figures) -> bool:
    return (
        after.tasks <= before.tasks + MORE_TASKS
        and after.threads <= before.threads + MORE_THREADS
        and after.descriptors <= before.descriptors + MORE_DESCRIPTORS
    )


async def _at_rest(server: CountedServer, before: Figures | None) -> Figures:
    """Wait until the figures are those of `before` or do not change any more, and return them."""
    ends = time.monotonic() + REST_SECONDS
    last = await server.figures()
    while True:
        await asyncio.sleep(1)
        figures = await server.figures()
        settled = figures.tasks >= last.tasks if before is None else _is_flat(before, figures)
        if settled or time.monotonic() > ends:
            return figures
        last = figures


async def _load(url: str, numbers: "itertools.count[int]", seconds: float) -> None:
    ends = time.monotonic() + seconds

    async def rounds() -> None:
        while time.monotonic() < ends:
            await _round(url, next(numbers))

    await asyncio.gather(*(rounds() for _ in range(AT_ONCE)))


async def _round(url: str, number: int) -> None:
    """Use new connections, documents and filters, and a new consumer."""
    async with Client([url]) as client:
        document = f"query Q{number} {{ " + " ".join(f"a{number}_{one}: __typename" for one in range(10)) + " }"
        await client.send(document)
        await client.send(document.replace("Q", "Anonymous"), bearer="nobody's")
        where = f'{{ subject: {{ contains: "{number}" }}, priority: {{ gt: {number} }} }}'
        try:
            await client.send(f"{{ rooms(where: {where}) {{ totalCount nodes {{ id }} }} }}")
        except Refused:
            await client.send(
                f'{{ rooms(where: {{ source: {{ eq: "s{number}" }} }}) {{ totalCount nodes {{ id }} }} }}'
            )
        await _consume(url, client, f"consumer-{number}", number)


async def _consume(url: str, client: Client, name: str, number: int) -> None:
    """Create a consumer, receive and acknowledge an event, and remove the consumer."""
    where = f'{{ source: {{ eq: "soak-{number}" }} }}'
    query = f'subscription {{ events(consumer: "{name}", types: [ROOM_STARTED], where: {where}) {{ cursor }} }}'
    protocol = Subprotocol("graphql-transport-ws")
    async with asyncio.timeout(60), connect(url.replace("http", "ws", 1), subprotocols=[protocol]) as socket:

        async def receive(kind: str) -> Any:
            while (message := json.loads(await socket.recv()))["type"] != kind:
                assert message["type"] in ("ping", "connection_ack"), message
            return message

        await socket.send(
            json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {ADMIN_TOKEN}"}})
        )
        await receive("connection_ack")
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))

        async def is_there() -> bool:
            return any(one["name"] == name for one in (await client.send("{ consumers { name } }"))["consumers"])

        await until(is_there)
        await client.mutate("startRoom", "room { id }", visitorToken="v", source=f"soak-{number}")
        event = (await receive("next"))["payload"]["data"]["events"]
        acked = await client.mutate("ackEvents", "consumer { lag }", consumer=name, cursor=event["cursor"])
        assert acked["consumer"] == {"lag": 0}

    async def is_removed() -> bool:
        try:
            await client.mutate("removeConsumer", "removedName", consumer=name)
        except Refused as refusal:
            if refusal.extensions["code"] != "CONSUMER_BUSY":
                raise
            return False
        return True

    await until(is_removed)
