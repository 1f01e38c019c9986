"""Sweeps: they append facts that are in the outbox because the process that committed them has died."""

from collections.abc import Sequence

from pymongo import ASCENDING

from storage.facts import Fact
from storage.log.outbox import BATCH, BATCH_BYTES, Appender
from storage.log.predecessors import decode
from storage.mongo.connection import Database
from storage.sizes import size_of_document

#: Facts of one sweep, which leaves the rest to the next one.
MAX_SWEEP_FACTS = 20_000


class OutboxSweeps:
    """The sweeps of one process."""

    def __init__(self, database: Database, appender: Appender) -> None:
        self._outbox = database["outbox"]
        self._undecodable = database.undecodable
        self._appender = appender
        #: Ids of the facts that were in the outbox at the last sweep.
        self._seen: set[str] = set()
        self._swept = False

    async def sweep(self) -> int:
        """Append all facts in the outbox, and return their number."""
        return await self._append_waiting(await self._read_waiting_ids())

    async def sweep_abandoned(self) -> int:
        """Append the facts that were in the outbox at the last sweep already, and return their number.

        Comparing two sweeps, not timestamps, makes this independent of the clocks of other processes.
        """
        waiting = await self._read_waiting_ids()
        abandoned = [fact_id for fact_id in waiting if fact_id in self._seen]
        self._seen = set(waiting)
        return await self._append_waiting(abandoned)

    async def _read_waiting_ids(self) -> list[str]:
        waiting = self._outbox.find(
            {}, {"_id": 1}, sort=[("_id", ASCENDING)], limit=MAX_SWEEP_FACTS, batch_size=MAX_SWEEP_FACTS
        )
        return [document["_id"] for document in await waiting.to_list(MAX_SWEEP_FACTS)]

    async def _append_waiting(self, ids: Sequence[str]) -> int:
        count = 0
        for start in range(0, len(ids), BATCH):
            found = self._outbox.find({"_id": {"$in": ids[start : start + BATCH]}}, sort=[("at", ASCENDING)])
            facts: list[Fact] = []
            size = 0
            async for document in found:
                facts += self._undecodable.decode("outbox", [document], decode)
                size += size_of_document(document)
                if size > BATCH_BYTES:
                    await self._appender.append(facts)
                    count += len(facts)
                    facts, size = [], 0
            await self._appender.append(facts)
            count += len(facts)
        return count

    async def sweep_once(self) -> None:
        """Sweep periodically. The first sweep appends all facts, as after the restart of a process that crashed."""
        if self._swept:
            await self.sweep_abandoned()
        else:
            await self.sweep()
            self._swept = True
