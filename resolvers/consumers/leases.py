"""Consumer leases: one connection at a time reads for a consumer. A lease expires unless it is renewed."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from resolvers import validation
from resolvers.acknowledgements import find_consumer
from resolvers.context import Context
from resolvers.log_positions import require_kept, starting_position
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


@dataclass(frozen=True, slots=True)
class LeaseId:
    """The keys of a lease in the database."""

    owner: str
    name: str
    connection_id: str


class ConsumerLease:
    """A connection's lease of a consumer. It is lost if it is not renewed within `seconds`.

    The database counts the seconds from the time at which it received a renewal, and this class from the time at
    which the renewal was sent. So no other connection has the lease while this one counts as confirmed.
    """

    def __init__(self, name: str, position: int, seconds: float) -> None:
        self.name = name
        self._seconds = seconds
        #: The last sequence that was read. Facts up to it were sent, or do not match.
        self.position = position
        #: The sequence of the last fact that was sent.
        self.sent = position
        #: Waits for the next fact that may match. None: the connection is reading.
        self.waiter: Waiter | None = None
        self._until = 0.0
        self._lost = False
        self._changed = asyncio.Event()

    def passed(self, feed: Feed) -> int:
        """The sequence up to which every matching fact was sent."""
        if self.waiter is None or self.waiter.woken.done():
            return self.position
        return max(self.position, feed.head)

    def extend(self, sent_at: float) -> None:
        """Record a renewal whose request was sent at this time of the clock."""
        self._until = sent_at + self._seconds
        self._notify()

    def mark_lost(self) -> None:
        self._lost = True
        self._notify()

    async def wait_until_confirmed(self) -> None:
        """Return if the lease is confirmed, and otherwise wait for a renewal. Raises ConsumerBusy if it is lost."""
        while self._lost or clock() >= self._until:
            if self._lost:
                raise ConsumerBusy(
                    "This connection lost the consumer: another connection reads it now, or it was removed."
                )
            await self._changed.wait()

    async def wait_until_lost(self) -> None:
        """Return when the lease is lost."""
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
    """Lease a consumer until the block ends. Raises ConsumerBusy if another connection has the lease.

    Reading starts after the acknowledged fact. A new consumer starts after `after`, or at the newest fact. `types` and
    `where` are stored as the arguments of the consumer's last subscription.
    """
    storage, owner = context.storage, context.caller.id
    seconds = storage.database.timings.consumer_lease
    name = await _find_or_create(storage, owner, name, after)
    # The previous connection of the same client may still be releasing its lease.
    await context.services.pending_releases.wait_for_pending(owner, name)
    lease_id = LeaseId(owner, name, secrets.token_hex(12))
    sent_at = clock()
    # A task, because cancelling this call does not stop the request: it may acquire the lease, which is then released.
    acquiring = spawn(
        consumers.acquire_lease(
            storage.reader,
            owner,
            name,
            connection_id=lease_id.connection_id,
            seconds=seconds,
            types=types,
            where=where,
        ),
        name="acquire a consumer lease",
        kind=Work.BACKGROUND,
    )
    renewing: asyncio.Task[None] | None = None
    lease: ConsumerLease | None = None
    try:
        consumer = await asyncio.shield(acquiring)
        if consumer is None:
            raise ConsumerBusy(f"The consumer {quoted(name)} is being read by another connection.")
        lease = ConsumerLease(name, consumer.acked, seconds)
        lease.extend(sent_at)
        renewing = storage.supervisor.supervise("renew a consumer lease", partial(_renew, storage, lease_id, lease))
        await require_kept(storage, consumer.acked, consumer=name)
        yield lease
    finally:
        if renewing is not None:
            renewing.cancel()
        release = _release(storage, lease_id, acquiring, lease)
        await asyncio.shield(context.services.pending_releases.start(owner, name, release))


async def _find_or_create(storage: Storage, owner: str, name: str, after: str | None) -> str:
    """The stored name of the consumer. Raises Invalid if an existing consumer did not start after `after`."""
    validation.text(name, "consumer", max_characters=validation.MAX_NAME_CHARACTERS)
    consumer = await find_consumer(storage.reader, owner, name)
    created = False
    if consumer is None:
        name = validation.name(name, "consumer")
        start = await starting_position(storage, after)
        begun_after = None if after is None else start
        created = await consumers.create(storage.reader, owner, name, start=start, begun_after=begun_after)
        consumer = await consumers.find(storage.reader, owner, name)
    if not created and after is not None and (consumer is None or event_sequence(after) != consumer.begun_after):
        raise Invalid(
            "This consumer exists and continues after its acknowledged event; leave `after` out, give the `after` with "
            "which it was created, or call removeConsumer first.",
            key="after",
        )
    return name if consumer is None else consumer.name


async def _release(
    storage: Storage, lease_id: LeaseId, acquiring: "asyncio.Future[Consumer | None]", lease: ConsumerLease | None
) -> None:
    """Release the lease if it was acquired. If the database does not answer, the lease expires."""
    await asyncio.wait([acquiring])
    if acquiring.cancelled() or acquiring.exception() is not None or acquiring.result() is not None:
        with contextlib.suppress(Exception):
            sent, passed = (0, 0) if lease is None else (lease.sent, lease.passed(storage.feed))
            await consumers.release_lease(
                storage.reader,
                lease_id.owner,
                lease_id.name,
                connection_id=lease_id.connection_id,
                sent=sent,
                passed=passed,
            )


async def _renew(storage: Storage, lease_id: LeaseId, lease: ConsumerLease) -> None:
    """Renew the lease until it is lost."""
    timings = storage.database.timings
    pause = timings.consumer_lease / 3
    while True:
        await asyncio.sleep(pause)
        sent_at = clock()
        try:
            renewed = await consumers.renew_lease(
                storage.reader,
                lease_id.owner,
                lease_id.name,
                connection_id=lease_id.connection_id,
                seconds=timings.consumer_lease,
                sent=lease.sent,
                passed=lease.passed(storage.feed),
            )
        except Unavailable:
            pause = timings.consumer_lease_retry
        else:
            pause = timings.consumer_lease / 3
            if not renewed:
                lease.mark_lost()
                return
            lease.extend(sent_at)
