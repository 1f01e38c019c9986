"""The lag of consumers: how many events each has not acknowledged, and how many of them were sent."""

import asyncio
from dataclasses import dataclass, field

from resolvers.consumers.consumers import ConsumerStatus
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.event_filters import Predicate, compile_fact_test
from resolvers.events import BATCH, MAX_SCANNED_FACTS
from resolvers.operations import query
from storage import acknowledgements, consumers
from storage.acknowledgements import MAX_SEQUENCE
from storage.consumer_records import Consumer
from storage.errors import Invalid
from storage.facts import FACTS
from storage.filters.expressions import EVERYTHING
from storage.mongo.cursors import event_sequence
from storage.records import FieldTarget

#: The limit of the count.
MAX_COUNT = 1_000_000
#: The acknowledgements of single events that a count reads.
MAX_ACKNOWLEDGEMENTS = 10_000


@dataclass(frozen=True, slots=True)
class Lag:
    """The events for a consumer that are not acknowledged."""

    total: int
    #: Those of them that were sent.
    in_flight: int


@dataclass(slots=True)
class ScanBudget:
    """The facts that the lags of one operation may still scan."""

    facts: int = MAX_SCANNED_FACTS
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@query("events:read")
async def count(context: Context, consumer: ConsumerStatus, budget: ScanBudget | None = None) -> Lag:
    """The events after the acknowledged one that match the consumer's last subscription.

    Exact while the budget lasts. Later events are counted by type alone. If the filter names a custom field that was
    removed, all events are counted by type alone.
    """
    budget = budget or ScanBudget()
    async with budget.lock:  # one consumer after the other: each reads many facts
        return await _count(context, consumer, budget)


async def _count(context: Context, consumer: ConsumerStatus, budget: ScanBudget) -> Lag:
    log, position = context.storage.log, event_sequence(consumer.acked_cursor)
    wanted = FACTS.keys() if consumer.types is None else frozenset(consumer.types) & FACTS.keys()
    of_types = log.query(None if wanted >= FACTS.keys() else sorted(wanted), None)
    stored = Consumer(
        name=consumer.name, owner_id=consumer.owner.id or "", generation=consumer.generation, acked=position
    )
    singly = await acknowledgements.list_after(context.reader, stored, position, limit=MAX_ACKNOWLEDGEMENTS)
    # A connection that has moved the position since then may have deleted acknowledgements before they were read.
    position = max(position, await consumers.read_position(context.reader, stored))
    acknowledged = frozenset(singly)
    test = await _test(context, consumer, frozenset(wanted))
    total = in_flight = 0
    while test is not None and budget.facts > 0:
        facts = await log.read(position, BATCH, query=of_types)
        budget.facts -= len(facts)
        pending = [fact.sequence for fact in facts if fact.sequence not in acknowledged and test(fact)]
        total += len(pending)
        in_flight += sum(sequence <= consumer.sent for sequence in pending)
        if len(facts) < BATCH:
            return Lag(total, in_flight)
        position = facts[-1].sequence

    async def count_to(last: int) -> int:
        """The number of events after the position that are not acknowledged, by type alone."""
        within = [sequence for sequence in singly if position < sequence <= last]
        count = await log.count({**of_types, "_id": {"$gt": position, "$lte": last}}, MAX_COUNT)
        return count - (await log.count({**of_types, "_id": {"$in": within}}, MAX_COUNT) if within else 0)

    total += await count_to(MAX_SEQUENCE)
    in_flight += await count_to(consumer.sent) if consumer.sent > position else 0
    return Lag(total, in_flight)


async def _test(context: Context, consumer: ConsumerStatus, wanted: frozenset[str]) -> Predicate | None:
    """A test whether a fact of the types is for the consumer.

    None if all are, and if its filter names a custom field that was removed.
    """
    if consumer.where is None and consumer.visible is None and not consumer.not_by_owner:
        return None
    try:
        where = None if consumer.where is None else await bind(context.reader, FieldTarget.ROOM, consumer.where)
    except Invalid:
        return None
    not_by = consumer.owner.id if consumer.not_by_owner else None
    return compile_fact_test(wanted, where, visible=consumer.visible or EVERYTHING, not_by=not_by)
