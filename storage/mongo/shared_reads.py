"""Shared reads: concurrent callers of the same read wait for one execution of it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from storage.mongo.deadlines import READ_SECONDS, time_limit
from storage.supervisor import spawn
from storage.threads import Work

T = TypeVar("T")


@dataclass(slots=True)
class _SharedRead:
    task: "asyncio.Task[Any]"
    waiting: int = 0


class SharedReads:
    """The running reads of one process by key. Results are not cached."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _SharedRead] = {}

    async def read(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the running read with that key, or start it.

        The read is cancelled when its last caller is cancelled.
        """
        shared = self._running.get(key)
        if shared is None or shared.task.done():
            shared = self._running[key] = _SharedRead(spawn(_within_limit(read), name="shared read", kind=Work.READS))
        shared.waiting += 1
        try:
            return cast(T, await asyncio.shield(shared.task))
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                shared.task.cancel()
                if self._running.get(key) is shared:
                    del self._running[key]


async def _within_limit(read: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with time_limit(READ_SECONDS):
        return await read()
