"""The outbox: facts of committed transactions that are yet to be appended to the log, which numbers them.

The sequence of a fact is the `_id` of its document in the log. If two processes try to append at the same sequence, one
insert fails with a duplicate key, and that process reads the end of the log again. A process that appends facts about a
subject also appends all earlier facts about it that are in the outbox, in order, whichever process committed them. A
unique index on the facts' ids keeps a fact from being appended twice.
"""

import asyncio
import contextlib
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import bson
import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, WriteConcern
from pymongo.errors import PyMongoError, WriteError
from pymongo.read_concern import ReadConcern

from storage.facts import AnyFact, Fact
from storage.log import redactions
from storage.mongo.connection import Database, Document, to_document, to_record
from storage.mongo.undecodable import ERRORS
from storage.sizes import batches, size_of, size_of_document
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Limits of one append, in facts and bytes. MongoDB takes some 30 ms for a thousand facts. All facts of an append wait
#: for its last one.
BATCH = 1_000
BATCH_BYTES = 8 * 1024 * 1024
#: How long a transaction waits for its facts to be appended. It is committed in any case; `run` still appends them.
APPEND_TIMEOUT_SECONDS = 10.0
#: Facts of one sweep, which leaves the rest to the next one.
MAX_SWEEP_FACTS = 20_000
#: Delay before appended facts are deleted from the outbox, so that one command deletes many. It is below the interval
#: of sweeps (timings.py), which append a fact that is in the outbox at two of them.
CLEANUP_DELAY_SECONDS = 0.2
#: Appended facts that are deleted without the delay.
CLEANUP_FACTS = 1_000
#: Size of the cache of the last appended number of each subject. For a cached subject, the outbox need not be read.
MAX_CACHED_SUBJECTS = 50_000
#: The smallest append of a process that keeps losing races for the next sequence.
MIN_BATCH = 64
DUPLICATE_KEY = 11_000


class _Refused(Exception):
    """A unique index of the log refused a document."""

    def __init__(self, failures: Sequence[Document]) -> None:
        super().__init__()
        self.failures = failures


class Appender:
    """Appends facts in batches: those of this process, and those that dead processes left in the outbox."""

    def __init__(
        self,
        database: Database,
        on_append: Callable[[Sequence[AnyFact], Sequence[int]], None],
        *,
        process_id: str = "?",
    ) -> None:
        """`on_append` is called with the facts that were appended, and the size of each."""
        self._database = database
        self._log = database["log"]
        self._outbox = database["outbox"]
        self._outbox_now = self._outbox.with_options(read_concern=ReadConcern("local"))
        self._outbox_soon = self._outbox.with_options(write_concern=WriteConcern(w=1))
        self._published = on_append
        self._process_id = process_id
        #: Facts, and the futures of their callers: whether the facts are in the log.
        self._waiting: list[tuple[Sequence[Fact], asyncio.Future[bool]]] = []
        #: By id, facts that wait, with their BSON.
        self._encoded: dict[str, tuple[Fact, RawBSONDocument]] = {}
        self._has_work = asyncio.Event()
        self._end: int | None = None
        self._last_numbers: OrderedDict[str, int] = OrderedDict()
        #: Ids of facts that are in the log and still in the outbox.
        self._appended: list[str] = []
        self._cleanups: set[asyncio.Task[None]] = set()
        #: Ends the delay of the next cleanup.
        self._cleanup_due = asyncio.Event()
        #: Ids of the facts that were in the outbox at the last sweep.
        self._seen: set[str] = set()
        self._swept = False

    @property
    def waiting(self) -> int:
        """The number of facts that callers of `append` wait for."""
        return sum(len(facts) for facts, _ in self._waiting)

    async def append(self, facts: Sequence[Fact], encoded: Sequence[RawBSONDocument] = ()) -> None:
        """Wait until the facts are in the log, for up to APPEND_TIMEOUT_SECONDS. They must be in the outbox.

        `encoded`: the facts as BSON, in the same order, if the caller has it (`encode`).
        """
        if not facts:
            return
        self._encoded.update({fact.id: (fact, raw) for fact, raw in zip(facts, encoded, strict=False)})
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((facts, done))
        self._has_work.set()
        # A timer alone, because asyncio.timeout takes several times as long.
        timer = loop.call_later(APPEND_TIMEOUT_SECONDS, _end_wait, done, False)
        try:
            appended = await done
        finally:
            timer.cancel()
        if not appended:
            logger.warning(
                "%d facts are still in the outbox after %.0f s: the log could not be written.",
                len(facts),
                APPEND_TIMEOUT_SECONDS,
            )

    async def run(self) -> None:
        """Append until cancelled. After an error, the supervisor calls it again: facts that failed are tried again.

        No fact is ever given up, because later facts about its subject must not be appended before it.
        """
        while True:
            while self._waiting:
                taken = tuple(self._waiting)
                batch = [fact for facts, _ in taken for fact in facts]
                try:
                    for run in batches(batch, count=BATCH, size=BATCH_BYTES, weigh=self._weigh):
                        await self._append(await self._with_predecessors(run))
                except BaseException:
                    self._end = None
                    raise
                del self._waiting[: len(taken)]
                for fact in batch:
                    self._encoded.pop(fact.id, None)
                for _, done in taken:
                    _end_wait(done, True)
            self._has_work.clear()
            await self._has_work.wait()

    async def sweep(self) -> int:
        """Append all facts in the outbox, and return their number."""
        return await self._append_waiting(await self._read_waiting_ids())

    async def sweep_abandoned(self) -> int:
        """Append the facts that were in the outbox at the last sweep already, and return their number.

        Comparing two sweeps, not timestamps, makes this independent of the clocks of other processes.
        """
        waiting = await self._read_waiting_ids()
        abandoned = [fact_id for fact_id in waiting if fact_id in self._seen]
        self._seen = set(waiting)
        return await self._append_waiting(abandoned)

    async def _read_waiting_ids(self) -> list[str]:
        waiting = self._outbox.find(
            {}, {"_id": 1}, sort=[("_id", ASCENDING)], limit=MAX_SWEEP_FACTS, batch_size=MAX_SWEEP_FACTS
        )
        return [document["_id"] for document in await waiting.to_list(MAX_SWEEP_FACTS)]

    async def _append_waiting(self, ids: Sequence[str]) -> int:
        count = 0
        for start in range(0, len(ids), BATCH):
            found = self._outbox.find({"_id": {"$in": ids[start : start + BATCH]}}, sort=[("at", ASCENDING)])
            facts: list[Fact] = []
            size = 0
            async for document in found:
                facts += self._database.undecodable.decode("outbox", [document], _decode)
                size += size_of_document(document)
                if size > BATCH_BYTES:
                    await self.append(facts)
                    count += len(facts)
                    facts, size = [], 0
            await self.append(facts)
            count += len(facts)
        return count

    async def sweep_once(self) -> None:
        """Sweep periodically. The first sweep appends all facts, as after the restart of a process that crashed."""
        if self._swept:
            await self.sweep_abandoned()
        else:
            await self.sweep()
            self._swept = True

    async def _with_predecessors(self, facts: Sequence[Fact]) -> list[Fact]:
        """Return the facts, each preceded by earlier facts about its subject that may not be in the log yet.

        The order of subjects stays. The facts about one subject are sorted by number.
        """
        facts = list({fact.id: fact for fact in facts}.values())
        by_subject: dict[str, dict[int, Fact]] = {}
        for fact in facts:
            by_subject.setdefault(fact.subject_id, {})[fact.subject_number] = fact
        own_counts = {subject: len(numbered) for subject, numbered in by_subject.items()}
        uncertain = {
            subject: max(numbered) for subject, numbered in by_subject.items() if not self._follows(subject, numbered)
        }
        if uncertain:
            # A majority read on a newly elected primary may lack transactions that are committed, so this read is
            # local. Facts before a committed one are committed too. Later facts may not be, and are left out.
            async for document in self._outbox_now.find({"subject": {"$in": list(uncertain)}}):
                if document["number"] < uncertain[document["subject"]]:
                    try:
                        before = _decode(document)
                    except ERRORS as error:
                        # A process of a newer version appends it and the facts that follow.
                        self._database.undecodable.report("outbox", document["_id"], error)
                        by_subject.pop(document["subject"], None)
                        continue
                    if document["subject"] in by_subject:
                        by_subject[document["subject"]].setdefault(int(document["number"]), before)
            facts = [fact for fact in facts if fact.subject_id in by_subject]
        queues = {
            subject: deque(numbered[number] for number in sorted(numbered)) for subject, numbered in by_subject.items()
        }
        result: list[Fact] = []
        for fact in facts:
            queue = queues[fact.subject_id]
            # Earlier facts come before the first own fact.
            while len(queue) > own_counts[fact.subject_id]:
                result.append(queue.popleft())
            result.append(queue.popleft())
            own_counts[fact.subject_id] -= 1
        return result

    def _follows(self, subject: str, own_numbers: Iterable[int]) -> bool:
        numbers = sorted(own_numbers)
        return numbers[0] == self._last_numbers.get(subject, 0) + 1 and numbers[-1] - numbers[0] == len(numbers) - 1

    async def _append(self, facts: list[Fact]) -> None:
        batch = facts = redactions.applied_within(facts)
        documents: list[Document] = [{"_id": 0, "fact": self._encode(fact)} for fact in facts]
        size, lost_races = BATCH, 0
        while facts:
            if self._end is None:
                self._end = await self._read_end()
            first = self._end + 1
            now = self._database.now()
            attempt = documents[:size]
            for index, document in enumerate(attempt):
                document |= {"_id": first + index, "appendedAt": now, "last": None}
            attempt[-1]["last"] = self._process_id  # the change stream reports the last fact only
            if redacted := redactions.redactions_in(facts[:size]):
                await redactions.erase(self._log, redacted)
            try:
                await self.insert(attempt)
            except _Refused as refused:
                failures = refused.failures
                inserted = int(failures[0]["index"])
                self._publish(first, facts[:inserted])
                self._end = None
                facts, documents = facts[inserted:], documents[inserted:]
                if "fact.id" in failures[0]["keyPattern"]:
                    facts, documents = await self._without_present(facts, documents)
                # Another process took the sequence. Smaller appends lose less work.
                lost_races += 1
                size = max(size // 2, MIN_BATCH)
                await asyncio.sleep(random.uniform(0, min(lost_races, 10)) / 1000)  # noqa: S311 - spreads retries
            else:
                self._publish(first, facts[:size])
                if size >= BATCH <= len(facts):
                    self._end = None  # gives other processes a chance at the next sequence
                facts, documents = facts[size:], documents[size:]
                size = min(size * 2, BATCH)
        self._schedule_cleanup([fact.id for fact in batch])
        for fact in batch:
            self._last_numbers[fact.subject_id] = fact.subject_number
            self._last_numbers.move_to_end(fact.subject_id)
        while len(self._last_numbers) > MAX_CACHED_SUBJECTS:
            self._last_numbers.popitem(last=False)

    def _encode(self, fact: Fact) -> RawBSONDocument | Document:
        original, raw = self._encoded.get(fact.id, (None, None))
        # A redaction replaces facts.
        return raw if raw is not None and original is fact else to_document(fact, id_key="id")

    def _weigh(self, fact: Fact) -> int:
        """About the size of the fact in memory. It is that of its BSON, if that exists."""
        original, raw = self._encoded.get(fact.id, (None, None))
        return len(raw.raw) if raw is not None and original is fact else size_of(fact)

    async def insert(self, documents: Sequence[Document]) -> None:
        """Insert documents into the log, in their order. Raises _Refused for the first one whose key is taken."""
        command: Document = {
            "insert": self._log.name,
            "documents": documents,
            "ordered": True,
            "writeConcern": {"w": "majority"},
        }
        reply = await self._database.run(command)
        if failures := reply.get("writeErrors"):
            if failures[0]["code"] != DUPLICATE_KEY:
                raise WriteError(str(failures[0].get("errmsg")), failures[0]["code"], failures[0])
            raise _Refused(failures)

    def _publish(self, first: int, facts: Sequence[Fact]) -> None:
        if facts:
            self._end = first + len(facts) - 1
            numbered = [_numbered(fact, first + index) for index, fact in enumerate(facts)]
            self._published(numbered, [self._weigh(fact) for fact in facts])

    async def _read_end(self) -> int:
        # Majority: an append after a fact that a failover may still roll back would leave a gap.
        newest = await self._log.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        return 0 if newest is None else int(newest["_id"])

    async def _without_present(self, facts: list[Fact], documents: list[Document]) -> tuple[list[Fact], list[Document]]:
        """Return the facts that are not in the log yet, with their documents.

        A fact that another process appended counts as missing until its write is majority-committed, and is tried
        again until then: a failover may still roll it back, so it must not be deleted from the outbox.
        """
        present = set(await self._log.distinct("fact.id", {"fact.id": {"$in": [fact.id for fact in facts]}}))
        missing = [index for index, fact in enumerate(facts) if fact.id not in present]
        return [facts[index] for index in missing], [documents[index] for index in missing]

    def _schedule_cleanup(self, ids: Iterable[str]) -> None:
        """Delete appended facts from the outbox after a short delay. A fact that stays is a duplicate later."""
        if not self._appended:
            task = spawn(self._delete_appended(), name="delete appended facts from the outbox")
            self._cleanups.add(task)
            task.add_done_callback(self._cleanups.discard)
        self._appended.extend(ids)
        if len(self._appended) >= CLEANUP_FACTS:
            self._cleanup_due.set()

    async def _delete_appended(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP_DELAY_SECONDS):
                await self._cleanup_due.wait()
        self._cleanup_due.clear()
        ids, self._appended = self._appended, []
        try:
            await self._outbox_soon.delete_many({"_id": {"$in": ids}})
        except PyMongoError as error:
            logger.info("Appended facts stay in the outbox until the next sweep: %s", error)

    async def wait_for_cleanup(self) -> None:
        """Delete appended facts from the outbox now, and wait until that has ended, successfully or not."""
        while self._cleanups:
            self._cleanup_due.set()
            await asyncio.wait(self._cleanups)


def _end_wait(done: "asyncio.Future[bool]", appended: bool) -> None:
    if not done.done():
        done.set_result(appended)


def encode(fact: Fact) -> RawBSONDocument:
    """The fact as it is stored in the outbox and in the log."""
    return RawBSONDocument(bson.encode(to_document(fact, id_key="id")))


def _decode(document: Document) -> Fact:
    return to_record(document["fact"], AnyFact)  # type: ignore[no-any-return]


def _numbered(fact: Fact, sequence: int) -> AnyFact:
    return cast(AnyFact, msgspec.structs.replace(fact, sequence=sequence))
