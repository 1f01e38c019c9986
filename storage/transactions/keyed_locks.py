"""Locks by key among the mutations of one process, which avoid conflicts at the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, TypeAlias

from storage.errors import Unavailable

#: The namespaces of lock names: clients choose some names, which may equal names of another kind.
LockKind: TypeAlias = Literal[
    "app", "consumer", "department", "field", "role", "login", "room", "user", "value", "visitor", "webhook"
]


class LockKey(NamedTuple):
    """The key of one lock."""

    kind: LockKind
    name: str


class KeyedLocks:
    """The locks of one process. A lock exists while a mutation holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[LockKey, asyncio.Lock] = {}
        #: The mutations that hold a lock or wait for it.
        self._counts: dict[LockKey, int] = {}

    @asynccontextmanager
    async def lock(self, key: LockKey, *, deadline: float) -> AsyncIterator[None]:
        """Hold the lock for the duration of the block. Raises what `acquire` raises."""
        await self.acquire(key, deadline=deadline)
        try:
            yield
        finally:
            self.release(key)

    async def acquire(self, key: LockKey, *, deadline: float) -> None:
        """Acquire the lock, which its holder releases. Not reentrant.

        Raises Unavailable if the lock is not free by the deadline, which is a time of the running loop.
        """
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
            self._counts[key] = 1
            await lock.acquire()  # at once: nobody else has it
            return
        self._counts[key] += 1
        try:
            await _acquire(lock, deadline)
        except BaseException:
            self._leave(key)
            raise

    def release(self, key: LockKey) -> None:
        """Release a lock that was acquired."""
        self._locks[key].release()
        self._leave(key)

    def _leave(self, key: LockKey) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key], self._locks[key]


async def _acquire(lock: asyncio.Lock, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await lock.acquire()
    except TimeoutError:
        raise Unavailable("Too much is changing at once; try again.", retryable=True) from None
