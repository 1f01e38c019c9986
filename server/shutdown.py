"""What becomes of that which is open in a process that is told to end: nothing new begins, and the rest is ended well.

How a websocket and a stream of events are ended is in graphql/transport_ws.py and graphql/sse.py; when a process is
told, in
process/run.py.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from storage.errors import Unavailable
from storage.supervisor import spawn

#: How long operations that are under way have to come to their end.
SHUTDOWN_SECONDS = 3.0


def shutdown_error(*, retryable: bool) -> Unavailable:
    """What an operation is answered for which there was no time left."""
    return Unavailable("The server stopped before this had come to its end.", retryable=retryable)


class Drainable(Protocol):
    """Something that stays open until it is ended."""

    async def drain(self, deadline: float) -> None:
        """End it so that its client can go on elsewhere, by that time of the loop as far as it can."""


class Shutdown:
    """What is open in one process, and whether the process is ending."""

    def __init__(self) -> None:
        self.started = False
        self._deadline = math.inf
        self._open: set[Drainable] = set()
        self._operations: set[asyncio.Timeout] = set()
        self._draining: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """End what is open, and from now on whatever opens."""
        self.started = True
        self._deadline = asyncio.get_running_loop().time() + SHUTDOWN_SECONDS
        for operation in self._operations:
            self._limit(operation)
        for one in self._open:
            self._drain(one)

    def require_running(self) -> None:
        """Raise Unavailable when nothing new may begin."""
        if self.started:
            raise Unavailable("The server is stopping; connect again.", retryable=True)

    @contextmanager
    def tracking(self, one: Drainable) -> Iterator[None]:
        """It is open for as long as the block lasts."""
        self._open.add(one)
        try:
            if self.started:
                self._drain(one)
            yield
        finally:
            self._open.discard(one)

    @contextmanager
    def limiting(self, operation: asyncio.Timeout) -> Iterator[None]:
        """The operation, which goes on for as long as the block lasts, times out when the process waits no longer."""
        self._operations.add(operation)
        try:
            if self.started:
                self._limit(operation)
            yield
        finally:
            self._operations.discard(operation)

    def _limit(self, operation: asyncio.Timeout) -> None:
        if not operation.expired():
            operation.reschedule(min(self._deadline, operation.when() or math.inf))

    def _drain(self, one: Drainable) -> None:
        task = spawn(one.drain(self._deadline), name="drain a connection")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)
