"""Creates the services of a process, and runs its background tasks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from resolvers.auth.login_throttle import LoginThrottle
from resolvers.consumers.releases import PendingReleases
from resolvers.context import RoutingSettings, Services
from resolvers.erasures import POLL_SECONDS as ERASURE_POLL_SECONDS
from resolvers.erasures import ErasureWorker
from resolvers.gone_agents import GoneAgents
from resolvers.presence import POLL_SECONDS, PresenceExpiry
from resolvers.routing.agent_cache import AgentCache
from resolvers.routing.queue import RoutingQueue
from resolvers.routing.requeue import RequeueWorker
from resolvers.signal_hub import SignalHub
from resolvers.timer_expiry import POLL_SECONDS as TIMER_POLL_SECONDS
from resolvers.timer_expiry import TimerExpiry
from resolvers.webhook_addresses import AddressPolicy
from storage import maintenance
from storage.facts import CustomFieldRemoved, CustomFieldUpdated, Fact
from storage.runtime import Storage
from storage.supervisor import end
from storage.transactions.leases import Lease

#: The shortest interval of maintenance, for a short retention.
LEAST_MAINTENANCE_SECONDS = 1.0
#: The pause between two batches of a purge, so that other operations reach the database.
BATCH_PAUSE_SECONDS = 0.05


def create_services(
    storage: Storage,
    *,
    routing: RoutingSettings | None = None,
    login_throttle: LoginThrottle | None = None,
    signal_hub: SignalHub | None = None,
    configured_tokens: frozenset[str] = frozenset(),
    visitor_open_rooms: int = 3,
    webhook_policy: AddressPolicy | None = None,
) -> Services:
    """The services of a process, without background tasks."""
    return Services(
        storage=storage,
        agent_cache=AgentCache(),
        pending_releases=PendingReleases(),
        signal_hub=signal_hub or SignalHub(storage),
        routing=routing or RoutingSettings(),
        login_throttle=login_throttle or LoginThrottle(),
        configured_tokens=configured_tokens,
        visitor_open_rooms=visitor_open_rooms,
        webhook_policy=webhook_policy or AddressPolicy(),
    )


@asynccontextmanager
async def open_services(
    storage: Storage,
    *,
    routing: RoutingSettings | None = None,
    retention: timedelta = timedelta(days=7),
    login_throttle: LoginThrottle | None = None,
    signal_hub: SignalHub | None = None,
    configured_tokens: frozenset[str] = frozenset(),
    visitor_open_rooms: int = 3,
    webhook_policy: AddressPolicy | None = None,
) -> AsyncIterator[Services]:
    """The services of a process. The background tasks run until the block ends."""
    services = create_services(
        storage,
        routing=routing,
        login_throttle=login_throttle,
        signal_hub=signal_hub,
        configured_tokens=configured_tokens,
        visitor_open_rooms=visitor_open_rooms,
        webhook_policy=webhook_policy,
    )
    queue, requeue = RoutingQueue(services), RequeueWorker(services)
    services.add_queue_listener(queue.wake)

    def apply_facts(facts: Sequence[Fact]) -> None:
        services.agent_cache.apply(facts)

    storage.transactions.listeners.add(apply_facts)
    storage.feed.listeners.add(apply_facts)
    await services.agent_cache.load(storage.reader)
    storage.feed.reloaders.append(partial(services.agent_cache.load, storage.reader))
    tasks = [
        storage.supervisor.supervise("assign waiting rooms", queue.run),
        storage.supervisor.supervise("return rooms of removed agents", requeue.run),
        storage.supervisor.supervise("maintenance", partial(_maintain, storage, retention)),
        storage.supervisor.supervise("deliver signals of other processes", services.signal_hub.run),
        storage.supervisor.supervise("end presence", PresenceExpiry(storage).run, every=POLL_SECONDS),
        storage.supervisor.supervise("requeue the rooms of gone agents", GoneAgents(services).run, every=POLL_SECONDS),
        storage.supervisor.supervise("erase visitors", ErasureWorker(services).run, every=ERASURE_POLL_SECONDS),
        storage.supervisor.supervise("record due timers", TimerExpiry(services).run, every=TIMER_POLL_SECONDS),
    ]
    try:
        yield services
    finally:
        await end(tasks)


async def _maintain(storage: Storage, retention: timedelta) -> None:
    """Trim the log and purge removed custom fields, periodically and after each change of a custom field.

    A lease lets one process at a time do this.
    """
    lease, changed = Lease(storage.database, "maintenance"), asyncio.Event()

    def on_facts(facts: Sequence[Fact]) -> None:
        if not {CustomFieldUpdated, CustomFieldRemoved}.isdisjoint(map(type, facts)):
            changed.set()

    storage.feed.listeners.add(on_facts)
    try:
        while True:
            changed.clear()
            interval = storage.database.timings.maintenance
            pause = min(interval, max(retention.total_seconds(), LEAST_MAINTENANCE_SECONDS))
            if await lease.acquire():
                await maintenance.reconcile_definitions(storage.reader, storage.process)
                await maintenance.trim_log(storage.reader, storage.log, keep=retention)
                if await maintenance.purge_removed_fields(storage.reader, storage.process):
                    pause = BATCH_PAUSE_SECONDS
                else:
                    await maintenance.delete_finished_purges(storage.reader)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await changed.wait()
    finally:
        storage.feed.listeners.remove(on_facts)
        await lease.release()
