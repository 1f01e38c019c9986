"""Running the server: its MongoDB, socket and signals, and what it says when it is ready; the command is in
cli/main.py."""

import asyncio
import contextlib
import errno
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import uvicorn
import uvloop
from starlette.applications import Starlette
from typing_extensions import override

from server.settings import Settings
from server.shutdown import SHUTDOWN_SECONDS, Shutdown
from server.transport.connections import Connections, raise_descriptor_limit
from server.transport.http_protocol import HttpProtocol
from server.transport.websocket_protocol import PING_SECONDS, PONG_SECONDS, WebSocketProtocol
from storage.embedded.mongod_supervisor import supervised
from storage.embedded.preflight import settled_uri, translating_driver_errors, verify_deployment
from storage.embedded.replica_set import EmbeddedReplicaSet, running_uri
from storage.uris import redact

#: How long what was ended has to be gone, beyond DRAIN_SECONDS: a peer may not listen any more.
CLOSE_SECONDS = 0.5
KIB = 1024
#: What tells a program to end: Ctrl-C, whoever supervises it, and a terminal that is closed.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServingError(Exception):
    """The server cannot start as things stand; the message is one line that says what to do about it."""


class Server(uvicorn.Server):
    """uvicorn that leaves signals alone, tells when it listens, and ends what is open before it closes it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._drain: Shutdown = cast(Starlette, config.app).state.drain

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        # The original raises them again after the shutdown, which would end the process before its mongod is.
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._drain.start()
        loop = asyncio.get_running_loop()
        giving_up = loop.call_later(SHUTDOWN_SECONDS + CLOSE_SECONDS, self._abort)
        try:
            await super().shutdown(sockets)
        finally:
            giving_up.cancel()

    def _abort(self) -> None:
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def serve(settings: Settings) -> None:
    """Serve until told to end, and end the embedded MongoDB then.

    Raises ServingError and DeploymentError when it cannot begin.
    """
    started = time.monotonic()
    log_to_stderr(settings)
    raise_descriptor_limit()
    with bind(settings.host, settings.port) as bound, open_deployment(settings) as uri:
        if settings.workers > 1:
            from server.process.workers import serve_with_workers

            serve_with_workers(bound, uri, settings, started)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_on(bound, uri, settings, started))


async def serve_on(bound: socket.socket, uri: str, settings: Settings, started: float) -> None:
    # Here, because it takes as long as a mongod takes to start, and commands that serve nothing need none of it.
    from server.app import create_app, start_services

    async with start_services(uri, settings) as (services, admin_token):
        on_ready = partial(report_ready, settings, bound, started, admin_token)
        await run_uvicorn(create_app(services, settings), bound, settings, on_ready)


def report_ready(settings: Settings, bound: socket.socket, started: float, admin_token: str | None) -> None:
    """Tell whoever started the server that it is ready."""
    print(banner(settings, bound, started, admin_token), flush=True)


@contextlib.contextmanager
def open_deployment(settings: Settings, *, share: bool = False) -> Iterator[str]:
    """The URI of the MongoDB that the settings ask for, which runs for as long as the block lasts.

    With `share`, the embedded MongoDB of a server that runs now is used when there is one. An embedded one that ends
    by itself is started again; when that is of no use, the block is left as by SIGTERM. Raises DeploymentError, also
    for what the driver raises in the block.
    """
    if settings.mongodb_uri is not None:
        uri = settled_uri(settings.mongodb_uri)
        verify_deployment(uri, settings.database)
        with translating_driver_errors(uri):
            yield uri
        return
    folder = settings.data_dir / "mongodb"
    running = running_uri(folder) if share else None
    if running is not None:
        with translating_driver_errors(running):
            yield running
        return
    with (
        EmbeddedReplicaSet(folder, cache_gb=settings.mongod_cache_gb) as mongod,
        supervised(mongod),
        translating_driver_errors(mongod.uri),
    ):
        yield mongod.uri


def bind(host: str, port: int) -> socket.socket:
    """A socket that nobody else listens on, itself not yet listening."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServingError(f"SWITCHBOARD_HOST {host} is no address of this machine: {error.strerror}.") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise cannot_listen(host, port, error) from None
    return bound


def cannot_listen(host: str, port: int, error: OSError) -> ServingError:
    if error.errno == errno.EADDRINUSE:
        return ServingError(
            f"Port {port} of {host} is in use: stop what listens there, or choose another port with --port or "
            "SWITCHBOARD_PORT."
        )
    return ServingError(f"Cannot listen on port {port} of {host}: {error.strerror}.")


def make_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    http = partial(HttpProtocol, counted=Connections(settings), max_header=settings.max_header_kb * KIB)
    return uvicorn.Config(
        app,
        loop="none",
        http=cast(type[asyncio.Protocol], http),
        ws=WebSocketProtocol,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,
        ws_max_size=settings.max_message_kb * KIB,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(SHUTDOWN_SECONDS + CLOSE_SECONDS),
    )


async def run_uvicorn(app: Starlette, bound: socket.socket, settings: Settings, on_ready: Callable[[], None]) -> None:
    """Serve until told to end, then let what is under way come to its end; a second SIGINT does not wait."""
    server = Server(make_config(app, settings), on_ready)
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        await server.serve(sockets=[bound])
    except OSError as error:
        raise cannot_listen(settings.host, settings.port, error) from None


def banner(settings: Settings, bound: socket.socket, started: float, admin_token: str | None) -> str:
    """What a person wants to know when the server has become ready."""
    port = bound.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    place = f"{host}:{port}{settings.base_path}"
    uri = settings.mongodb_uri
    mongodb = f"embedded, its data under {settings.data_dir.resolve()}" if uri is None else redact(uri)
    lines = [
        f"Switchboard is ready after {time.monotonic() - started:.1f} s.",
        "",
        *([f"  GraphiQL     http://{place}/graphql   (open it in a browser)"] if settings.introspection else []),
        f"  GraphQL      http://{place}/graphql",
        f"  Websocket    ws://{place}/graphql   (graphql-transport-ws)",
        f"  MongoDB      {mongodb}",
    ]
    if settings.workers > 1:
        lines.append(f"  Workers      {settings.workers} processes")
    if admin_token is not None:
        lines += [
            "",
            f"  Admin token  {admin_token}",
            "               It is shown this once: keep it. Every request brings it, as  Authorization: Bearer TOKEN",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops it."])


def log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in ("pymongo", "asyncio", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
