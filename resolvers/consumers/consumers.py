"""Consumers: stored positions of an app in the event log. leases.py has their leases."""

from datetime import datetime

from resolvers import names
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import consumers
from storage.errors import ConsumerBusy, CursorExpired, InvalidCursor, NotFound, quoted
from storage.filters.expressions import Expression
from storage.mongo.cursors import event_cursor, event_sequence
from storage.mongo.reader import Reader
from storage.records import Consumer, Record
from storage.runtime import Storage


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
async def ack_events(change: MutationContext, *, consumer: str, cursor: str) -> ConsumerStatus:
    """Acknowledge all events up to the cursor. A cursor before the acknowledged one changes nothing."""
    sequence = event_sequence(cursor, key="cursor")
    storage = change.context.storage
    await require_existing(storage, sequence, key="cursor")
    stored = await _get(change, consumer)
    acknowledged = await consumers.acknowledge(change.tx, change.caller.id, stored.name, sequence)
    return _status(acknowledged, storage.database.now())


@mutation("events:read", lock=("consumer", "consumer"))
async def remove_consumer(change: MutationContext, *, consumer: str) -> str:
    """Delete a consumer and its position. Raises ConsumerBusy while a connection reads for it."""
    stored = await _get(change, consumer)
    if not await consumers.delete(change.tx, change.caller.id, stored.name):
        raise ConsumerBusy(
            f"The consumer {quoted(consumer)} is being read by a connection; end its subscription first."
        )
    return stored.name


async def find_consumer(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    """Find a consumer by owner and name, in every Unicode normalization form of the name."""
    for form in names.forms(name):
        if (consumer := await consumers.find(reader, owner_id, form)) is not None:
            return consumer
    return None


async def _get(change: MutationContext, name: str) -> Consumer:
    consumer = await find_consumer(change.tx, change.caller.id, name)
    if consumer is None:
        raise NotFound("consumer", name, key="consumer")
    return consumer


def _status(consumer: Consumer, now: datetime) -> ConsumerStatus:
    return ConsumerStatus(
        name=consumer.name,
        acked_cursor=event_cursor(consumer.acked),
        connected=consumers.is_leased(consumer, now),
        last_seen_at=consumer.last_seen_at,
        types=consumer.types,
        where=consumer.where,
    )


# ---------------------------------------------------------------- positions


async def starting_position(storage: Storage, after: str | None) -> int:
    """The sequence of the cursor, or of the newest fact. Raises InvalidCursor or CursorExpired."""
    if after is None:
        return await storage.log.head()
    sequence = await existing_position(storage, after)
    await require_kept(storage, sequence)
    return sequence


async def existing_position(storage: Storage, cursor: str, *, key: str = "after") -> int:
    """The sequence of a cursor, even if the facts after it are trimmed. Raises InvalidCursor."""
    sequence = event_sequence(cursor, key=key)
    await require_existing(storage, sequence, key=key)
    return sequence


async def require_existing(storage: Storage, sequence: int, *, key: str) -> None:
    """Raise InvalidCursor if the log has no fact with this sequence yet."""
    # The feed's head may be outdated. So may be the head of the log, shortly after a failover.
    if (
        sequence > storage.feed.head
        and sequence > await storage.log.head()
        and not await storage.log.contains(sequence)
    ):
        raise InvalidCursor("This cursor is beyond the end of the log.", key=key)


async def require_kept(storage: Storage, sequence: int, *, consumer: str | None = None) -> None:
    """Raise CursorExpired if facts after this sequence were trimmed. `consumer` is named in the error."""
    oldest = await storage.log.oldest()
    if sequence < oldest - 1:
        raise CursorExpired(oldest_cursor=event_cursor(oldest - 1), consumer=consumer)
