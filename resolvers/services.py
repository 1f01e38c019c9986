"""The composition of a process: its storage, and the work that goes on beside its operations."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from resolvers.auth.login_throttle import LoginThrottle
from resolvers.context import RoutingSettings, Services
from resolvers.presence import POLL_SECONDS, PresenceEnds
from resolvers.routing.departures import Departures
from resolvers.routing.queue import RoutingQueue
from storage import maintenance
from storage.facts import CustomFieldRemoved, CustomFieldUpdated, Fact
from storage.runtime import Storage
from storage.transactions import leases

#: How often somebody looks for facts to forget and values to free.
MAINTENANCE_SECONDS = 60.0
#: The least pause where facts are kept for less than that.
LEAST_MAINTENANCE_SECONDS = 1.0
#: Work found is gone on with after this pause, which leaves the database to everybody else.
BATCH_PAUSE_SECONDS = 0.05
#: How long others leave the work to whoever does it, without a sign of life.
LEASE_SECONDS = 10.0
#: How long letting go of it may take when the process ends: the lease runs out by itself.
RELEASE_SECONDS = 0.5


@asynccontextmanager
async def open_services(
    storage: Storage,
    *,
    routing: RoutingSettings | None = None,
    retention: timedelta = timedelta(days=7),
    login_throttle: LoginThrottle | None = None,
    configured_tokens: frozenset[str] = frozenset(),
) -> AsyncIterator[Services]:
    """What operations need, with the queue served and the data kept in order until the block is left."""
    services = Services(
        storage=storage,
        routing=routing or RoutingSettings(),
        login_throttle=login_throttle or LoginThrottle(),
        configured_tokens=configured_tokens,
    )
    queue, departures = RoutingQueue(services), Departures(services)
    services.add_queue_listener(queue.wake)

    def hear(facts: Sequence[Fact]) -> None:
        services.agent_cache.apply(facts)

    storage.transactions.listeners.add(hear)
    storage.feed.listeners.add(hear)
    await services.agent_cache.load(storage.reader)
    storage.feed.reloaders.append(partial(services.agent_cache.load, storage.reader))
    tasks = [
        storage.supervisor.supervise("assign waiting rooms", queue.run),
        storage.supervisor.supervise("rooms of users that left", departures.run),
        storage.supervisor.supervise("maintenance", partial(_maintain, storage, retention)),
        storage.supervisor.supervise("end presence", PresenceEnds(storage).run, every=POLL_SECONDS),
    ]
    try:
        yield services
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _maintain(storage: Storage, retention: timedelta) -> None:
    """Forget old facts and tidy up after custom fields, now and when one changed, in one process at a time."""
    holder = secrets.token_hex(8)
    changed = asyncio.Event()

    def hear(facts: Sequence[Fact]) -> None:
        if any(isinstance(fact, CustomFieldUpdated | CustomFieldRemoved) for fact in facts):
            changed.set()

    storage.feed.listeners.add(hear)
    try:
        while True:
            changed.clear()
            pause = min(MAINTENANCE_SECONDS, max(retention.total_seconds(), LEAST_MAINTENANCE_SECONDS))
            if await leases.acquire(storage.database, "maintenance", owner=holder, seconds=LEASE_SECONDS):
                await maintenance.reconcile_definitions(storage.reader, storage.process)
                await maintenance.trim_log(storage.log, keep=retention)
                if await maintenance.purge_removed_fields(storage.reader, storage.process):
                    pause = BATCH_PAUSE_SECONDS
                else:
                    await maintenance.delete_finished_purges(storage.reader)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), pause)
    finally:
        storage.feed.listeners.remove(hear)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(RELEASE_SECONDS):
                await leases.release(storage.database, "maintenance", owner=holder)
