"""Flushes of the primary's journal, for writes that would otherwise wait for the next periodic flush.

A replica set of one server acknowledges a write with write concern "majority" when the write, and all that were
executed before it, are in its journal, which it flushes when such a write arrives. If a transaction is being committed
at that moment whose commit waits for no flush (write concern 1), the flush can end before the commit, and the write
then waits for the next flush. Without another write, that is the periodic one, every 100 ms by default
(storage.journal.commitIntervalMs). Measured with MongoDB 6.0.5: one in 1,000 writes beside such commits.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from storage.mongo.connection import Database, Document
from storage.supervisor import spawn
from storage.threads import Work

logger = logging.getLogger(__name__)

#: How long a write waits before the journal is flushed for it, and between further flushes. One write in a hundred
#: takes that long anyway.
PATIENCE_SECONDS = 0.006

#: Changes nothing, and is acknowledged after a flush.
_FLUSH: Document = {
    "update": "outbox",
    "updates": [{"q": {"_id": ""}, "u": {"$set": {"flushed": True}}}],
    "writeConcern": {"w": 1, "j": True},
}


@contextmanager
def flushed_while_waiting(database: Database, is_needed: Callable[[], bool]) -> Iterator[None]:
    """Flush the journal while the block takes long, if the replica set has one server and that is needed then."""
    loop = asyncio.get_running_loop()
    flush: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle

    def check() -> None:
        nonlocal flush, timer
        if database.has_one_server and is_needed() and (flush is None or flush.done()):
            flush = spawn(_flush(database), name="flush the journal of the primary", kind=Work.CHANGES)
        timer = loop.call_later(PATIENCE_SECONDS, check)

    timer = loop.call_later(PATIENCE_SECONDS, check)
    try:
        yield
    finally:
        timer.cancel()


async def _flush(database: Database) -> None:
    try:
        await database.run(dict(_FLUSH))
    except PyMongoError as error:
        logger.debug("The journal could not be flushed: %s", error)  # the write that waits has an error as well
