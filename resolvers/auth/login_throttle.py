"""The rate limit of failed logins, counted in the memory of one process. sessions.py has the login itself."""

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
#: The factor for the limits of one address with all users, and of one user from all addresses.
SHARED_LIMIT_FACTOR = 10


class LoginThrottle:
    """Limits failed logins of one user from one address in WINDOW_SECONDS.

    The limits of one address with all users, and of one user from all addresses, are SHARED_LIMIT_FACTOR times as high.
    The limit of one user does not apply to addresses from which that user has logged in before. Otherwise an attacker
    could lock a user out with the username alone.
    """

    def __init__(self, attempts: int = MAX_ATTEMPTS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pair_limiter = RateLimiter(attempts, seconds=WINDOW_SECONDS, clock=clock)
        self._shared_limiter = RateLimiter(attempts * SHARED_LIMIT_FACTOR, seconds=WINDOW_SECONDS, clock=clock)
        self._clock = clock
        #: The time of the last failure of each user and of each address.
        self._failed: OrderedDict[Hashable, float] = OrderedDict()
        #: The time of the last login of each user from each address.
        self._known_addresses: OrderedDict[Hashable, float] = OrderedDict()

    @contextmanager
    def attempt(self, username: str, address: str) -> Iterator[Lane]:
        """The lane for one login. Only a block that raises Unauthenticated counts as a failure.

        Raises RateLimited after too many failures.
        """
        pair = name, place = normalised(username[:256]).casefold()[:64], network(address)
        known = pair in self._known_addresses
        shared_keys = [("", place)] if known else [("", place), (name, "")]
        # The failure of the pair is counted beforehand, so that concurrent logins cannot exceed the limit.
        wait = max(self._shared_limiter.wait(key) for key in shared_keys) or self._pair_limiter.acquire(pair)
        if wait:
            seconds = math.ceil(wait)
            raise RateLimited(f"Too many failed logins; try again in {seconds} s.", retry_after_seconds=seconds)
        failed = False
        try:
            yield self._lane(name, place)
        except Unauthenticated:
            failed = True
            raise
        finally:
            if failed:
                self._known_addresses.pop(pair, None)
                for key in (("", place), (name, "")):
                    self._shared_limiter.acquire(key)
                    self._record(self._failed, key)
            else:
                self._pair_limiter.release(pair)
        self._record(self._known_addresses, pair)

    def _lane(self, name: str, place: str) -> Lane:
        if (name, place) in self._known_addresses:
            return Lane.KNOWN_ADDRESS
        since = self._clock() - WINDOW_SECONDS
        failed = any(self._failed.get(key, -math.inf) > since for key in ((name, ""), ("", place)))
        return Lane.RECENT_FAILURE if failed else Lane.NO_RECENT_FAILURE

    def _record(self, timestamps: OrderedDict[Hashable, float], key: Hashable) -> None:
        timestamps[key] = self._clock()
        timestamps.move_to_end(key)
        if len(timestamps) > MAX_KEYS:
            timestamps.popitem(last=False)
