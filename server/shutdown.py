"""The graceful shutdown of one process: nothing new starts, operations get a deadline, and connections are drained.

graphql/transport_ws.py drains websockets and graphql/sse.py event streams. process/uvicorn_server.py starts the
shutdown.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from storage.errors import Unavailable
from storage.supervisor import spawn

#: How long operations in progress may take after the shutdown has started.
SHUTDOWN_SECONDS = 3.0


def shutdown_error(*, retryable: bool) -> Unavailable:
    """The error of an operation that did not finish before the deadline of the shutdown."""
    return Unavailable("The server stopped before the operation finished.", retryable=retryable)


class Drainable(Protocol):
    """A connection that stays open until it is closed."""

    async def drain(self, deadline: float) -> None:
        """Close it in a way that lets its client resume elsewhere. `deadline` is a time of the event loop."""


class Shutdown:
    """The open connections and operations of one process, and whether the process is shutting down."""

    def __init__(self, seconds: float = SHUTDOWN_SECONDS) -> None:
        self.seconds = seconds
        #: Whether the process is going to shut down: it serves, and asks balancers and clients to go elsewhere.
        self.announced = False
        self.started = False
        self._deadline = math.inf
        self._open: set[Drainable] = set()
        self._operations: set[asyncio.Timeout] = set()
        self._draining: set[asyncio.Task[None]] = set()

    def announce(self) -> None:
        """From now on the process is not ready, and keeps no connection open after a response."""
        self.announced = True

    def start(self) -> None:
        """Drain all open connections, and those that open from now on."""
        self.announced = self.started = True
        self._deadline = asyncio.get_running_loop().time() + self.seconds
        for operation in self._operations:
            self._limit(operation)
        for connection in self._open:
            self._drain(connection)

    def require_running(self) -> None:
        """Raise Unavailable if the process is shutting down."""
        if self.started:
            raise Unavailable("The server is stopping; connect again.", retryable=True)

    @contextmanager
    def tracking(self, connection: Drainable) -> Iterator[None]:
        """Drain the connection if the shutdown starts before the block ends."""
        try:
            self.track(connection)
            yield
        finally:
            self.untrack(connection)

    def track(self, connection: Drainable) -> None:
        """Drain the connection if the shutdown starts before `untrack`."""
        self._open.add(connection)
        if self.started:
            self._drain(connection)

    def untrack(self, connection: Drainable) -> None:
        self._open.discard(connection)

    def limiting(self, operation: asyncio.Timeout) -> AbstractContextManager[None]:
        """Let the timeout expire no later than the deadline of a shutdown that starts before the block ends."""
        return _Limited(self, operation)

    def add_operation(self, operation: asyncio.Timeout) -> None:
        self._operations.add(operation)
        if self.started:
            self._limit(operation)

    def remove_operation(self, operation: asyncio.Timeout) -> None:
        self._operations.discard(operation)

    def _limit(self, operation: asyncio.Timeout) -> None:
        if not operation.expired():
            operation.reschedule(min(self._deadline, operation.when() or math.inf))

    def _drain(self, connection: Drainable) -> None:
        task = spawn(connection.drain(self._deadline), name="drain a connection")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)


class _Limited:
    """The block of one operation whose timeout a shutdown limits."""

    __slots__ = ("_operation", "_shutdown")

    def __init__(self, shutdown: Shutdown, operation: asyncio.Timeout) -> None:
        self._shutdown = shutdown
        self._operation = operation

    def __enter__(self) -> None:
        self._shutdown.add_operation(self._operation)

    def __exit__(self, *_: object) -> None:
        self._shutdown.remove_operation(self._operation)
