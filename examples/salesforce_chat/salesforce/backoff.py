"""Waiting between attempts."""

import asyncio
import random


class Backoff:
    """Pauses that double from `first` up to `longest` seconds, each shortened at random by up to a half."""

    def __init__(self, first: float = 0.25, longest: float = 30.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    async def pause(self, at_least: float | None = None) -> None:
        seconds = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._longest)
        await asyncio.sleep(max(seconds, at_least or 0.0))
