"""How often signing in may fail, counted in the memory of one process; signing in itself is in sessions.py."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from resolvers.rates import Rates, network
from storage.errors import RateLimited

ATTEMPTS = 10
SECONDS = 5 * 60
#: How many times more often an address may fail for all users together, and a user from all addresses together.
BROADER = 10


class SignIns:
    """How often signing in may fail: so many times in five minutes for one user from one address.

    For all users from one address together, and for one user from all addresses together, it is ten times as many.
    Locking a user out for everybody would hand whoever knows a username the means to do so.
    """

    def __init__(self, attempts: int = ATTEMPTS) -> None:
        self._both = Rates(attempts, seconds=SECONDS)
        self._either = Rates(attempts * BROADER, seconds=SECONDS)

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[None]:
        """Count an attempt, unless the block is left without an error. Raises RateLimited when there were too many."""
        name, place = username.casefold()[:64], network(address)
        buckets = (
            (self._both, (name, place)),
            (self._either, ("", place)),
            (self._either, (name, "")),
        )
        taken: list[tuple[Rates, tuple[str, str]]] = []
        for rates, key in buckets:
            wait = rates.take(key)
            if wait:
                for used, one in taken:
                    used.give_back(one)
                raise RateLimited("Too many attempts to sign in; wait.", retry_after_seconds=math.ceil(wait))
            taken.append((rates, key))
        yield
        for rates, key in taken:
            rates.give_back(key)
