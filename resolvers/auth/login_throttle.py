"""How often signing in may fail, counted in the memory of one process; signing in itself is in sessions.py."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from resolvers.auth.hash_queue import Lane
from resolvers.auth.rate_limiter import MAX_KEYS, RateLimiter, network
from resolvers.names import normalised
from storage.errors import RateLimited, Unauthenticated

MAX_ATTEMPTS = 10
WINDOW_SECONDS = 5 * 60
#: How many times more often an address may fail for all users together, and a user from all addresses together.
SHARED_LIMIT_FACTOR = 10


class LoginThrottle:
    """How often signing in may fail: so many times in five minutes for one user from one address.

    For all users from one address together, and for one user from all addresses together, it is ten times as many. The
    latter does not bind addresses from which the user has signed in before: locking a user out for everybody would hand
    whoever knows a username the means to do so.
    """

    def __init__(self, attempts: int = MAX_ATTEMPTS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._both = RateLimiter(attempts, seconds=WINDOW_SECONDS, clock=clock)
        self._either = RateLimiter(attempts * SHARED_LIMIT_FACTOR, seconds=WINDOW_SECONDS, clock=clock)
        self._clock = clock
        #: The users and addresses for which signing in failed, and when it did last; the users' known addresses.
        self._failed: OrderedDict[Hashable, float] = OrderedDict()
        self._known: OrderedDict[Hashable, float] = OrderedDict()

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[Lane]:
        """How much the attempt is trusted. It counts if the block ends with Unauthenticated, and with nothing else.

        Raises RateLimited when there were too many.
        """
        pair = name, place = normalised(username[:256]).casefold()[:64], network(address)
        known = pair in self._known
        broad = [("", place)] if known else [("", place), (name, "")]
        # What is wrong for both is taken beforehand, so that not more are under way than may fail.
        wait = max(self._either.wait(key) for key in broad) or self._both.acquire(pair)
        if wait:
            raise RateLimited("Too many attempts to sign in; wait.", retry_after_seconds=math.ceil(wait))
        failed = False
        try:
            yield self._lane(name, place)
        except Unauthenticated:
            failed = True
            raise
        finally:
            if failed:
                self._known.pop(pair, None)
                for key in (("", place), (name, "")):
                    self._either.acquire(key)
                    self._note(self._failed, key)
            else:
                self._both.release(pair)
        self._note(self._known, pair)

    def _lane(self, name: str, place: str) -> Lane:
        if (name, place) in self._known:
            return Lane.KNOWN
        since = self._clock() - WINDOW_SECONDS
        failed = any(self._failed.get(key, -math.inf) > since for key in ((name, ""), ("", place)))
        return Lane.DOUBTFUL if failed else Lane.NEW

    def _note(self, moments: OrderedDict[Hashable, float], key: Hashable) -> None:
        moments[key] = self._clock()
        moments.move_to_end(key)
        if len(moments) > MAX_KEYS:
            moments.popitem(last=False)
