"""`switchboard serve --workers`: several processes on one port that are restarted and stop together."""

import asyncio
import multiprocessing
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.process.workers import stop_without_parent
from storage.mongo.cursors import event_cursor
from tests.faults.clients import Client
from tests.processes import ADMIN_TOKEN, ServerProcess
from tests.server.websocket_client import close_of, connected, receive, send
from tests.storage.support import until

WORKERS = 2
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


@contextmanager
def started(uri: str, **more: str) -> Iterator[ServerProcess]:
    settings = {"WORKERS": str(WORKERS), "LOG_LEVEL": "error", "METRICS_PORT": "0", **more}
    with ServerProcess(uri, f"test-{secrets.token_hex(6)}", **settings) as server:
        assert server.url
        yield server


@pytest.fixture(scope="module")
def server(mongodb_uri: str) -> Iterator[ServerProcess]:
    with started(mongodb_uri) as server:
        yield server


def workers_of(server: ServerProcess) -> set[int]:
    """The process ids of the workers."""
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


async def test_every_worker_delivers_the_events_of_all_workers(server: ServerProcess) -> None:
    """With this number of websockets, each worker has some."""
    count = 8
    async with asyncio.timeout(30), Client([server.url]) as client:
        received = await asyncio.gather(
            *(read_sequences(server.url, count) for _ in range(6)), save_visitors(client, count)
        )

    assert all(sequences == received[0] for sequences in received[:-1])


def test_one_scrape_has_the_metrics_of_all_workers(server: ServerProcess) -> None:
    families = list(text_string_to_metric_families(httpx.get(server.read_metrics_url(), timeout=60).text))

    by_name = {family.name: family for family in families}
    assert {sample.labels["worker"]: sample.value for sample in by_name["switchboard_worker_up"].samples} == {
        "0": 1,
        "1": 1,
    }
    assert {sample.labels["worker"] for sample in by_name["switchboard_log_head"].samples} == {"0", "1"}
    assert len(by_name["switchboard_mongodb_up"].samples) == 1
    assert len(by_name) == len(families)


async def read_sequences(url: str, count: int) -> list[int]:
    """The sequences of this number of VISITOR_SAVED events."""
    async with connected(url, ADMIN) as socket:
        query = f'subscription {{ events(types: [VISITOR_SAVED], after: "{event_cursor(0)}") {{ sequence }} }}'
        await send(socket, id="1", type="subscribe", payload={"query": query})
        return [(await receive(socket))["payload"]["data"]["events"]["sequence"] for _ in range(count)]


async def save_visitors(client: Client, count: int) -> list[int]:
    for number in range(count):
        await client.visitor(f"visitor {number}")
    return []


async def test_killed_worker_is_replaced_while_the_others_serve(server: ServerProcess) -> None:
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


def test_sigterm_stops_every_worker(mongodb_uri: str) -> None:
    with started(mongodb_uri) as server:
        workers = workers_of(server)

        assert server.terminate() == 0

        assert [pid for pid in workers if is_running(pid)] == []


async def test_a_second_signal_ends_the_drain_of_the_workers_and_a_third_one_kills_them(mongodb_uri: str) -> None:
    with started(mongodb_uri, DRAIN_SECONDS="300") as server:
        suspended, _ = sorted(workers_of(server))
        os.kill(suspended, signal.SIGSTOP)  # the other one serves, and this one does not end by SIGTERM
        async with connected(server.url, ADMIN) as socket, httpx.AsyncClient(timeout=60) as client:
            await send(socket, id="1", type="subscribe", payload={"query": "subscription { events { sequence } }"})
            os.kill(server.pid, signal.SIGTERM)

            async def is_draining() -> bool:
                return (await client.get(server.url.removesuffix("graphql") + "health/ready")).status_code == 503

            await until(is_draining)
            os.kill(server.pid, signal.SIGTERM)
            async with asyncio.timeout(60):
                ended = [await receive(socket), await close_of(socket)]

        assert ended == [{"id": "1", "type": "complete"}, (1012, "The server is stopping; connect again")]
        assert is_running(suspended)
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.to_thread(server.wait)
        assert not is_running(suspended)


def test_workers_stop_when_their_parent_is_killed(mongodb_uri: str) -> None:
    with started(mongodb_uri) as server:
        workers = workers_of(server)

        server.kill()

        deadline = time.monotonic() + 60
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.02)


async def test_worker_without_parent_sends_itself_one_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe stays readable. Its reader must be removed, or the event loop would run without a pause."""
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: signals.append(number))
    worker_end, parent_end = multiprocessing.Pipe()
    loop = asyncio.get_running_loop()
    with worker_end:
        loop.add_reader(worker_end.fileno(), stop_without_parent, worker_end.fileno())
        parent_end.close()

        async def has_signal() -> bool:
            return bool(signals)

        await until(has_signal)
        for _ in range(20):
            await asyncio.sleep(0)

        assert signals == [signal.SIGTERM]
        assert not loop.remove_reader(worker_end.fileno())
