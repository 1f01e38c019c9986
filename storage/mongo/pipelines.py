"""Runs several commands in one round trip.

The driver waits for the reply of each command before it sends the next one, and a command costs the driver more CPU
time than it costs the database. Here, all commands are sent at once on one connection of the driver. The database
executes them in their order.
"""

from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, TypeAlias

from bson.codec_options import CodecOptions
from pymongo import MongoClient, helpers_shared, message
from pymongo.client_session import ClientSession
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from pymongo.read_preferences import ReadPreference

Document: TypeAlias = dict[str, Any]
#: A reply, or the error that it reports.
Reply: TypeAlias = Document | PyMongoError

CODEC = CodecOptions[Document]()


def run(
    client: MongoClient[Document], database: str, commands: Sequence[Document], *, session: ClientSession | None = None
) -> list[Reply]:
    """Run the commands at the primary, in the session's transaction if it has one, and return their replies.

    The commands are changed. A command is executed even if one before it failed, unless that aborted the transaction.
    Nothing is sent again after an error. Blocks. Raises ConnectionFailure.
    """
    with client._conn_for_writes(session, next(iter(commands[0]))) as connection:
        events = _Events(client, database, connection)
        request_ids: list[int] = []
        messages: list[bytes] = []
        largest = 0
        for command in commands:
            if session is not None:
                session._apply_to(command, False, ReadPreference.PRIMARY, connection)
                session._transaction.set_in_progress()
            connection.send_cluster_time(command, session, client)
            request_id, encoded, _, size = message._op_msg(
                0, command, database, ReadPreference.PRIMARY, CODEC, ctx=connection.compression_context
            )
            request_ids.append(request_id)
            messages.append(encoded)
            largest = max(largest, size)
            events.started(request_id, command)
        try:
            connection.send_message(b"".join(messages), largest)
            replies = [
                _receive(client, connection, session, events, command, request_id)
                for command, request_id in zip(commands, request_ids, strict=True)
            ]
        except BaseException as error:
            events.lost(error)
            raise
        for reply in replies:
            if isinstance(reply, ConnectionFailure):
                raise reply  # from here, so that the driver looks for another primary
        return replies


def _receive(
    client: MongoClient[Document],
    connection: Any,
    session: ClientSession | None,
    events: "_Events",
    command: Document,
    request_id: int,
) -> Reply:
    reply: Document
    (reply,) = connection.receive_message(request_id).unpack_response(codec_options=CODEC)
    client._process_response(reply, session)
    try:
        helpers_shared._check_command_response(
            reply, connection.max_wire_version, parse_write_concern_error=session is None
        )
    except PyMongoError as error:
        events.failed(request_id, command, reply)
        return error
    events.succeeded(request_id, command, reply)
    return reply


class _Events:
    """Publishes the events of commands to the listeners of the client, as the driver does."""

    def __init__(self, client: MongoClient[Document], database: str, connection: Any) -> None:
        self._listeners = [one for one in client.options.event_listeners if isinstance(one, CommandListener)]
        self._database = database
        self._address = connection.address
        #: The commands without a reply, by request.
        self._running: dict[int, Document] = {}
        self._started_at = monotonic()

    def started(self, request_id: int, command: Document) -> None:
        if self._listeners:
            self._running[request_id] = command
            event = CommandStartedEvent(command, self._database, request_id, self._address, request_id)
            for listener in self._listeners:
                listener.started(event)

    def succeeded(self, request_id: int, command: Document, reply: Document) -> None:
        if self._listeners:
            del self._running[request_id]
            event = CommandSucceededEvent(
                self._duration(), reply, next(iter(command)), request_id, self._address, request_id
            )
            for listener in self._listeners:
                listener.succeeded(event)

    def failed(self, request_id: int, command: Document, reply: Document) -> None:
        if self._listeners:
            del self._running[request_id]
            event = CommandFailedEvent(
                self._duration(), reply, next(iter(command)), request_id, self._address, request_id
            )
            for listener in self._listeners:
                listener.failed(event)

    def lost(self, error: BaseException) -> None:
        """Report all commands without a reply as failed."""
        for request_id, command in list(self._running.items()):
            self.failed(request_id, command, {"errmsg": str(error), "errtype": type(error).__name__})

    def _duration(self) -> timedelta:
        return timedelta(seconds=monotonic() - self._started_at)
