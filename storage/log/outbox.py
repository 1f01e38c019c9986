"""The outbox: facts of changes that are true, on their way into the log, where they get their numbers.

A number is the `_id` of a document of the log, so that of two writers who want the same place one gets it and the other
reads the end again. Whoever appends for a subject appends everything that waits for that subject, in order, whichever
process put it there; the unique id of a fact keeps it from entering twice.
"""

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import msgspec
from pymongo import ASCENDING, DESCENDING, WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.read_concern import ReadConcern

from storage.facts import AnyFact, Fact
from storage.mongo.connection import Database, Document, to_document, to_record
from storage.mongo.undecodable import ERRORS
from storage.sizes import batches, size_of_document
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Facts and bytes in one append. A thousand take MongoDB some 30 ms; more would make the first one wait for the last.
BATCH = 1_000
BATCH_BYTES = 8 * 1024 * 1024
#: How long a change waits for its facts to be in the log; later they are the sweeper's, and the change is true anyway.
APPEND_TIMEOUT_SECONDS = 10.0
#: A fact that waits in the outbox at two looks so far apart was left there by a process that died or lost the database.
SWEEP_SECONDS = 1.5
#: Facts of one look; those beyond come when these are gone.
MAX_SWEEP_FACTS = 20_000
#: How long appended facts stay in the outbox, so that one deletion does for many.
CLEANUP_DELAY_SECONDS = 0.02
#: Subjects whose last appended number is remembered, so that the outbox need not be asked what else waits for them.
MAX_KNOWN_SUBJECTS = 50_000
#: What an append comes down to that keeps losing the race for the next place.
MIN_BATCH = 64
DUPLICATE_KEY = 11_000


class Appender:
    """Gives this process's facts their numbers, many at a time, and those that dead processes left behind."""

    def __init__(
        self, database: Database, on_append: Callable[[Sequence[AnyFact]], None], *, process_id: str = "?"
    ) -> None:
        self._database = database
        self._log = database["log"]
        self._outbox = database["outbox"]
        self._outbox_now = self._outbox.with_options(read_concern=ReadConcern("local"))
        self._outbox_soon = self._outbox.with_options(write_concern=WriteConcern(w=1))
        self._published = on_append
        self._process_id = process_id
        self._waiting: list[tuple[Sequence[Fact], asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._end: int | None = None
        self._last_numbers: OrderedDict[str, int] = OrderedDict()
        #: What is in the log and still in the outbox.
        self._appended: list[str] = []
        self._cleanups: set[asyncio.Task[None]] = set()
        #: What waited in the outbox at the last look.
        self._seen: set[str] = set()
        self._swept = False

    async def append(self, facts: Sequence[Fact]) -> None:
        """Return when the facts, which must be in the outbox, are in the log, or when that takes too long."""
        if not facts:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((facts, done))
        self._arrived.set()
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_SECONDS):
                await done
        except TimeoutError:
            logger.warning("Facts wait in the outbox: the log could not be written in time.")

    async def run(self) -> None:
        """Append until cancelled. After an error, call it again: what is not in the log yet still waits here.

        To give up a fact would leave a hole in the life of its subject, and stop the log for everybody.
        """
        while True:
            while self._waiting:
                taken = tuple(self._waiting)
                batch = [fact for facts, _ in taken for fact in facts]
                try:
                    for run in batches(batch, count=BATCH, size=BATCH_BYTES):
                        await self._append(await self._with_predecessors(run))
                except BaseException:
                    self._end = None
                    raise
                del self._waiting[: len(taken)]
                for _, done in taken:
                    if not done.done():
                        done.set_result(None)
            self._arrived.clear()
            await self._arrived.wait()

    async def sweep(self) -> int:
        """Append everything that waits in the outbox, and how many facts that were."""
        return await self._append_waiting(await self._read_waiting_ids())

    async def sweep_abandoned(self) -> int:
        """Append what waited in the outbox at the last look already, and how many facts that were.

        What is seen twice has waited, by the clock of this process alone: those of others may be ahead.
        """
        waiting = await self._read_waiting_ids()
        abandoned = [one for one in waiting if one in self._seen]
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
                facts += self._database.undecodable.decode("outbox", [document], _outbox_query)
                size += size_of_document(document)
                if size > BATCH_BYTES:
                    await self.append(facts)
                    count += len(facts)
                    facts, size = [], 0
            await self.append(facts)
            count += len(facts)
        return count

    async def sweep_once(self) -> None:
        """Append what was abandoned; at first everything, for this may be the restart after a crash."""
        if self._swept:
            await self.sweep_abandoned()
        else:
            await self.sweep()
            self._swept = True

    async def _with_predecessors(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts, each preceded by those about its subject that came before it and may not be in the log yet.

        Facts keep the order in which they came, but for those of one subject, which take each other's places.
        """
        facts = list({fact.id: fact for fact in facts}.values())
        by_subject: dict[str, dict[int, Fact]] = {}
        for fact in facts:
            by_subject.setdefault(fact.subject_id, {})[fact.subject_number] = fact
        own = {subject: len(known) for subject, known in by_subject.items()}
        uncertain = {subject: max(known) for subject, known in by_subject.items() if not self._follows(subject, known)}
        if uncertain:
            # What a majority holds may be older, on a primary that was elected just now, than what this process knows
            # to be true. What came before a true fact is true itself; what came after it may not be, and is left.
            async for document in self._outbox_now.find({"subject": {"$in": list(uncertain)}}):
                if document["number"] < uncertain[document["subject"]]:
                    try:
                        before = _outbox_query(document)
                    except ERRORS as error:
                        # A newer process appends it, and what follows it: what this one sweeps stays in the outbox.
                        self._database.undecodable.note("outbox", document["_id"], error)
                        by_subject.pop(document["subject"], None)
                        continue
                    if document["subject"] in by_subject:
                        by_subject[document["subject"]].setdefault(int(document["number"]), before)
            facts = [fact for fact in facts if fact.subject_id in by_subject]
        queues = {subject: deque(known[number] for number in sorted(known)) for subject, known in by_subject.items()}
        result: list[Fact] = []
        for fact in facts:
            queue = queues[fact.subject_id]
            while len(queue) > own[fact.subject_id]:
                result.append(queue.popleft())
            result.append(queue.popleft())
            own[fact.subject_id] -= 1
        return result

    def _follows(self, subject: str, known: Iterable[int]) -> bool:
        numbers = sorted(known)
        return numbers[0] == self._last_numbers.get(subject, 0) + 1 and numbers[-1] - numbers[0] == len(numbers) - 1

    async def _append(self, facts: list[Fact]) -> None:
        everything = facts
        documents: list[Document] = [{"_id": 0, "fact": to_document(fact, id_key="id")} for fact in facts]
        size, lost_races = BATCH, 0
        while facts:
            if self._end is None:
                self._end = await self._read_end()
            first = self._end + 1
            moment = self._database.now()
            attempt = documents[:size]
            for index, document in enumerate(attempt):
                document |= {"_id": first + index, "appendedAt": moment, "last": None}
            attempt[-1]["last"] = self._process_id  # who watches the log needs to be woken once
            try:
                await self._log.insert_many(attempt, ordered=True)
            except BulkWriteError as error:
                failures = error.details["writeErrors"]
                if not failures or failures[0]["code"] != DUPLICATE_KEY or error.details.get("writeConcernErrors"):
                    raise
                inserted = int(failures[0]["index"])
                self._publish(first, facts[:inserted])
                self._end = None
                facts, documents = facts[inserted:], documents[inserted:]
                if "fact.id" in failures[0]["keyPattern"]:
                    facts, documents = await self._without_present(facts, documents)
                # Another process was quicker. Who loses again and again loses less each time.
                lost_races += 1
                size = max(size // 2, MIN_BATCH)
                await asyncio.sleep(random.uniform(0, min(lost_races, 10)) / 1000)  # noqa: S311 - spreads retries
            else:
                self._publish(first, facts[:size])
                if size >= BATCH <= len(facts):
                    self._end = None  # whoever has much to append has no better start than the others
                facts, documents = facts[size:], documents[size:]
                size = min(size * 2, BATCH)
        self._schedule_cleanup([fact.id for fact in everything])
        for fact in everything:
            self._last_numbers[fact.subject_id] = fact.subject_number
            self._last_numbers.move_to_end(fact.subject_id)
        while len(self._last_numbers) > MAX_KNOWN_SUBJECTS:
            self._last_numbers.popitem(last=False)

    def _publish(self, first: int, facts: Sequence[Fact]) -> None:
        if facts:
            self._end = first + len(facts) - 1
            self._published([_numbered(fact, first + index) for index, fact in enumerate(facts)])

    async def _read_end(self) -> int:
        # Majority: a place that a failover may still take away must not be built upon, or it would become a gap.
        newest = await self._log.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        return 0 if newest is None else int(newest["_id"])

    async def _without_present(self, facts: list[Fact], documents: list[Document]) -> tuple[list[Fact], list[Document]]:
        """Those that no process has appended for good.

        Where another process has put a fact is not certain until a majority holds it: only then may the fact be taken
        out of the outbox. Until then it counts as missing, and is tried again.
        """
        present = set(await self._log.distinct("fact.id", {"fact.id": {"$in": [fact.id for fact in facts]}}))
        missing = [index for index, fact in enumerate(facts) if fact.id not in present]
        return [facts[index] for index in missing], [documents[index] for index in missing]

    def _schedule_cleanup(self, ids: Iterable[str]) -> None:
        """Take appended facts out of the outbox, soon, and many at a time: a leftover is recognised later."""
        if not self._appended:
            task = spawn(self._delete_appended(), name="take appended facts out of the outbox")
            self._cleanups.add(task)
            task.add_done_callback(self._cleanups.discard)
        self._appended.extend(ids)

    async def _delete_appended(self) -> None:
        await asyncio.sleep(CLEANUP_DELAY_SECONDS)
        ids, self._appended = self._appended, []
        try:
            await self._outbox_soon.delete_many({"_id": {"$in": ids}})
        except PyMongoError as error:
            logger.info("Appended facts stay in the outbox until the next sweep: %s", error)

    async def wait_for_cleanup(self) -> None:
        """Return when everything that was appended has been taken out of the outbox, as far as it can be."""
        while self._cleanups:
            await asyncio.wait(self._cleanups)


def _outbox_query(document: Document) -> Fact:
    return to_record(document["fact"], AnyFact)  # type: ignore[no-any-return]


def _numbered(fact: Fact, sequence: int) -> AnyFact:
    return cast(AnyFact, msgspec.structs.replace(fact, sequence=sequence))
