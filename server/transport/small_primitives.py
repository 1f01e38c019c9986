"""A queue and an event with the part of asyncio's interface that uvicorn's websockets use, in less memory.

A queue of asyncio has four deques, and an event has one. An empty deque takes 760 bytes. Each open websocket has one
queue and one event. These have one reader, which is the application.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SmallQueue(Generic[T]):
    """A queue without a limit, for one reader."""

    __slots__ = ("_items", "_reader", "listener")

    def __init__(self) -> None:
        #: Called after each item that is added, if there is no reader.
        self.listener: Callable[[], None] | None = None
        self._items: list[T] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._items

    def put_nowait(self, item: T) -> None:
        self._items.append(item)
        if self.listener is not None:
            self.listener()
        elif self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def get_nowait(self) -> T:
        """The next item. Raises IndexError if there is none."""
        return self._items.pop(0)

    async def get(self) -> T:
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._items.pop(0)


class SmallEvent:
    """An event that is usually set, when nobody waits for it."""

    __slots__ = ("_cleared",)

    def __init__(self) -> None:
        #: Resolves when the event is set. None if it is set.
        self._cleared: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        return self._cleared is None

    def set(self) -> None:
        cleared, self._cleared = self._cleared, None
        if cleared is not None and not cleared.done():
            cleared.set_result(None)

    def clear(self) -> None:
        if self._cleared is None:
            self._cleared = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        if self._cleared is not None:
            await asyncio.shield(self._cleared)
