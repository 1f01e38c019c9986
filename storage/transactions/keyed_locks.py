"""Locks by key among the mutations of one process, which avoid conflicts at the database."""

import asyncio
from collections import Counter
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
        self._counts: Counter[LockKey] = Counter()

    @asynccontextmanager
    async def lock(self, key: LockKey, *, deadline: float) -> AsyncIterator[None]:
        """Hold the lock for the duration of the block. Not reentrant.

        Raises Unavailable if the lock is not free by the deadline, which is a time of the running loop.
        """
        self._counts[key] += 1
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            if self._counts[key] == 1:
                await lock.acquire()  # at once: nobody else has it
            else:
                await _acquire(lock, deadline)
            try:
                yield
            finally:
                lock.release()
        finally:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key], self._locks[key]


async def _acquire(lock: asyncio.Lock, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await lock.acquire()
    except TimeoutError:
        raise Unavailable("Too much is changing at once; try again.", retryable=True) from None
