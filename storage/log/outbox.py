"""The outbox: facts of committed transactions that are yet to be appended to the log, which numbers them.

The sequence of a fact is the `_id` of its document in the log. If two processes try to append at the same sequence, one
insert fails with a duplicate key, and that process reads the end of the log again. A process that appends facts about a
subject also appends all earlier facts about it that are in the outbox, in order, whichever process committed them. A
unique index on the facts' ids keeps a fact from being appended twice.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo import DESCENDING
from pymongo.errors import WriteError

from storage.facts import AnyFact, Fact
from storage.log import redactions
from storage.log.encoded_facts import EncodedFacts
from storage.log.outbox_cleanup import OutboxCleanup
from storage.log.predecessors import Predecessors
from storage.log.reservations import Reservation
from storage.mongo import sessions
from storage.mongo.connection import Database, Document
from storage.mongo.journal_flushes import FlushedWhileWaiting
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.mongo.sessions import AbandonedTransaction
from storage.sizes import batches

logger = logging.getLogger(__name__)

#: Limits of one append, in facts and bytes. MongoDB takes some 30 ms for a thousand facts. All facts of an append wait
#: for its last one.
BATCH = 1_000
BATCH_BYTES = 8 * 1024 * 1024
#: How long a transaction waits for its facts to be appended. It is committed in any case; `run` still appends them.
APPEND_TIMEOUT_SECONDS = 10.0
#: How long a local commit waits for its facts to be appended. A majority is asked to acknowledge it after that.
BEHIND_TIMEOUT_SECONDS = 0.25
#: A log that is being written to for longer takes no facts of local commits: they would keep locks meanwhile.
BUSY_SECONDS = 0.1
#: The smallest append of a process that keeps losing races for the next sequence.
MIN_BATCH = 64
DUPLICATE_KEY = 11_000
#: MongoDB ends every transaction after a minute by default. It looks for old ones every half minute.
LONGEST_TRANSACTION_SECONDS = 90.0


class _Refused(Exception):
    """A unique index of the log refused a document."""

    def __init__(self, failures: Sequence[Document]) -> None:
        super().__init__()
        self.failures = failures


@dataclass(slots=True, eq=False)
class _Waiting:
    """Facts of one caller, and the future result: whether they are in the log."""

    facts: Sequence[Fact]
    appended: "asyncio.Future[bool]"
    #: The commit that no majority has acknowledged yet, and what to call once it has.
    behind: LocalCommit | None = None
    acknowledge: Callable[[], None] = lambda: None

    def end(self, appended: bool) -> None:
        if not self.appended.done():
            self.appended.set_result(appended)


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
        self._predecessors = Predecessors(database)
        self.cleanup = OutboxCleanup(self._outbox)
        self._published = on_append
        self._process_id = process_id
        self._waiting: list[_Waiting] = []
        self._encoded = EncodedFacts()
        self._has_work = asyncio.Event()
        #: The newest sequence of the log.
        self._log_end: int | None = None
        #: Whether the last pass of `run` failed, and when the current one began, by the monotonic clock.
        self._failed = False
        self._began: float | None = None
        #: The numbers that a transaction may be using.
        self._reservation: Reservation | None = None
        #: A transaction that may still have numbers, and since when, by the monotonic clock.
        self._abandoned: AbandonedTransaction | None = None
        self._abandoned_at = 0.0
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """The number of facts that callers of `append` wait for."""
        return sum(len(one.facts) for one in self._waiting)

    async def append(self, facts: Sequence[Fact], encoded: Sequence[RawBSONDocument] = ()) -> None:
        """Wait until the facts are in the log, for up to APPEND_TIMEOUT_SECONDS. They must be in the outbox.

        `encoded`: the facts as BSON, in the same order, if the caller has it (`encode`).
        """
        if not facts:
            return
        if not await self._append_and_wait(facts, encoded, None, lambda: None, APPEND_TIMEOUT_SECONDS):
            logger.warning(
                "%d facts are still in the outbox after %.0f s: the log could not be written.",
                len(facts),
                APPEND_TIMEOUT_SECONDS,
            )

    async def append_behind(
        self,
        commit: LocalCommit,
        facts: Sequence[Fact],
        encoded: Sequence[RawBSONDocument],
        *,
        acknowledge: Callable[[], None] = lambda: None,
    ) -> bool:
        """Append the facts of a transaction, if that is certain to be behind its commit. Returns whether they are in
        the log: a majority has acknowledged the commit then, too.

        `acknowledge` is called when a majority has acknowledged the commit, before the facts are published. If the
        result is False, a majority must acknowledge the commit before `append` is called; the facts may be in the log.
        """
        # The content of a redacted message is erased before the fact about that is in the log.
        if self._is_slow or redactions.redactions_in(facts):
            return False
        return await self._append_and_wait(facts, encoded, commit, acknowledge, BEHIND_TIMEOUT_SECONDS)

    def reserve(self, facts: Sequence[Fact], encoded: Sequence[RawBSONDocument]) -> Reservation | None:
        """Reserve the next numbers of the log for a transaction, which inserts these facts into the log itself.

        Nothing is appended until the reservation has ended. None if the process stops, if the end of the log is not
        known, if other facts wait, if earlier facts about the same subjects may not be in the log, or if these facts
        remove content from the log.
        """
        if self._is_closed or not facts or self._log_end is None or self._reservation is not None:
            return None
        if self._waiting or self._began is not None:
            return None
        if not self._predecessors.precede(facts) or redactions.redactions_in(facts) or redactions.erasures_in(facts):
            return None
        self._reservation = Reservation(
            facts,
            encoded,
            first=self._log_end + 1,
            now=self._database.now(),
            process_id=self._process_id,
            on_end=self._end_reservation,
        )
        return self._reservation

    def _end_reservation(self, reservation: Reservation) -> None:
        self._reservation = None
        if reservation.is_appended:
            self._predecessors.appended(reservation.facts)
            self._publish(reservation.first, reservation.facts, reservation.sizes)
        elif reservation.may_be_used:
            self._log_end = None
            self._abandoned, self._abandoned_at = reservation.abandoned, time.monotonic()
            self._has_work.set()

    def close(self) -> None:
        """Reserve no more numbers, because the process stops."""
        self._is_closed = True

    @property
    def holds_numbers(self) -> bool:
        """Whether a transaction of this process may keep the next numbers of the log from others."""
        return self._reservation is not None or self._abandoned is not None

    @property
    def _is_slow(self) -> bool:
        """Whether the log could not be written the last time, or is being written to for long."""
        began = self._began if self._reservation is None else self._reservation.began
        return self._failed or (began is not None and time.monotonic() - began > BUSY_SECONDS)

    async def _append_and_wait(
        self,
        facts: Sequence[Fact],
        encoded: Sequence[RawBSONDocument],
        behind: LocalCommit | None,
        acknowledge: Callable[[], None],
        seconds: float,
    ) -> bool:
        self._encoded.add(facts, encoded)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(facts, loop.create_future(), behind, acknowledge)
        self._waiting.append(waiting)
        self._has_work.set()
        # A timer alone, because asyncio.timeout takes several times as long.
        timer = loop.call_later(seconds, waiting.end, False)
        try:
            return await waiting.appended
        finally:
            timer.cancel()

    async def run(self) -> None:
        """Append until cancelled. After an error, the supervisor calls it again: facts that failed are tried again.

        No fact of an acknowledged commit is ever given up, because later facts about its subject must not be appended
        before it.
        """
        while True:
            while self._waiting or self._abandoned is not None:
                if self._reservation is not None:
                    await self._reservation.wait()
                self._began = time.monotonic()
                try:
                    await self._append_taken(deque(self._waiting))
                except BaseException:
                    self._failed = True
                    raise
                finally:
                    self._began = None
                self._failed = False
            self._has_work.clear()
            await self._has_work.wait()

    async def _append_taken(self, taken: deque[_Waiting]) -> None:
        """Append the facts of the first callers that wait. Each caller waits for its own facts alone."""
        batch = [fact for one in taken for fact in one.facts]
        local = [one for one in taken if one.behind is not None]
        appended = 0
        try:
            await self._free_numbers()
            for run in batches(batch, count=BATCH, size=BATCH_BYTES, weigh=self._encoded.weigh):
                behind = [one.behind for one in local if one.behind is not None]
                found = await self._predecessors.completed(run, behind)
                if behind and len(found) < len(run):  # nothing written may be behind the commits
                    raise NotBehind
                await self._append(found, local)
                appended += len(run)
                while taken and len(taken[0].facts) <= appended:
                    appended -= len(taken[0].facts)
                    self._end(taken.popleft(), True)
        except NotBehind:
            self._end_local_commits(taken)
        except BaseException:
            self._log_end = None
            self._end_local_commits(taken)
            raise

    async def _free_numbers(self) -> None:
        """Abort the transaction that may still have the next numbers: an insert would wait for its end."""
        if self._abandoned is not None:
            if time.monotonic() - self._abandoned_at < LONGEST_TRANSACTION_SECONDS:
                await sessions.end(self._database, self._abandoned)
            self._abandoned = None

    def _end_local_commits(self, taken: Iterable[_Waiting]) -> None:
        """Take back the facts of commits that no majority has acknowledged: they may be rolled back."""
        for one in taken:
            if one.behind is not None:
                self._end(one, False)

    def _end(self, one: _Waiting, appended: bool) -> None:
        self._waiting.remove(one)
        self._encoded.remove(one.facts)
        if appended:
            one.acknowledge()
        one.end(appended)

    async def _append(self, facts: list[Fact], local: Sequence[_Waiting] = ()) -> None:
        behind = [one.behind for one in local if one.behind is not None]
        batch = facts = redactions.applied_within(facts)
        documents: list[Document] = [{"_id": 0, "fact": self._encoded.document(fact)} for fact in facts]
        size, lost_races = BATCH, 0
        while facts:
            if self._log_end is None:
                self._log_end = await self._read_end()
            first = self._log_end + 1
            now = self._database.now()
            attempt = documents[:size]
            for index, document in enumerate(attempt):
                document |= {"_id": first + index, "appendedAt": now, "last": None}
            attempt[-1]["last"] = self._process_id  # the change stream reports the last fact only
            if redacted := redactions.redactions_in(facts[:size]):
                if behind:
                    raise NotBehind
                await redactions.erase(self._log, redacted)
            try:
                with FlushedWhileWaiting(self._database, lambda: self.has_commits(besides=local)):
                    await self.insert(attempt, behind=behind)
            except _Refused as refused:
                failures = refused.failures
                inserted = int(failures[0]["index"])
                self._publish_behind(first, facts[:inserted], local)
                self._log_end = None
                facts, documents = facts[inserted:], documents[inserted:]
                if "fact.id" in failures[0]["keyPattern"]:
                    facts, documents = await self._without_present(facts, documents)
                # Another process took the sequence. Smaller appends lose less work.
                lost_races += 1
                size = max(size // 2, MIN_BATCH)
                await asyncio.sleep(random.uniform(0, min(lost_races, 10)) / 1000)  # noqa: S311 - spreads retries
            else:
                self._publish_behind(first, facts[:size], local)
                if size >= BATCH <= len(facts):
                    self._log_end = None  # gives other processes a chance at the next sequence
                facts, documents = facts[size:], documents[size:]
                size = min(size * 2, BATCH)
        self.cleanup.schedule(fact.id for fact in batch)
        self._predecessors.appended(batch)

    def has_commits(self, *, besides: Sequence[object] = ()) -> bool:
        """Whether commits that no majority has acknowledged wait for their facts to be appended, besides these."""
        return any(one.behind is not None and one not in besides for one in self._waiting)

    async def insert(self, documents: Sequence[Document], *, behind: Sequence[LocalCommit] = ()) -> None:
        """Insert documents into the log, in their order. Raises _Refused for the first one whose key is taken."""
        command: Document = {
            "insert": self._log.name,
            "documents": documents,
            "ordered": True,
            "writeConcern": {"w": "majority"},
        }
        reply = await self._database.run(command, behind=behind)
        if failures := reply.get("writeErrors"):
            if failures[0]["code"] != DUPLICATE_KEY:
                raise WriteError(str(failures[0].get("errmsg")), failures[0]["code"], failures[0])
            raise _Refused(failures)

    def _publish_behind(self, first: int, facts: Sequence[Fact], local: Iterable[_Waiting]) -> None:
        if facts:
            for one in local:  # a majority that has a fact has all commits before it
                one.acknowledge()
            self._publish(first, facts, [self._encoded.weigh(fact) for fact in facts])

    def _publish(self, first: int, facts: Sequence[Fact], sizes: Sequence[int]) -> None:
        self._log_end = first + len(facts) - 1
        self._published([_numbered(fact, number) for number, fact in enumerate(facts, first)], sizes)

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


def _numbered(fact: Fact, sequence: int) -> AnyFact:
    return cast(AnyFact, msgspec.structs.replace(fact, sequence=sequence))
