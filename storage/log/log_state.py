"""Determines which facts a snapshot of the data contains, so that a reader can continue from it by the log without a
gap or a repetition.

A fact commits with its change, into the outbox, and is appended to the log later. A snapshot therefore contains the
changes of all facts in the log at that time, and of those in the outbox. The latter may be appended after facts whose
changes the snapshot does not contain.
"""

from dataclasses import dataclass

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import DESCENDING

from storage.errors import Unavailable
from storage.mongo.connection import Database

#: The most facts in the outbox. With more, the log is behind by seconds, and a snapshot is refused.
MAX_PENDING_FACTS = 20_000


@dataclass(frozen=True, slots=True)
class LogState:
    """The facts whose changes a snapshot contains."""

    #: The sequence of the newest fact in the log. The snapshot contains the changes of all facts up to it.
    head: int
    #: The ids of facts that are not in the log yet, but whose changes the snapshot contains.
    pending: frozenset[str]


async def read_log_state(database: Database, session: AsyncIOMotorClientSession) -> LogState:
    """The state of the log in the session's snapshot. Raises Unavailable if the log is too far behind."""
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
        # Facts are removed from the outbox shortly after they are appended.
        appended = database["log"].find({"fact.id": {"$in": list(pending)}}, {"fact.id": 1}, session=session)
        pending -= {document["fact"]["id"] for document in await appended.to_list(None)}
    return LogState(head=0 if newest is None else int(newest["_id"]), pending=frozenset(pending))
