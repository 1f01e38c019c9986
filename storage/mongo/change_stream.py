"""The change stream of a process: what other processes write reaches it at once, and not when it reads the next time.

At every write to the replica set, MongoDB wakes every change stream, whatever that watches. So a process has one for
all collections of which it wants to hear (docs/decisions/0046-one-change-stream.md).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pymongo.errors import OperationFailure

from storage.mongo.connection import Database, Document

logger = logging.getLogger(__name__)

#: The pause before the stream is opened again. An administrator may grant the role at any time.
REOPEN_SECONDS = 0.5
#: MongoDB's code for a command that the user may not run.
UNAUTHORIZED = 13


@dataclass(frozen=True, slots=True)
class Watch:
    """What one part of the process wants to hear of."""

    collection: str
    #: Which changes of the collection, as a condition of $match.
    condition: Document
    #: Called with the document of each change, which has these fields. It must not block.
    changed: Callable[[Document], None]
    fields: tuple[str, ...] = ("documentKey",)
    #: Called when changes may have been missed: when a stream has been opened, and when one has ended or could not be
    #: opened.
    missed: Callable[[], None] = lambda: None


class ChangeStream:
    """Watches the collections of one database. Parts of the process are told of changes in the order of the writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: dict[str, Watch] = {}
        self.is_open = False
        self._is_refusal_logged = False

    def add(self, watch: Watch) -> None:
        """Tell of these changes from the next time on that the stream is opened. Each collection has one watch."""
        self._watches[watch.collection] = watch

    async def run(self) -> None:
        """Watch until cancelled.

        The driver resumes a stream once. After that, this method opens another one, or the supervisor calls it again.
        """
        while True:
            try:
                await self._watch()
            except OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise
                self._log_refusal()
            await asyncio.sleep(REOPEN_SECONDS)

    async def _watch(self) -> None:
        try:
            async with self._database.raw.watch(self._pipeline(), max_await_time_ms=1_000) as stream:
                change = await stream.try_next()  # opens the stream
                self.is_open = True
                self._notify_missed()
                while stream.alive:  # type: ignore[truthy-function] # it is a property, and the stubs have a method
                    if change is not None:
                        self._watches[change["ns"]["coll"]].changed(change)
                    change = await stream.try_next()
        finally:
            self.is_open = False
            self._notify_missed()

    def _pipeline(self) -> list[Document]:
        watches = self._watches.values()
        fields = {"ns.coll", *(field for watch in watches for field in watch.fields)}
        return [
            {"$match": {"$or": [{"ns.coll": watch.collection} | watch.condition for watch in watches]}},
            {"$project": dict.fromkeys(sorted(fields), 1)},
        ]

    def _notify_missed(self) -> None:
        for watch in self._watches.values():
            watch.missed()

    def _log_refusal(self) -> None:
        if not self._is_refusal_logged:
            self._is_refusal_logged = True
            logger.warning(
                "The MongoDB user may not open a change stream on the database %s. So this process polls for events of "
                "other processes and for tokens that have ended, and receives no signals of other processes. Grant the "
                "user the role readWrite on the database.",
                self._database.raw.name,
            )
