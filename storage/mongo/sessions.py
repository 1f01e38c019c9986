"""Sessions of the driver that may have a transaction open, whose documents MongoDB keeps locked for a minute."""

from collections.abc import Iterable
from dataclasses import dataclass

import bson
from bson import Binary, Int64
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect
from pymongo.helpers_shared import _check_command_response

from storage.mongo import wire
from storage.mongo.connection import Database, Document
from storage.mongo.direct_connections import Lost


async def kill(database: Database, session_ids: Iterable[Binary]) -> None:
    """Abort the open transactions of these sessions."""
    await database.client.admin.command("killSessions", [{"id": session_id} for session_id in session_ids])


@dataclass(frozen=True, slots=True)
class AbandonedTransaction:
    """A transaction that may be open, or may be opened by what was sent and has not arrived yet."""

    session_id: Binary
    number: int


def abandon(session: ClientSession) -> AbandonedTransaction:
    """Give up the transaction of the session, which the driver does not use again."""
    session._server_session.mark_dirty()
    return AbandonedTransaction(session.session_id["id"], int(session._server_session.transaction_id))


async def end(database: Database, transaction: AbandonedTransaction) -> None:
    """Return when the transaction is committed or aborted, and can no longer be opened. Raises PyMongoError.

    A session has one transaction or retryable write at a time, with increasing numbers. A server aborts the open
    transaction when it receives a higher number, and refuses lower ones from then on. So a write that changes nothing
    is enough. The driver has no call for it.
    """
    command: Document = {
        "delete": "outbox",
        "deletes": [{"q": {"_id": ""}, "limit": 1}],
        "lsid": {"id": transaction.session_id},
        "txnNumber": Int64(transaction.number + 1),
        "$db": database.raw.name,
    }
    try:
        received = await database.direct_commands.exchange(lambda _: wire.encode(1, command))
    except Lost as error:
        raise AutoReconnect("the connection was lost while an abandoned transaction was ended") from error
    if received is None:  # there is none, and the driver can do a little less: the transaction could be opened later
        await kill(database, [transaction.session_id])
        return
    (reply,) = wire.documents_of(received)
    _check_command_response(bson.decode(reply), None)
