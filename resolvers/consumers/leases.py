"""Consumer leases: one connection at a time reads for a consumer. A lease expires unless it is renewed."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from resolvers import validation
from resolvers.acknowledgements import find_consumer
from resolvers.consumers.connection import ConsumerConnection
from resolvers.context import Context
from resolvers.log_positions import require_kept, starting_position
from storage import consumers
from storage.consumer_records import Consumer, ConsumerFilter
from storage.errors import ConsumerBusy, Invalid, Unavailable, quoted
from storage.mongo.clock import boot_seconds as clock
from storage.mongo.cursors import event_sequence
from storage.runtime import Storage
from storage.supervisor import spawn
from storage.threads import Work

#: The consumers that one app or user can have.
MAX_CONSUMERS = 1_000
#: The unacknowledged events that may be sent to one consumer.
MAX_IN_FLIGHT = 10_000
DEFAULT_IN_FLIGHT = 1_000
#: The shortest time between two stores of what a connection has sent, and the delay of the first, which combines the
#: events of a burst.
PROGRESS_SECONDS = 1.0
BURST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease in the database, and the storage of the process that has it."""

    storage: Storage
    connection_id: str


@asynccontextmanager
async def acquire(
    context: Context,
    name: str,
    after: str | None,
    *,
    subscription: ConsumerFilter,
    max_in_flight: int = DEFAULT_IN_FLIGHT,
) -> AsyncIterator[ConsumerConnection]:
    """Lease a consumer until the block ends. Raises ConsumerBusy if another connection has the lease.

    Reading starts after the acknowledged fact. A new consumer starts after `after`, or at the newest fact.
    """
    storage, owner = context.storage, context.caller.identified
    validation.number(max_in_flight, "maxInFlight", minimum=1, maximum=MAX_IN_FLIGHT)
    seconds = storage.database.timings.consumer_lease
    name = await _find_or_create(context, name, after)
    # The previous connection of the same client may still be releasing its lease.
    await context.services.pending_releases.wait_for_pending(context.caller.id, name)
    lease = Lease(storage, secrets.token_hex(12))
    sent_at = clock()
    # A task, because cancelling this call does not stop the request: it may acquire the lease, which is then released.
    acquiring = spawn(
        consumers.acquire_lease(
            storage.reader,
            owner,
            name,
            connection_id=lease.connection_id,
            seconds=seconds,
            subscription=subscription,
        ),
        name="acquire a consumer lease",
        kind=Work.BACKGROUND,
    )
    connection: ConsumerConnection | None = None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lambda: _start_release(context, name, lease, acquiring, connection))
        consumer = await asyncio.shield(acquiring)
        if consumer is None:
            raise ConsumerBusy(f"The consumer {quoted(name)} is being read by another connection.")
        connection = ConsumerConnection(consumer, storage.reader, seconds=seconds, max_in_flight=max_in_flight)
        connection.extend(sent_at)
        renewing = storage.supervisor.supervise("renew a consumer lease", partial(_renew, lease, connection))
        stack.callback(renewing.cancel)
        stack.enter_context(context.services.acknowledgement_hub.register(context.caller.id, name, connection))
        await require_kept(storage, consumer.acked, consumer=name)
        await connection.read_ahead()
        yield connection


async def _find_or_create(context: Context, name: str, after: str | None) -> str:
    """The stored name of the consumer. Raises Invalid if an existing consumer did not start after `after`."""
    storage, owner = context.storage, context.caller.identified
    validation.text(name, "consumer", max_characters=validation.MAX_NAME_CHARACTERS)
    consumer = await find_consumer(storage.reader, context.caller.id, name)
    created = False
    if consumer is None:
        name = validation.name(name, "consumer")
        if await consumers.count(storage.reader, context.caller.id, limit=MAX_CONSUMERS) >= MAX_CONSUMERS:
            raise Invalid(
                f"You have {MAX_CONSUMERS:,} consumers, and can have no more; remove one with removeConsumer.",
                key="consumer",
            )
        start = await starting_position(storage, after)
        begun_after = None if after is None else start
        created = await consumers.create(storage.reader, owner, name, start=start, begun_after=begun_after)
        consumer = await consumers.find(storage.reader, context.caller.id, name)
    if not created and after is not None and (consumer is None or event_sequence(after) != consumer.begun_after):
        raise Invalid(
            "This consumer exists and continues after its acknowledged event; leave `after` out, give the `after` with "
            "which it was created, or call removeConsumer first.",
            key="after",
        )
    return name if consumer is None else consumer.name


async def _start_release(
    context: Context,
    name: str,
    lease: Lease,
    acquiring: "asyncio.Future[Consumer | None]",
    connection: ConsumerConnection | None,
) -> None:
    """Release the lease if it was acquired, also if the caller is cancelled."""
    release = _release(lease, acquiring, connection)
    await asyncio.shield(context.services.pending_releases.start(context.caller.id, name, release))


async def _release(
    lease: Lease, acquiring: "asyncio.Future[Consumer | None]", connection: ConsumerConnection | None
) -> None:
    """Release the lease if it was acquired. If the database does not answer, the lease expires."""
    await asyncio.wait([acquiring])
    with contextlib.suppress(Exception):
        consumer = await acquiring
        if consumer is None:
            return
        reader, connection_id = lease.storage.reader, lease.connection_id
        if connection is None:
            await consumers.release_lease(reader, consumer, connection_id=connection_id)
            return
        await connection.refresh()
        position = connection.acknowledged_to(lease.storage.feed)
        released = await consumers.release_lease(
            reader, consumer, connection_id=connection_id, position=position, sent=connection.sent
        )
        if released:  # otherwise the position is not stored, and the acknowledgements are still needed
            await connection.delete_acknowledgements(position)


async def _renew(lease: Lease, connection: ConsumerConnection) -> None:
    """Renew the lease until it is lost, and store what the connection has sent and what of it is acknowledged."""
    timings = lease.storage.database.timings
    pause, renewed_at = timings.consumer_lease / 3, clock()
    while True:
        await _wait_for_progress(connection, pause, renewed_at)
        connection.progressed.clear()
        renewed_at = clock()
        await connection.refresh()
        position = connection.acknowledged_to(lease.storage.feed)
        sent_at = clock()
        try:
            renewed = await consumers.renew_lease(
                lease.storage.reader,
                connection.consumer,
                connection_id=lease.connection_id,
                seconds=timings.consumer_lease,
                position=position,
                sent=connection.sent,
            )
        except Unavailable:
            pause = timings.consumer_lease_retry
        else:
            pause = timings.consumer_lease / 3
            if not renewed:
                connection.mark_lost()
                return
            connection.extend(sent_at)
            await connection.delete_acknowledgements(position)


async def _wait_for_progress(connection: ConsumerConnection, seconds: float, renewed_at: float) -> None:
    """Wait for something to store, at least PROGRESS_SECONDS after the last renewal, but no longer than `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await connection.progressed.wait()
            await asyncio.sleep(max(BURST_SECONDS, renewed_at + PROGRESS_SECONDS - clock()))
