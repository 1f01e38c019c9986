"""Consumers: named positions in the log, kept for an app, and the lease by which one connection at a time reads."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from resolvers import validation
from resolvers.context import Context
from resolvers.operations import Change, mutation, query
from storage import consumers
from storage.database import now
from storage.errors import ConsumerBusy, CursorExpired, Invalid, InvalidCursor, shorten
from storage.positions import event_cursor, event_sequence
from storage.records import Consumer, Record
from storage.storage import Storage


class ConsumerStatus(Record, frozen=True, kw_only=True):
    """How far a consumer has come, and whether somebody reads for it."""

    name: str
    acked_cursor: str
    #: How many facts of any kind the log holds after the acknowledged one.
    lag: int
    connected: bool
    last_seen_at: datetime | None


@query("events:read")
async def list_consumers(context: Context) -> list[ConsumerStatus]:
    """The caller's consumers, by name."""
    head = await context.storage.log.head()
    return [_status(one, head) for one in await consumers.list_of(context.reader, context.caller.id)]


@mutation("events:read", turn="consumer")
async def ack_events(change: Change, *, consumer: str, cursor: str) -> ConsumerStatus:
    """Acknowledge everything up to the cursor. An older cursor than the acknowledged one changes nothing."""
    sequence = event_sequence(cursor, key="cursor")
    head = await change.context.storage.log.head()
    if sequence > head:
        raise InvalidCursor("This cursor is beyond the end of the log.", key="cursor")
    acknowledged = await consumers.acknowledge(change.tx, change.caller.id, consumer, sequence)
    return _status(acknowledged, head)


@mutation("events:read", turn="consumer")
async def remove_consumer(change: Change, *, consumer: str) -> str:
    """Forget a consumer and its position; its name can begin anew. Refused while a connection reads for it."""
    known = await consumers.find(change.tx, change.caller.id, consumer)
    if known is not None and consumers.is_held(known, now()):
        raise ConsumerBusy(f"The consumer {shorten(consumer)} is being read; end that subscription first.")
    await consumers.delete(change.tx, change.caller.id, consumer)
    return consumer


def _status(consumer: Consumer, head: int) -> ConsumerStatus:
    return ConsumerStatus(
        name=consumer.name,
        acked_cursor=event_cursor(consumer.acked),
        lag=max(head - consumer.acked, 0),
        connected=consumers.is_held(consumer, now()),
        last_seen_at=consumer.last_seen_at,
    )


# ---------------------------------------------------------------- positions


async def starting_position(storage: Storage, after: str | None) -> int:
    """The sequence to go on after: the cursor's, or the head. Raises InvalidCursor or CursorExpired."""
    head = await storage.log.head()
    if after is None:
        return head
    sequence = event_sequence(after)
    if sequence > head:
        raise InvalidCursor("This cursor is beyond the end of the log.")
    await require_kept(storage, sequence)
    return sequence


async def require_kept(storage: Storage, sequence: int) -> None:
    """Raise CursorExpired unless everything after this sequence is still kept."""
    oldest = await storage.log.oldest()
    if sequence < oldest - 1:
        raise CursorExpired(oldest_cursor=event_cursor(oldest - 1))


class Lease:
    """A connection's hold on a consumer, which is lost when it is not renewed in time."""

    def __init__(self, position: int) -> None:
        #: Where to go on reading.
        self.position = position
        self._lost = False

    def lose(self) -> None:
        self._lost = True

    def require(self) -> None:
        """Raise ConsumerBusy when somebody else reads for the consumer by now."""
        if self._lost:
            raise ConsumerBusy("Another connection has taken this consumer over, or it was removed.")


@asynccontextmanager
async def hold(context: Context, name: str, after: str | None) -> AsyncIterator[Lease]:
    """Read for a consumer as the only one, from where it acknowledged, or from `after` or now if it is new."""
    validation.text(name, "consumer", longest=validation.NAME_CHARACTERS)
    storage, owner = context.storage, context.caller.id
    known = await consumers.find(storage.reader, owner, name)
    if known is not None and after is not None:
        raise Invalid(
            "This consumer goes on after what it acknowledged: leave `after` out, or removeConsumer to begin anew.",
            key="after",
        )
    start = await starting_position(storage, after) if known is None else known.acked
    connection_id = secrets.token_hex(12)
    consumer = await consumers.take(storage.reader, owner, name, connection_id=connection_id, start=start)
    lease = Lease(consumer.acked)
    renewing = asyncio.create_task(_renew(storage, owner, name, connection_id, lease))
    try:
        await require_kept(storage, consumer.acked)
        yield lease
    finally:
        renewing.cancel()
        with contextlib.suppress(Exception):
            await asyncio.shield(consumers.release(storage.reader, owner, name, connection_id=connection_id))


async def _renew(storage: Storage, owner: str, name: str, connection_id: str, lease: Lease) -> None:
    while True:
        await asyncio.sleep(consumers.LEASE_SECONDS / 3)
        with contextlib.suppress(ConnectionError):
            if not await consumers.renew(storage.reader, owner, name, connection_id=connection_id):
                lease.lose()
                return
