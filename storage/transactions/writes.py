"""The writes of changes, executed together in one MongoDB transaction.

Equal kinds of writes to one collection are one command, also those of several changes. The commands are sent at once
(mongo/pipelines.py). The functions that take a session block, and run on a thread of the driver.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern

from storage.mongo import pipelines
from storage.mongo.connection import Document
from storage.transactions.conflicts import CommitGuard, Conflict
from storage.transactions.deadline import Deadline

DUPLICATE_KEY = 11_000
#: A change with more writes is committed alone.
MAX_SHARED_WRITES = 64
#: Limits of one command, in writes and bytes.
MAX_COMMAND_WRITES = 1_000
MAX_COMMAND_BYTES = 8 * 1024 * 1024

#: Writes in the session's transaction. Such a write is never part of a command with others.
SessionWrite: TypeAlias = Callable[[ClientSession], None]
#: The command of a write, and the name of its list of writes.
_LISTS = {"insert": "documents", "update": "updates"}


@dataclass(frozen=True, slots=True)
class Write:
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


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """The writes of one attempt at a mutation, those to the outbox included, and the conditions of its commit."""

    writes: Sequence[Write | SessionWrite]
    guards: Sequence[CommitGuard]
    deadline: Deadline[Any]
    #: The versions of other documents that the commit requires, by collection and id.
    versions: Mapping[tuple[str, str], int] = field(default_factory=dict)

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
    #: The bytes of the writes.
    size: int = 0
    #: In place of `writes`.
    session_write: SessionWrite | None = None

    def has_space_for(self, write: Write) -> bool:
        return len(self.writes) < MAX_COMMAND_WRITES and self.size + write.size <= MAX_COMMAND_BYTES

    def encoded(self) -> Document:
        first = self.writes[0][1]
        return {
            first.command: first.collection.name,
            "ordered": True,
            _LISTS[first.command]: [write.statement for _, write in self.writes],
        }


def insertion(
    collection: Collection[Document],
    document: Document | RawBSONDocument,
    *,
    refusal: Callable[[DuplicateKeyError], Exception] | None = None,
) -> Write:
    """The write that inserts the document."""
    encoded = to_bson(document)
    return Write(collection, "insert", encoded, refusal=refusal, size=len(encoded.raw))


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
    return document if isinstance(document, RawBSONDocument) else RawBSONDocument(bson.encode(document))


def write_all(session: ClientSession, database: str, changes: Sequence[PreparedChange]) -> None:
    """Execute the writes of the changes in the session's transaction, and check the conditions of the commit.

    Raises RefusedChanges if it is known which changes fail, UnidentifiedConflict, or an error of the driver.
    """
    commands = _commands([change.writes for change in changes])
    guards = list(dict.fromkeys(guard for change in changes for guard in change.guards))
    ids = _required_ids(changes)
    reads = [_versions_command(collection, wanted) for collection, wanted in ids.items()]
    # The versions are read before the writes, which may change them.
    replies = _run(session, database, commands, before=reads, after=[guard.command() for guard in guards])
    _require_versions(changes, dict(zip(ids, replies[: len(reads)], strict=True)))
    for guard, reply in zip(guards, replies[len(reads) :], strict=True):
        try:
            guard.require(reply)
        except Conflict as conflict:
            raise RefusedChanges(
                {
                    place: Conflict(conflict.before_retry)
                    for place, change in enumerate(changes)
                    if guard in change.guards
                }
            ) from None


def _required_ids(changes: Sequence[PreparedChange]) -> dict[str, set[str]]:
    """The ids of the documents of which the changes require a version, by collection."""
    ids: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        for collection, document_id in change.versions:
            ids[collection].add(document_id)
    return ids


def _versions_command(collection: str, ids: AnyCollection[str]) -> Document:
    return {
        "find": collection,
        "filter": {"_id": {"$in": list(ids)}},
        "projection": {"version": 1},
        "batchSize": len(ids),
        "singleBatch": True,
    }


def _require_versions(changes: Sequence[PreparedChange], replies: Mapping[str, Document]) -> None:
    """Raise RefusedChanges for the changes that require other versions than those in the replies."""
    stored = {
        (collection, document["_id"]): document.get("version")
        for collection, reply in replies.items()
        for document in reply["cursor"]["firstBatch"]
    }
    outdated = {
        place: Conflict()
        for place, change in enumerate(changes)
        if any(stored.get(document) != version for document, version in change.versions.items())
    }
    if outdated:
        raise RefusedChanges(dict(outdated))


def write_now(session: ClientSession, database: str, writes: Sequence[Write | SessionWrite]) -> None:
    """Execute the writes of one change in the session's transaction. Raises the error of the change."""
    try:
        _run(session, database, _commands([writes]))
    except RefusedChanges as refused:
        raise refused.errors[0] from None


def _run(
    session: ClientSession,
    database: str,
    commands: Sequence[_Command],
    *,
    before: Sequence[Document] = (),
    after: Sequence[Document] = (),
) -> list[Document]:
    """Execute the commands in their order, and return the replies to the reads `before` and `after` them.

    Commands that follow each other are sent at once, up to MAX_COMMAND_BYTES.
    """
    waiting: list[_Command | Document] = list(before)
    size = 0
    replies: list[Document] = []
    for command in commands:
        if waiting and (command.session_write is not None or size + command.size > MAX_COMMAND_BYTES):
            replies += _send(session, database, waiting)
            waiting, size = [], 0
        if command.session_write is None:
            waiting.append(command)
            size += command.size
        else:
            command.session_write(session)
    waiting += after
    return replies + _send(session, database, waiting) if waiting else replies


def _send(session: ClientSession, database: str, commands: Sequence[_Command | Document]) -> list[Document]:
    """Execute writes and reads, and return the replies to the reads."""
    documents = [command.encoded() if isinstance(command, _Command) else command for command in commands]
    replies = pipelines.run(session.client, database, documents, session=session)
    found: list[Document] = []
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(command, _Command):
            _require_success(session, command, reply)
        elif isinstance(reply, PyMongoError):
            raise reply
        else:
            found.append(reply)
    return found


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
                commands.append(_Command(None, session_write=write))
                index = len(commands)
                continue
            key = (write.collection.name, write.command, write.must_match is not None)
            while index < len(commands) and not (commands[index].key == key and commands[index].has_space_for(write)):
                index += 1
            if index == len(commands):
                commands.append(_Command(key))
            commands[index].writes.append((place, write))
            commands[index].size += write.size
    return commands


def _require_success(session: ClientSession, command: _Command, reply: pipelines.Reply) -> None:
    """Raise the error of a command. Errors of single writes are in its reply."""
    if isinstance(reply, PyMongoError):
        raise reply
    writes = command.writes
    for failure in reply.get("writeErrors", ()):
        if failure.get("code") != DUPLICATE_KEY:
            raise WriteError(str(failure.get("errmsg")), failure.get("code"), failure)
        place, write = writes[failure["index"]]
        refused = DuplicateKeyError(str(failure["errmsg"]), DUPLICATE_KEY, failure)
        raise RefusedChanges({place: refused if write.refusal is None else write.refusal(refused)}) from refused
    queries = [write.must_match for _, write in writes if write.must_match is not None]
    if queries and reply["n"] < len(queries):
        places = [place for place, _ in writes]
        if len(set(places)) == 1:
            raise RefusedChanges({places[0]: Conflict()})
        abort(session)
        raise _conflict(writes[0][1].collection, places, queries)


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
