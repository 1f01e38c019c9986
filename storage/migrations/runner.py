"""Runs the migrations that a database has not had, before a process serves.

One process at a time runs them, under a lease; the others wait for it. If it ends, another one continues from the
stored position. docs/decisions/0036-migrations-in-a-registry.md has the reasons.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from pymongo.errors import PyMongoError

from storage.errors import DeploymentError, SwitchboardError
from storage.migrations import older_processes, records
from storage.migrations.migration import Migration, State
from storage.mongo import data_version
from storage.mongo.connection import Database
from storage.supervisor import end, spawn
from storage.transactions.leases import LEASE_SECONDS, Lease

logger = logging.getLogger(__name__)

LEASE = "migrations"
#: From one look of a waiting process to the next.
POLL_SECONDS = 0.2
#: How long a process waits for those of an earlier version to end, before it gives up.
OLDER_SECONDS = 30.0
#: The collections that migrations change. A database in which they are empty needs none.
CONTENTS = ("users", "visitors", "rooms", "messages")


class StoredProgress:
    """The progress of a running migration."""

    def __init__(self, database: Database, migration: Migration, position: str, documents: int) -> None:
        self._database = database
        self._migration = migration
        self.position = position
        self.documents = documents

    async def advance(self, position: str, documents: int) -> None:
        self.position = position
        self.documents += documents
        await records.update(self._database, self._migration, position=position, documents=self.documents)
        logger.info("Migration %d (%s): %d documents.", self._migration.version, self._migration.name, self.documents)


async def migrate(database: Database, migrations: Sequence[Migration], *, older_seconds: float = OLDER_SECONDS) -> None:
    """Run what is pending, or wait until other processes have.

    Raises DeploymentError if the data are of a newer version, if a migration fails, or if processes of an earlier
    version run that cannot use the database after it.
    """
    supported = migrations[-1].version
    await data_version.require_supported(database, supported=supported)
    if await data_version.read(database) == 0 and await _is_empty(database):
        await data_version.record(database, supported, usable_by=supported)
        return
    lease = Lease(database, LEASE)
    while pending := await _next_pending(database, migrations):
        if not await lease.acquire():
            await asyncio.sleep(POLL_SECONDS)
            continue
        renewing = spawn(_renew(lease), name="renew the lease of migrations")
        try:
            # Another process may have finished it before the lease was free.
            if await _next_pending(database, migrations) == pending:
                await _run(database, pending, older_seconds)
        finally:
            await end([renewing])
            await lease.release()


async def repeat(database: Database, migrations: Sequence[Migration]) -> None:
    """Repeat compatible migrations when the last process of an earlier version has ended. Call it periodically.

    Such a process may have written documents in the old form after the migration.
    """
    for migration in (one for one in migrations if one.compatible):
        if await older_processes.list_documents(database, migration.version):
            await records.update(database, migration, state=State.DONE.value, repeat=True)
        elif (document := await records.read(database, migration)) is not None and document.get("repeat"):
            lease = Lease(database, LEASE)
            if await lease.acquire():
                try:
                    await _run(database, migration, older_seconds=0.0)
                finally:
                    await lease.release()


async def _is_empty(database: Database) -> bool:
    found = await asyncio.gather(*(database[name].find_one({}, {"_id": 1}) for name in CONTENTS))
    return found == [None] * len(CONTENTS)


async def _next_pending(database: Database, migrations: Sequence[Migration]) -> Migration | None:
    states = await records.list_states(database, migrations)
    return next((one.migration for one in states if one.state is not State.DONE), None)


async def _renew(lease: Lease) -> None:
    """Renew the lease until it is lost."""
    held = True
    while held:
        await asyncio.sleep(LEASE_SECONDS / 3)
        with suppress(PyMongoError):  # the next renewal repeats it
            held = await lease.acquire()


async def _run(database: Database, migration: Migration, older_seconds: float) -> None:
    """Run the migration from its stored position, and record its end."""
    began = time.monotonic()
    if not migration.compatible:
        await _require_no_older_processes(database, migration, older_seconds)
    before = await records.read(database, migration) or {}
    resumes = before.get("state") != State.DONE.value
    progress = StoredProgress(
        database,
        migration,
        position=before.get("position", "") if resumes else "",
        documents=int(before.get("documents", 0)) if resumes else 0,
    )
    await records.update(database, migration, state=State.RUNNING.value, startedAt=database.now(), error="")
    # From here on, an earlier program that cannot use the data does not start.
    usable_by = None if migration.compatible else migration.version
    await data_version.record(database, migration.version, usable_by=usable_by)
    if not migration.compatible:
        # One may have read the version before it was recorded. Each has a heartbeat before it reads the version.
        await _require_no_older_processes(database, migration, older_seconds)
    where = f"continues after {progress.documents} documents" if progress.position else "starts"
    logger.info("Migration %d (%s) %s.", migration.version, migration.name, where)
    try:
        await migration.step(database, progress)
        repeated = migration.compatible and bool(await older_processes.list_documents(database, migration.version))
        await records.mark_done(database, migration, at=database.now(), repeat=repeated)
    except (PyMongoError, SwitchboardError):
        raise  # the database is away: the next start continues
    except Exception as error:
        await records.mark_failed(database, migration, error)
        raise DeploymentError(
            f"The migration {migration.version} ({migration.name}) of the database {database.raw.name} failed: "
            f"{error}. Correct the cause and start again: it continues where it was."
        ) from error
    seconds = time.monotonic() - began
    logger.info(
        "Migration %d (%s) is done: %d documents in %.1f s.",
        *(migration.version, migration.name, progress.documents, seconds),
    )


async def _require_no_older_processes(database: Database, migration: Migration, seconds: float) -> None:
    if not await older_processes.list_documents(database, migration.version):
        return
    logger.info(
        "Migration %d (%s) waits for servers of an earlier version to end, for up to %g s.",
        *(migration.version, migration.name, seconds),
    )
    living = await older_processes.wait_until_ended(database, migration.version, seconds=seconds)
    if living:
        raise DeploymentError(
            f"Servers of an earlier version use the database {database.raw.name} (processes: {living}), and cannot use "
            f"it after the migration {migration.version} ({migration.name}). Stop them, and start this version again."
        )
