"""Which facts a snapshot of the data contains, so that somebody can go on from it by the log without a gap or a
repetition.

A fact commits with its change and enters the log later. A snapshot therefore contains the changes of all facts that the
log has at that moment, and of those that wait in the outbox. The latter can enter the log after facts whose changes the
snapshot does not contain.
"""

from dataclasses import dataclass

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import DESCENDING

from storage.errors import Unavailable
from storage.mongo.connection import Database

#: Facts that may wait in the outbox. With more, the log is behind by seconds, and nobody can go on from a snapshot.
MAX_PENDING_FACTS = 20_000


@dataclass(frozen=True, slots=True)
class LogState:
    """The facts whose changes a snapshot contains."""

    #: The sequence of the newest fact in the log. The snapshot contains the changes of all facts up to it.
    head: int
    #: The ids of the facts that the log does not have yet, whose changes the snapshot contains too.
    pending: frozenset[str]


async def read_log_state(database: Database, session: AsyncIOMotorClientSession) -> LogState:
    """The state of the log in the session's snapshot. Raises Unavailable when the log is too far behind."""
    newest = await database["log"].find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)], session=session)
    waiting = await (
        database["outbox"]
        .find({}, {"_id": 1}, limit=MAX_PENDING_FACTS + 1, batch_size=MAX_PENDING_FACTS + 1, session=session)
        .to_list(None)
    )
    if len(waiting) > MAX_PENDING_FACTS:
        raise Unavailable("The event log is behind the changes; try again.", retryable=True)
    pending = {document["_id"] for document in waiting}
    if pending:
        # Appended facts stay in the outbox for a moment.
        appended = database["log"].find({"fact.id": {"$in": list(pending)}}, {"fact.id": 1}, session=session)
        pending -= {document["fact"]["id"] for document in await appended.to_list(None)}
    return LogState(head=0 if newest is None else int(newest["_id"]), pending=frozenset(pending))
