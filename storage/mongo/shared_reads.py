"""Reads that several callers ask for at the same time, done once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from storage.mongo.deadlines import READ_SECONDS, time_limit
from storage.supervisor import spawn
from storage.threads import Work

T = TypeVar("T")


@dataclass(slots=True)
class _UnderWay:
    task: "asyncio.Task[Any]"
    waiting: int = 0


class SharedReads:
    """The reads of one process that are under way, by what they read. Nothing is kept of one that has ended."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _UnderWay] = {}

    async def read(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What is read; by the read with that key that is under way, if there is one. The last caller that no longer
        waits ends it."""
        shared = self._under_way.get(key)
        if shared is None or shared.task.done():
            shared = self._under_way[key] = _UnderWay(spawn(_within_limit(read), name="shared read", kind=Work.READS))
        shared.waiting += 1
        try:
            return cast(T, await asyncio.shield(shared.task))
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                shared.task.cancel()
                if self._under_way.get(key) is shared:
                    del self._under_way[key]


async def _within_limit(read: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with time_limit(READ_SECONDS):
        return await read()
