"""Plans: the commands that execute the writes of changes in one MongoDB transaction, and what their replies mean.

Equal kinds of writes to one collection are one command, also those of several changes. The commands are sent at once
(mongo/pipelines.py, mongo/direct_writes.py). What takes a session blocks, and runs on a thread of the driver.
"""

from collections import defaultdict
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern

from storage.mongo import pipelines
from storage.mongo.connection import Document
from storage.transactions.conflicts import Conflict
from storage.transactions.writes import (
    DUPLICATE_KEY,
    PreparedChange,
    RefusedChanges,
    SessionWrite,
    UnidentifiedConflict,
    Write,
    abort,
)

#: Limits of one command, in writes and bytes.
MAX_COMMAND_WRITES = 1_000
MAX_COMMAND_BYTES = 8 * 1024 * 1024
#: The command of a write, and the name of its list of writes.
_LISTS = {"insert": "documents", "update": "updates"}
_LOCAL = {"level": "local"}


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

    def has_succeeded(self, reply: Document) -> bool:
        """Whether all writes were executed, and those that must match a document did."""
        return "writeErrors" not in reply and (self.writes[0][1].must_match is None or reply["n"] == len(self.writes))

    def encoded(self) -> Document:
        first = self.writes[0][1]
        return {
            first.command: first.collection.name,
            "ordered": True,
            _LISTS[first.command]: [write.statement for _, write in self.writes],
        }


class Plan:
    """The commands of the changes of one transaction, in their order, and the conditions of its commit."""

    def __init__(self, changes: Sequence[PreparedChange]) -> None:
        self._changes = changes
        self._commands = _commands([change.writes for change in changes])
        self._guards = list(dict.fromkeys(guard for change in changes for guard in change.guards))
        ids = _required_ids(changes)
        self._collections = list(ids)
        self._conditions = [
            *(_versions_command(collection, wanted) for collection, wanted in ids.items()),
            *(guard.command() for guard in self._guards),
        ]
        #: Whether all commands can be sent at once.
        self.is_one_message = (
            bool(self._commands)
            and all(command.session_write is None for command in self._commands)
            and sum(command.size for command in self._commands) <= MAX_COMMAND_BYTES
        )

    def commands(self) -> list[Document]:
        """The commands that write, if they are one message."""
        return [command.encoded() for command in self._commands]

    def conditions(self) -> list[Document]:
        """The commands that read what the commit depends on, for a read outside of the transaction.

        A read in the transaction would say no more: it is of the time at which the transaction began, and a change that
        is committed later does not conflict with it either.
        """
        return [{**command, "readConcern": _LOCAL} for command in self._conditions]

    def is_plain_success(self, replies: Sequence[pipelines.Reply]) -> bool:
        """Whether all writes have succeeded. `settle` does not block then."""
        return all(
            isinstance(reply, dict) and command.has_succeeded(reply)
            for command, reply in zip(self._commands, replies, strict=True)
        )

    def settle(
        self, session: ClientSession, replies: Sequence[pipelines.Reply], conditions: Sequence[pipelines.Reply]
    ) -> None:
        """Return if the changes can be committed by these replies to the commands and to the conditions.

        Raises RefusedChanges if it is known which changes fail, UnidentifiedConflict, or an error of the driver.
        """
        _results(session, self._commands, replies)
        self._require_conditions(_results(session, self._conditions, conditions))

    def execute(self, session: ClientSession, database: str) -> None:
        """Read the conditions and execute the commands in the session's transaction. Raises what `settle` raises."""
        # The versions are read before the writes, which may change them.
        self._require_conditions(_execute(session, database, [*self._conditions, *self._commands]))

    def _require_conditions(self, replies: Sequence[Document]) -> None:
        """Raise RefusedChanges for changes with conditions that are false by the replies to the reads."""
        count = len(self._collections)
        _require_versions(self._changes, dict(zip(self._collections, replies[:count], strict=True)))
        for guard, reply in zip(self._guards, replies[count:], strict=True):
            try:
                guard.require(reply)
            except Conflict as conflict:
                raise RefusedChanges(
                    {
                        place: Conflict(conflict.before_retry)
                        for place, change in enumerate(self._changes)
                        if guard in change.guards
                    }
                ) from None


def write_now(session: ClientSession, database: str, writes: Sequence[Write | SessionWrite]) -> None:
    """Execute the writes of one change in the session's transaction. Raises the error of the change."""
    try:
        _execute(session, database, _commands([writes]))
    except RefusedChanges as refused:
        raise refused.errors[0] from None


def _execute(session: ClientSession, database: str, steps: Sequence[_Command | Document]) -> list[Document]:
    """Execute writes and reads in their order, and return the replies to the reads.

    Commands that follow each other are sent at once, up to MAX_COMMAND_BYTES.
    """
    waiting: list[_Command | Document] = []
    size = 0
    replies: list[Document] = []

    def send() -> None:
        nonlocal waiting, size, replies
        if waiting:
            documents = [_document(step) for step in waiting]
            received = pipelines.run(session.client, database, documents, session=session)
            replies += _results(session, waiting, received)
            waiting, size = [], 0

    for step in steps:
        if isinstance(step, _Command):
            if step.session_write is not None:
                send()
                step.session_write(session)
                continue
            if size + step.size > MAX_COMMAND_BYTES:
                send()
            size += step.size
        waiting.append(step)
    send()
    return replies


def _document(step: _Command | Document) -> Document:
    return step.encoded() if isinstance(step, _Command) else step


def _results(
    session: ClientSession, steps: Sequence[_Command | Document], replies: Sequence[pipelines.Reply]
) -> list[Document]:
    """The replies to reads. Raises the first error."""
    found: list[Document] = []
    for step, reply in zip(steps, replies, strict=True):
        if isinstance(step, _Command):
            _require_success(session, step, reply)
        elif isinstance(reply, PyMongoError):
            raise reply
        else:
            found.append(reply)
    return found


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


def _conflict(collection: Collection[Document], places: Sequence[int], queries: Sequence[Document]) -> Exception:
    """The error for writes of which some matched no document: those whose queries match none now."""
    now = collection.with_options(read_concern=ReadConcern("local"))
    matching = {document["_id"] for document in now.find({"$or": queries}, {"_id": 1})}
    conflicting = [place for place, query in zip(places, queries, strict=True) if query["_id"] not in matching]
    # Of two changes of one document, each matches alone.
    return RefusedChanges({place: Conflict() for place in conflicting}) if conflicting else UnidentifiedConflict()
