"""One attempt at a mutation: read, decide, write and record the facts in one MongoDB transaction.

The body of a mutation reads first and writes then. The first attempt may use entities from the memory of the process,
whose versions the commit requires. Other reads before the first write see majority-committed data, and every
write names the version of the document that was read. Writes are batched into one MongoDB transaction at the end, which
also inserts the facts into the outbox, or into the log. After a conflict the body runs again on fresh data, and then
sees what the other transaction wrote.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClientSession
from typing_extensions import override

from storage import threads
from storage.facts import Fact
from storage.log.encoded_facts import encode
from storage.mongo.connection import Database, Document, new_id
from storage.mongo.reader import Reader
from storage.records import Actor, Entity
from storage.transactions.commit_groups import CommitGroups
from storage.transactions.commits import begin
from storage.transactions.conflicts import AsyncCallback, CommitGuard, Conflict
from storage.transactions.deadline import Deadline
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.keyed_locks import KeyedLocks, LockKey, LockKind
from storage.transactions.plans import write_now
from storage.transactions.writes import PreparedChange, RefusedChanges, SessionWrite, Write, abort, insertion

if TYPE_CHECKING:
    from storage.custom_fields.definition_cache import DefinitionCache


E = TypeVar("E")

#: About the bytes of a document of the outbox without its fact.
OUTBOX_FIELD_BYTES = 150


class ChangeState:
    """What all attempts at one mutation share."""

    def __init__(self, deadline: Deadline[Any], now: datetime) -> None:
        self.deadline = deadline
        self._now = now
        #: The definitions of which it has the lease (custom_fields/definition_leases.py).
        self.leased_definitions: set[str] = set()
        #: The facts of the last attempt as BSON, and whether they are in the log.
        self.encoded_facts: Sequence[RawBSONDocument] = ()
        self.appended = False
        #: The id and version of the agent that routing chose in the last attempt that chose one.
        self.chosen_agent: tuple[str, int] | None = None
        #: Undo writes outside of transactions. They run when the mutation has ended.
        self.undo_steps: dict[str, AsyncCallback] = {}

    @cached_property
    def id(self) -> str:
        """The id of the mutation, which an entity that it creates may use."""
        return new_id(self._now)


class Transaction(Reader):
    """One attempt at a mutation, by one actor, at one time. It is the first argument of writing functions."""

    def __init__(
        self,
        database: Database,
        definition_cache: "DefinitionCache",
        locks: KeyedLocks,
        process: ProcessHeartbeat,
        groups: CommitGroups,
        state: ChangeState,
        *,
        actor: Actor,
        on_committed: Callable[[Sequence[Fact]], None],
        client_mutation_id: str | None = None,
        attempt: int = 1,
    ) -> None:
        """`on_committed` is called with the facts when a majority has acknowledged the commit."""
        super().__init__(database, definition_cache)
        self._locks = locks
        self.process = process
        self._groups = groups
        self.state = state
        self._locked = ExitStack()
        self._contexts = ExitStack()
        #: By the clock of the database.
        self.now = database.now()
        self.actor = actor
        self.client_mutation_id = client_mutation_id
        #: The number of this attempt, from 1. From the second one on, caches of this process may be outdated.
        self.attempt = attempt
        self.facts: list[Fact] = []
        self._on_committed = on_committed
        self._is_acknowledged = False
        self.guards: list[CommitGuard] = []
        #: Whether this attempt used entities from the memory of the process, which may be outdated.
        self.uses_recent = False
        self._writes: list[Write | SessionWrite] = []
        #: Versions that the commit requires, by collection and id.
        self._required_versions: dict[tuple[str, str], int] = {}
        #: The documents of which a write that was executed has required the version.
        self._flushed: set[tuple[str, str]] = set()
        self._remembered: list[tuple[str, str, Any, int, Fact | None]] = []
        self._cache_revision = definition_cache.revision
        self._clears = database.recent_entities.clears

    def require_current_definitions(self) -> None:
        """Raise Conflict if the cached definitions have changed since this attempt began.

        Records that the attempt has read, and values that it has checked, depend on the definitions of that time.
        """
        if self.definition_cache.revision != self._cache_revision:
            raise Conflict

    def recent(self, kind: str, key: str) -> Any | None:
        """The entity from the memory of this process, or None if it must be read.

        Only the first attempt uses the memory, and only before its first write: after a conflict, and after a refusal,
        the next one reads. Call `require_version` for what the mutation uses.
        """
        if self.attempt > 1 or self._writes or self.session is not None:
            return None
        found = self.database.recent_entities.get(kind, key, self._cache_revision)
        self.uses_recent |= found is not None
        return found

    def recent_of(self, entity: E | None) -> E | None:
        """This entity from another memory of this process, where `recent` may use one. Otherwise None."""
        if self.attempt > 1 or self._writes or self.session is not None:
            return None
        self.uses_recent |= entity is not None
        return entity

    def require_version(self, collection: str, entity: Entity) -> None:
        """Commit this attempt only if the entity still has this version. It conflicts otherwise."""
        self._required_versions[collection, entity.id] = entity.version

    def remember(self, kind: str, key: str, entity: Any, *, version: int, fact: Fact | None = None) -> None:
        """Put an entity that this attempt writes into the memory of the process once it is committed.

        `fact`: one that has the entity. The size of its BSON, which exists then, is about that of the entity.
        """
        self._remembered.append((kind, key, entity, version, fact))

    def recent_now(self, kind: str, key: str) -> Any | None:
        """The entity in the memory of this process, whatever this attempt has done. It is not for decisions."""
        return self.database.recent_entities.get(kind, key, self._cache_revision)

    def put_recent(self, kind: str, key: str, entity: Any, *, version: int) -> None:
        """Put an entity that was read into the memory of the process."""
        if self.session is None and self.database.recent_entities.clears == self._clears:
            self.database.recent_entities.put(kind, key, entity, version=version, revision=self._cache_revision)

    def acknowledge(self) -> None:
        """Put what this attempt wrote into the memory of the process, and notify the listeners of its facts, once.

        Call it when a majority has acknowledged the commit, before the facts are published: later facts of other
        processes would seem to be older.
        """
        if not self._is_acknowledged:
            self._is_acknowledged = True
            self._remember_written()
            self._on_committed(self.facts)
            self._contexts.close()

    def _remember_written(self) -> None:
        if not self._remembered or self.database.recent_entities.clears != self._clears:
            return
        sizes = {fact.id: len(raw.raw) for fact, raw in zip(self.facts, self.state.encoded_facts, strict=True)}
        for kind, key, entity, version, fact in self._remembered:
            size = None if fact is None else sizes[fact.id]
            self.database.recent_entities.put(
                kind, key, entity, version=version, revision=self._cache_revision, size=size
            )

    def add_guard(self, guard: CommitGuard) -> None:
        """Commit this attempt only if the guard's condition is true. Closes the guard when the attempt has ended."""
        self.guards.append(guard)

    def defer_write(self, write: Write | SessionWrite) -> None:
        """Run the write with all others at the commit, or before the next read in the transaction.

        One call on a thread of the driver for all writes costs less than one for each. Errors are raised at that time.
        A change whose writes are all `Write`s can be committed together with others.
        """
        self._writes.append(write)

    async def flush(self) -> None:
        """Run the deferred writes now."""
        if self._writes:
            session = await self._begin()
            writes, self._writes = self._writes, []
            self._flushed |= _matched(writes)
            await threads.run(lambda: write_now(session.delegate, self.database.raw.name, writes))

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
            self.session = await begin(self.database, self.process)
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
        key = LockKey(kind, name)
        await self._locks.acquire(key, deadline=self.state.deadline.at)
        self._locked.callback(self._locks.release, key)

    def enter_context(self, context: AbstractContextManager[None]) -> None:
        """Enter the context. It exits with this attempt or, if that is committed, when listeners get its facts.

        So a listener that counts the facts does not find both an assigned room and a reservation for it.
        """
        self._contexts.enter_context(context)

    async def commit(self) -> None:
        """Insert the facts into the outbox or the log, and commit.

        An unknown result of a commit is followed by another commit of the same transaction, which commits it once.
        """
        if not self.facts and not self._writes and self.session is None:
            if self.uses_recent:
                raise Conflict
            for guard in self.guards:
                if await guard.is_outdated():
                    raise Conflict(guard.refresh)
            return
        outbox = self.collection("outbox").delegate
        encoded = self.state.encoded_facts = [encode(fact) for fact in self.facts]
        outbox_writes = [
            insertion(outbox, _outbox_document(fact, raw, self.now), size=OUTBOX_FIELD_BYTES + len(raw.raw))
            for fact, raw in zip(self.facts, encoded, strict=True)
        ]
        matched = self._flushed | _matched(self._writes)
        versions = {place: version for place, version in self._required_versions.items() if place not in matched}
        writes, self._writes = self._writes, []
        change = PreparedChange(
            writes, self.guards, self.state.deadline, versions, self.facts, encoded, self.acknowledge, outbox_writes
        )
        if self.session is None and change.shareable:
            self.state.appended = await self._groups.commit(change)
            return
        is_new = self.session is None
        session = await self._begin()
        try:
            self.state.appended = await self._groups.commit_alone(session, change, is_new=is_new)
        except RefusedChanges as refused:
            raise refused.errors[0] from None

    async def close(self) -> None:
        """Abort the transaction if it is not committed. MongoDB aborts it if this fails."""
        if self.session is not None:
            if self.session.in_transaction:  # type: ignore[truthy-function] # the stubs type it wrongly: it is a property
                await threads.run(partial(abort, self.session.delegate))
            self.session.delegate.end_session()
        for guard in self.guards:
            guard.close()
        self._contexts.close()
        self._locked.close()


def _matched(writes: Sequence[Write | SessionWrite]) -> set[tuple[str, str]]:
    """The documents of which these writes require the version."""
    return {
        (write.collection.name, write.must_match["_id"])
        for write in writes
        if isinstance(write, Write) and write.must_match is not None
    }


def _outbox_document(fact: Fact, encoded: RawBSONDocument, now: datetime) -> Document:
    return {
        "_id": fact.id,
        "subject": fact.subject_id,
        "number": fact.subject_number,
        "at": now,
        "fact": encoded,
    }
