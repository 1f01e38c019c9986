"""Permits that owners of webhooks share, so that one owner cannot take all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Shares:
    """A number of permits, of which each owner has `per_owner` at most. Those of an owner wait for each other first."""

    def __init__(self, total: int, per_owner: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._per_owner = per_owner
        #: Those that are acquired or waited for.
        self._owners: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        #: The number of permits that are waited for.
        self.waiting = 0

    async def acquire(self, owner_id: str) -> Callable[[], None]:
        """Wait for a permit. Returns the function that releases it."""
        own = self._owners.get(owner_id)
        if own is None:
            own = self._owners[owner_id] = asyncio.Semaphore(self._per_owner)
        self.waiting += 1
        try:
            await own.acquire()
            try:
                await self._total.acquire()
            except BaseException:
                own.release()
                raise
        finally:
            self.waiting -= 1

        def release() -> None:
            self._total.release()
            own.release()

        return release

    @asynccontextmanager
    async def permit(self, owner_id: str) -> AsyncIterator[None]:
        """Have a permit for the time of the block."""
        release = await self.acquire(owner_id)
        try:
            yield
        finally:
            release()
