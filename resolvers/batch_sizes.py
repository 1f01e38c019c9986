"""How many things one step takes when they may be too much for the database, or one of them may be at fault."""

import time

#: How long a thing that no step can take is left out, and how long at most when it fails again and again.
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
#: Things that are left out at once. The one that comes back first makes room.
MOST_SET_ASIDE = 1_000


class BatchSize:
    """The size of the next batch: halved by a batch that failed, doubled by one that did not."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.current = most

    def succeeded(self) -> None:
        self.current = min(self._most, self.current * 2)

    def failed(self, count: int) -> None:
        """A batch of so many failed."""
        self.current = max(1, min(self.current, count) // 2)


class SetAside:
    """Things that fail alone too, each left out until it may be tried again, ever later."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def add(self, name: str) -> float:
        """Leave it out, and for how many seconds."""
        pause = min(2 * self._pauses.get(name, FIRST_PAUSE_SECONDS / 2), LONGEST_PAUSE_SECONDS)
        self._pauses[name] = pause
        self._until[name] = time.monotonic() + pause
        while len(self._until) > MOST_SET_ASIDE:
            first = min(self._until, key=self._until.__getitem__)
            del self._until[first]
            self._pauses.pop(first, None)
        return pause

    def names(self) -> list[str]:
        """What is left out now."""
        now = time.monotonic()
        for name, until in list(self._until.items()):
            if until + LONGEST_PAUSE_SECONDS < now:  # it has not failed since: it is well, or gone
                del self._until[name]
                self._pauses.pop(name, None)
        return [name for name, until in self._until.items() if until > now]
