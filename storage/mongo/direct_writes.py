"""Runs the commands of pipelines.py on the event loop, over the connections of direct_commands.py.

That saves the hand-over to a thread, which takes longer than the driver's part of the commands. Whatever is not certain
is left to the driver: `run` returns None if nothing was sent, and a lost connection is an error of the transaction.
"""

import time
from collections.abc import Collection, Sequence

import bson
from pymongo import MongoClient, helpers_shared, message
from pymongo.client_session import ClientSession
from pymongo.client_session_shared import _TxnState
from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure, PyMongoError
from pymongo.read_preferences import ReadPreference
from pymongo.topology_shared import _ErrorContext

from storage.mongo import wire
from storage.mongo.direct_commands import DirectCommands
from storage.mongo.direct_connections import DirectConnection, Lost
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.mongo.pipelines import CODEC, Document, Reply

#: The fields that all commands of a transaction have. The first one has more.
_OF_TRANSACTION = ("lsid", "txnNumber", "autocommit")
_NO_SUCH_TRANSACTION = 251
#: The longest time for a transaction and its condition. It is shorter than the time after which a process counts as
#: dead: nobody who waits for the transactions of live processes has given up waiting meanwhile.
MAX_SECONDS = 2.0


async def run(
    connections: DirectCommands,
    client: MongoClient[Document],
    database: str,
    commands: Sequence[Document],
    *,
    session: ClientSession | None = None,
    behind: Collection[LocalCommit] = (),
) -> list[Reply] | None:
    """Return what `pipelines.run` returns, or None if nothing was sent. Raises ConnectionFailure.

    The session must be in a transaction. The commands are executed behind the commits in `behind`; raises NotBehind if
    that is not certain.
    """
    answered = await _run(connections, client, database, commands, session, behind)
    return None if answered is None else answered[1]


async def run_with_condition(
    connections: DirectCommands,
    client: MongoClient[Document],
    database: str,
    commands: Sequence[Document],
    condition: Document,
    *,
    session: ClientSession,
) -> tuple[list[Reply], Reply] | None:
    """Run the commands in the session's transaction, and the condition, which is a read outside of it, meanwhile.

    Both are sent to the same server, the condition second. It is at most MAX_SECONDS older than the transaction.
    Returns the replies to both, or None if no command was sent. Raises ConnectionFailure.
    """
    began = time.monotonic()
    writing = _Exchange(client, database, commands, session)
    reading = _Exchange(client, database, [condition], None)
    try:
        received = await connections.exchange_both(writing.encode, reading.encode, replies=(len(commands), 1))
    except Lost:
        session._server_session.mark_dirty()
        raise _transient("connection closed") from None
    if received is None or writing.used is None:
        return None
    wrote, read = received
    if read is None or reading.used is None or reading.used.address != writing.used.address:
        raise _transient("the condition was not read from the server that was written to")
    if time.monotonic() - began > MAX_SECONDS:
        raise _transient("the condition may be much older than the transaction")
    (reply,) = reading.decode(read)
    return writing.decode(wrote), reply


async def _run(
    connections: DirectCommands,
    client: MongoClient[Document],
    database: str,
    commands: Sequence[Document],
    session: ClientSession | None,
    behind: Collection[LocalCommit] = (),
) -> tuple[DirectConnection, list[Reply]] | None:
    """The connection that was used, and the replies."""
    exchange = _Exchange(client, database, commands, session, behind)
    try:
        received = await connections.exchange(exchange.encode, replies=len(commands))
    except Lost:
        if session is None:
            raise AutoReconnect("connection closed") from None
        session._server_session.mark_dirty()
        raise _transient("connection closed") from None
    if received is None or exchange.used is None:
        if behind:
            raise NotBehind
        return None
    return exchange.used, exchange.decode(received)


class _Exchange:
    """The messages of some commands, and their replies."""

    def __init__(
        self,
        client: MongoClient[Document],
        database: str,
        commands: Sequence[Document],
        session: ClientSession | None,
        behind: Collection[LocalCommit] = (),
    ) -> None:
        self._client = client
        self._database = database
        self._commands = commands
        self._session = session
        self._behind = behind
        #: The connection over which they were sent.
        self.used: DirectConnection | None = None

    def encode(self, connection: DirectConnection) -> bytes:
        """The messages. Raises NotBehind."""
        if not all(commit.is_before(connection) for commit in self._behind):
            raise NotBehind
        self.used = connection
        messages: list[bytes] = []
        shared: Document | None = None
        for command in self._commands:
            if shared is None:
                _apply_session(self._client, command, connection, self._session)
                shared = {name: command[name] for name in _OF_TRANSACTION if name in command}
            else:
                command.update(shared)
            _, encoded, _, _ = message._op_msg(0, command, self._database, ReadPreference.PRIMARY, CODEC)
            messages.append(encoded)
        return b"".join(messages)

    def decode(self, received: bytes) -> list[Reply]:
        *documents, last = wire.documents_of(received)
        # The times in the replies increase: the driver needs those of the last one alone.
        decoded = [bson.decode(wire.without_times(document), CODEC) for document in documents]
        decoded.append(bson.decode(last, CODEC))
        self._client._process_response(decoded[-1], self._session)
        assert self.used is not None
        return [_checked(self._client, reply, self.used, self._session) for reply in decoded]


async def commit(connections: DirectCommands, client: MongoClient[Document], session: ClientSession) -> bool:
    """Commit the session's transaction. Returns whether it is known to be committed, by a majority.

    Otherwise, the driver may commit it again. Raises ConnectionFailure.
    """
    return await _commit(connections, client, session, acknowledged_by="majority") is not None


async def commit_locally(
    connections: DirectCommands, client: MongoClient[Document], session: ClientSession
) -> LocalCommit | None:
    """Commit the session's transaction without waiting for a majority. None if it is not known to be committed.

    The driver may commit it again in any case, which waits for a majority. Raises ConnectionFailure.
    """
    sent_at = time.monotonic()
    used = await _commit(connections, client, session, acknowledged_by=1)
    return None if used is None else LocalCommit(used.address, sent_at)


async def _commit(
    connections: DirectCommands, client: MongoClient[Document], session: ClientSession, *, acknowledged_by: int | str
) -> DirectConnection | None:
    """The connection over which the session's transaction is known to be committed."""
    command: Document = {"commitTransaction": 1, "writeConcern": {"w": acknowledged_by}}
    answered = await _run(connections, client, "admin", [command], session)
    if answered is None:
        return None
    used, (reply,) = answered
    if not isinstance(reply, dict) or "writeConcernError" in reply:
        return None
    session._transaction.state = _TxnState.COMMITTED
    return used


async def abort(
    connections: DirectCommands, client: MongoClient[Document], session: ClientSession, *, was_answered: bool
) -> bool:
    """Abort the session's transaction, of which something was sent. Returns whether it is known to be aborted.

    `was_answered`: whether all that was sent has a reply. What has none may open the transaction later. The driver may
    abort it again in any case.
    """
    try:
        answered = await _run(connections, client, "admin", [{"abortTransaction": 1}], session)
    except PyMongoError:
        return False
    if answered is None:
        return False
    _, (reply,) = answered
    # MongoDB aborts a transaction itself when one of its commands fails.
    is_gone = was_answered and isinstance(reply, OperationFailure) and reply.code == _NO_SUCH_TRANSACTION
    if not is_gone and not isinstance(reply, dict):
        return False
    session._transaction.state = _TxnState.ABORTED
    return True


def _transient(reason: str) -> AutoReconnect:
    """The error after which the transaction is tried again from its beginning."""
    error = AutoReconnect(reason)
    error._add_error_label("TransientTransactionError")
    return error


def _apply_session(
    client: MongoClient[Document], command: Document, connection: DirectConnection, session: ClientSession | None
) -> None:
    """Add to the first of several commands what the driver adds for the session, and the newest time of the cluster."""
    if session is not None:
        session._apply_to(command, False, ReadPreference.PRIMARY, connection.driver)
        session._transaction.set_in_progress()
    connection.driver.send_cluster_time(command, session, client)


def _checked(
    client: MongoClient[Document], reply: Document, connection: DirectConnection, session: ClientSession | None
) -> Reply:
    """The reply, or the error that it reports."""
    driver = connection.driver
    try:
        helpers_shared._check_command_response(
            reply, driver.max_wire_version, parse_write_concern_error=session is None
        )
    except NotPrimaryError as error:
        # The driver looks for another primary, as after its own commands.
        context = _ErrorContext(error, driver.max_wire_version, driver.generation, True, driver.service_id)
        client._topology.handle_error(connection.address, context)
        raise
    except PyMongoError as error:
        return error
    return reply
