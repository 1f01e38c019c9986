"""Who of this process is busy with what, so that others wait here and need not lose at the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, TypeAlias

from storage.errors import Unavailable

#: What changes can be busy with. Names of different kinds have nothing to do with each other, however alike they are.
LockKind: TypeAlias = Literal["app", "consumer", "department", "field", "room", "sign-in", "user", "value", "visitor"]


class LockKey(NamedTuple):
    """What one change at a time is busy with."""

    kind: LockKind
    name: str


class KeyedLocks:
    """The changes of one process, which come after each other where they are busy with the same."""

    def __init__(self) -> None:
        self._locks: dict[LockKey, asyncio.Lock] = {}
        self._counts: Counter[LockKey] = Counter()

    @asynccontextmanager
    async def lock(self, key: LockKey, *, deadline: float) -> AsyncIterator[None]:
        """Wait until nobody else holds the turn, and hold it until this is left.

        `deadline` is a time of the running loop: who waits until then raises Unavailable. Who holds a turn must not ask
        for it again.
        """
        self._counts[key] += 1
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    await lock.acquire()
            except TimeoutError:
                raise Unavailable("Too much is changing at once; try again.", retryable=True) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key], self._locks[key]
