"""Consumers: stored positions of an app in the event log. leases.py has their leases."""

from datetime import datetime

from resolvers.acknowledgements import event_of, get_consumer
from resolvers.context import Context
from resolvers.log_positions import existing_position
from resolvers.operations import MutationContext, mutation, query
from storage import acknowledgements, consumers
from storage.errors import ConsumerBusy, quoted
from storage.filters.expressions import Expression
from storage.mongo.cursors import event_cursor
from storage.records import Consumer, Record


class ConsumerStatus(Record, frozen=True, kw_only=True):
    """The position of a consumer, and whether a connection reads for it."""

    name: str
    acked_cursor: str
    connected: bool
    last_seen_at: datetime | None
    #: The arguments of its last subscription: tags of facts (None: all) and the filter for rooms.
    types: tuple[str, ...] | None = None
    where: Expression | None = None


@query("events:read")
async def list_consumers(context: Context) -> list[ConsumerStatus]:
    """The caller's consumers, by name."""
    now = context.storage.database.now()
    return [_status(consumer, now) for consumer in await consumers.list_by_owner(context.reader, context.caller.id)]


@mutation("events:read", lock=("consumer", "consumer"))
async def ack_events(change: MutationContext, *, consumer: str, cursor: str, only: bool = False) -> ConsumerStatus:
    """Acknowledge all events up to the cursor, or `only` its event. Events that are acknowledged already do not change.

    The position of the consumer moves over single events when a connection reads for it.
    """
    storage = change.context.storage
    if only:
        sequence = await event_of(change.context, cursor, key="cursor")
        stored = await get_consumer(change.tx, change.caller.id, consumer, key="consumer")
        if not await acknowledgements.is_acknowledged(change.tx, stored, sequence):
            acknowledgements.insert(change.tx, stored, sequence)
    else:
        sequence = await existing_position(storage, cursor, key="cursor")
        stored = await get_consumer(change.tx, change.caller.id, consumer, key="consumer")
        stored = await consumers.acknowledge(change.tx, change.caller.id, stored.name, sequence)
    return _status(stored, storage.database.now())


@mutation("events:read", lock=("consumer", "consumer"))
async def remove_consumer(change: MutationContext, *, consumer: str) -> str:
    """Delete a consumer and its position. Raises ConsumerBusy while a connection reads for it."""
    stored = await get_consumer(change.tx, change.caller.id, consumer, key="consumer")
    if not await consumers.delete(change.tx, change.caller.id, stored.name):
        raise ConsumerBusy(
            f"The consumer {quoted(consumer)} is being read by a connection; end its subscription first."
        )
    return stored.name


def _status(consumer: Consumer, now: datetime) -> ConsumerStatus:
    return ConsumerStatus(
        name=consumer.name,
        acked_cursor=event_cursor(consumer.acked),
        connected=consumers.is_leased(consumer, now),
        last_seen_at=consumer.last_seen_at,
        types=consumer.types,
        where=consumer.where,
    )
