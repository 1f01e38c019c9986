"""`switchboard serve --workers`: several processes behind one port, which are kept alive and end together."""

import asyncio
import multiprocessing
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server.process import workers
from storage.mongo.cursors import event_cursor
from tests.faults.clients import Client
from tests.processes import ADMIN_TOKEN, ServerProcess
from tests.server.graphql.test_transport_ws import connected, receive, send
from tests.storage.support import until

WORKERS = 2
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


@contextmanager
def started(uri: str) -> Iterator[ServerProcess]:
    settings = {"WORKERS": str(WORKERS), "LOG_LEVEL": "error"}
    with ServerProcess(uri, f"test-{secrets.token_hex(6)}", **settings) as server:
        assert server.url
        yield server


@pytest.fixture(scope="module")
def server(mongodb_uri: str) -> Iterator[ServerProcess]:
    with started(mongodb_uri) as server:
        yield server


def workers_of(server: ServerProcess) -> set[int]:
    """The processes that serve, from the kernel's own list."""
    listing = subprocess.run(
        ["ps", "-ww", "--ppid", str(server.pid), "-o", "pid=,args="], capture_output=True, text=True, check=False
    ).stdout
    return {int(line.split()[0]) for line in listing.splitlines() if "spawn_main" in line}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_tell_each_other_what_happens(server: ServerProcess) -> None:
    """Of so many sockets some are at each worker, and each hears everything."""
    count = 8
    async with asyncio.timeout(30), Client([server.url]) as client:
        heard = await asyncio.gather(*(listen(server.url, count) for _ in range(6)), make(client, count))

    assert all(sequences == heard[0] for sequences in heard[:-1])


async def listen(url: str, count: int) -> list[int]:
    """The sequences of so many saved visitors."""
    async with connected(url, ADMIN) as socket:
        query = f'subscription {{ events(types: [VISITOR_SAVED], after: "{event_cursor(0)}") {{ sequence }} }}'
        await send(socket, id="1", type="subscribe", payload={"query": query})
        return [(await receive(socket))["payload"]["data"]["events"]["sequence"] for _ in range(count)]


async def make(client: Client, count: int) -> list[int]:
    for number in range(count):
        await client.visitor(f"visitor {number}")
    return []


async def test_worker_that_dies_is_replaced_while_the_others_serve(server: ServerProcess) -> None:
    before = workers_of(server)
    assert len(before) == WORKERS
    os.kill(min(before), signal.SIGKILL)

    async with Client([server.url]) as client:
        await client.visitor("v")

        async def replaced() -> bool:
            now = workers_of(server)
            return len(now) == WORKERS and min(before) not in now

        await until(replaced)
        await client.visitor("w")


def test_sigterm_ends_every_worker(mongodb_uri: str) -> None:
    with started(mongodb_uri) as server:
        workers = workers_of(server)

        assert server.terminate() == 0

        assert [pid for pid in workers if is_running(pid)] == []


def test_workers_end_with_a_parent_that_was_killed(mongodb_uri: str) -> None:
    with started(mongodb_uri) as server:
        workers = workers_of(server)

        server.kill()

        deadline = time.monotonic() + 20
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.02)


async def test_worker_whose_parent_is_gone_is_told_to_end_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe can be read for ever: the loop of a worker must not do that until its end."""
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: told.append(number))
    mine, parents = multiprocessing.Pipe()
    loop = asyncio.get_running_loop()
    with mine:
        loop.add_reader(mine.fileno(), workers.parent_gone, mine.fileno())
        parents.close()

        async def was_told() -> bool:
            return bool(told)

        await until(was_told)
        for _ in range(20):
            await asyncio.sleep(0)

        assert told == [signal.SIGTERM]
        assert not loop.remove_reader(mine.fileno())
