"""Deletes facts from the outbox that are in the log."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from storage.mongo.connection import Collection
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Delay before appended facts are deleted from the outbox, so that one command deletes many. It is below the interval
#: of sweeps (timings.py), which append a fact that is in the outbox at two of them.
CLEANUP_DELAY_SECONDS = 0.2
#: Appended facts that are deleted without the delay.
CLEANUP_FACTS = 1_000


class OutboxCleanup:
    """Deletes appended facts, after a short delay. A fact that stays is a duplicate later."""

    def __init__(self, outbox: Collection) -> None:
        self._outbox = outbox.with_options(write_concern=WriteConcern(w=1))
        #: Ids of facts that are in the log and still in the outbox.
        self._appended: list[str] = []
        self._running: set[asyncio.Task[None]] = set()
        #: Ends the delay of the next deletion.
        self._is_due = asyncio.Event()

    def schedule(self, ids: Iterable[str]) -> None:
        """Delete these facts."""
        if not self._appended:
            task = spawn(self._delete(), name="delete appended facts from the outbox")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._appended.extend(ids)
        if len(self._appended) >= CLEANUP_FACTS:
            self._is_due.set()

    async def _delete(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_DELAY_SECONDS):
                await self._is_due.wait()
        self._is_due.clear()
        ids, self._appended = self._appended, []
        try:
            await self._outbox.delete_many({"_id": {"$in": ids}})
        except PyMongoError as error:
            logger.info("Appended facts stay in the outbox until the next sweep: %s", error)

    async def wait(self) -> None:
        """Delete appended facts now, and wait until that has ended, successfully or not."""
        while self._running:
            self._is_due.set()
            await asyncio.wait(self._running)
