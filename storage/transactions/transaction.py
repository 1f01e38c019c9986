"""One attempt at a mutation: read, decide, write and record the facts in one MongoDB transaction.

The body of a mutation reads first and writes then. Reads before the first write see majority-committed data, and every
write names the version of the document that was read. Writes are batched into one MongoDB transaction at the end, which
also inserts the facts into the outbox. After a conflict the body runs again on fresh data, and then sees what the other
transaction wrote.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from typing_extensions import override

from storage.facts import Fact
from storage.mongo.connection import Database, Document, is_session_killed, new_id, to_document
from storage.mongo.reader import Reader
from storage.mongo.retries import with_retries
from storage.records import Actor, Entity
from storage.transactions.deadline import Deadline, outcome_unknown
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.keyed_locks import KeyedLocks, LockKey, LockKind

if TYPE_CHECKING:
    from storage.custom_fields.definition_cache import DefinitionCache

AsyncCallback = Callable[[], Awaitable[None]]
#: Writes in the session's transaction. Blocks, on a thread of the driver.
SessionWrite = Callable[[ClientSession], None]
T = TypeVar("T")

logger = logging.getLogger(__name__)

COMMIT_RETRY_SECONDS = 0.002


class Conflict(Exception):
    """Data that this attempt read has changed. The body runs again, after `before_retry`."""

    def __init__(self, before_retry: AsyncCallback | None = None) -> None:
        super().__init__()
        self.before_retry = before_retry


class CommitGuard(Protocol):
    """A condition on which an attempt may be committed, in addition to the versions in its writes."""

    def require(self, session: ClientSession) -> None:
        """Raise Conflict if the condition is false in the session's transaction. Blocks."""

    async def is_outdated(self) -> bool:
        """Whether the condition is false now."""

    async def refresh(self) -> None:
        """Prepare the next attempt, in which the condition may be true."""

    def close(self) -> None:
        """Called when the attempt has ended."""


class ChangeState:
    """What all attempts at one mutation share."""

    def __init__(self, deadline: Deadline[Any], now: datetime) -> None:
        self.deadline = deadline
        #: The id of the mutation, which an entity that it creates may use.
        self.id = new_id(now)
        #: The definitions of which it has the lease (custom_fields/definition_leases.py).
        self.leased_definitions: set[str] = set()
        #: Undo writes outside of transactions. They run when the mutation has ended.
        self.undo_steps: dict[str, AsyncCallback] = {}


class Transaction(Reader):
    """One attempt at a mutation, by one actor, at one time. It is the first argument of writing functions."""

    def __init__(
        self,
        database: Database,
        definition_cache: "DefinitionCache",
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
        #: The number of this attempt, from 1. From the second one on, caches of this process may be outdated.
        self.attempt = attempt
        self.facts: list[Fact] = []
        self.guards: list[CommitGuard] = []
        self._writes: list[SessionWrite] = []
        self._cache_revision = definition_cache.revision

    def require_current_definitions(self) -> None:
        """Raise Conflict if the cached definitions have changed since this attempt began.

        Records that the attempt has read, and values that it has checked, depend on the definitions of that time.
        """
        if self.definition_cache.revision != self._cache_revision:
            raise Conflict

    def add_guard(self, guard: CommitGuard) -> None:
        """Commit this attempt only if the guard's condition is true. Closes the guard when the attempt has ended."""
        self.guards.append(guard)

    def defer_write(self, write: SessionWrite) -> None:
        """Run the write with all others at the commit, or before the next read in the transaction.

        One call on a thread of the driver for all writes costs less than one for each. Errors are raised at that time.
        """
        self._writes.append(write)

    async def flush(self) -> None:
        """Run the deferred writes now."""
        if self._writes:
            session = await self._begin()
            writes, self._writes = self._writes, []
            await _run_in_thread(lambda: _apply_writes(writes, session.delegate))

    @override
    async def read_session(self) -> AsyncIOMotorClientSession | None:
        await self.flush()
        return self.session

    async def write_session(self) -> AsyncIOMotorClientSession:
        """The session to write with. The first call begins the transaction."""
        await self.flush()
        return await self._begin()

    async def _begin(self) -> AsyncIOMotorClientSession:
        if self.session is None:
            # Starting and ending a session sends nothing to the database, so neither needs a thread.
            client = self.database.client
            self.session = AsyncIOMotorClientSession(client.delegate.start_session(), client)
            await self.process.register_session(self.session)
            self.session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority")
            )
        return self.session

    def record_fact(self, kind: type[Fact], subject: Entity, *, number: int | None = None, **data: Any) -> None:
        """Record a fact about the subject, by this mutation's actor, with the subject's newest number by default.

        The log has the facts about one subject in the order of their numbers.
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
        """Acquire a lock among the mutations of this process, and release it when this attempt has ended.

        Locks avoid conflicts at the database. To avoid deadlocks, lock the subject of the mutation first, then users in
        the order of their ids. Raises Unavailable at the deadline of the mutation.
        """
        await self._exit_stack.enter_async_context(
            self._locks.lock(LockKey(kind, name), deadline=self.state.deadline.at)
        )

    def enter_context(self, context: AbstractContextManager[None]) -> None:
        """Enter the context. It exits when this attempt has ended and, if committed, listeners have its facts."""
        self._exit_stack.enter_context(context)

    async def commit(self) -> None:
        """Insert the facts into the outbox and commit.

        An unknown result of a commit is followed by another commit of the same transaction, which commits it once.
        """
        facts = [_outbox_document(fact, self.now) for fact in self.facts]
        writes, self._writes = self._writes, []
        session = await self._begin() if facts or writes else self.session
        if session is None:
            for guard in self.guards:
                if await guard.is_outdated():
                    raise Conflict(guard.refresh)
            return
        outbox = self.collection("outbox").delegate
        committing = False

        def write_and_commit() -> None:
            """One call on one thread: each call waits for a free thread."""
            nonlocal committing
            _apply_writes(writes, session.delegate)
            for guard in self.guards:
                guard.require(session.delegate)
            if facts:
                outbox.insert_many(facts, session=session.delegate)
            if not self.state.deadline.begin_commit():
                raise Conflict
            committing = True
            session.delegate.commit_transaction()

        try:
            await _run_in_thread(write_and_commit)
        except PyMongoError as error:
            if not committing or not _is_commit_unknown(error):
                raise
            await self._commit_again(session)

    async def _commit_again(self, session: AsyncIOMotorClientSession) -> None:
        await asyncio.sleep(COMMIT_RETRY_SECONDS)
        try:
            await with_retries(
                lambda: _run_in_thread(session.delegate.commit_transaction),
                retry_on=_is_commit_unknown,
                seconds=self.state.deadline.at - asyncio.get_running_loop().time(),
                interval=COMMIT_RETRY_SECONDS,
            )
        except PyMongoError as error:
            if not _is_commit_unknown(error):
                raise
            raise outcome_unknown() from error

    async def close(self) -> None:
        """Abort the transaction if it is not committed. MongoDB aborts it if this fails."""
        if self.session is not None:
            if self.session.in_transaction:  # type: ignore[truthy-function] # the stubs type it wrongly: it is a property
                with contextlib.suppress(PyMongoError):
                    await self.session.abort_transaction()
            self.session.delegate.end_session()
        for guard in self.guards:
            guard.close()
        await self._exit_stack.aclose()


def _apply_writes(writes: Sequence[SessionWrite], session: ClientSession) -> None:
    for write in writes:
        write(session)


def _outbox_document(fact: Fact, now: datetime) -> Document:
    return {
        "_id": fact.id,
        "subject": fact.subject_id,
        "number": fact.subject_number,
        "at": now,
        "fact": to_document(fact, id_key="id"),
    }


def _is_commit_unknown(error: PyMongoError) -> bool:
    """Whether a commit that raised this error may have taken effect."""
    return error.has_error_label("UnknownTransactionCommitResult") or is_session_killed(error)


async def _run_in_thread(work: Callable[[], None]) -> None:
    """Run blocking work on a thread of the driver."""
    await run_on_executor(asyncio.get_running_loop(), work)  # type: ignore[no-untyped-call] # has no types
