"""The composition of a process: its storage, and the work that goes on beside its operations."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from resolvers.context import Routing, Services
from resolvers.queue import Queue
from storage import leases, maintenance
from storage.storage import Storage

logger = logging.getLogger(__name__)

#: How often somebody looks for facts to forget and values to free.
MAINTENANCE_SECONDS = 60.0
#: Work found is gone on with after this pause, which leaves the database to everybody else.
BUSY_PAUSE_SECONDS = 0.05


@asynccontextmanager
async def open_services(
    storage: Storage,
    *,
    routing: Routing | None = None,
    retention: timedelta = timedelta(days=7),
    made_up_tokens: frozenset[str] = frozenset(),
) -> AsyncIterator[Services]:
    """What operations need, with the queue served and the data kept in order until the block is left."""
    services = Services(storage=storage, routing=routing or Routing(), made_up_tokens=made_up_tokens)
    queue = Queue(services)
    services.listen(queue.moved)
    tasks = [
        asyncio.create_task(queue.run(), name="serve the queue"),
        asyncio.create_task(_maintain(storage, retention), name="keep the data in order"),
    ]
    try:
        yield services
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _maintain(storage: Storage, retention: timedelta) -> None:
    """Forget old facts and free the values of removed fields, in one process at a time."""
    holder = secrets.token_hex(8)
    while True:
        pause = MAINTENANCE_SECONDS
        try:
            if await leases.hold(storage.database, "maintenance", holder=holder, seconds=2 * MAINTENANCE_SECONDS):
                await maintenance.trim_log(storage.log, keep=retention)
                if await maintenance.purge_removed_fields(storage.reader):
                    pause = BUSY_PAUSE_SECONDS
        except Exception:
            logger.exception("Maintenance failed, trying again later.")
        await asyncio.sleep(pause)
