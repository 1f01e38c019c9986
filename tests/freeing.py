"""Waits until objects are freed, for tests of what leaves no work for the garbage collector."""

import asyncio
from weakref import ref


class Freed:
    """Waits until an object is freed."""

    def __init__(self, observed: object) -> None:
        self._event = asyncio.Event()
        self._reference = ref(observed, lambda _: self._event.set())

    async def wait(self) -> None:
        await asyncio.wait_for(self._event.wait(), 60)
