"""Batch sizes that adapt to failures, and the exclusion of items that fail alone."""

import time

#: The time for which an item is excluded after its first failure, and the limit that repeated failures double it to.
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
#: The limit of excluded items. Beyond it, the item whose exclusion ends first is dropped.
MAX_EXCLUDED = 1_000


class BatchSize:
    """The size of the next batch: halved after a failure, doubled after a success."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self.current = maximum

    def succeeded(self) -> None:
        self.current = min(self._maximum, self.current * 2)

    def failed(self, count: int) -> None:
        self.current = max(1, min(self.current, count) // 2)


class ExcludedItems:
    """Items that fail even in a batch of one. Each is excluded for a time that doubles with every failure."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def exclude(self, name: str) -> float:
        """Exclude an item. Returns the seconds."""
        pause = min(2 * self._pauses.get(name, FIRST_PAUSE_SECONDS / 2), LONGEST_PAUSE_SECONDS)
        self._pauses[name] = pause
        self._until[name] = time.monotonic() + pause
        while len(self._until) > MAX_EXCLUDED:
            first = min(self._until, key=self._until.__getitem__)
            del self._until[first]
            self._pauses.pop(first, None)
        return pause

    def names(self) -> list[str]:
        """The names of the items that are excluded now."""
        now = time.monotonic()
        for name, until in list(self._until.items()):
            if until + LONGEST_PAUSE_SECONDS < now:  # it has not failed again
                del self._until[name]
                self._pauses.pop(name, None)
        return [name for name, until in self._until.items() if until > now]
