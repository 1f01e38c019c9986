"""The deadline of one mutation, and what its caller learns when the deadline passes."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from storage.errors import Unavailable
from storage.facts import Fact
from storage.mongo.deadlines import paused_time_limit

T = TypeVar("T")

#: Added to the deadline of a mutation whose commit has begun.
COMMIT_GRACE_SECONDS = 1.0


class Deadline(Generic[T]):
    """The deadline and the progress of one mutation. Its caller waits in `wait_for_outcome`."""

    def __init__(self, timeout_seconds: float, *, commit_grace_seconds: float = COMMIT_GRACE_SECONDS) -> None:
        self._commit_grace_seconds = commit_grace_seconds
        self._timeout_seconds = timeout_seconds
        #: A time of the running loop.
        self.at = asyncio.get_running_loop().time() + timeout_seconds
        #: Whether a commit has begun and has not failed.
        self.committing = False
        #: The result and the facts of the committed mutation.
        self.outcome: tuple[T, Sequence[Fact]] | None = None
        #: Whether the caller received "nothing was changed", so that the mutation must not commit any more.
        self.abandoned = False
        self._suspended = False
        #: Guards `committing` and `abandoned`: commits begin on threads of the driver.
        self._lock = threading.Lock()

    def begin_commit(self) -> bool:
        """Set `committing`. Returns False, and sets nothing, if the mutation is abandoned."""
        with self._lock:
            self.committing = not self.abandoned
            return self.committing

    @contextmanager
    def without_deadline(self) -> Iterator[None]:
        """Extend the deadline by the duration of the block, for work whose duration depends on the amount of data.

        Reads in the block have no time limit.
        """
        self._suspended = True
        started_at = asyncio.get_running_loop().time()
        try:
            with paused_time_limit():
                yield
        finally:
            self._suspended = False
            self.at += asyncio.get_running_loop().time() - started_at

    async def wait_for_outcome(self, running: "asyncio.Task[tuple[T, Sequence[Fact]]]") -> tuple[T, Sequence[Fact]]:
        """Return the outcome of the task, or raise its error. Raises Unavailable when the deadline passes.

        Never cancels the task, because a call on a thread of the driver cannot be cancelled.
        """
        loop = asyncio.get_running_loop()
        while not running.done() and (self._suspended or loop.time() < self.at):
            timeout = self._timeout_seconds if self._suspended else self.at - loop.time()
            await _wait(running, timeout)
        if not running.done() and self.committing:
            await _wait(running, self._commit_grace_seconds)
        if running.done():
            return running.result()
        if self.outcome is not None:  # committed, but its facts are not in the log yet
            return self.outcome
        with self._lock:
            self.abandoned = not self.committing
        if self.committing:
            raise outcome_unknown()
        raise Unavailable("The database did not answer in time; nothing was changed.", retryable=True)


async def _wait(running: "asyncio.Task[object]", seconds: float) -> None:
    """Wait until the task has ended, for up to this time. A third of what asyncio.wait takes for one task."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end(_: object = None) -> None:
        if not ended.done():
            ended.set_result(None)

    timer = loop.call_later(seconds, end)
    running.add_done_callback(end)
    try:
        await ended
    finally:
        timer.cancel()
        running.remove_done_callback(end)


def outcome_unknown() -> Unavailable:
    """The error for a mutation that may or may not be committed."""
    return Unavailable(
        "The database did not say whether the change took effect; "
        "send it again with the same clientMutationId to find out.",
        retryable=False,
    )
