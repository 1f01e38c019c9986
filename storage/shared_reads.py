"""One read of the database for everybody who asks for the same value at about the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from storage.supervisor import spawn
from storage.threads import Work

T = TypeVar("T")


class SharedRead(Generic[T]):
    """A read without arguments. At most one runs at a time; all calls during it share the next one.

    So the result of a call is from a read that began after the call, as if each call had read itself. An error of the
    read is raised by each of the calls that share it.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], *, name: str) -> None:
        self._read = read
        self._name = name
        self._running: asyncio.Task[T] | None = None
        #: The read that has not begun.
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._next is None:
            self._next = spawn(self._run(self._running), name=self._name, kind=Work.READS)
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[T] | None) -> T:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._read()
