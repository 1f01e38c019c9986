"""How much one caller, and one address, may do at once and in a second: counted in the memory of one process."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from resolvers.auth.access import Caller
from resolvers.auth.rate_limiter import RateLimiter, network
from server.settings import Settings
from storage.errors import RateLimited

#: How many seconds' worth of operations may begin at once.
BURST_SECONDS = 10
#: Websockets from one address that have not said whose they are yet, for each that may be nobody's: programs that
#: connect again all at once, after a restart, are more than those.
HANDSHAKES_PER_ANONYMOUS_CONNECTION = 10
MIN_HANDSHAKES = 100


class RequestRateLimits:
    """What is counted of callers and addresses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._callers = RateLimiter(settings.rate_per_caller * BURST_SECONDS, seconds=BURST_SECONDS)
        self._addresses = RateLimiter(settings.rate_per_address * BURST_SECONDS, seconds=BURST_SECONDS)
        self._connections: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()

    def check_address_rate(self, address: str) -> None:
        """Count an operation that comes from there, whoever begins it. Raises RateLimited when there were too many."""
        if self._settings.rate_per_address:
            self._acquire(self._addresses, network(address))

    def check_caller_rate(self, caller: Caller) -> None:
        """Count an operation that begins. Raises RateLimited when there were too many."""
        if caller.actor is not None:
            self._acquire(self._callers, caller.id)

    def count_handshake(self, address: str) -> str:
        """Count a websocket of which nobody knows yet whose it is, as connect() counts those of which it is known."""
        most = max(HANDSHAKES_PER_ANONYMOUS_CONNECTION * self._settings.max_anonymous_connections, MIN_HANDSHAKES)
        return self._count_connection(f"silent {network(address)}", most)

    def count_connection(self, caller: Caller, address: str) -> str:
        """Count a websocket; returns what disconnect() takes. Raises RateLimited when there are too many."""
        if caller.actor is None:
            return self._count_connection(f"address {network(address)}", self._settings.max_anonymous_connections)
        return self._count_connection(caller.id, self._settings.max_connections_per_caller)

    def _count_connection(self, key: str, most: int) -> str:
        if self._connections[key] >= most:
            raise RateLimited("Too many connections; close some.", retry_after_seconds=1)
        self._connections[key] += 1
        return key

    def release_connection(self, key: str) -> None:
        self._release(self._connections, key)

    @contextmanager
    def count_operation(self, caller: Caller) -> Iterator[None]:
        """Count an operation that stays open. Raises RateLimited when there are too many."""
        if caller.actor is None:
            yield
            return
        key = caller.id
        if self._operations[key] >= self._settings.max_operations_per_caller:
            raise RateLimited("Too many subscriptions; end some.", retry_after_seconds=1)
        self._operations[key] += 1
        try:
            yield
        finally:
            self._release(self._operations, key)

    @staticmethod
    def _acquire(rates: RateLimiter, key: str) -> None:
        wait = rates.acquire(key)
        if wait:
            raise RateLimited("Too many operations; wait.", retry_after_seconds=math.ceil(wait))

    @staticmethod
    def _release(counted: Counter[str], key: str) -> None:
        counted[key] -= 1
        if not counted[key]:
            del counted[key]
