"""Plans: the commands that execute the writes of changes in one MongoDB transaction, and what their replies mean.

Equal kinds of writes to one collection are one command, also those of several changes. The commands are sent at once
(mongo/pipelines.py, mongo/direct_writes.py). What takes a session blocks, and runs on a thread of the driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError, WriteError
from pymongo.read_concern import ReadConcern

from storage.mongo import pipelines
from storage.mongo.connection import Document
from storage.transactions.conditions import Conditions
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

    def __init__(self, changes: Sequence[PreparedChange], fact_writes: Sequence[Sequence[Write]] | None = None) -> None:
        """`fact_writes`: for each change, the writes that store its facts, in place of those to the outbox."""
        if fact_writes is None:
            fact_writes = [change.outbox for change in changes]
        self._commands = _commands(
            [[*change.writes, *facts] for change, facts in zip(changes, fact_writes, strict=True)]
        )
        self.conditions = Conditions(changes)
        #: Whether all commands can be sent at once.
        self.is_one_message = (
            bool(self._commands)
            and all(command.session_write is None for command in self._commands)
            and sum(command.size for command in self._commands) <= MAX_COMMAND_BYTES
        )

    def commands(self) -> list[Document]:
        """The commands that write, if they are one message."""
        return [command.encoded() for command in self._commands]

    def is_plain_success(self, replies: Sequence[pipelines.Reply]) -> bool:
        """Whether all writes have succeeded. `settle` does not block then."""
        return all(
            isinstance(reply, dict) and command.has_succeeded(reply)
            for command, reply in zip(self._commands, replies, strict=True)
        )

    def settle(
        self, session: ClientSession, replies: Sequence[pipelines.Reply], condition: pipelines.Reply | None
    ) -> None:
        """Return if the changes can be committed by these replies to the commands and to that of the conditions.

        Raises RefusedChanges if it is known which changes fail, UnidentifiedConflict, or an error of the driver.
        """
        _results(session, self._commands, replies)
        if isinstance(condition, PyMongoError):
            raise condition
        if condition is not None:
            self.conditions.require_in(condition)

    def execute(self, session: ClientSession, database: str) -> None:
        """Read the conditions and execute the commands in the session's transaction. Raises what `settle` raises."""
        # The versions are read before the writes, which may change them.
        self.conditions.require_in_all(_execute(session, database, [*self.conditions.finds(), *self._commands]))


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
