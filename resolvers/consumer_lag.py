"""The lag of a consumer: the number of matching events that it has not acknowledged."""

from resolvers.auth import access
from resolvers.consumers.consumers import ConsumerStatus
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.event_filters import compile_filter, readable_types
from resolvers.events import BATCH, MAX_SCANNED_FACTS
from resolvers.operations import query
from storage.errors import Invalid
from storage.facts import FACTS
from storage.filters.expressions import EVERYTHING
from storage.mongo.cursors import event_sequence
from storage.records import FieldTarget

#: The limit of the count.
MAX_COUNT = 1_000_000


@query("events:read")
async def count(context: Context, consumer: ConsumerStatus) -> int:
    """The number of events after the acknowledged one that match the consumer's last subscription.

    Exact for the first MAX_SCANNED_FACTS events. Later events are counted by type alone. If the filter names a custom
    field that was removed, all events are counted by type alone.
    """
    log = context.storage.log
    acked = event_sequence(consumer.acked_cursor)
    wanted = readable_types(context.caller, consumer.types)
    types = None if wanted >= FACTS.keys() else sorted(wanted)
    of_types = log.query(types, None)
    by_type = access.visible_rooms(context.caller) == EVERYTHING
    where = consumer.where
    try:
        where = None if where is None else await bind(context.reader, FieldTarget.ROOM, where)
    except Invalid:
        where, by_type = None, True
    counted = 0
    if where is not None or not by_type:
        passes = compile_filter(context.caller, wanted, where)
        scanned = 0
        while scanned < MAX_SCANNED_FACTS:
            facts = await log.read(acked, BATCH, query=of_types)
            counted += sum(passes(fact) for fact in facts)
            if len(facts) < BATCH:
                return counted
            scanned += len(facts)
            acked = facts[-1].sequence
    return counted + await log.count({**of_types, "_id": {"$gt": acked}}, MAX_COUNT)
