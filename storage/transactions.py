"""How a change becomes true: read, decide, write and tell the facts, all of it or nothing.

A change's body reads first and writes then. Reads before the first write see what a majority holds; every write names
the version of what it read. The first write opens a MongoDB transaction, in which the facts go to the outbox beside the
change they tell of. Whoever loses a race starts the body again, on fresh data, so that its second look finds the winner
and says so.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import datetime
from typing import Any, TypeVar

from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from storage.catalog import Catalog
from storage.database import Collection, Database, Document, interrupted, now, passing, to_document
from storage.errors import Unavailable
from storage.facts import Fact, FieldFact
from storage.outbox import Appender
from storage.patience import Progress, uncertain
from storage.processes import Process
from storage.records import SYSTEM, Actor, Entity
from storage.turns import Turn, TurnKind, Turns

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long a change may go on waiting for its turn, losing races and meeting failovers before its caller is told. A
#: failover of an ordinary replica set takes about twelve seconds.
PATIENCE_SECONDS = 20.0
#: How long changes under way have to end when the process does; the database undoes those that do not make it.
DRAIN_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.002
LONGEST_PAUSE_SECONDS = 0.2


class Conflict(Exception):
    """Somebody else changed what this change had read. The body is run again."""


class Reader:
    """What reading functions take first."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self.database = database
        self.catalog = catalog
        #: None outside of transactions, and in one before its first write.
        self.session: AsyncIOMotorClientSession | None = None

    def collection(self, name: str) -> Collection:
        return self.database[name]


class Transaction(Reader):
    """What writing functions take first: one attempt at a change, by one actor, at one time."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        turns: Turns,
        process: Process,
        *,
        actor: Actor,
        client_mutation_id: str | None = None,
        attempt: int = 1,
        deadline: float,
    ) -> None:
        super().__init__(database, catalog)
        self._turns = turns
        self._process = process
        self._held = AsyncExitStack()
        self._deadline = deadline
        self.now = now()
        self.actor = actor
        self.client_mutation_id = client_mutation_id
        #: Which attempt at the change this is, from 1. What this process had been told was not new enough for those
        #: before it.
        self.attempt = attempt
        self.facts: list[Fact] = []
        self._catalog_revision = catalog.revision

    def require_current_definitions(self) -> None:
        """Raise Conflict when definitions of custom fields changed since this attempt began.

        What it read is held by the keys of then, and what it checked was checked against the rules of then.
        """
        if self.catalog.revision != self._catalog_revision:
            raise Conflict

    async def writing(self) -> AsyncIOMotorClientSession:
        """The session to write with; the first call opens the transaction."""
        if self.session is None:
            # Beginning and ending a session asks nothing of the database, so that neither needs a thread.
            client = self.database.client
            self.session = AsyncIOMotorClientSession(client.delegate.start_session(), client)
            await self._process.uses(self.session)
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
        await self._held.enter_async_context(self._turns.hold(Turn(kind, name), deadline=self._deadline))

    def until_end(self, context: AbstractContextManager[None]) -> None:
        """Enter the context, and leave it when this attempt has ended and, if it is committed, has been told of."""
        self._held.enter_context(context)

    async def commit(self) -> None:
        """Put the facts told so far into the outbox and make it all true.

        While the database does not say how it went, ask again: committing twice commits once.
        """
        facts = [_waiting(fact, self.now) for fact in self.facts]
        session = await self.writing() if facts else self.session
        if session is None:
            return
        outbox = self.collection("outbox").delegate

        def finish() -> None:
            # Both on one thread: whoever hands over twice waits twice for its turn.
            if facts:
                outbox.insert_many(facts, session=session.delegate)
            session.delegate.commit_transaction()

        try:
            await _on_thread(finish)
        except PyMongoError as error:
            if not _undecided(error):
                raise
            await self._commit_again(session)

    async def _commit_again(self, session: AsyncIOMotorClientSession) -> None:
        while True:
            await asyncio.sleep(FIRST_PAUSE_SECONDS)
            try:
                await _on_thread(session.delegate.commit_transaction)
                return
            except PyMongoError as error:
                if not _undecided(error):
                    raise
                if asyncio.get_running_loop().time() > self._deadline:
                    raise uncertain() from error

    async def close(self) -> None:
        """Undo what was not committed. A database that cannot be told forgets the transaction by itself."""
        if self.session is not None:
            if self.session.in_transaction:  # type: ignore[truthy-function] # a property, whatever the stubs say
                with contextlib.suppress(PyMongoError):
                    await self.session.abort_transaction()
            self.session.delegate.end_session()
        await self._held.aclose()


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


class Changes:
    """Runs changes, one attempt after the other, until one is true or refused."""

    def __init__(self, database: Database, catalog: Catalog, appender: Appender, process: Process) -> None:
        self._database = database
        self._catalog = catalog
        self._appender = appender
        self._process = process
        self._running: set[asyncio.Task[Any]] = set()
        self.turns = Turns()
        #: Called with the facts of every change of this process as soon as it is true, before the log has them.
        self.listeners: list[Callable[[Sequence[Fact]], None]] = []

    async def run(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        actor: Actor = SYSTEM,
        client_mutation_id: str | None = None,
        turns: Sequence[Turn] = (),
    ) -> tuple[T, Sequence[Fact]]:
        """What `body` returned in the attempt that was committed, and the facts it told, which are in the log by then.

        `turns` names what the change is likely to write: changes of this process that name the same take turns, so
        that they need not lose against each other at the database. Raises whatever `body` raises, after undoing all of
        it, and Unavailable when others, or the database, took longer than a change may.

        A change that was begun is brought to its end even if the caller is cancelled: whoever asked for it may have
        gone away, but a commit under way can neither be called back nor be left without its facts.
        """
        progress = Progress[T](PATIENCE_SECONDS)
        running = asyncio.create_task(self._run(body, actor, client_mutation_id, turns, progress))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return await progress.outcome_of(running)

    async def drain(self) -> None:
        """Return when all changes that were begun have come to their end, or have had DRAIN_SECONDS for it."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)

    def _ended(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # whoever was cancelled will not ask for it

    async def _run(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        actor: Actor,
        client_mutation_id: str | None,
        turns: Sequence[Turn],
        progress: Progress[T],
    ) -> tuple[T, Sequence[Fact]]:
        async with AsyncExitStack() as stack:
            for turn in sorted(set(turns)):
                await stack.enter_async_context(self.turns.hold(turn, deadline=progress.deadline))
            result, facts = await self._commit(body, actor, client_mutation_id, progress)
        await self._appender.append(facts)
        for fact in facts:
            if isinstance(fact, FieldFact):  # known here before the caller is answered, whenever the feed gets to it
                self._catalog.hear(fact)
        return result, facts

    def _tell_listeners(self, facts: Sequence[Fact]) -> None:
        for listener in self.listeners:
            try:
                listener(facts)
            except Exception:  # the change is true, whatever becomes of those who hear of it
                logger.exception("Somebody could not hear of a change.")

    async def _commit(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        actor: Actor,
        client_mutation_id: str | None,
        progress: Progress[T],
    ) -> tuple[T, Sequence[Fact]]:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        attempt = 0
        while True:
            attempt += 1
            if not self._database.has_primary:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(progress.deadline):
                        await self._database.primary()
            tx = Transaction(
                self._database,
                self._catalog,
                self.turns,
                self._process,
                actor=actor,
                client_mutation_id=client_mutation_id,
                attempt=attempt,
                deadline=progress.deadline,
            )
            try:
                result = await body(tx)
                if progress.given_up:
                    raise Conflict
                progress.committing = True
                await tx.commit()
                progress.outcome = result, tx.facts
                self._tell_listeners(tx.facts)
                return progress.outcome
            except Conflict as conflict:
                progress.committing = False
                if loop.time() > progress.deadline:
                    raise Unavailable("Too much is changing at once; try again.", retryable=True) from conflict
            except PyMongoError as error:
                progress.committing = False
                if not passing(error):
                    raise
                if loop.time() > progress.deadline:
                    raise Unavailable(
                        "The database did not answer in time; nothing was changed.", retryable=True
                    ) from error
            finally:
                await tx.close()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, hides nothing
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
