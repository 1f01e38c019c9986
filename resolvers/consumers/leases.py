"""Holds: which connection reads for a consumer. One at a time, by a lease that ends by itself."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from resolvers import validation
from resolvers.consumers.consumers import find_consumer, require_kept, starting_position
from resolvers.context import Context
from storage import consumers
from storage.errors import ConsumerBusy, Invalid, Unavailable, quoted
from storage.filters.expressions import Expression
from storage.log.feed import Feed
from storage.log.subscription_index import Waiter
from storage.mongo.clock import boot_seconds as clock
from storage.mongo.cursors import event_sequence
from storage.records import Consumer
from storage.runtime import Storage
from storage.supervisor import spawn
from storage.threads import Work

#: How soon a renewal that the database did not answer is tried again.
RENEW_RETRY_SECONDS = 0.5


class ConsumerLease:
    """A connection's hold on a consumer, which is lost when it is not renewed in time.

    The database lets nobody else in before LEASE_SECONDS have passed since it heard of the last renewal, and here it
    counts as held for as long since that was asked for: so nobody else can have it while it is believed to be held.
    """

    def __init__(self, name: str, position: int) -> None:
        self.name = name
        #: Up to where the log was read: what comes before was sent, or is not for this consumer.
        self.position = position
        #: The last fact that was sent.
        self.sent = position
        #: Waits at the head for a fact that may be for this consumer.
        self.waiter: Waiter | None = None
        self._until = 0.0
        self._lost = False
        self._changed = asyncio.Event()

    def passed(self, feed: Feed) -> int:
        """Up to where the log holds nothing for this consumer that was not sent."""
        if self.waiter is None or self.waiter.woken.done():
            return self.position
        return max(self.position, feed.head)

    def extend(self, asked_at: float) -> None:
        """It was renewed by a request that was sent at that time of the clock."""
        self._until = asked_at + consumers.LEASE_SECONDS
        self._notify()

    def mark_lost(self) -> None:
        self._lost = True
        self._notify()

    async def wait_until_confirmed(self) -> None:
        """Return while it certainly is held; wait while nobody can say. Raises ConsumerBusy when it is lost."""
        while self._lost or clock() >= self._until:
            if self._lost:
                raise ConsumerBusy(
                    "This connection lost the consumer: another connection reads it now, or it was removed."
                )
            await self._changed.wait()

    async def wait_until_lost(self) -> None:
        """Return when it is lost."""
        while not self._lost:
            await self._changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@asynccontextmanager
async def acquire(
    context: Context,
    name: str,
    after: str | None,
    *,
    types: Sequence[str] | None = None,
    where: Expression | None = None,
) -> AsyncIterator[ConsumerLease]:
    """Read for a consumer as the only one, from where it acknowledged, or from `after` or now if it is new.

    `types` and `where` are what is read of the log.
    """
    validation.text(name, "consumer", max_characters=validation.MAX_NAME_CHARACTERS)
    storage, owner = context.storage, context.caller.id
    known = await find_consumer(storage.reader, owner, name)
    new = known is None
    name = validation.name(name, "consumer") if known is None else known.name
    if new:
        start = await starting_position(storage, after)
        begun_after = None if after is None else start
        new = await consumers.create(storage.reader, owner, name, start=start, begun_after=begun_after)
        known = await consumers.find(storage.reader, owner, name)
    if not new and after is not None and (known is None or event_sequence(after) != known.begun_after):
        raise Invalid(
            "This consumer goes on after what it acknowledged: leave `after` out, or give the one that it began with, "
            "or removeConsumer to begin anew.",
            key="after",
        )
    # A connection that ends here, and whose client is back already, is not another one's.
    await context.services.pending_releases.wait_for_pending(owner, name)
    connection_id = secrets.token_hex(12)
    asked_at = clock()
    # Whoever goes away meanwhile may have taken it all the same: what is on a thread is not called back.
    taking = spawn(
        consumers.acquire_lease(storage.reader, owner, name, connection_id=connection_id, types=types, where=where),
        name="take a consumer",
        kind=Work.BACKGROUND,
    )
    renewing: asyncio.Task[None] | None = None
    lease: ConsumerLease | None = None
    try:
        consumer = await asyncio.shield(taking)
        if consumer is None:
            raise ConsumerBusy(f"The consumer {quoted(name)} is being read by another connection.")
        lease = ConsumerLease(name, consumer.acked)
        lease.extend(asked_at)
        renewing = storage.supervisor.supervise(
            "renew a consumer lease", partial(_renew, storage, owner, name, connection_id, lease)
        )
        await require_kept(storage, consumer.acked, consumer=name)
        yield lease
    finally:
        if renewing is not None:
            renewing.cancel()
        release = _release(storage, owner, name, connection_id, taking, lease)
        await asyncio.shield(context.services.pending_releases.start(owner, name, release))


async def _release(
    storage: Storage,
    owner: str,
    name: str,
    connection_id: str,
    taking: "asyncio.Future[Consumer | None]",
    lease: ConsumerLease | None,
) -> None:
    """Give it back, if it was taken; of a database that cannot be told it is free when the lease is over."""
    await asyncio.wait([taking])
    if taking.cancelled() or taking.exception() is not None or taking.result() is not None:
        with contextlib.suppress(Exception):
            sent, passed = (0, 0) if lease is None else (lease.sent, lease.passed(storage.feed))
            await consumers.release_lease(
                storage.reader, owner, name, connection_id=connection_id, sent=sent, passed=passed
            )


async def _renew(storage: Storage, owner: str, name: str, connection_id: str, lease: ConsumerLease) -> None:
    pause = consumers.LEASE_SECONDS / 3
    while True:
        await asyncio.sleep(pause)
        asked_at = clock()
        try:
            held = await consumers.renew_lease(
                storage.reader,
                owner,
                name,
                connection_id=connection_id,
                sent=lease.sent,
                passed=lease.passed(storage.feed),
            )
        except Unavailable:
            pause = RENEW_RETRY_SECONDS
        else:
            pause = consumers.LEASE_SECONDS / 3
            if not held:
                lease.mark_lost()
                return
            lease.extend(asked_at)
