"""The composition of storage: one database, and what each process keeps running beside it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

from pymongo.monitoring import CommandListener

from storage import clock, indexes, messages, outbox, processes, roles
from storage.catalog import Catalog
from storage.changes import Changes
from storage.clock import Clock
from storage.database import Database
from storage.directory import Directory
from storage.endings import Endings
from storage.facts import Fact, FieldFact
from storage.feed import Feed
from storage.log import Log
from storage.outbox import Appender
from storage.processes import Process
from storage.supervisor import Supervisor
from storage.transactions import Reader
from storage.watch_rights import WithoutRight

#: How long leaving the database may take.
LEAVE_SECONDS = 0.5


class Storage:
    """What is true, and the ways to read it, to change it and to hear of changes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.supervisor = Supervisor()
        self.catalog = Catalog(database)
        self.process = Process(database, self.catalog)
        self.log = Log(database)
        self.feed = Feed(self.log, process_id=self.process.id)
        self.endings = Endings(database)
        self.appender = Appender(database, self.feed.offer, process_id=self.process.id)
        self.changes = Changes(database, self.catalog, self.appender, self.process)
        #: Reads outside of any transaction.
        self.reader = Reader(database, self.catalog)
        self.directory = Directory(self.reader)
        self.feed.listeners.append(self._hear)
        self.feed.on_gap = self._refresh
        database.clock.listeners.append(self.endings.tell_any)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, uri: str, name: str, *, listeners: Sequence[CommandListener] = (), own_clock: Clock | None = None
    ) -> AsyncIterator[Self]:
        """Connect, create what is missing, and keep the log moving until the block is left."""
        async with Database(uri, name, listeners=tuple(listeners), clock=own_clock) as database:
            storage = cls(database)
            await database.measure_clock()
            await messages.number_unnumbered(database)
            await indexes.ensure(database)
            await storage.feed.open()
            await storage._refresh()
            storage._start()
            try:
                await storage.changes.run(roles.ensure_built_in)
                yield storage
            finally:
                await storage.changes.drain()
                # What a database that is away is not told now, the others find out.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_SECONDS):
                        await storage.supervisor.stop()
                        await storage.appender.tidied()
                        await storage.process.leave()

    def _start(self) -> None:
        start = self.supervisor.supervise
        start("keep the clock", self.database.tick, every=clock.TICK_SECONDS)
        start("heartbeat", self.process.keep_alive, every=processes.BEAT_SECONDS, essential=True)
        start("close what dead processes left open", self.process.bury, every=processes.LOOK_SECONDS)
        start("append facts to the log", self.appender.run, essential=True)
        start("sweep the outbox", self.appender.sweep_once, every=outbox.SWEEP_SECONDS)
        start("follow the log", self.feed.run, essential=True)
        start("watch the log", WithoutRight("log", self.feed.watch).run)
        start("watch the tokens", WithoutRight("tokens", self.endings.listen).run)

    async def _refresh(self) -> None:
        """Read anew what is otherwise kept current by facts."""
        await self.catalog.refresh()
        await self.directory.refresh()

    def _hear(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, FieldFact):
                self.catalog.hear(fact)
            self.directory.hear(fact)
