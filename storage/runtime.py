"""The storage of one process: connects its parts to one database, and runs their background tasks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Self

from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

from storage import departments, erasures, roles, rooms, visitors
from storage.custom_fields import definition_leases
from storage.custom_fields.definition_cache import DefinitionCache
from storage.erased import records_erasure
from storage.facts import DepartmentSaved, Fact, FieldFact, RoleUpdated, RoomFact, VisitorSaved
from storage.log.feed import Feed
from storage.log.log import Log
from storage.log.outbox import Appender
from storage.log.outbox_sweeps import OutboxSweeps
from storage.log.token_watcher import TokenWatcher
from storage.log.watch_rights import ChangeStreamRetry
from storage.migrations import runner
from storage.migrations.migration import Migration
from storage.migrations.registry import MIGRATIONS
from storage.mongo import clock, data_version, indexes
from storage.mongo.clock import Clock
from storage.mongo.connection import Database, Document
from storage.mongo.data_version import DATA_VERSION
from storage.mongo.reader import Reader
from storage.reference_data import ReferenceDataCache
from storage.signals import SignalExchange
from storage.supervisor import Supervisor
from storage.timings import DEFAULT_TIMINGS, Timings
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.runner import TransactionRunner

#: Time limit of deregistration at shutdown.
DEREGISTER_TIMEOUT_SECONDS = 0.5
#: The epoch of a process that has no definitions yet. Other processes do not wait for it when they change one.
NO_EPOCH = 2**53


class Storage:
    """The parts of storage that other layers use: reads, transactions, the log and its feed."""

    def __init__(self, database: Database, *, data_version: int = DATA_VERSION) -> None:
        self.database = database
        self._data_version = data_version
        self._uses_definitions = False
        self.supervisor = Supervisor()
        self.definition_cache = DefinitionCache(database)
        self.process = ProcessHeartbeat(database, self._published_state)
        self.process.reap_listeners.append(partial(definition_leases.release_dead, database))
        self.log = Log(database)
        self.feed = Feed(self.log, process_id=self.process.id, poll_seconds=database.timings.log_poll)
        self.token_watcher = TokenWatcher(database)
        self.signals = SignalExchange(database, process_id=self.process.id)
        self.appender = Appender(database, self.feed.publish, process_id=self.process.id)
        self.sweeps = OutboxSweeps(database, self.appender)
        self.transactions = TransactionRunner(database, self.definition_cache, self.appender, self.process)
        self.transactions.append_listeners.append(self._update_definitions)
        #: Reads without a transaction.
        self.reader = Reader(database, self.definition_cache)
        self.reference_data = ReferenceDataCache(self.reader)
        self.feed.listeners.add(self._apply)
        self.feed.reloaders.append(self._refresh)
        database.clock.listeners.add(self.token_watcher.notify_all_tokens)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        uri: str,
        name: str,
        *,
        listeners: Sequence[CommandListener] = (),
        own_clock: Clock | None = None,
        timings: Timings = DEFAULT_TIMINGS,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> AsyncIterator[Self]:
        """Connect, migrate the data, create missing indexes and roles, and run background tasks until the block ends.

        Raises DeploymentError if the data cannot be used.
        """
        async with Database(uri, name, listeners=tuple(listeners), clock=own_clock, timings=timings) as database:
            storage = cls(database, data_version=migrations[-1].version)
            await database.measure_clock()
            # Programs that cannot use the data leave nothing in the database.
            await data_version.require_supported(database, supported=storage._data_version)
            try:
                await storage._register()
                await runner.migrate(database, migrations, older_seconds=timings.older_processes)
                await indexes.ensure(database)
                await storage.feed.open()
                await storage._use_definitions()
                storage._start(migrations)
                await storage.transactions.run(roles.ensure_built_in)
                yield storage
            finally:
                await storage.transactions.wait_for_running()
                storage.appender.close()
                # If the database does not answer, other processes detect the end of this one.
                with suppress(TimeoutError):
                    async with asyncio.timeout(DEREGISTER_TIMEOUT_SECONDS):
                        await storage.supervisor.stop()
                        await storage.appender.cleanup.wait()
                        if not storage.appender.holds_numbers:  # otherwise others end the transaction
                            await storage.process.deregister()

    async def _register(self) -> None:
        """Send heartbeats from now on, before the version of the data is read for the last time.

        So either a migration that this program cannot use waits for this process, or this process is refused.
        """
        await self.process.send_heartbeat()
        every = self.database.timings.heartbeat
        self.supervisor.supervise("heartbeat", self._send_heartbeat, every=every, essential=True)

    async def _use_definitions(self) -> None:
        """Load the caches. Other processes wait for this one from now on when they change a definition."""
        self._uses_definitions = True
        await self.process.send_heartbeat()
        await self._refresh()

    def _start(self, migrations: Sequence[Migration]) -> None:
        start, timings = self.supervisor.supervise, self.database.timings
        start("measure the database's clock", self.database.tick, every=clock.TICK_SECONDS)
        start(
            "check the data version",
            partial(data_version.require_supported, self.database, supported=migrations[-1].version),
            every=timings.data_version_check,
            essential=True,
        )
        if any(migration.compatible for migration in migrations):
            repeat = partial(runner.repeat, self.database, migrations)
            start("repeat migrations", repeat, every=timings.data_version_check)
        start("reap dead processes", self.process.reap_dead_processes, every=timings.heartbeat_poll)
        start("append facts to the log", self.appender.run, essential=True)
        start("sweep the outbox", self.sweeps.sweep_once, every=timings.outbox_sweep)
        start("follow the log", self.feed.run, essential=True)
        start("watch the log", ChangeStreamRetry("log", self.feed.watch).run)
        start("write signals", self.signals.write)
        without_signals = "this process receives no signals of other processes"
        start("watch signals", ChangeStreamRetry("signals", self.signals.watch, fallback=without_signals).run)
        start("watch the tokens", ChangeStreamRetry("tokens", self.token_watcher.watch).run)

    def _published_state(self) -> Document:
        """What other processes read of this one: the epoch decides when a tighter rule of a custom field is in use, and
        the version of the data when a migration may begin."""
        epoch = self.definition_cache.lowest_epoch_in_use if self._uses_definitions else NO_EPOCH
        return {"epoch": epoch, "dataVersion": self._data_version}

    async def _send_heartbeat(self) -> None:
        """Send a heartbeat, also when the definitions cannot be read."""
        try:
            if self._uses_definitions:  # a migration may change the definitions before
                await self.definition_cache.catch_up()
        finally:
            await self.process.send_heartbeat()

    async def _update_definitions(self, facts: Sequence[Fact]) -> None:
        """Update the definition cache of this process before the caller of a mutation has its result."""
        if definitions := [fact for fact in facts if isinstance(fact, FieldFact)]:
            for fact in definitions:
                self.definition_cache.apply(fact)
            with suppress(PyMongoError):  # the next heartbeat refreshes it
                await self.definition_cache.refresh()

    async def _refresh(self) -> None:
        """Reload the caches that facts keep up to date."""
        self.log.redactions.add({}, await erasures.unfinished_visitors(self.reader))
        await self.definition_cache.refresh()
        await self.reference_data.refresh()

    def _apply(self, facts: Sequence[Fact]) -> None:
        if records_erasure(facts):
            self.database.entity_cache.clear()
            self.database.recent_entities.clear()
        for fact in facts:
            if isinstance(fact, FieldFact):
                self.definition_cache.apply(fact)
            self.reference_data.apply(fact)
            self._drop_outdated(fact)

    def _drop_outdated(self, fact: Fact) -> None:
        """Remove what another process has changed from the recent entities."""
        recent = self.database.recent_entities
        match fact:
            case RoomFact(room=snapshot):
                recent.drop_older(rooms.SNAPSHOTS, snapshot.room.id, snapshot.room.version)
            case RoleUpdated(role=role):
                recent.drop_older(roles.KIND.collection, role.name, role.version)
            case VisitorSaved(visitor=visitor):
                recent.drop_older(visitors.KIND.collection, visitor.token, visitor.version)
            case DepartmentSaved(department=department):
                recent.drop_older(departments.KIND.collection, department.id, department.version)
