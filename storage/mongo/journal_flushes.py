"""Flushes of the primary's journal, for writes that would otherwise wait for the next periodic flush.

A replica set of one server acknowledges a write with write concern "majority" when the write, and all that were
executed before it, are in its journal, which it flushes when such a write arrives. If a transaction is being committed
at that moment whose commit waits for no flush (write concern 1), the flush can end before the commit, and the write
then waits for the next flush. Without another write, that is the periodic one, every 100 ms by default
(storage.journal.commitIntervalMs). Measured with MongoDB 6.0.5: one in 1,000 writes beside such commits.
"""

import asyncio
import logging
from collections.abc import Callable

from pymongo.errors import PyMongoError

from storage.mongo.connection import Database, Document
from storage.supervisor import spawn
from storage.threads import Work

logger = logging.getLogger(__name__)

#: How long a write waits before the journal is flushed for it, and between further flushes. One write in a hundred
#: takes that long anyway.
FLUSH_AFTER_SECONDS = 0.006

#: Changes nothing, and is acknowledged after a flush.
_FLUSH: Document = {
    "update": "outbox",
    "updates": [{"q": {"_id": ""}, "u": {"$set": {"flushed": True}}}],
    "writeConcern": {"w": 1, "j": True},
}


class FlushedWhileWaiting:
    """Flushes the journal while the block takes long, if the replica set has one server and that is needed then."""

    __slots__ = ("_database", "_flush", "_is_needed", "_timer")

    def __init__(self, database: Database, is_needed: Callable[[], bool]) -> None:
        self._database = database
        self._is_needed = is_needed
        self._flush: asyncio.Task[None] | None = None
        #: The next look. None outside of the block: this object is freed with it then, without the garbage collector.
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._look_later()

    def __exit__(self, *_: object) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._timer = None

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_SECONDS, self._look)

    def _look(self) -> None:
        if self._database.has_one_server and self._is_needed() and (self._flush is None or self._flush.done()):
            self._flush = spawn(_flush(self._database), name="flush the journal of the primary", kind=Work.CHANGES)
        self._look_later()


async def _flush(database: Database) -> None:
    try:
        await database.run(dict(_FLUSH))
    except PyMongoError as error:
        logger.debug("The journal could not be flushed: %s", error)  # the write that waits has an error as well
