"""Consumers: named positions in the log, kept for an app. Who reads for one at a time is in leases.py."""

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
    """How far a consumer has come, and whether somebody reads for it."""

    name: str
    acked_cursor: str
    connected: bool
    last_seen_at: datetime | None
    #: What its last subscription asked for: tags of facts (None: all), about rooms that match.
    types: tuple[str, ...] | None = None
    where: Expression | None = None


@query("events:read")
async def list_consumers(context: Context) -> list[ConsumerStatus]:
    """The caller's consumers, by name."""
    moment = context.storage.database.now()
    return [_status(one, moment) for one in await consumers.list_by_owner(context.reader, context.caller.id)]


@mutation("events:read", lock=("consumer", "consumer"))
async def ack_events(change: MutationContext, *, consumer: str, cursor: str) -> ConsumerStatus:
    """Acknowledge everything up to the cursor. An older cursor than the acknowledged one changes nothing."""
    sequence = event_sequence(cursor, key="cursor")
    storage = change.context.storage
    await _require_existing(storage, sequence, key="cursor")
    known = await _get(change, consumer)
    acknowledged = await consumers.acknowledge(change.tx, change.caller.id, known.name, sequence)
    return _status(acknowledged, storage.database.now())


@mutation("events:read", lock=("consumer", "consumer"))
async def remove_consumer(change: MutationContext, *, consumer: str) -> str:
    """Forget a consumer and its position; its name can begin anew. Refused while a connection reads for it."""
    known = await _get(change, consumer)
    if not await consumers.delete(change.tx, change.caller.id, known.name):
        raise ConsumerBusy(f"The consumer {quoted(consumer)} is being read; end that subscription first.")
    return known.name


async def find_consumer(reader: Reader, owner_id: str, name: str) -> Consumer | None:
    """The owner's consumer of that name, in whatever form of Unicode it is given."""
    for form in names.forms(name):
        if (consumer := await consumers.find(reader, owner_id, form)) is not None:
            return consumer
    return None


async def _get(change: MutationContext, name: str) -> Consumer:
    consumer = await find_consumer(change.tx, change.caller.id, name)
    if consumer is None:
        raise NotFound("consumer", name, key="consumer")
    return consumer


def _status(consumer: Consumer, moment: datetime) -> ConsumerStatus:
    return ConsumerStatus(
        name=consumer.name,
        acked_cursor=event_cursor(consumer.acked),
        connected=consumers.is_leased(consumer, moment),
        last_seen_at=consumer.last_seen_at,
        types=consumer.types,
        where=consumer.where,
    )


# ---------------------------------------------------------------- positions


async def starting_position(storage: Storage, after: str | None) -> int:
    """The sequence to go on after: the cursor's, or the head. Raises InvalidCursor or CursorExpired."""
    if after is None:
        return await storage.log.head()
    sequence = await existing_position(storage, after)
    await require_kept(storage, sequence)
    return sequence


async def existing_position(storage: Storage, after: str) -> int:
    """The sequence of a cursor, whether what follows it is still kept or not. Raises InvalidCursor."""
    sequence = event_sequence(after)
    await _require_existing(storage, sequence, key="after")
    return sequence


async def _require_existing(storage: Storage, sequence: int, *, key: str) -> None:
    """Raise InvalidCursor when the log has not come to that fact yet."""
    # The feed's head may be behind, and so may, for a moment after a failover, what a majority is known to hold.
    if (
        sequence > storage.feed.head
        and sequence > await storage.log.head()
        and not await storage.log.contains(sequence)
    ):
        raise InvalidCursor("This cursor is beyond the end of the log.", key=key)


async def require_kept(storage: Storage, sequence: int, *, consumer: str | None = None) -> None:
    """Raise CursorExpired unless everything after this sequence, which may be a consumer's, is still kept."""
    oldest = await storage.log.oldest()
    if sequence < oldest - 1:
        raise CursorExpired(oldest_cursor=event_cursor(oldest - 1), consumer=consumer)
