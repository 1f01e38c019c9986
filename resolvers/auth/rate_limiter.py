"""A rate limiter with one token bucket a key, in the memory of one process."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache

#: The limit of stored keys. The least recently used are evicted, which resets their limit.
MAX_KEYS = 100_000
#: The addresses whose networks are cached.
MAX_CACHED_NETWORKS = 1_000


class RateLimiter:
    """Allows each key a burst of `amount`, and `amount` in `seconds` on average. An amount of 0 means no limit."""

    def __init__(
        self, amount: float, *, seconds: float, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._amount = amount
        self._seconds = seconds
        self._max_keys = max_keys
        self._clock = clock
        #: The time at which the bucket of a key is full again. It refills by amount / seconds a second.
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def acquire(self, key: Hashable) -> float:
        """Take one token. Returns 0, or the seconds until there is one; then nothing is taken."""
        if not self._amount:
            return 0.0
        wait, full_at = self._after_one(key)
        if wait:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0.0

    def wait(self, key: Hashable) -> float:
        """The seconds until a token is available. 0: now."""
        return self._after_one(key)[0] if self._amount else 0.0

    def _after_one(self, key: Hashable) -> tuple[float, float]:
        """The seconds until a token is available, and when the bucket is full again if it is taken now."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + self._seconds / self._amount
        wait = full_at - now - self._seconds
        return (wait if wait > 1e-9 else 0.0), full_at

    def release(self, key: Hashable) -> None:
        """Return a token to the bucket."""
        if key in self._full_at:
            self._full_at[key] -= self._seconds / self._amount


@lru_cache(maxsize=MAX_CACHED_NETWORKS)
def network(address: str) -> str:
    """The address or, for IPv6, its /64 network, which belongs to one customer."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return address
