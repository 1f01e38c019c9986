"""The uvicorn server of one process: how it starts to listen, and how it stops without losing a request."""

import asyncio
import contextlib
import logging
import math
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from starlette.applications import Starlette
from typing_extensions import override

from server.settings import Settings
from server.shutdown import SHUTDOWN_SECONDS, Shutdown
from server.transport.connections import ConnectionTable
from server.transport.http_protocol import HttpProtocol
from server.transport.websocket_pings import PING_SECONDS, PONG_SECONDS
from server.transport.websocket_protocol import WebSocketProtocol

logger = logging.getLogger(__name__)

#: Time that connections have to close after SHUTDOWN_SECONDS, before they are aborted: a peer may not be reading.
CLOSE_SECONDS = 0.5
KIB = 1024


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, reports when it listens, and drains connections when it stops.

    For `drain_seconds` after the first stop signal it serves as before, but is not ready and keeps no connection open
    after a response. Balancers meanwhile send new requests elsewhere. A second signal ends that time; with
    `end_drain`, only this one does.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        *,
        drain_seconds: float = 0.0,
        end_drain: signal.Signals | None = None,
    ) -> None:
        super().__init__(config)
        self._end_drain = end_drain
        self._on_ready = on_ready
        self._drain_seconds = drain_seconds
        self._second_signal = asyncio.Event()
        self._shutdown: Shutdown = cast(Starlette, config.app).state.shutdown

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signals again after the shutdown, which would end the process before its mongod.
        yield

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Signals that are sent together may arrive in another order, so `end_drain` may be the first one.
        is_second = self.should_exit if self._end_drain is None else sig == self._end_drain
        if is_second:
            self._second_signal.set()
        super().handle_exit(sig, frame)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        await self._stop_listening(sockets or ())
        self._shutdown.start()
        loop = asyncio.get_running_loop()
        aborting = loop.call_later(self._shutdown.seconds + CLOSE_SECONDS, self._abort)
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()

    async def _drain(self) -> None:
        """Serve until the drain time is over, or until a second signal."""
        self._shutdown.announce()
        if self._drain_seconds:
            logger.info("Stopping. Serving for %g s more, until balancers use other servers.", self._drain_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await self._second_signal.wait()

    async def _stop_listening(self, listeners: Iterable[socket.socket]) -> None:
        """Close the listeners. Connections that the system has queued are accepted first: closing resets them."""
        queues = [listener.dup() for listener in listeners]
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        for connection in [connection for queue in queues for connection in accept_queued(queue)]:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        """The protocol of an accepted connection, as uvicorn creates it."""
        make = cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _abort(self) -> None:
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def accept_queued(listener: socket.socket) -> list[socket.socket]:
    """Accept all connections that wait for it, and close the listener."""
    accepted = []
    with listener:
        listener.setblocking(False)
        with contextlib.suppress(OSError):  # BlockingIOError when none is left
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                accepted.append(connection)
    return accepted


def make_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    http = partial(
        HttpProtocol,
        connection_table=ConnectionTable(settings),
        shutdown=app.state.shutdown,
        max_header=settings.max_header_kb * KIB,
    )
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
