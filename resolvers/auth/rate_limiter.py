"""How often something may be done: buckets that refill, kept in the memory of one process."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: Keys that are remembered; those seen longest ago are forgotten first, which is in their favour.
MAX_KEYS = 100_000


class RateLimiter:
    """Allows each key `amount` at once, and `amount` in every `seconds` in the long run; with 0, everything."""

    def __init__(
        self, amount: float, *, seconds: float, max_keys: int = MAX_KEYS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._amount = amount
        self._seconds = seconds
        self._kept = max_keys
        self._clock = clock
        #: When the bucket of a key will be full again; until then each second is worth amount / seconds.
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def acquire(self, key: Hashable) -> float:
        """Take one. 0 when there was one; otherwise in how many seconds there will be, and nothing is taken."""
        if not self._amount:
            return 0.0
        wait, full_at = self._after_one(key)
        if wait:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._kept:
            self._full_at.popitem(last=False)
        return 0.0

    def wait(self, key: Hashable) -> float:
        """In how many seconds one can be taken; 0 when it can be now."""
        return self._after_one(key)[0] if self._amount else 0.0

    def _after_one(self, key: Hashable) -> tuple[float, float]:
        """In how many seconds there is one, and when the bucket would be full again if it were taken now."""
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + self._seconds / self._amount
        wait = full_at - now - self._seconds
        return (wait if wait > 1e-9 else 0.0), full_at

    def release(self, key: Hashable) -> None:
        """Undo a take."""
        if key in self._full_at:
            self._full_at[key] -= self._seconds / self._amount


def network(address: str) -> str:
    """What stands for an address: itself, or for IPv6 the /64 network, all of which one customer has."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        return str(known.ipv4_mapped or ipaddress.ip_network((known, 64), strict=False))
    return address
