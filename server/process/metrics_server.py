"""Serves /metrics on a port of its own: one scrape has the metrics of all processes of this server."""

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Protocol

import uvloop
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from server.metrics.families import merge
from server.process.run import bind
from server.process.uvicorn_server import Server, make_config
from server.settings import Settings
from server.shutdown import Shutdown
from storage.supervisor import Supervisor

#: Scrapes within this time get the same answer.
SHARED_SECONDS = 1.0
#: How long workers have to answer. A worker that does not is shown as down.
ANSWER_SECONDS = 5.0
MAX_CONNECTIONS = 64


class Collected(Collector):
    """Metrics that were collected before."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    @override
    def collect(self) -> Iterable[Metric]:
        return self._metrics


class Scrapes:
    """Collects once for all scrapes within SHARED_SECONDS."""

    def __init__(self, collect: Callable[[], Awaitable[list[Metric]]]) -> None:
        self._collect = collect
        self._lock = asyncio.Lock()
        self._collected: list[Metric] = []
        self._until = 0.0

    async def respond(self, request: Request) -> Response:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._collected = await self._collect()
                self._until = time.monotonic() + SHARED_SECONDS
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        registry = CollectorRegistry()
        registry.register(Collected(self._collected))
        return Response(encode(registry), headers={"content-type": content_type})


async def serve_metrics(
    listener: socket.socket, settings: Settings, collect: Callable[[], Awaitable[list[Metric]]]
) -> None:
    """Serve /metrics until cancelled."""
    limited = dataclasses.replace(settings, max_connections=MAX_CONNECTIONS, max_new_connections=MAX_CONNECTIONS)
    app = Starlette(routes=[Route("/metrics", Scrapes(collect).respond)])
    app.state.shutdown = Shutdown()
    server = Server(make_config(app, limited), on_ready=lambda: None)
    try:
        await server.serve(sockets=[listener.dup()])
    except asyncio.CancelledError:
        await server.shutdown()
        raise


# ---------------------------------------------------------------- several workers


class MetricsPipe(Protocol):
    """A worker, as far as its metrics are concerned."""

    metrics_pipe: Connection


class WorkersMetrics:
    """Asks every worker for its metrics, through a pipe."""

    def __init__(self, workers: Sequence[MetricsPipe], *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._workers = workers
        self._answer_seconds = answer_seconds
        self._asked = 0

    async def collect(self) -> list[Metric]:
        return await asyncio.to_thread(self._collect)

    def _collect(self) -> list[Metric]:
        pipes = [worker.metrics_pipe for worker in self._workers]
        answers: dict[str, list[Metric]] = {}
        for index, answer in enumerate(self._ask(pipes, deployment=False)):
            if answer is not None:
                answers[str(index)] = answer
        deployment: list[Metric] = []
        for worker in answers:
            (found,) = self._ask([pipes[int(worker)]], deployment=True)
            if found is not None:
                deployment = found
                break
        return merge(answers, deployment, workers=[str(index) for index in range(len(pipes))])

    def _ask(self, pipes: Sequence[Connection], *, deployment: bool) -> list[list[Metric] | None]:
        self._asked += 1
        until = time.monotonic() + self._answer_seconds
        for pipe in pipes:
            # A worker that ended cannot be asked; another one is about to start.
            try:
                pipe.send((self._asked, deployment))
            except (OSError, ValueError):
                continue
        return [self._answer(pipe, until) for pipe in pipes]

    def _answer(self, pipe: Connection, until: float) -> list[Metric] | None:
        """The answer to the current question. Answers to earlier ones, which came too late, are skipped."""
        try:
            while pipe.poll(max(0.0, until - time.monotonic())):
                number, metrics = pipe.recv()
                if number == self._asked:
                    return list(metrics)
        except (EOFError, OSError, ValueError):
            pass
        return None


@contextmanager
def serving_workers(
    listener: socket.socket | None, settings: Settings, workers: Sequence[MetricsPipe]
) -> Iterator[None]:
    """Serve the metrics of the workers on a thread until the block ends. Without a listener, serve none."""
    if listener is None:
        yield
        return
    stopping, ready = asyncio.Event(), threading.Event()
    loop = uvloop.new_event_loop()

    collect = WorkersMetrics(workers).collect

    async def run() -> None:
        supervisor = Supervisor()
        supervisor.supervise("serve metrics", partial(serve_metrics, listener, settings, collect))
        ready.set()
        await stopping.wait()
        await supervisor.stop()

    def serve() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=serve, name="metrics", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(ANSWER_SECONDS)


def bind_metrics(settings: Settings) -> socket.socket | None:
    """The socket for metrics; None if the settings have no port. Raises ServingError."""
    return None if settings.metrics_port is None else bind(settings.metrics_host, settings.metrics_port)


def metrics_address(listener: socket.socket | None) -> str | None:
    """The address of /metrics, for the banner."""
    if listener is None:
        return None
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"
