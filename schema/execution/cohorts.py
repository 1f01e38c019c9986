"""Results of subscriptions, shared by all subscriptions with the same document, variables and permissions.

Each fact is serialized once for a cohort instead of once for each of its subscriptions. Sharing does not change which
results a subscription gets, or their order: each subscription reads the log at a position of its own.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import msgspec
from graphql import GraphQLError
from strawberry.types import ExecutionResult

from resolvers import events

#: Byte budget of the results that all cohorts of a process cache: about one second of the events of a busy deployment.
MAX_CACHED_BYTES = 8 * 1024 * 1024
#: The memory that a cached result takes, for each byte of its JSON.
MEMORY_PER_JSON_BYTE = 4


class Delivery(ExecutionResult):
    """The result of a subscription for one fact."""

    def __init__(self, sequence: int, data: dict[str, Any] | None, errors: list[GraphQLError] | None) -> None:
        super().__init__(data, errors)
        self._sequence = sequence

    @property
    def cursor(self) -> str:
        """The position of the fact in the log."""
        return events.cursor_of(self._sequence)

    @cached_property
    def encoded(self) -> bytes:
        """The result as JSON."""
        body: dict[str, Any] = {"data": self.data}
        if self.errors:
            body["errors"] = [error.formatted for error in self.errors]
        return msgspec.json.encode(body)


class Cohort:
    """The subscriptions with one document, the same variables and the same permissions."""

    def __init__(self, cohorts: "Cohorts") -> None:
        #: The number of running subscriptions in this cohort.
        self.members = 0
        self._cohorts = cohorts

    def get(self, sequence: int) -> Delivery | None:
        """The cached result for the fact with this sequence number."""
        return self._cohorts.get(self, sequence)

    def put(self, sequence: int, delivery: Delivery) -> None:
        """Cache the result for a fact, unless the cohort has only one member."""
        if self.members > 1:
            self._cohorts.put(self, sequence, delivery)


class Cohorts:
    """The cohorts of one process, and the cache of their results."""

    def __init__(self, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self._max_cached_bytes = max_cached_bytes
        self._cohorts: dict[Hashable, Cohort] = {}
        self._deliveries: OrderedDict[tuple[Cohort, int], Delivery] = OrderedDict()
        #: The memory that the cached results take, as counted.
        self.cached_bytes = 0

    @property
    def members(self) -> int:
        """The number of running subscriptions in all cohorts."""
        return sum(cohort.members for cohort in self._cohorts.values())

    @contextmanager
    def join(self, key: Hashable) -> Iterator[Cohort]:
        """Be a member of the cohort with this key for the duration of the block."""
        cohort = self._cohorts.setdefault(key, Cohort(self))
        cohort.members += 1
        try:
            yield cohort
        finally:
            cohort.members -= 1
            if not cohort.members:
                del self._cohorts[key]

    def get(self, cohort: Cohort, sequence: int) -> Delivery | None:
        return self._deliveries.get((cohort, sequence))

    def put(self, cohort: Cohort, sequence: int, delivery: Delivery) -> None:
        """Cache a result. Results that were cached first are evicted when the byte budget is exceeded."""
        if (cohort, sequence) in self._deliveries:
            return
        self._deliveries[cohort, sequence] = delivery
        self.cached_bytes += _memory(delivery)
        while self.cached_bytes > self._max_cached_bytes:
            _, oldest = self._deliveries.popitem(last=False)
            self.cached_bytes -= _memory(oldest)


def _memory(delivery: Delivery) -> int:
    return MEMORY_PER_JSON_BYTE * len(delivery.encoded)
