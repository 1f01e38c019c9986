"""How a change becomes true: read, decide, write and tell the facts, all of it or nothing.

A change's body reads first and writes then. Reads before the first write see what a majority holds; every write names
the version of what it read. Writes are done together, at the end, in one MongoDB transaction, in which the facts go to
the outbox beside the change they tell of. Whoever loses a race starts the body again, on fresh data, so that its second
look finds the winner and says so.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import datetime
from typing import Any, TypeVar

from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from typing_extensions import override

from storage import rules
from storage.catalog import Catalog
from storage.database import Collection, Database, Document, interrupted, new_id, to_document
from storage.facts import Fact
from storage.patience import Progress, uncertain
from storage.processes import Process
from storage.records import Actor, Entity
from storage.turns import Turn, TurnKind, Turns

Step = Callable[[], Awaitable[None]]
#: Writes something in the session's transaction. Blocks, on a thread of the driver.
Write = Callable[[ClientSession], None]
T = TypeVar("T")

logger = logging.getLogger(__name__)

COMMIT_PAUSE_SECONDS = 0.002


class Conflict(Exception):
    """Somebody else changed what this change had read. The body is run again, after `before_next`."""

    def __init__(self, before_next: Step | None = None) -> None:
        super().__init__()
        self.before_next = before_next


class Lasting:
    """What all attempts at one change have in common."""

    def __init__(self, progress: Progress[Any], moment: datetime) -> None:
        self.progress = progress
        #: Of the change; good for something that it makes.
        self.id = new_id(moment)
        #: The definitions that it has claimed (rules.py).
        self.claimed: set[str] = set()
        #: What undoes what it does beside its transactions, should none of them be committed.
        self.undo: dict[str, Step] = {}


class Reader:
    """What reading functions take first."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self.database = database
        self.catalog = catalog
        #: None outside of transactions, and in one before its first write.
        self.session: AsyncIOMotorClientSession | None = None

    def collection(self, name: str) -> Collection:
        return self.database[name]

    async def reading(self) -> AsyncIOMotorClientSession | None:
        """The session to read with, in which everything that was written before shows."""
        return self.session


class Transaction(Reader):
    """What writing functions take first: one attempt at a change, by one actor, at one time."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        turns: Turns,
        process: Process,
        lasting: Lasting,
        *,
        actor: Actor,
        client_mutation_id: str | None = None,
        attempt: int = 1,
    ) -> None:
        super().__init__(database, catalog)
        self._turns = turns
        self.process = process
        self.lasting = lasting
        self._held = AsyncExitStack()
        #: By the clock of the database.
        self.now = database.now()
        self.actor = actor
        self.client_mutation_id = client_mutation_id
        #: Which attempt at the change this is, from 1. What this process had been told was not new enough for those
        #: before it.
        self.attempt = attempt
        self.facts: list[Fact] = []
        self._writes: list[Write] = []
        self._catalog_revision = catalog.revision
        #: Of the rules by which custom fields were assigned in this attempt, if they were.
        self._epoch: int | None = None

    def rely_on_definitions(self) -> None:
        """What this process knows of definitions, from now on, is what this attempt stands or falls with.

        It is committed only if they are the same at the database then, whatever this process has been told.
        """
        if self._epoch is None:
            self._epoch = self.catalog.rely()

    async def relied_on_old_definitions(self) -> bool:
        """Whether the attempt went by definitions that are not the present ones."""
        return self._epoch is not None and await rules.read_epoch(self.database) != self._epoch

    def require_current_definitions(self) -> None:
        """Raise Conflict when definitions of custom fields changed since this attempt began.

        What it read is held by the keys of then, and what it checked was checked against the rules of then.
        """
        if self.catalog.revision != self._catalog_revision:
            raise Conflict

    def write(self, write: Write) -> None:
        """Write this when the attempt is committed, or read in, or written in otherwise, after what was to be written
        before it.

        Handing work to a thread of the driver costs more than the work, so that what can go together does. What `write`
        raises is raised then.
        """
        self._writes.append(write)

    async def flush(self) -> None:
        """Do what is to be written."""
        if self._writes:
            session = await self._begin()
            writes, self._writes = self._writes, []
            await _on_thread(lambda: _do(writes, session.delegate))

    @override
    async def reading(self) -> AsyncIOMotorClientSession | None:
        await self.flush()
        return self.session

    async def writing(self) -> AsyncIOMotorClientSession:
        """The session to write with; the first call opens the transaction."""
        await self.flush()
        return await self._begin()

    async def _begin(self) -> AsyncIOMotorClientSession:
        if self.session is None:
            # Beginning and ending a session asks nothing of the database, so that neither needs a thread.
            client = self.database.client
            self.session = AsyncIOMotorClientSession(client.delegate.start_session(), client)
            await self.process.uses(self.session)
            self.session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority")
            )
        return self.session

    def tell(self, kind: type[Fact], subject: Entity, *, number: int | None = None, **data: Any) -> None:
        """Record a fact about the subject, as this change's actor; by default the newest one that it counts.

        The facts about one subject are told in the order of their numbers.
        """
        self.facts.append(
            kind(
                id=f"{subject.id}-{number or subject.fact_count}",
                occurred_at=self.now,
                actor=data.pop("actor", self.actor),
                client_mutation_id=self.client_mutation_id,
                **data,
            )
        )

    async def take_turn(self, kind: TurnKind, name: str) -> None:
        """Wait until no other change of this process is busy with that, and be it to the end of this attempt.

        Changes that take the same turns need not lose against each other at the database. To be taken in one order by
        all: first what the change is about, then users, and several of these in the order of their ids. Raises
        Unavailable when others are busy with it for longer than this change may take.
        """
        await self._held.enter_async_context(
            self._turns.hold(Turn(kind, name), deadline=self.lasting.progress.deadline)
        )

    def until_end(self, context: AbstractContextManager[None]) -> None:
        """Enter the context, and leave it when this attempt has ended and, if it is committed, has been told of."""
        self._held.enter_context(context)

    async def commit(self) -> None:
        """Put the facts told so far into the outbox and make it all true.

        While the database does not say how it went, ask again: committing twice commits once.
        """
        facts = [_waiting(fact, self.now) for fact in self.facts]
        writes, self._writes = self._writes, []
        session = await self._begin() if facts or writes else self.session
        if session is None:
            if await self.relied_on_old_definitions():
                raise Conflict(self.catalog.refresh)
            return
        outbox = self.collection("outbox").delegate
        epoch = self._epoch
        committing = False

        def finish() -> None:
            nonlocal committing
            # All on one thread: whoever hands over twice waits twice for its turn.
            _do(writes, session.delegate)
            if epoch is not None and rules.read_epoch_within(self.database, session.delegate) != epoch:
                raise Conflict(self.catalog.refresh)
            if facts:
                outbox.insert_many(facts, session=session.delegate)
            if not self.lasting.progress.begin_commit():
                raise Conflict
            committing = True
            session.delegate.commit_transaction()

        try:
            await _on_thread(finish)
        except PyMongoError as error:
            if not committing or not _undecided(error):
                raise
            await self._commit_again(session)

    async def _commit_again(self, session: AsyncIOMotorClientSession) -> None:
        while True:
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)
            try:
                await _on_thread(session.delegate.commit_transaction)
                return
            except PyMongoError as error:
                if not _undecided(error):
                    raise
                if asyncio.get_running_loop().time() > self.lasting.progress.deadline:
                    raise uncertain() from error

    async def close(self) -> None:
        """Undo what was not committed. A database that cannot be told forgets the transaction by itself."""
        if self.session is not None:
            if self.session.in_transaction:  # type: ignore[truthy-function] # a property, whatever the stubs say
                with contextlib.suppress(PyMongoError):
                    await self.session.abort_transaction()
            self.session.delegate.end_session()
        if self._epoch is not None:
            self.catalog.let_go(self._epoch)
        await self._held.aclose()


def _do(writes: Sequence[Write], session: ClientSession) -> None:
    for write in writes:
        write(session)


def _waiting(fact: Fact, moment: datetime) -> Document:
    """A fact as the outbox holds it until it is in the log."""
    return {
        "_id": fact.id,
        "subject": fact.subject_id,
        "number": fact.subject_number,
        "at": moment,
        "fact": to_document(fact, id_key="id"),
    }


def _undecided(error: PyMongoError) -> bool:
    """Whether a commit that met this error may have gone through, so that it has to be asked for again."""
    return error.has_error_label("UnknownTransactionCommitResult") or interrupted(error)


async def _on_thread(work: Callable[[], None]) -> None:
    """Do what blocks on one of the threads that the driver has for that."""
    await run_on_executor(asyncio.get_running_loop(), work)  # type: ignore[no-untyped-call] # has no types
