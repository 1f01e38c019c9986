"""Pauses before repetitions: longer ones each time, with a random part so that many clients do not return at once."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses are random, up to `first` seconds, then up to twice as long each time, up to `longest` seconds."""

    first: float = 0.5
    longest: float = 30.0

    def pauses(self) -> Iterator[float]:
        limit = self.first
        while True:
            # At least half of the limit: a pause of nothing would repeat at once.
            yield limit * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
            limit = min(limit * 2, self.longest)


DEFAULT_BACKOFF = Backoff()
