"""The writes of changes, which plans.py executes together in one MongoDB transaction."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import bson
import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage.facts import Fact
from storage.mongo.connection import Document
from storage.transactions.conflicts import CommitGuard, Conflict
from storage.transactions.deadline import Deadline

DUPLICATE_KEY = 11_000
#: A change with more writes is committed alone.
MAX_SHARED_WRITES = 64

#: Writes in the session's transaction. Such a write is never part of a command with others.
SessionWrite: TypeAlias = Callable[[ClientSession], None]


class Write(msgspec.Struct, frozen=True):
    """One write of a change."""

    collection: Collection[Document]
    command: Literal["insert", "update"]
    #: The document to insert, or the query `q` and the change `u` of one document.
    statement: Document | RawBSONDocument
    #: The query of the write, if the change conflicts unless it matches a document. It has an `_id`, a string.
    must_match: Document | None = None
    #: Returns the error to raise if a unique index refuses the write.
    refusal: Callable[[DuplicateKeyError], Exception] | None = None
    #: The bytes of the document.
    size: int = 0


class PreparedChange(msgspec.Struct, frozen=True):
    """The writes of one attempt at a mutation, its facts, and the conditions of its commit."""

    writes: Sequence[Write | SessionWrite]
    guards: Sequence[CommitGuard]
    deadline: Deadline[Any]
    #: The versions of other documents that the commit requires, by collection and id.
    versions: Mapping[tuple[str, str], int] = msgspec.field(default_factory=dict)
    #: The facts, and each as BSON.
    facts: Sequence[Fact] = ()
    encoded_facts: Sequence[RawBSONDocument] = ()
    #: Called, maybe more than once, when a majority has acknowledged the commit, before the facts are published.
    acknowledge: Callable[[], None] = lambda: None
    #: The writes that insert the facts into the outbox.
    outbox: Sequence[Write] = ()

    @property
    def shareable(self) -> bool:
        """Whether the change can be committed together with others."""
        return len(self.writes) + len(self.outbox) <= MAX_SHARED_WRITES and not any(map(callable, self.writes))

    @property
    def size(self) -> int:
        return sum([write.size for write in (*self.writes, *self.outbox) if isinstance(write, Write)])


class RefusedChanges(Exception):
    """Some changes of a transaction cannot be committed. The transaction must be aborted.

    `errors` has the error of each by its place among the changes.
    """

    def __init__(self, errors: dict[int, Exception]) -> None:
        super().__init__(errors)
        self.errors = errors


class UnidentifiedConflict(Exception):
    """One change of a transaction conflicts, and it is not known which."""


def insertion(
    collection: Collection[Document],
    document: Document | RawBSONDocument,
    *,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
    size: int | None = None,
) -> Write:
    """The write that inserts the document. `size`: about its bytes, if they are known."""
    if size is None:
        document = to_bson(document)
        size = len(document.raw)
    return Write(collection, "insert", document, refusal=refusal, size=size)


def update(
    collection: Collection[Document],
    query: Document,
    change: Document | Sequence[Document] | RawBSONDocument,
    *,
    must_match: bool = False,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
    size: int = 0,
) -> Write:
    """The write that changes the document that the query finds. It conflicts without one if it `must_match`."""
    statement = {"q": query, "u": change, "multi": False, "upsert": False}
    return Write(collection, "update", statement, must_match=query if must_match else None, refusal=refusal, size=size)


def replacement(
    collection: Collection[Document],
    query: Document,
    document: Document | RawBSONDocument,
    *,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
) -> Write:
    """The write that replaces the document that the query finds by `_id` and version. Without one, it conflicts."""
    encoded = to_bson(document)
    return update(collection, query, encoded, must_match=True, refusal=refusal, size=len(encoded.raw))


def to_bson(document: Document | RawBSONDocument) -> RawBSONDocument:
    """The document as BSON, which the driver copies into its command."""
    return RawBSONDocument(bson.encode(document)) if isinstance(document, dict) else document


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


def abort(session: ClientSession) -> None:
    """Abort the transaction of the session if there is one. MongoDB aborts it if this fails."""
    if session.in_transaction:
        with contextlib.suppress(PyMongoError):
            session.abort_transaction()
