"""How long whoever asked for something waits while the database is away, and what can be said for certain then.

The driver does what it does on a few threads, and whatever waits there for a primary keeps everything else waiting.
So it gives up soon, and the waiting is done here, where it costs nothing.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from pymongo.errors import PyMongoError

from storage.errors import Unavailable
from storage.facts import Fact
from storage.mongo.connection import Database, is_transient
from storage.mongo.deadlines import exceeded, time_limit_by_default

T = TypeVar("T")

#: How long a read waits for a primary, of which an ordinary replica set elects another in about twelve seconds. Whoever
#: asks again while there is none waits anew.
READ_TIMEOUT_SECONDS = 10.0
#: How long a commit that is under way when its caller's patience ends may still take.
COMMIT_GRACE_SECONDS = 1.0
RETRY_INTERVAL_SECONDS = 0.05


async def with_retries(database: Database, read: Callable[[], Awaitable[T]]) -> T:
    """What is read, with as many attempts as that takes; raises Unavailable when it has failed, or there has been no
    primary, for long.

    A read that only takes its time is let be.
    """
    loop = asyncio.get_running_loop()
    waiting = asyncio.timeout(None)
    failing_until: float | None = None
    looking: asyncio.TimerHandle

    def look() -> None:
        nonlocal looking
        if database.has_primary:
            looking = loop.call_later(1, look)
        else:
            waiting.reschedule(loop.time())

    looking = loop.call_later(READ_TIMEOUT_SECONDS, look)
    try:
        async with waiting:
            with time_limit_by_default():
                while True:
                    try:
                        if not database.has_primary:
                            await database.wait_for_primary()
                        return await read()
                    except PyMongoError as error:
                        if exceeded(error):
                            raise Unavailable(
                                "The read took too long; ask for less, or filter by what an index answers.",
                                retryable=True,
                            ) from error
                        if not is_transient(error):
                            raise
                        failing_until = failing_until or loop.time() + READ_TIMEOUT_SECONDS
                        if loop.time() > failing_until:
                            break
                    await asyncio.sleep(RETRY_INTERVAL_SECONDS)
    except TimeoutError:
        if not waiting.expired():
            raise
    finally:
        looking.cancel()
    raise Unavailable("The database did not answer in time; try again.", retryable=True)


class Deadline(Generic[T]):
    """How far a change has come, for whoever waits for it."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        #: When whoever asked is told, by the time of the loop.
        self.at = asyncio.get_running_loop().time() + timeout_seconds
        #: Whether it may take effect at any moment.
        self.committing = False
        #: What it returned and the facts it told, once it is true.
        self.outcome: tuple[T, Sequence[Fact]] | None = None
        #: Whether its caller was told that nothing was changed, so that it must not take effect any more.
        self.abandoned = False
        self._suspended = False
        #: Commits begin on threads of the driver.
        self._deciding = threading.Lock()

    def begin_commit(self) -> bool:
        """Note that it may take effect from now on; False when its caller was told that it will not."""
        with self._deciding:
            self.committing = not self.abandoned
            return self.committing

    @contextmanager
    def without_deadline(self) -> Iterator[None]:
        """What is done within does not count: work that takes as long as there are data, and is known to go on."""
        self._suspended = True
        began = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self._suspended = False
            self.at += asyncio.get_running_loop().time() - began

    async def wait_for_outcome(self, running: "asyncio.Task[tuple[T, Sequence[Fact]]]") -> tuple[T, Sequence[Fact]]:
        """What the change comes to. Raises what it raises, and Unavailable when that takes too long.

        It is never cancelled, neither then nor when the caller is: what is on a thread cannot be called back.
        """
        loop = asyncio.get_running_loop()
        while not running.done() and (self._suspended or loop.time() < self.at):
            left = self._timeout_seconds if self._suspended else self.at - loop.time()
            await asyncio.wait([running], timeout=left)
        if not running.done() and self.committing:
            await asyncio.wait([running], timeout=COMMIT_GRACE_SECONDS)
        if running.done():
            return running.result()
        if self.outcome is not None:  # true, and only not in the log yet
            return self.outcome
        with self._deciding:
            self.abandoned = not self.committing
        if self.committing:
            raise outcome_unknown()
        raise Unavailable("The database did not answer in time; nothing was changed.", retryable=True)


def outcome_unknown() -> Unavailable:
    """What is told of a change that may have taken effect."""
    return Unavailable(
        "The database did not say whether the change took effect; "
        "send it again with the same clientMutationId to find out.",
        retryable=False,
    )
