"""The garbage collector of a server: collections are few, and full ones are short.

A full collection looks at all objects, and nothing else runs meanwhile. With 10,000 subscriptions that takes a third of
a second. So what a full collection has found to be in use is excluded from the next ones, until it has doubled.
Whether it has, the number of blocks of memory tells: counting the excluded objects takes as long as the rest.
Memory without reference cycles is freed in any case, also that of excluded objects.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Thresholds while the server runs. By the default of 700 objects, each event that goes to a thousand subscribers
#: starts several collections, a quarter of the CPU of its deliveries.
THRESHOLDS: Final = (10_000, 10, 10)
#: All objects are looked at again when this many blocks of memory are in use, and this many times as many as after the
#: last time. A server without clients uses 500,000.
MIN_BLOCKS: Final = 1_500_000
GROWTH: Final = 2
_OLDEST: Final = 2


class Exclusion:
    """Excludes what full collections find in use from the next ones. It is a callback of the collector."""

    def __init__(self, min_blocks: int = MIN_BLOCKS) -> None:
        self._min_blocks = min_blocks
        #: Whether the collection that is running looks at all objects.
        self._is_whole = False
        self._limit = 0
        self._exclude()

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < _OLDEST:
            return
        if phase == "start":
            self._is_whole = sys.getallocatedblocks() > self._limit
            if self._is_whole:
                gc.unfreeze()
        elif self._is_whole:
            self._exclude()
        else:
            gc.freeze()

    def _exclude(self) -> None:
        """Exclude all objects, as after a collection that has looked at all."""
        gc.freeze()
        self._limit = max(self._min_blocks, GROWTH * sys.getallocatedblocks())


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Set the collector up for a server, while the block runs.

    What the program consists of lasts until its end, and is excluded at once.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.collect()
    exclusion = Exclusion()
    gc.callbacks.append(exclusion)
    try:
        yield
    finally:
        gc.callbacks.remove(exclusion)
        gc.unfreeze()
        gc.set_threshold(*before)
