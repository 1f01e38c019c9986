"""Who of this process is busy with what, so that others wait here and need not lose at the database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, NamedTuple, TypeAlias

from storage.errors import Unavailable

#: What changes can be busy with. Names of different kinds have nothing to do with each other, however alike they are.
TurnKind: TypeAlias = Literal["app", "consumer", "department", "field", "room", "sign-in", "user", "value", "visitor"]


class Turn(NamedTuple):
    """What one change at a time is busy with."""

    kind: TurnKind
    name: str


class Turns:
    """The changes of one process, which come after each other where they are busy with the same."""

    def __init__(self) -> None:
        self._locks: dict[Turn, asyncio.Lock] = {}
        self._counts: Counter[Turn] = Counter()

    @asynccontextmanager
    async def hold(self, turn: Turn, *, deadline: float) -> AsyncIterator[None]:
        """Wait until nobody else holds the turn, and hold it until this is left.

        `deadline` is a time of the running loop: who waits until then raises Unavailable. Who holds a turn must not ask
        for it again.
        """
        self._counts[turn] += 1
        lock = self._locks.setdefault(turn, asyncio.Lock())
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
            self._counts[turn] -= 1
            if not self._counts[turn]:
                del self._counts[turn], self._locks[turn]
