"""Limits on the operations and connections of each caller and each address, counted in the memory of one process."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from resolvers.auth.access import Caller
from resolvers.auth.rate_limiter import RateLimiter, network
from server.settings import Settings
from storage.errors import RateLimited

#: A burst may have as many operations as the rate allows in this time.
BURST_SECONDS = 10
#: Websockets from one address before their connection_init, for each anonymous one that is allowed: many programs may
#: reconnect immediately after a restart.
HANDSHAKES_PER_ANONYMOUS_CONNECTION = 10
MIN_HANDSHAKES = 100


class RequestRateLimits:
    """The counters of callers and addresses."""

    def __init__(self, settings: Settings, min_handshakes: int = MIN_HANDSHAKES) -> None:
        self._settings = settings
        handshakes = HANDSHAKES_PER_ANONYMOUS_CONNECTION * settings.max_anonymous_connections
        self._max_handshakes = max(handshakes, min_handshakes)
        self._callers = RateLimiter(settings.rate_per_caller * BURST_SECONDS, seconds=BURST_SECONDS)
        burst, rate = settings.visitor_burst, settings.visitor_rate
        self._visitors = RateLimiter(burst if rate else 0, seconds=burst / rate if rate else 1)
        self._addresses = RateLimiter(settings.rate_per_address * BURST_SECONDS, seconds=BURST_SECONDS)
        self._connections: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()

    @property
    def websockets(self) -> int:
        """The number of open websockets."""
        return self._connections.total()

    def check_address_rate(self, address: str) -> None:
        """Count an operation from that address. Raises RateLimited."""
        if self._settings.rate_per_address:
            self._acquire(self._addresses, network(address))

    def check_caller_rate(self, caller: Caller) -> None:
        """Count an operation of that caller. Raises RateLimited."""
        if caller.actor is not None:
            self._acquire(self._callers if caller.visitor is None else self._visitors, caller.id)

    def count_handshake(self, address: str) -> str:
        """Count a websocket before its connection_init. Returns the key for release_connection. Raises RateLimited."""
        return self._count_connection(f"handshake {network(address)}", self._max_handshakes)

    def count_connection(self, caller: Caller, address: str) -> str:
        """Count a websocket after its connection_init. Returns the key for release_connection. Raises RateLimited."""
        if caller.actor is None:
            return self._count_connection(f"address {network(address)}", self._settings.max_anonymous_connections)
        settings = self._settings
        limit = settings.max_connections_per_caller if caller.visitor is None else settings.visitor_connections
        return self._count_connection(caller.id, limit)

    def _count_connection(self, key: str, limit: int) -> str:
        if self._connections[key] >= limit:
            raise RateLimited("Too many connections; close some.", retry_after_seconds=1)
        self._connections[key] += 1
        return key

    def release_connection(self, key: str) -> None:
        self._release(self._connections, key)

    @contextmanager
    def count_operation(self, caller: Caller) -> Iterator[None]:
        """Count an operation until the block ends. Raises RateLimited."""
        key = self.start_operation(caller)
        try:
            yield
        finally:
            self.end_operation(key)

    def start_operation(self, caller: Caller) -> str | None:
        """Count an operation. Returns the key for end_operation. Raises RateLimited."""
        if caller.actor is None:
            return None
        key, settings = caller.id, self._settings
        limit = settings.max_operations_per_caller if caller.visitor is None else settings.visitor_subscriptions
        if self._operations[key] >= limit:
            raise RateLimited(
                "Too many operations in progress on websockets and event streams; end some.", retry_after_seconds=1
            )
        self._operations[key] += 1
        return key

    def end_operation(self, key: str | None) -> None:
        if key is not None:
            self._release(self._operations, key)

    @staticmethod
    def _acquire(rates: RateLimiter, key: str) -> None:
        wait = rates.acquire(key)
        if wait:
            raise RateLimited("Too many operations; wait.", retry_after_seconds=math.ceil(wait))

    @staticmethod
    def _release(counter: Counter[str], key: str) -> None:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
