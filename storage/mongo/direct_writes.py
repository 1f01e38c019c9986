"""Runs the commands of pipelines.py on the event loop, over the connections of direct_reads.py.

That saves the hand-over to a thread, which takes longer than the driver's part of the commands. Whatever is not certain
is left to the driver: `run` returns None if nothing was sent, and a lost connection is an error of the transaction.
"""

from collections.abc import Sequence

import bson
from pymongo import MongoClient, helpers_shared, message
from pymongo.client_session import ClientSession
from pymongo.client_session_shared import _TxnState
from pymongo.errors import AutoReconnect, NotPrimaryError, PyMongoError
from pymongo.read_preferences import ReadPreference
from pymongo.topology_shared import _ErrorContext

from storage.mongo import wire
from storage.mongo.direct_reads import DirectReads, Lost, ReadConnection
from storage.mongo.pipelines import CODEC, Document, Reply


async def run(
    connections: DirectReads,
    client: MongoClient[Document],
    database: str,
    commands: Sequence[Document],
    *,
    session: ClientSession | None = None,
) -> list[Reply] | None:
    """Return what `pipelines.run` returns, or None if nothing was sent. Raises ConnectionFailure."""
    used: ReadConnection | None = None

    def encode(connection: ReadConnection) -> bytes:
        nonlocal used
        used = connection
        return b"".join(_encoded(client, database, command, connection, session) for command in commands)

    try:
        received = await connections.exchange(encode, replies=len(commands))
    except Lost:
        lost = AutoReconnect("connection closed")
        if session is not None:
            lost._add_error_label("TransientTransactionError")
            session._server_session.mark_dirty()
        raise lost from None
    if received is None or used is None:
        return None
    return [_reply(client, document, used, session) for document in wire.documents_of(received)]


async def commit(connections: DirectReads, client: MongoClient[Document], session: ClientSession) -> bool:
    """Commit the session's transaction. Returns whether it is known to be committed, by a majority.

    Otherwise, the driver may commit it again. Raises ConnectionFailure.
    """
    command: Document = {"commitTransaction": 1, "writeConcern": {"w": "majority"}}
    replies = await run(connections, client, "admin", [command], session=session)
    if replies is None or not isinstance(replies[0], dict) or "writeConcernError" in replies[0]:
        return False
    session._transaction.state = _TxnState.COMMITTED
    return True


def _encoded(
    client: MongoClient[Document],
    database: str,
    command: Document,
    connection: ReadConnection,
    session: ClientSession | None,
) -> bytes:
    if session is not None:
        session._apply_to(command, False, ReadPreference.PRIMARY, connection.driver)
        session._transaction.set_in_progress()
    connection.driver.send_cluster_time(command, session, client)
    _, encoded, _, _ = message._op_msg(0, command, database, ReadPreference.PRIMARY, CODEC)
    return encoded


def _reply(
    client: MongoClient[Document], document: bytes, connection: ReadConnection, session: ClientSession | None
) -> Reply:
    reply: Document = bson.decode(document, CODEC)
    client._process_response(reply, session)
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
