"""The writes of changes, executed together in one MongoDB transaction.

Equal kinds of writes to one collection are one command, also those of several changes. The functions that take a
session block, and run on a thread of the driver.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from storage.mongo.connection import Document
from storage.transactions.conflicts import CommitGuard, Conflict
from storage.transactions.deadline import Deadline

DUPLICATE_KEY = 11_000
#: A change with more writes is committed alone.
MAX_SHARED_WRITES = 64

#: Writes in the session's transaction. Such a write is never part of a command with others.
SessionWrite: TypeAlias = Callable[[ClientSession], None]
Operation: TypeAlias = InsertOne[Any] | ReplaceOne[Any] | UpdateOne


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a change."""

    collection: Collection[Document]
    operation: Operation
    #: The query of the operation, if the change conflicts unless it matches a document. It has an `_id`, a string.
    must_match: Document | None = None
    #: Returns the error to raise if a unique index refuses the write.
    refusal: Callable[[DuplicateKeyError], Exception] | None = None
    #: The bytes of the document.
    size: int = 0


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """The writes of one attempt at a mutation, those to the outbox included, and the conditions of its commit."""

    writes: Sequence[Write | SessionWrite]
    guards: Sequence[CommitGuard]
    deadline: Deadline[Any]

    @property
    def shareable(self) -> bool:
        """Whether the change can be committed together with others."""
        return len(self.writes) <= MAX_SHARED_WRITES and all(isinstance(write, Write) for write in self.writes)

    @property
    def size(self) -> int:
        return sum(write.size for write in self.writes if isinstance(write, Write))


class RefusedChanges(Exception):
    """Some changes of a transaction cannot be committed. The transaction must be aborted.

    `errors` has the error of each by its place among the changes.
    """

    def __init__(self, errors: dict[int, Exception]) -> None:
        super().__init__(errors)
        self.errors = errors


class UnidentifiedConflict(Exception):
    """One change of a transaction conflicts, and it is not known which."""


@dataclass(slots=True)
class _Command:
    """Writes of one kind to one collection, each with the place of its change."""

    key: object
    writes: list[tuple[int, Write]] = field(default_factory=list)
    #: In place of `writes`, with the place of its change.
    session_write: tuple[int, SessionWrite] | None = None


def insertion(
    collection: Collection[Document],
    document: Document | RawBSONDocument,
    *,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
) -> Write:
    """The write that inserts the document."""
    encoded = to_bson(document)
    return Write(collection, InsertOne(encoded), refusal=refusal, size=len(encoded.raw))


def replacement(
    collection: Collection[Document],
    query: Document,
    document: Document | RawBSONDocument,
    *,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
) -> Write:
    """The write that replaces the document that the query finds by `_id` and version. Without one, it conflicts."""
    encoded = to_bson(document)
    operation: ReplaceOne[Any] = ReplaceOne(query, encoded)
    return Write(collection, operation, must_match=query, refusal=refusal, size=len(encoded.raw))


def to_bson(document: Document | RawBSONDocument) -> RawBSONDocument:
    """The document as BSON, which the driver copies into its command."""
    return document if isinstance(document, RawBSONDocument) else RawBSONDocument(bson.encode(document))


def write_all(session: ClientSession, changes: Sequence[PreparedChange]) -> None:
    """Execute the writes of the changes in the session's transaction, and check the conditions of the commit.

    Raises RefusedChanges if it is known which changes fail, UnidentifiedConflict, or an error of the driver.
    """
    for command in _commands([change.writes for change in changes]):
        _execute(session, command)
    guards = dict.fromkeys(guard for change in changes for guard in change.guards)
    for guard in guards:
        try:
            guard.require(session)
        except Conflict as conflict:
            raise RefusedChanges(
                {
                    place: Conflict(conflict.before_retry)
                    for place, change in enumerate(changes)
                    if guard in change.guards
                }
            ) from None


def write_now(session: ClientSession, writes: Sequence[Write | SessionWrite]) -> None:
    """Execute the writes of one change in the session's transaction. Raises the error of the change."""
    try:
        for command in _commands([writes]):
            _execute(session, command)
    except RefusedChanges as refused:
        raise refused.errors[0] from None


def begin_commit(changes: Sequence[PreparedChange]) -> None:
    """Let every change count as committing. Raises RefusedChanges if callers of some were told that nothing changed."""
    abandoned = [place for place, change in enumerate(changes) if not change.deadline.begin_commit()]
    if abandoned:
        end_commit(changes)
        raise RefusedChanges({place: Conflict() for place in abandoned})


def end_commit(changes: Sequence[PreparedChange]) -> None:
    """Let no change count as committing, because the commit did not begin or has failed."""
    for change in changes:
        change.deadline.committing = False


def _commands(changes: Sequence[Sequence[Write | SessionWrite]]) -> list[_Command]:
    """The commands that execute the writes of the changes. Those of one change stay in their order."""
    commands: list[_Command] = []
    for place, writes in enumerate(changes):
        index = 0
        for write in writes:
            if not isinstance(write, Write):
                commands.append(_Command(None, session_write=(place, write)))
                index = len(commands)
                continue
            key = (write.collection.name, type(write.operation), write.must_match is not None)
            while index < len(commands) and commands[index].key != key:
                index += 1
            if index == len(commands):
                commands.append(_Command(key))
            commands[index].writes.append((place, write))
    return commands


def _execute(session: ClientSession, command: _Command) -> None:
    if command.session_write is not None:
        command.session_write[1](session)
        return
    writes = command.writes
    collection = writes[0][1].collection
    try:
        result = collection.bulk_write([write.operation for _, write in writes], session=session)
    except BulkWriteError as error:
        failures = error.details.get("writeErrors") or []
        if not failures or failures[0].get("code") != DUPLICATE_KEY:
            raise
        failure = failures[0]
        place, write = writes[failure["index"]]
        refused = DuplicateKeyError(str(failure["errmsg"]), DUPLICATE_KEY, failure)
        raise RefusedChanges({place: refused if write.refusal is None else write.refusal(refused)}) from error
    queries = [write.must_match for _, write in writes if write.must_match is not None]
    if result.matched_count < len(queries):
        places = [place for place, _ in writes]
        if len(set(places)) == 1:
            raise RefusedChanges({places[0]: Conflict()})
        abort(session)
        raise _conflict(collection, places, queries)


def abort(session: ClientSession) -> None:
    """Abort the transaction of the session if there is one. MongoDB aborts it if this fails."""
    if session.in_transaction:
        with contextlib.suppress(PyMongoError):
            session.abort_transaction()


def _conflict(collection: Collection[Document], places: Sequence[int], queries: Sequence[Document]) -> Exception:
    """The error for writes of which some matched no document: those whose queries match none now."""
    now = collection.with_options(read_concern=ReadConcern("local"))
    matching = {document["_id"] for document in now.find({"$or": queries}, {"_id": 1})}
    conflicting = [place for place, query in zip(places, queries, strict=True) if query["_id"] not in matching]
    # Of two changes of one document, each matches alone.
    return RefusedChanges({place: Conflict() for place in conflicting}) if conflicting else UnidentifiedConflict()
