"""The feed: reads the log from any position, and waits for new facts. History and live facts take the same path.

Each process has one buffer of recent facts, in the order of the log and without a gap. A reader is a position in the
log. It reads recent facts from the buffer and older ones from the database. Waking a reader passes it the position to
read from, not the facts (subscription_index.py).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from storage.errors import CursorExpired
from storage.facts import AnyFact
from storage.listeners import Listeners
from storage.log.live_readers import LiveReaders
from storage.log.log import Log
from storage.log.redactions import erasures_in, redactions_in
from storage.log.subscription_index import ALL_FACTS, Key, SubscriptionIndex, Waiter
from storage.mongo.cursors import event_cursor
from storage.sizes import size_of
from storage.supervisor import spawn
from storage.threads import Work
from storage.timings import DEFAULT_TIMINGS

logger = logging.getLogger(__name__)

#: Facts of one chunk of history, and the number of chunks in the cache that all readers share.
CHUNK_SIZE = 256
MAX_CACHED_CHUNKS = 16


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """The memory that the feed of one process may use."""

    #: Limits of the buffer, in facts and bytes, which it may exceed by half before it is trimmed. The facts of half a
    #: minute of a busy deployment fit.
    buffer_facts: int = 2_048
    buffer_bytes: int = 16 * 1024 * 1024
    #: Limit of one chunk of history. A chunk ends with the fact that exceeds it.
    chunk_bytes: int = 4 * 1024 * 1024
    #: Limit of one read. A read ends with the fact that exceeds it.
    read_bytes: int = 1024 * 1024


DEFAULT_LIMITS = FeedLimits()


class Feed:
    """Follows the log once for all readers of this process."""

    def __init__(
        self,
        log: Log,
        *,
        limits: FeedLimits = DEFAULT_LIMITS,
        process_id: str | None = None,
        poll_seconds: float = DEFAULT_TIMINGS.log_poll,
    ) -> None:
        self._log = log
        self._poll_seconds = poll_seconds
        self._process_id = process_id
        self._limits = limits
        self._buffer: list[AnyFact] = []
        #: The size of each fact in the buffer, in bytes, and their sum.
        self._sizes: list[int] = []
        self._bytes = 0
        #: The sequence of the newest fact that was added to the buffer.
        self.head = 0
        #: When the feed last read the log to its end, by the monotonic clock.
        self._at_end = time.monotonic()
        #: Whether a change stream is open. Without one, facts of other processes are found by polling.
        self.watching = False
        self._waiters = SubscriptionIndex()
        self._redactions = log.redactions
        #: The readers at the end of the log to which new facts are given.
        self.live = LiveReaders(self._in_buffer)
        self._behind = asyncio.Event()
        self._chunks: OrderedDict[int, asyncio.Task[list[AnyFact]]] = OrderedDict()
        #: Called with every batch of new facts, in the order of the log.
        self.listeners = Listeners[[Sequence[AnyFact]]]("new facts in the feed")
        #: Awaited after a gap: facts were trimmed from the log before this process read them. Each function reads again
        #: from the database what its owner derives from facts. While one raises, `run` fails, and the gap remains.
        self.reloaders: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        """Start at the newest fact of the log."""
        self.head = await self._log.head()
        self.live.advance(self.head)
        self._at_end = time.monotonic()

    @property
    def seconds_behind(self) -> float:
        """Seconds since the feed last read the log to its end. `run` does so at every poll, also of an idle log."""
        return time.monotonic() - self._at_end

    @property
    def cached_chunks(self) -> int:
        return len(self._chunks)

    @property
    def buffered(self) -> tuple[int, int]:
        """The number of facts in the buffer, and their bytes."""
        return len(self._buffer), self._bytes

    def publish(self, facts: Sequence[AnyFact], sizes: Sequence[int]) -> None:
        """Add facts that this process appended, with the size of each in memory. They need no read from the log if they
        follow the head."""
        if facts[0].sequence == self.head + 1:
            self._extend(facts, sizes)
        elif facts[-1].sequence > self.head:
            self._behind.set()

    async def read(self, after: int, limit: int = CHUNK_SIZE) -> Sequence[AnyFact]:
        """Return up to `limit` facts that follow `after` without a gap; none if there is no newer fact.

        Retries while the database does not answer. Raises CursorExpired if the next fact was trimmed from the log.
        """
        while True:
            if after >= self.head:
                return ()
            first_in_buffer = self.head - len(self._buffer) + 1
            if after + 1 >= first_in_buffer:
                start = after + 1 - first_in_buffer
                return self._buffer[start : self._end_of_read(start, limit)]
            try:
                facts = await self._history(after, limit, first_in_buffer)
                if facts:
                    return facts
                await self._require_kept(after)
            except PyMongoError as error:
                logger.warning("History could not be read, trying again: %s", error)
                await asyncio.sleep(self._poll_seconds)

    async def _require_kept(self, after: int) -> None:
        """Raise CursorExpired if the fact after that position was trimmed from the log. Otherwise pause for a retry.

        A majority read on a newly elected primary may end before the head for a short time: the fact then exists, but
        the read does not show it yet.
        """
        self._chunks.pop(after // CHUNK_SIZE, None)  # the cached chunk lacks the fact
        oldest = await self._log.oldest()
        if oldest > after + 1:
            raise CursorExpired(oldest_cursor=event_cursor(oldest - 1))
        await asyncio.sleep(self._poll_seconds)

    async def _history(self, after: int, limit: int, first_in_buffer: int) -> Sequence[AnyFact]:
        number = after // CHUNK_SIZE
        if (number + 1) * CHUNK_SIZE >= first_in_buffer:
            return await self._read_history(after, limit)
        found = contiguous_after([fact for fact in await self._chunk(number) if fact.sequence > after], after)[:limit]
        # A chunk of large facts ends at its byte limit.
        return found or await self._read_history(after, limit)

    async def _read_history(self, after: int, limit: int) -> Sequence[AnyFact]:
        facts, _ = await self._log.read_within(after, min(limit, CHUNK_SIZE), size=self._limits.read_bytes)
        return contiguous_after(self._redactions.apply_all(facts), after)

    def _end_of_read(self, start: int, limit: int) -> int:
        """Return the end, in the buffer, of a read of up to `limit` facts from `start`, by the byte limit."""
        total = 0
        for index in range(start, min(start + limit, len(self._buffer))):
            total += self._sizes[index]
            if total > self._limits.read_bytes:
                return index + 1
        return start + limit

    async def wait(
        self,
        after: int,
        keys: frozenset[Key] = ALL_FACTS,
        *,
        on_wait: Callable[[Waiter], None] = lambda _: None,
    ) -> int:
        """Wait for a fact after that position, and return the position to read from.

        Returns at once if `after` is before the head. At the head, it waits for a fact with one of `keys`; the facts
        that the returned position skips have none of them. `on_wait` receives the waiter before the wait begins.
        """
        if self.head > after:
            return after
        waiter = Waiter(after, keys)
        on_wait(waiter)
        return await self._waiters.wait(waiter)

    def redacted(self, fact: AnyFact) -> AnyFact:
        """The fact as it is read now: without content that was redacted or erased since the fact was read."""
        return self._redactions.apply(fact)

    @property
    def redactions(self) -> int:
        """A number that increases when this process reads that content was redacted or erased."""
        return self._redactions.count

    async def run(self) -> None:
        """Follow the log until cancelled.

        A fact that cannot be decoded, such as one of a newer version, is an error. The feed does not skip it, because
        the subscribers of this process would lose it.
        """
        while True:
            await self._catch_up()
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._behind.wait()
            except TimeoutError:
                pass
            self._behind.clear()

    async def _catch_up(self) -> None:
        more = True
        while more:
            facts, more = await self._log.read_within(self.head, CHUNK_SIZE, size=self._limits.chunk_bytes)
            # `publish` may have added facts of this process during the read.
            new = [fact for fact in facts if fact.sequence > self.head]
            if new and new[0].sequence != self.head + 1:
                # The log was trimmed past the head: this process did not run for as long as facts are retained.
                logger.warning("This process missed the facts %d to %d.", self.head + 1, new[0].sequence - 1)
                for reload in self.reloaders:
                    await reload()
                self._drop(len(self._buffer))
                self._chunks.clear()
                self.live.lose_all()
                self.head = new[0].sequence - 1
                self.live.advance(self.head)
                self._waiters.wake_all()
            if new:
                following = contiguous_after(new, self.head)
                self._extend(following, [size_of(fact) for fact in following])
        self._at_end = time.monotonic()

    async def watch(self) -> None:
        """Wake `run` whenever another process appends facts, until cancelled. Without a change stream, `run` polls.

        The driver resumes a stream once. After that, this method opens another one, or the supervisor does.
        """
        while True:
            try:
                async with self._log.watch(exclude_process_id=self._process_id) as stream:
                    change = await stream.try_next()  # opens the stream
                    self.watching = True
                    self._behind.set()  # for facts that were appended before the stream was open
                    while stream.alive:
                        if change is not None and change["documentKey"]["_id"] > self.head:
                            self._behind.set()
                        change = await stream.try_next()
            finally:
                self.watching = False
            await asyncio.sleep(self._poll_seconds)

    async def _chunk(self, number: int) -> list[AnyFact]:
        """Return the facts number * CHUNK_SIZE + 1 to (number + 1) * CHUNK_SIZE, read once for all readers."""
        task = self._chunks.get(number)
        if task is None:
            task = self._chunks[number] = spawn(
                self._read_chunk(number), name="read a chunk of the log", kind=Work.READS
            )
            task.add_done_callback(lambda ended: self._discard_failed(number, ended))
            while len(self._chunks) > MAX_CACHED_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(number)
        return await asyncio.shield(task)

    async def _read_chunk(self, number: int) -> list[AnyFact]:
        facts, _ = await self._log.read_within(number * CHUNK_SIZE, CHUNK_SIZE, size=self._limits.chunk_bytes)
        last = (number + 1) * CHUNK_SIZE
        return [fact for fact in self._redactions.apply_all(facts) if fact.sequence <= last]

    def _discard_failed(self, number: int, ended: "asyncio.Task[list[AnyFact]]") -> None:
        if (ended.cancelled() or ended.exception() is not None) and self._chunks.get(number) is ended:
            del self._chunks[number]

    def _extend(self, facts: Sequence[AnyFact], sizes: Sequence[int]) -> None:
        redacted, erased = redactions_in(facts), erasures_in(facts)
        if redacted or erased:
            self._redactions.add(redacted, erased)
            self._redact_cached()
        facts = self._redactions.apply_all(facts)
        self._buffer.extend(facts)
        self._sizes.extend(sizes)
        self._bytes += sum(sizes)
        self._trim()
        self.head = facts[-1].sequence
        self.listeners.notify(facts)
        self._waiters.wake(facts)
        self.live.advance(self.head)

    def _in_buffer(self, sequence: int) -> AnyFact | None:
        index = sequence - (self.head - len(self._buffer) + 1)
        return self._buffer[index] if 0 <= index < len(self._buffer) else None

    def _redact_cached(self) -> None:
        """Remove redacted and erased content from the buffer and from the chunks of history."""
        for index, fact in enumerate(self._buffer):
            if (redacted := self._redactions.apply(fact)) is not fact:
                size = size_of(redacted)
                self._bytes += size - self._sizes[index]
                self._buffer[index], self._sizes[index] = redacted, size
        for chunk in self._chunks.values():
            if chunk.done() and not chunk.cancelled() and chunk.exception() is None:
                chunk.result()[:] = self._redactions.apply_all(chunk.result())

    def _trim(self) -> None:
        """Trim the buffer to its limits once it exceeds one by half: deleting the start of a list is slow."""
        if 2 * len(self._buffer) <= 3 * self._limits.buffer_facts and 2 * self._bytes <= 3 * self._limits.buffer_bytes:
            return
        count = max(0, len(self._buffer) - self._limits.buffer_facts)
        remaining = self._bytes - sum(self._sizes[:count])
        while remaining > self._limits.buffer_bytes:
            remaining -= self._sizes[count]
            count += 1
        self._drop(count)

    def _drop(self, count: int) -> None:
        """Remove the oldest `count` facts from the buffer."""
        self._bytes -= sum(self._sizes[:count])
        del self._buffer[:count], self._sizes[:count]


def contiguous_after(facts: Sequence[AnyFact], after: int) -> Sequence[AnyFact]:
    """Return the facts that follow `after` without a gap.

    A read during which the log is trimmed can lack facts at its start or in the middle.
    """
    if facts and facts[0].sequence == after + 1 and facts[-1].sequence == after + len(facts):
        return facts
    return [fact for index, fact in enumerate(facts) if fact.sequence == after + 1 + index]
