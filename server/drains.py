"""What becomes of that which is open in a process that is told to end: nothing new begins, and the rest is ended well.

How a websocket and a stream of events are ended is in websockets.py and streams.py; when a process is told, in
serving.py.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from storage.errors import Unavailable
from storage.supervisor import spawn

#: How long operations that are under way have to come to their end.
DRAIN_SECONDS = 3.0


def stopped(*, retryable: bool) -> Unavailable:
    """What an operation is answered for which there was no time left."""
    return Unavailable("The server stopped before this had come to its end.", retryable=retryable)


class Open(Protocol):
    """Something that stays open until it is ended."""

    async def drain(self, deadline: float) -> None:
        """End it so that its client can go on elsewhere, by that time of the loop as far as it can."""


class Drain:
    """What is open in one process, and whether the process is ending."""

    def __init__(self) -> None:
        self.begun = False
        self._deadline = math.inf
        self._open: set[Open] = set()
        self._operations: set[asyncio.Timeout] = set()
        self._draining: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """End what is open, and from now on whatever opens."""
        self.begun = True
        self._deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        for operation in self._operations:
            self._hurry(operation)
        for one in self._open:
            self._end(one)

    def require_open(self) -> None:
        """Raise Unavailable when nothing new may begin."""
        if self.begun:
            raise Unavailable("The server is stopping; connect again.", retryable=True)

    @contextmanager
    def holding(self, one: Open) -> Iterator[None]:
        """It is open for as long as the block lasts."""
        self._open.add(one)
        try:
            if self.begun:
                self._end(one)
            yield
        finally:
            self._open.discard(one)

    @contextmanager
    def hurrying(self, operation: asyncio.Timeout) -> Iterator[None]:
        """The operation, which goes on for as long as the block lasts, times out when the process waits no longer."""
        self._operations.add(operation)
        try:
            if self.begun:
                self._hurry(operation)
            yield
        finally:
            self._operations.discard(operation)

    def _hurry(self, operation: asyncio.Timeout) -> None:
        if not operation.expired():
            operation.reschedule(min(self._deadline, operation.when() or math.inf))

    def _end(self, one: Open) -> None:
        task = spawn(one.drain(self._deadline), name="end what is open")
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)
