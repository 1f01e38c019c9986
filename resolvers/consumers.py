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
from storage.errors import ConsumerBusy, CursorExpired, Invalid, InvalidCursor, NotFound, Unavailable, shorten
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


#: How soon a renewal that the database did not answer is tried again.
RETRY_SECONDS = 0.5


@query("events:read")
async def list_consumers(context: Context) -> list[ConsumerStatus]:
    """The caller's consumers, by name."""
    head = await context.storage.log.head()
    return [_status(one, head) for one in await consumers.list_of(context.reader, context.caller.id)]


@mutation("events:read", turn="consumer")
async def ack_events(change: Change, *, consumer: str, cursor: str) -> ConsumerStatus:
    """Acknowledge everything up to the cursor. An older cursor than the acknowledged one changes nothing."""
    sequence = event_sequence(cursor, key="cursor")
    storage = change.context.storage
    await _require_reached(storage, sequence, key="cursor")
    acknowledged = await consumers.acknowledge(change.tx, change.caller.id, consumer, sequence)
    return _status(acknowledged, max(storage.feed.head, await storage.log.head()))


@mutation("events:read", turn="consumer")
async def remove_consumer(change: Change, *, consumer: str) -> str:
    """Forget a consumer and its position; its name can begin anew. Refused while a connection reads for it."""
    if await consumers.find(change.tx, change.caller.id, consumer) is None:
        raise NotFound("consumer", consumer, key="consumer")
    if not await consumers.delete(change.tx, change.caller.id, consumer):
        raise ConsumerBusy(f"The consumer {shorten(consumer)} is being read; end that subscription first.")
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
    if after is None:
        return await storage.log.head()
    sequence = await reached_position(storage, after)
    await require_kept(storage, sequence)
    return sequence


async def reached_position(storage: Storage, after: str) -> int:
    """The sequence of a cursor, whether what follows it is still kept or not. Raises InvalidCursor."""
    sequence = event_sequence(after)
    await _require_reached(storage, sequence, key="after")
    return sequence


async def _require_reached(storage: Storage, sequence: int, *, key: str) -> None:
    """Raise InvalidCursor when the log has not come to that fact yet."""
    # The feed's head may be behind, and so may, for a moment after a failover, what a majority is known to hold.
    if sequence > storage.feed.head and sequence > await storage.log.head() and not await storage.log.holds(sequence):
        raise InvalidCursor("This cursor is beyond the end of the log.", key=key)


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
        self._until = 0.0
        self._lost = False
        self._changed = asyncio.Event()

    def extend(self, asked_at: float) -> None:
        """It was renewed by a request that was sent at that time of the loop."""
        self._until = asked_at + consumers.LEASE_SECONDS
        self._notify()

    def lose(self) -> None:
        self._lost = True
        self._notify()

    async def held(self) -> None:
        """Return while it certainly is held; wait while nobody can say. Raises ConsumerBusy when it is lost."""
        while self._lost or asyncio.get_running_loop().time() >= self._until:
            if self._lost:
                raise ConsumerBusy("Another connection has taken this consumer over, or it was removed.")
            await self._changed.wait()

    async def lost(self) -> None:
        """Return when it is lost."""
        while not self._lost:
            await self._changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@asynccontextmanager
async def hold(context: Context, name: str, after: str | None) -> AsyncIterator[Lease]:
    """Read for a consumer as the only one, from where it acknowledged, or from `after` or now if it is new."""
    validation.text(name, "consumer", longest=validation.NAME_CHARACTERS)
    storage, owner = context.storage, context.caller.id
    loop = asyncio.get_running_loop()
    new = await consumers.find(storage.reader, owner, name) is None
    if new:
        start = await starting_position(storage, after)
        new = await consumers.create(storage.reader, owner, name, start=start)
    if not new and after is not None:
        raise Invalid(
            "This consumer goes on after what it acknowledged: leave `after` out, or removeConsumer to begin anew.",
            key="after",
        )
    connection_id = secrets.token_hex(12)
    asked_at = loop.time()
    consumer = await consumers.take(
        storage.reader, owner, name, connection_id=connection_id, process_id=storage.process.id
    )
    if consumer is None:
        raise ConsumerBusy(f"The consumer {shorten(name)} is being read by another connection.")
    lease = Lease(consumer.acked)
    lease.extend(asked_at)
    renewing = asyncio.create_task(_renew(storage, owner, name, connection_id, lease))
    try:
        await require_kept(storage, consumer.acked)
        yield lease
    finally:
        renewing.cancel()
        with contextlib.suppress(Exception):
            await asyncio.shield(consumers.release(storage.reader, owner, name, connection_id=connection_id))


async def _renew(storage: Storage, owner: str, name: str, connection_id: str, lease: Lease) -> None:
    loop = asyncio.get_running_loop()
    pause = consumers.LEASE_SECONDS / 3
    while True:
        await asyncio.sleep(pause)
        asked_at = loop.time()
        try:
            held = await consumers.renew(storage.reader, owner, name, connection_id=connection_id)
        except Unavailable:
            pause = RETRY_SECONDS
        else:
            pause = consumers.LEASE_SECONDS / 3
            if not held:
                lease.lose()
                return
            lease.extend(asked_at)
