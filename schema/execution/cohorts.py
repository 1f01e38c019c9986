"""Results of subscriptions, shared by all subscriptions with the same document, variables and permissions.

Each result is serialized once for a cohort instead of once for each of its subscriptions. Sharing does not change which
results a subscription gets, or their order: each subscription reads the log at a position of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import msgspec
from graphql import GraphQLError
from strawberry.types import ExecutionResult

from storage.supervisor import spawn

#: Byte budget of the results that all cohorts of a process cache: about one second of the events of a busy deployment.
MAX_CACHED_BYTES = 8 * 1024 * 1024
#: Byte budget of the batches of results that all cohorts cache for subscriptions behind the end of the log.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: About the bytes of a cached batch without its frames. A batch may have no results.
BATCH_OVERHEAD = 512
#: The memory that a cached result takes, for each byte of its JSON.
MEMORY_PER_JSON_BYTE = 4


class Source(Protocol):
    """An item that the resolver of a subscription yields. Each source has one result."""

    @property
    def key(self) -> int | bytes:
        """Identifies the source among those of a cohort."""

    @property
    def cursor(self) -> str | None:
        """The cursor after which a client resumes that has received the result. None if it cannot resume."""

    @property
    def message_id(self) -> str | None:
        """The stored id of the message whose content the source has. None if it has no message."""

    def root(self) -> object:
        """The value of the subscription field."""


class Delivery(ExecutionResult):
    """The result of a subscription for one source. It does not refer to the source, whose memory is not counted."""

    def __init__(self, source: Source, data: dict[str, Any] | None, errors: list[GraphQLError] | None) -> None:
        super().__init__(data, errors)
        #: The cursor after which a client resumes that has received the result. None if it cannot resume.
        self.cursor = source.cursor
        #: The stored id of the message whose content the result may have. None if it has no message.
        self.message_id = source.message_id
        #: The last message of a transport with this result, and what precedes the result in it. Clients that use the
        #: same ids share it.
        self.framed: tuple[bytes, bytes] | None = None
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The result as JSON."""
        if self._encoded is None:
            body: dict[str, Any] = {"data": self.data}
            if self.errors:
                body["errors"] = [error.formatted for error in self.errors]
            self._encoded = msgspec.json.encode(body)
        return self._encoded


class Cohort:
    """The subscriptions with one document, the same variables and the same permissions.

    They share results, including values that fields read from the database. So the value of a field below a
    subscription may depend on the caller's permissions only. If it depends on the caller otherwise (a field declared
    with `per_caller`), the members have the same caller.
    """

    def __init__(self, cohorts: "Cohorts", key: Hashable = None) -> None:
        self._key = key
        #: The number of running subscriptions in this cohort.
        self.members = 0
        self._cohorts = cohorts
        self.deliveries = cohorts.deliveries
        #: Whether the last result could not be made from its source alone: fields were read live, or it has errors.
        #: None before the first result.
        self.reads_live: bool | None = None
        #: The groups of pushed members (events/live_groups.py), by the hashable part of their filters.
        self.groups: dict[Hashable, list[Any]] = {}
        #: The tasks that will make a result, by the key of its source. A task that has started is absent.
        self._starting: dict[Hashable, asyncio.Task[Delivery]] = {}

    def get(self, key: Hashable) -> Delivery | None:
        """The cached result for the source with this key."""
        return self._cohorts.get(self, key)

    def put(self, key: Hashable, delivery: Delivery) -> None:
        """Cache the result for a source, unless the cohort has only one member."""
        if self.members > 1:
            self._cohorts.put(self, key, delivery)

    def get_batch(self, key: Hashable) -> "Batch | None":
        """The cached batch with this key."""
        return self._cohorts.get_batch(key)

    def put_batch(self, key: Hashable, batch: "Batch") -> None:
        """Cache a batch, unless the cohort has only one member."""
        if self.members > 1:
            self._cohorts.put_batch(key, batch)

    def leave(self) -> None:
        """Remove one member."""
        self._cohorts.leave(self, self._key)

    async def make_together(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, Delivery]]) -> Delivery:
        """The result for a source, made once for all members that call this in one pass of the event loop.

        Members that call later get another result, so that all values of a result are read after the call.
        """
        task = self._starting.get(key)
        if task is None:

            async def start() -> Delivery:
                del self._starting[key]
                return await make()

            task = self._starting[key] = spawn(start(), name="make the result of a subscription for a cohort")
        return await asyncio.shield(task)


class DeliveryCount:
    """The results that subscriptions of a process were given."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Batch(NamedTuple):
    """The results of consecutive sources, as frames."""

    frames: bytes
    #: The number of results.
    results: int
    #: The position of the last source.
    position: int


class Cohorts:
    """The cohorts of one process, and the cache of their results."""

    def __init__(self, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self._batches: OrderedDict[Hashable, Batch] = OrderedDict()
        self._batch_bytes = 0
        self._max_cached_bytes = max_cached_bytes
        self._cohorts: dict[Hashable, Cohort] = {}
        self._deliveries: OrderedDict[tuple[Cohort, Hashable], Delivery] = OrderedDict()
        #: The estimated memory of the cached results.
        self.cached_bytes = 0
        self.deliveries = DeliveryCount()

    @property
    def count(self) -> int:
        """The number of cohorts."""
        return len(self._cohorts)

    @property
    def cached_results(self) -> int:
        return len(self._deliveries)

    @property
    def members(self) -> int:
        """The number of running subscriptions in all cohorts."""
        return sum(cohort.members for cohort in self._cohorts.values())

    @contextmanager
    def join(self, key: Hashable) -> Iterator[Cohort]:
        """Add a member to the cohort with this key for the duration of the block."""
        cohort = self.enter(key)
        try:
            yield cohort
        finally:
            self.leave(cohort, key)

    def enter(self, key: Hashable) -> Cohort:
        """Add a member to the cohort with this key, until `leave`."""
        cohort = self._cohorts.get(key)
        if cohort is None:
            cohort = self._cohorts[key] = Cohort(self, key)
        cohort.members += 1
        return cohort

    def leave(self, cohort: Cohort, key: Hashable) -> None:
        """Remove a member from the cohort with this key."""
        cohort.members -= 1
        if not cohort.members:
            self._cohorts.pop(key, None)

    def get(self, cohort: Cohort, key: Hashable) -> Delivery | None:
        return self._deliveries.get((cohort, key))

    def put(self, cohort: Cohort, key: Hashable, delivery: Delivery) -> None:
        """Cache a result. Results that were cached first are evicted when the byte budget is exceeded."""
        if (cohort, key) in self._deliveries:
            return
        self._deliveries[cohort, key] = delivery
        self.cached_bytes += _memory(delivery)
        while self.cached_bytes > self._max_cached_bytes:
            _, oldest = self._deliveries.popitem(last=False)
            self.cached_bytes -= _memory(oldest)

    def get_batch(self, key: Hashable) -> Batch | None:
        return self._batches.get(key)

    def put_batch(self, key: Hashable, batch: Batch) -> None:
        """Cache a batch. Batches that were cached first are evicted when the byte budget is exceeded."""
        if key in self._batches:
            return
        self._batches[key] = batch
        self._batch_bytes += BATCH_OVERHEAD + len(batch.frames)
        while self._batch_bytes > MAX_BATCH_BYTES:
            _, oldest = self._batches.popitem(last=False)
            self._batch_bytes -= BATCH_OVERHEAD + len(oldest.frames)

    def _drop_batches(self) -> None:
        self._batches.clear()
        self._batch_bytes = 0

    def drop_messages(self, ids: Collection[str]) -> None:
        """Drop the results that may contain these messages."""
        self._drop_batches()
        for key in [key for key, delivery in self._deliveries.items() if delivery.message_id in ids]:
            self.cached_bytes -= _memory(self._deliveries.pop(key))

    def drop_all(self) -> None:
        """Drop all results."""
        self._drop_batches()
        self._deliveries.clear()
        self.cached_bytes = 0


def _memory(delivery: Delivery) -> int:
    return MEMORY_PER_JSON_BYTE * len(delivery.encoded)
