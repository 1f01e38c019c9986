"""The log of facts: read by position, and trimmed. outbox.py appends to it.

Facts are numbered 1, 2, 3, ... without a gap, and the number is the document's `_id`.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.read_concern import ReadConcern

from storage.erased import erased_fact
from storage.errors import QueryTooComplex, Unavailable
from storage.facts import AnyFact
from storage.log import encoded_facts
from storage.log.redactions import Redactions
from storage.message_records import Audience
from storage.mongo import counts, stored_documents
from storage.mongo.connection import Database, Document, to_document
from storage.mongo.undecodable import ERRORS
from storage.shared_reads import SharedRead
from storage.sizes import size_of

#: Facts that are decoded before other tasks may run: some two milliseconds.
DECODE_BATCH = 64
#: Facts deleted by one command.
TRIM_BATCH = 5_000
#: The facts, and about the bytes, that lose their content at once.
ERASE_BATCH, ERASE_BYTES = 256, 2 * 1024 * 1024
#: The facts, and about the bytes, that a count reads at once.
COUNT_BATCH, COUNT_BYTES = 256, 4 * 1024 * 1024


class Log:
    """Reads and trims the log. Reads have read concern \"majority\" unless they say otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = database["log"]
        self._outbox = database["outbox"]
        #: What this process knows to be removed from facts that the log may still have with content.
        self.redactions = Redactions()
        self._shared_head = SharedRead(self.head, name="read the head of the log")

    def now(self) -> datetime:
        """Return the time of the database's clock."""
        return self._database.now()

    async def head(self) -> int:
        """Return the sequence of the newest fact, or 0 if the log is empty."""
        newest = await self._end(DESCENDING)
        return 0 if newest is None else newest

    async def shared_head(self) -> int:
        """Return what `head` returns. Calls at the same time share a read that begins after each of them."""
        return await self._shared_head()

    async def oldest(self) -> int:
        """Return the sequence of the oldest fact in the log, or 1 if the log is empty."""
        oldest = await self._end(ASCENDING)
        return 1 if oldest is None else oldest

    async def _end(self, direction: int) -> int | None:
        """Return the first sequence in that direction, or None if the log is empty."""
        found, _ = await stored_documents.find(
            self._database, self._log.name, {}, projection={"_id": 1}, sort=[("_id", direction)], limit=1
        )
        return int(stored_documents.decode(found[0])["_id"]) if found else None

    async def contains(self, sequence: int) -> bool:
        """Return whether a fact with this sequence exists, by a linearizable read, which is slow."""
        exactly = self._log.with_options(read_concern=ReadConcern("linearizable"))
        return await exactly.find_one({"_id": sequence}, {"_id": 1}) is not None

    async def read(self, after: int, limit: int, *, query: Document | None = None) -> list[AnyFact]:
        """Return up to `limit` facts with a sequence above `after` that match `query`, oldest first.

        Ends before a fact that cannot be decoded, so that no reader skips it. Raises Unavailable if it is the first.
        """
        return (await self.read_within(after, limit, size=sys.maxsize, query=query))[0]

    async def read_by_id(self, ids: Sequence[str], *, size: int) -> list[AnyFact]:
        """The facts with these ids that are kept. Raises QueryTooComplex when they take more than `size` bytes."""
        facts: list[AnyFact] = []
        async for document in self._log.find({"fact.id": {"$in": list(ids)}}, batch_size=len(ids)):
            facts.append(self.redactions.apply(decode(document)))
            size -= size_of(facts[-1])
            if size < 0:
                raise QueryTooComplex("These events are too large to be read together; ask for fewer at a time.")
        return facts

    async def read_within(
        self, position: int, limit: int, *, size: int, query: Document | None = None, backwards: bool = False
    ) -> tuple[list[AnyFact], bool]:
        """Read as `read` does, up to the fact that exceeds `size` bytes. Also return whether more facts may follow.

        With `backwards`, read the facts with a sequence below the position, newest first.
        """
        found = {**(query or {}), "_id": {"$lt" if backwards else "$gt": position}}
        direction = DESCENDING if backwards else ASCENDING
        documents, more = await stored_documents.find(
            self._database, self._log.name, found, sort=[("_id", direction)], limit=limit, size=size
        )
        facts: list[AnyFact] = []
        more = more or len(documents) == limit
        for number, document in enumerate(documents, 1):
            try:
                facts.append(decode(stored_documents.decode(document)))
            except Unavailable:
                if not facts:
                    raise
                more = True
                break
            if number % DECODE_BATCH == 0:
                await asyncio.sleep(0)
        return list(self.redactions.apply_all(facts)), more

    async def count(self, query: Document, limit: int) -> int:
        """Count the facts that match, up to `limit`."""
        return int(await self._log.count_documents(query, limit=limit))

    async def total(self, query: Document) -> int | None:
        """Count the facts that match; None beyond the limits of mongo/counts.py."""
        return await counts.count(self._database, "log", query)

    async def count_passing(self, passes: Callable[[AnyFact], bool], query: Document) -> int | None:
        """Count the facts that match the query and pass, for filters that no query can express.

        None beyond the bounds of mongo/counts.py.
        """
        position, looked_at, passing, more = 0, 0, 0, True
        while more:
            facts, more = await self.read_within(position, COUNT_BATCH, size=COUNT_BYTES, query=query)
            looked_at += len(facts)
            passing += sum(map(passes, facts))
            if passing > counts.COUNT_LIMIT or looked_at - passing > counts.UNMATCHED_LIMIT:
                return None
            position = facts[-1].sequence if facts else position
        return passing

    @staticmethod
    def query(types: Sequence[str] | None, room_ids: Sequence[str] | None) -> Document:
        """Return the MongoDB query for facts of these types about these rooms (None: all)."""
        query: Document = {}
        if types is not None:
            query["fact.type"] = {"$in": list(types)}
        if room_ids is not None:
            query["fact.room.room.id"] = {"$in": list(room_ids)}
        return query

    @staticmethod
    def query_of_subject(subject_id: str) -> Document:
        """Return the MongoDB query for facts about this subject, whose ids are its id, "-" and a number."""
        return {"fact.id": {"$gt": f"{subject_id}-", "$lt": f"{subject_id}."}}

    @staticmethod
    def query_without_notes() -> Document:
        """Return the MongoDB query for facts that are not about messages for STAFF."""
        return {"fact.message.audience": {"$ne": Audience.STAFF.value}}

    async def erase(self, query: Document, erased_at: datetime) -> int:
        """Remove the content of erased visitors from the facts that match, and return their number.

        The query must not match facts without content. Sequences, ids and times stay.
        """
        position, erased, more = 0, 0, True
        while more:
            facts, more = await self.read_within(position, ERASE_BATCH, size=ERASE_BYTES, query=query)
            updates = [UpdateOne({"_id": fact.sequence}, {"$set": _erased(fact, erased_at)}) for fact in facts]
            if updates:
                await self._log.bulk_write(updates, ordered=False)
                position = facts[-1].sequence
            erased += len(updates)
        return erased

    async def trim(self, before: datetime, *, batch: int = TRIM_BATCH) -> int:
        """Delete the facts that were appended before that time, and return their number.

        The newest fact is never deleted, because the next sequence is computed from it. Nothing is deleted while the
        outbox contains facts that old. A process may have ended after it appended them and before it removed them from
        the outbox, and only their copies in the log keep them from being appended twice.
        """
        if await self._outbox.find_one({"at": {"$lt": before}}, {"_id": 1}) is not None:
            return 0
        newest_old = await self._log.find_one(
            {"appendedAt": {"$lt": before}}, {"_id": 1}, sort=[("appendedAt", DESCENDING)]
        )
        if newest_old is None:
            return 0
        first, end = await self.oldest(), min(int(newest_old["_id"]), await self.head() - 1)
        deleted = 0
        # Oldest first, in batches: the log has no gap, wherever this process ends.
        for last in [*range(first + batch - 1, end, batch), end]:
            deleted += (await self._log.delete_many({"_id": {"$lte": last}})).deleted_count
        return deleted

    def watch(self, *, exclude_process_id: str | None) -> Any:
        """Return a change stream with one document for each append, which has the sequence of its last fact as key.

        It leaves out appends of the process `exclude_process_id`.
        """
        last_of_append = {
            "$match": {"operationType": "insert", "fullDocument.last": {"$nin": [None, exclude_process_id]}}
        }
        return self._log.watch([last_of_append, {"$project": {"documentKey": 1}}], max_await_time_ms=1_000)


def decode(document: Document) -> AnyFact:
    """Decode a document of the log. Raises Unavailable if this version cannot decode it."""
    fact = document["fact"]
    fact["sequence"] = int(document["_id"])
    try:
        return encoded_facts.decode(fact)
    except ERRORS as error:
        raise Unavailable(
            f"Event {document['_id']} was written by a newer version than this server's. "
            "Send the request to an upgraded server, or upgrade this one.",
            retryable=True,
        ) from error


def _erased(fact: AnyFact, erased_at: datetime) -> Document:
    """The values of the fact's document that change."""
    return {"fact": to_document(erased_fact(msgspec.structs.replace(fact, sequence=0), erased_at), id_key="id")}
