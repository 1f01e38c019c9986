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

from storage.custom_fields import epochs
from storage.custom_fields.definition_cache import DefinitionCache
from storage.facts import Fact
from storage.mongo.connection import Database, Document, is_session_killed, new_id, to_document
from storage.mongo.reader import Reader
from storage.mongo.retries import Deadline, outcome_unknown
from storage.records import Actor, Entity
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.keyed_locks import KeyedLocks, LockKey, LockKind

AsyncCallback = Callable[[], Awaitable[None]]
#: Writes something in the session's transaction. Blocks, on a thread of the driver.
SessionWrite = Callable[[ClientSession], None]
T = TypeVar("T")

logger = logging.getLogger(__name__)

COMMIT_RETRY_SECONDS = 0.002


class Conflict(Exception):
    """Somebody else changed what this change had read. The body is run again, after `before_retry`."""

    def __init__(self, before_retry: AsyncCallback | None = None) -> None:
        super().__init__()
        self.before_retry = before_retry


class ChangeState:
    """What all attempts at one change have in common."""

    def __init__(self, deadline: Deadline[Any], moment: datetime) -> None:
        self.deadline = deadline
        #: Of the change; good for something that it makes.
        self.id = new_id(moment)
        #: The definitions that it has claimed (custom_fields/epochs.py).
        self.leased_definitions: set[str] = set()
        #: What undoes what it does beside its transactions, should none of them be committed.
        self.undo_steps: dict[str, AsyncCallback] = {}


class Transaction(Reader):
    """What writing functions take first: one attempt at a change, by one actor, at one time."""

    def __init__(
        self,
        database: Database,
        definition_cache: DefinitionCache,
        locks: KeyedLocks,
        process: ProcessHeartbeat,
        state: ChangeState,
        *,
        actor: Actor,
        client_mutation_id: str | None = None,
        attempt: int = 1,
    ) -> None:
        super().__init__(database, definition_cache)
        self._locks = locks
        self.process = process
        self.state = state
        self._exit_stack = AsyncExitStack()
        #: By the clock of the database.
        self.now = database.now()
        self.actor = actor
        self.client_mutation_id = client_mutation_id
        #: Which attempt at the change this is, from 1. What this process had been told was not new enough for those
        #: before it.
        self.attempt = attempt
        self.facts: list[Fact] = []
        self._writes: list[SessionWrite] = []
        self._cache_revision = definition_cache.revision
        #: Of the rules by which custom fields were assigned in this attempt, if they were.
        self._epoch: int | None = None

    def pin_definition_epoch(self) -> None:
        """What this process knows of definitions, from now on, is what this attempt stands or falls with.

        It is committed only if they are the same at the database then, whatever this process has been told.
        """
        if self._epoch is None:
            self._epoch = self.definition_cache.acquire_epoch()

    async def used_outdated_definitions(self) -> bool:
        """Whether the attempt went by definitions that are not the present ones."""
        return self._epoch is not None and await epochs.read_epoch(self.database) != self._epoch

    def require_current_definitions(self) -> None:
        """Raise Conflict when definitions of custom fields changed since this attempt began.

        What it read is held by the keys of then, and what it checked was checked against the rules of then.
        """
        if self.definition_cache.revision != self._cache_revision:
            raise Conflict

    def defer_write(self, write: SessionWrite) -> None:
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
            await _run_in_thread(lambda: _apply_writes(writes, session.delegate))

    @override
    async def read_session(self) -> AsyncIOMotorClientSession | None:
        await self.flush()
        return self.session

    async def write_session(self) -> AsyncIOMotorClientSession:
        """The session to write with; the first call opens the transaction."""
        await self.flush()
        return await self._begin()

    async def _begin(self) -> AsyncIOMotorClientSession:
        if self.session is None:
            # Beginning and ending a session asks nothing of the database, so that neither needs a thread.
            client = self.database.client
            self.session = AsyncIOMotorClientSession(client.delegate.start_session(), client)
            await self.process.register_session(self.session)
            self.session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority")
            )
        return self.session

    def record_fact(self, kind: type[Fact], subject: Entity, *, number: int | None = None, **data: Any) -> None:
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

    async def lock(self, kind: LockKind, name: str) -> None:
        """Wait until no other change of this process is busy with that, and be it to the end of this attempt.

        Changes that take the same turns need not lose against each other at the database. To be taken in one order by
        all: first what the change is about, then users, and several of these in the order of their ids. Raises
        Unavailable when others are busy with it for longer than this change may take.
        """
        await self._exit_stack.enter_async_context(
            self._locks.lock(LockKey(kind, name), deadline=self.state.deadline.at)
        )

    def enter_context(self, context: AbstractContextManager[None]) -> None:
        """Enter the context, and leave it when this attempt has ended and, if it is committed, has been told of."""
        self._exit_stack.enter_context(context)

    async def commit(self) -> None:
        """Put the facts told so far into the outbox and make it all true.

        While the database does not say how it went, ask again: committing twice commits once.
        """
        facts = [_outbox_document(fact, self.now) for fact in self.facts]
        writes, self._writes = self._writes, []
        session = await self._begin() if facts or writes else self.session
        if session is None:
            if await self.used_outdated_definitions():
                raise Conflict(self.definition_cache.refresh)
            return
        outbox = self.collection("outbox").delegate
        epoch = self._epoch
        committing = False

        def finish() -> None:
            nonlocal committing
            # All on one thread: whoever hands over twice waits twice for its turn.
            _apply_writes(writes, session.delegate)
            if epoch is not None and epochs.read_epoch_in_session(self.database, session.delegate) != epoch:
                raise Conflict(self.definition_cache.refresh)
            if facts:
                outbox.insert_many(facts, session=session.delegate)
            if not self.state.deadline.begin_commit():
                raise Conflict
            committing = True
            session.delegate.commit_transaction()

        try:
            await _run_in_thread(finish)
        except PyMongoError as error:
            if not committing or not _is_commit_unknown(error):
                raise
            await self._commit_again(session)

    async def _commit_again(self, session: AsyncIOMotorClientSession) -> None:
        while True:
            await asyncio.sleep(COMMIT_RETRY_SECONDS)
            try:
                await _run_in_thread(session.delegate.commit_transaction)
                return
            except PyMongoError as error:
                if not _is_commit_unknown(error):
                    raise
                if asyncio.get_running_loop().time() > self.state.deadline.at:
                    raise outcome_unknown() from error

    async def close(self) -> None:
        """Undo what was not committed. A database that cannot be told forgets the transaction by itself."""
        if self.session is not None:
            if self.session.in_transaction:  # type: ignore[truthy-function] # a property, whatever the stubs say
                with contextlib.suppress(PyMongoError):
                    await self.session.abort_transaction()
            self.session.delegate.end_session()
        if self._epoch is not None:
            self.definition_cache.release_epoch(self._epoch)
        await self._exit_stack.aclose()


def _apply_writes(writes: Sequence[SessionWrite], session: ClientSession) -> None:
    for write in writes:
        write(session)


def _outbox_document(fact: Fact, moment: datetime) -> Document:
    """A fact as the outbox holds it until it is in the log."""
    return {
        "_id": fact.id,
        "subject": fact.subject_id,
        "number": fact.subject_number,
        "at": moment,
        "fact": to_document(fact, id_key="id"),
    }


def _is_commit_unknown(error: PyMongoError) -> bool:
    """Whether a commit that met this error may have gone through, so that it has to be asked for again."""
    return error.has_error_label("UnknownTransactionCommitResult") or is_session_killed(error)


async def _run_in_thread(work: Callable[[], None]) -> None:
    """Do what blocks on one of the threads that the driver has for that."""
    await run_on_executor(asyncio.get_running_loop(), work)  # type: ignore[no-untyped-call] # has no types
