"""The log of facts: reading it by position, and trimming it. How facts get into it is in outbox.py.

Facts are numbered 1, 2, 3, ... without a gap, and the number is the document's `_id`.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.read_concern import ReadConcern

from storage.errors import Unavailable
from storage.facts import AnyFact
from storage.mongo import counts
from storage.mongo.connection import Database, Document, to_record
from storage.mongo.undecodable import ERRORS
from storage.sizes import size_of

#: Facts forgotten in one go.
TRIM_BATCH = 5_000


class Log:
    """The facts that have a number. All reads see only what a majority of the replica set holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._database = database
        self._log = database["log"]
        self._outbox = database["outbox"]

    def now(self) -> datetime:
        """The present, by the clock of the database."""
        return self._database.now()

    async def head(self) -> int:
        """The sequence of the newest fact; 0 when there is none."""
        newest = await self._log.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        return 0 if newest is None else int(newest["_id"])

    async def oldest(self) -> int:
        """The sequence of the oldest fact that is kept; 1 when there is none."""
        oldest = await self._log.find_one({}, {"_id": 1}, sort=[("_id", ASCENDING)])
        return 1 if oldest is None else int(oldest["_id"])

    async def contains(self, sequence: int) -> bool:
        """Whether there is a fact with this sequence now, whatever was known before: slow, for those in doubt."""
        exactly = self._log.with_options(read_concern=ReadConcern("linearizable"))
        return await exactly.find_one({"_id": sequence}, {"_id": 1}) is not None

    async def read(self, after: int, limit: int, *, query: Document | None = None) -> list[AnyFact]:
        """Up to `limit` facts with a sequence above `after`, oldest first; those that match `query`, if given.

        Ends before a fact that cannot be decoded, and raises Unavailable when it is the first: nobody may miss it.
        """
        return (await self.read_within(after, limit, size=sys.maxsize, query=query))[0]

    async def read_within(
        self, after: int, limit: int, *, size: int, query: Document | None = None
    ) -> tuple[list[AnyFact], bool]:
        """The same, ended by the fact with which they take more than `size` bytes; and whether more may follow."""
        found = {**(query or {}), "_id": {"$gt": after}}
        cursor = self._log.find(found, sort=[("_id", ASCENDING)], limit=limit, batch_size=limit)
        facts: list[AnyFact] = []
        total = 0
        try:
            # One reply of MongoDB has at most 16 MiB, and the next is asked for only while there is room.
            async for document in cursor:
                try:
                    facts.append(decode(document))
                except Unavailable:
                    if not facts:
                        raise
                    return facts, True
                total += size_of(facts[-1])
                if total > size:
                    return facts, True
        finally:
            await cursor.close()
        return facts, len(facts) == limit

    async def count(self, query: Document, limit: int) -> int:
        """How many facts match, counted up to `limit`."""
        return int(await self._log.count_documents(query, limit=limit))

    async def total(self, query: Document) -> int | None:
        """How many facts match, or None beyond the bounds of mongo/counts.py."""
        return await counts.count(self._database, "log", query)

    @staticmethod
    def query(types: Sequence[str] | None, room_ids: Sequence[str] | None) -> Document:
        """What `read` can leave out without looking: facts of other types, or about other rooms."""
        query: Document = {}
        if types is not None:
            query["fact.type"] = {"$in": list(types)}
        if room_ids is not None:
            query["fact.room.room.id"] = {"$in": list(room_ids)}
        return query

    async def trim(self, before: datetime) -> int:
        """Forget facts that were appended before then, and how many those were. The newest one always stays.

        It stays because the log's end is read from it: numbers go on after it, also when nothing happens for weeks.
        While facts as old as those wait in the outbox nothing is forgotten: they may be in the log already, left over
        by a process that died right after appending them, and only their being there keeps them from entering twice.
        """
        if await self._outbox.find_one({"at": {"$lt": before}}, {"_id": 1}) is not None:
            return 0
        newest_old = await self._log.find_one(
            {"appendedAt": {"$lt": before}}, {"_id": 1}, sort=[("appendedAt", DESCENDING)]
        )
        if newest_old is None:
            return 0
        first, last_to_go = await self.oldest(), min(int(newest_old["_id"]), await self.head() - 1)
        forgotten = 0
        # From the old end, a little at a time: what is left never has a hole, whenever this process dies.
        for last in [*range(first + TRIM_BATCH - 1, last_to_go, TRIM_BATCH), last_to_go]:
            forgotten += (await self._log.delete_many({"_id": {"$lte": last}})).deleted_count
        return forgotten

    def watch(self, *, exclude_process_id: str | None) -> Any:
        """A change stream whose documents name the sequence of the last fact of every append, and nothing else.

        Of every append but those of the process `but`, which knows of them itself.
        """
        last_ones = {"$match": {"operationType": "insert", "fullDocument.last": {"$nin": [None, exclude_process_id]}}}
        return self._log.watch([last_ones, {"$project": {"documentKey": 1}}], max_await_time_ms=1_000)


def decode(document: Document) -> AnyFact:
    """The fact in a document of the log, with its sequence. Raises Unavailable when this version cannot decode it."""
    fact = document["fact"]
    fact["sequence"] = int(document["_id"])
    try:
        return to_record(fact, AnyFact)  # type: ignore[no-any-return]
    except ERRORS as error:
        raise Unavailable(
            f"Event {document['_id']} was written by a newer version than this server's; ask another, or upgrade it.",
            retryable=True,
        ) from error
