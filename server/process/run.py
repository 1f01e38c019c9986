"""Runs the server in this process: its MongoDB, socket, signals, log and banner."""

import asyncio
import contextlib
import errno
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.applications import Starlette

from server.process.garbage import collected_seldom
from server.process.uvicorn_server import Server, make_config
from server.settings import Settings
from storage.embedded.mongod_supervisor import supervised
from storage.embedded.preflight import complete_uri, translating_driver_errors, verify_deployment
from storage.embedded.replica_set import EmbeddedReplicaSet, running_uri
from storage.uris import redact

#: Signals that stop the server: Ctrl-C, SIGTERM of a supervisor, and a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServingError(Exception):
    """The server cannot start. The message is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Startup:
    """The arguments of every server process."""

    settings: Settings
    listener: socket.socket
    #: The URI of MongoDB.
    uri: str
    #: When the command began, by the monotonic clock.
    started: float
    #: The address of /metrics, if they are served.
    metrics: str | None = None

    def report_ready(self, admin_token: str | None) -> None:
        """Print the banner."""
        print(banner(self.settings, self.listener, self.started, admin_token, metrics=self.metrics), flush=True)


@contextlib.contextmanager
def open_deployment(settings: Settings, *, share: bool = False) -> Iterator[str]:
    """The URI of the MongoDB of these settings. An embedded MongoDB runs until the block ends.

    With `share`, the embedded MongoDB of a running server is used if there is one. An embedded mongod that ends is
    started again; if it keeps ending, the process receives SIGTERM. Raises DeploymentError, also in place of the
    driver's errors in the block.
    """
    if settings.mongodb_uri is not None:
        uri = complete_uri(settings.mongodb_uri)
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
    """A bound socket that does not listen yet. Raises ServingError if the port is in use."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServingError(f"SWITCHBOARD_HOST {host} is not an address of this machine: {error.strerror}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise cannot_listen(host, port, error) from None
    return listener


def cannot_listen(host: str, port: int, error: OSError) -> ServingError:
    if error.errno == errno.EADDRINUSE:
        return ServingError(
            f"Port {port} of {host} is in use: stop the program that listens there, or choose another port with "
            "--port or SWITCHBOARD_PORT."
        )
    return ServingError(f"Cannot listen on port {port} of {host}: {error.strerror}.")


async def run_uvicorn(
    app: Starlette,
    listener: socket.socket,
    settings: Settings,
    on_ready: Callable[[], None],
    *,
    end_drain: signal.Signals | None = None,
) -> None:
    """Serve until a stop signal, then drain and finish the operations in progress. A second SIGINT stops at once.

    With `end_drain`, only this signal ends the drain early.
    """
    server = Server(make_config(app, settings), on_ready, drain_seconds=settings.drain_seconds, end_drain=end_drain)
    loop = asyncio.get_running_loop()
    if end_drain is not None:
        loop.add_signal_handler(end_drain, server.handle_exit, end_drain, None)
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        with collected_seldom():
            await server.serve(sockets=[listener])
    except OSError as error:
        raise cannot_listen(settings.host, settings.port, error) from None


def banner(
    settings: Settings,
    listener: socket.socket,
    started: float,
    admin_token: str | None,
    *,
    metrics: str | None = None,
) -> str:
    """The text that `serve` prints when it is ready."""
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    place = f"{host}:{port}{settings.base_path}"
    uri = settings.mongodb_uri
    mongodb = f"embedded, with its data under {settings.data_dir.resolve()}" if uri is None else redact(uri)
    lines = [
        f"Switchboard is ready after {time.monotonic() - started:.1f} s.",
        "",
        f"  Dashboard    http://{place}/   (open it in a browser)",
        *([f"  GraphiQL     http://{place}/graphql   (open it in a browser)"] if settings.introspection else []),
        f"  GraphQL      http://{place}/graphql",
        f"  Websocket    ws://{place}/graphql   (graphql-transport-ws)",
        f"  MongoDB      {mongodb}",
    ]
    if metrics is not None:
        lines.append(f"  Metrics      {metrics}")
    if settings.workers > 1:
        lines.append(f"  Workers      {settings.workers} processes")
    if admin_token is not None:
        lines += [
            "",
            f"  Admin token  {admin_token}",
            "               It is shown only once: store it. Every request sends it, as  Authorization: Bearer TOKEN",
        ]
    return "\n".join([*lines, "", "Ctrl-C stops it."])
