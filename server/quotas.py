"""How much one caller, and one address, may do at once and in a second: counted in the memory of one process."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from resolvers.access import Caller
from resolvers.rates import Rates, network
from server.settings import Settings
from storage.errors import RateLimited

#: How many seconds' worth of operations may begin at once.
BURST_SECONDS = 10
#: Websockets from one address that have not said whose they are yet, for each that may be nobody's: programs that
#: connect again all at once, after a restart, are more than those.
SILENT = 10
LEAST_SILENT = 100


class Quotas:
    """What is counted of callers and addresses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._callers = Rates(settings.rate_per_caller * BURST_SECONDS, seconds=BURST_SECONDS)
        self._addresses = Rates(settings.rate_per_address * BURST_SECONDS, seconds=BURST_SECONDS)
        self._connections: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()

    def arrive(self, address: str) -> None:
        """Count an operation that comes from there, whoever begins it. Raises RateLimited when there were too many."""
        if self._settings.rate_per_address:
            self._take(self._addresses, network(address))

    def begin(self, caller: Caller) -> None:
        """Count an operation that begins. Raises RateLimited when there were too many."""
        if caller.actor is not None:
            self._take(self._callers, caller.id)

    def knock(self, address: str) -> str:
        """Count a websocket of which nobody knows yet whose it is, as connect() counts those of which it is known."""
        most = max(SILENT * self._settings.max_anonymous_connections, LEAST_SILENT)
        return self._connect(f"silent {network(address)}", most)

    def connect(self, caller: Caller, address: str) -> str:
        """Count a websocket; returns what disconnect() takes. Raises RateLimited when there are too many."""
        if caller.actor is None:
            return self._connect(f"address {network(address)}", self._settings.max_anonymous_connections)
        return self._connect(caller.id, self._settings.max_connections_per_caller)

    def _connect(self, key: str, most: int) -> str:
        if self._connections[key] >= most:
            raise RateLimited("Too many connections; close some.", retry_after_seconds=1)
        self._connections[key] += 1
        return key

    def disconnect(self, key: str) -> None:
        self._leave(self._connections, key)

    @contextmanager
    def operation(self, caller: Caller) -> Iterator[None]:
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
            self._leave(self._operations, key)

    @staticmethod
    def _take(rates: Rates, key: str) -> None:
        wait = rates.take(key)
        if wait:
            raise RateLimited("Too many operations; wait.", retry_after_seconds=math.ceil(wait))

    @staticmethod
    def _leave(counted: Counter[str], key: str) -> None:
        counted[key] -= 1
        if not counted[key]:
            del counted[key]
