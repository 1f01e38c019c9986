"""Reading the log from any position, and waiting for what comes next: one path for history and for live facts.

Every process keeps one ring of recent facts, filled in order and without a gap. A reader holds a position and nothing
else: it takes from the ring what it can, and from the log what the ring has let go of. A wake-up says only where there
is something to read (subscription_index.py).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from pymongo.errors import PyMongoError

from storage.errors import CursorExpired
from storage.facts import AnyFact
from storage.listeners import Listeners
from storage.log.log import Log
from storage.log.subscription_index import ALL_FACTS, Key, SubscriptionIndex, Waiter
from storage.mongo.cursors import event_cursor
from storage.sizes import size_of
from storage.supervisor import spawn
from storage.threads import Work

logger = logging.getLogger(__name__)

#: Facts and bytes in the ring, and up to half as many again: of ordinary facts, half a minute of a busy deployment.
RING_SIZE = 2_048
RING_BYTES = 16 * 1024 * 1024
#: Facts and bytes in one read of history, and how many such reads are kept for others who replay at the same time.
CHUNK_SIZE = 256
CHUNK_BYTES = 4 * 1024 * 1024
MAX_CACHED_CHUNKS = 16
#: Bytes that one reader takes at once, and one fact more.
READ_BYTES = 1024 * 1024
#: How long a fact of another process can go unnoticed when the change stream is down.
POLL_SECONDS = 0.5


class Feed:
    """The log as one process reads it, once for all its readers."""

    def __init__(self, log: Log, *, ring: int = RING_SIZE, process_id: str | None = None) -> None:
        self._log = log
        self._process_id = process_id
        self._size = ring
        self._ring: list[AnyFact] = []
        #: How many bytes each fact in the ring takes, and all of them.
        self._sizes: list[int] = []
        self._bytes = 0
        #: The sequence of the newest fact that has been in the ring. The ring holds the facts right up to it.
        self.head = 0
        #: Whether other processes' facts are heard of at once, and not only by polling.
        self.watching = False
        self._waiters = SubscriptionIndex()
        self._behind = asyncio.Event()
        self._chunks: OrderedDict[int, asyncio.Task[list[AnyFact]]] = OrderedDict()
        #: Called with every batch of new facts, in the order of the log.
        self.listeners = Listeners[[Sequence[AnyFact]]]("new facts in the feed")
        #: Awaited after a gap: facts were trimmed from the log before this process read them. Each function reads again
        #: from the database what its owner derives from facts. While one raises, `run` fails, and the gap remains.
        self.reloaders: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        """Take up position at the head of the log."""
        self.head = await self._log.head()

    def publish(self, facts: Sequence[AnyFact]) -> None:
        """Facts this process has just appended: they need not be read again when they follow what is here."""
        if facts[0].sequence == self.head + 1:
            self._extend(facts)
        elif facts[-1].sequence > self.head:
            self._behind.set()

    async def read(self, after: int, limit: int = CHUNK_SIZE) -> Sequence[AnyFact]:
        """Up to `limit` facts that follow `after`, without a gap; none when there is nothing newer yet.

        Goes on asking while the database does not answer. Raises CursorExpired when the next fact is no longer kept.
        """
        while True:
            if after >= self.head:
                return ()
            first_in_ring = self.head - len(self._ring) + 1
            if after + 1 >= first_in_ring:
                start = after + 1 - first_in_ring
                return self._ring[start : self._end_of_read(start, limit)]
            try:
                facts = await self._history(after, limit, first_in_ring)
                if facts:
                    return facts
                await self._require_kept(after)
            except PyMongoError as error:
                logger.warning("History could not be read, trying again: %s", error)
                await asyncio.sleep(POLL_SECONDS)

    async def _require_kept(self, after: int) -> None:
        """Raise CursorExpired when the fact after that position is gone, and not only out of sight: what a majority
        holds may end before the head for a moment, on a primary that was elected just now."""
        self._chunks.pop(after // CHUNK_SIZE, None)  # what was read of it shows less than there is
        oldest = await self._log.oldest()
        if oldest > after + 1:
            raise CursorExpired(oldest_cursor=event_cursor(oldest - 1))
        await asyncio.sleep(POLL_SECONDS)

    async def _history(self, after: int, limit: int, first_in_ring: int) -> Sequence[AnyFact]:
        number = after // CHUNK_SIZE
        if (number + 1) * CHUNK_SIZE >= first_in_ring:
            return await self._read_history(after, limit)
        found = contiguous_after([fact for fact in await self._chunk(number) if fact.sequence > after], after)[:limit]
        # A chunk of large facts ends early.
        return found or await self._read_history(after, limit)

    async def _read_history(self, after: int, limit: int) -> Sequence[AnyFact]:
        facts, _ = await self._log.read_within(after, min(limit, CHUNK_SIZE), size=READ_BYTES)
        return contiguous_after(facts, after)

    def _end_of_read(self, start: int, limit: int) -> int:
        """Where in the ring a read from `start` ends that takes no more than `limit` facts and READ_BYTES."""
        total = 0
        for index in range(start, min(start + limit, len(self._ring))):
            total += self._sizes[index]
            if total > READ_BYTES:
                return index + 1
        return start + limit

    async def wait(
        self,
        after: int,
        keys: frozenset[Key] = ALL_FACTS,
        *,
        on_wait: Callable[[Waiter], None] = lambda _: None,
    ) -> int:
        """Return when there is a fact after that position; who is at the head waits for one with one of these keys.

        Returns where to go on reading: what is passed over has none of them. `on_wait` is given the waiter, if there is
        one: until it is woken, no fact up to the head has one of the keys.
        """
        if self.head > after:
            return after
        waiter = Waiter(after, keys)
        on_wait(waiter)
        return await self._waiters.wait(waiter)

    async def run(self) -> None:
        """Keep up with the log until cancelled.

        A fact that cannot be decoded, of a kind that only newer processes know for one, is an error: subscribers of
        this process wait for it, for a fact that is skipped would be lost to them.
        """
        while True:
            await self._catch_up()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._behind.wait()
            except TimeoutError:
                pass
            self._behind.clear()

    async def _catch_up(self) -> None:
        more = True
        while more:
            facts, more = await self._log.read_within(self.head, CHUNK_SIZE, size=CHUNK_BYTES)
            # Facts of our own may have been offered in the meantime.
            fresh = [fact for fact in facts if fact.sequence > self.head]
            if fresh and fresh[0].sequence != self.head + 1:
                # The log was trimmed past our position, which only happens to a process that slept for days.
                logger.warning("This process missed the facts %d to %d.", self.head + 1, fresh[0].sequence - 1)
                for reload in self.reloaders:
                    await reload()
                self._drop(len(self._ring))
                self.head = fresh[0].sequence - 1
                self._waiters.wake_all()
            if fresh:
                self._extend(contiguous_after(fresh, self.head))

    async def watch(self) -> None:
        """Set the alarm when another process has appended, until cancelled. Without a change stream, `run` polls.

        The driver resumes a stream once; the supervisor opens another one every time.
        """
        while True:
            try:
                async with self._log.watch(exclude_process_id=self._process_id) as stream:
                    change = await stream.try_next()  # opens the stream
                    self.watching = True
                    self._behind.set()  # for what was appended while nobody watched
                    while stream.alive:
                        if change is not None and change["documentKey"]["_id"] > self.head:
                            self._behind.set()
                        change = await stream.try_next()
            finally:
                self.watching = False
            await asyncio.sleep(POLL_SECONDS)

    async def _chunk(self, number: int) -> list[AnyFact]:
        """The facts number * CHUNK + 1 to (number + 1) * CHUNK, read once for everybody who is replaying."""
        task = self._chunks.get(number)
        if task is None:
            task = self._chunks[number] = spawn(
                self._read_chunk(number), name="read a chunk of the log", kind=Work.READS
            )
            task.add_done_callback(lambda ended: self._forget_failed(number, ended))
            while len(self._chunks) > MAX_CACHED_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(number)
        return await asyncio.shield(task)

    async def _read_chunk(self, number: int) -> list[AnyFact]:
        facts, _ = await self._log.read_within(number * CHUNK_SIZE, CHUNK_SIZE, size=CHUNK_BYTES)
        return [fact for fact in facts if fact.sequence <= (number + 1) * CHUNK_SIZE]

    def _forget_failed(self, number: int, ended: "asyncio.Task[list[AnyFact]]") -> None:
        if (ended.cancelled() or ended.exception() is not None) and self._chunks.get(number) is ended:
            del self._chunks[number]

    def _extend(self, facts: Sequence[AnyFact]) -> None:
        sizes = [size_of(fact) for fact in facts]
        self._ring.extend(facts)
        self._sizes.extend(sizes)
        self._bytes += sum(sizes)
        self._trim()
        self.head = facts[-1].sequence
        self.listeners.notify(facts)
        self._waiters.wake(facts)

    def _trim(self) -> None:
        """Keep the ring within its bounds: rarely, for a list loses its beginning slowly."""
        if 2 * len(self._ring) <= 3 * self._size and 2 * self._bytes <= 3 * RING_BYTES:
            return
        count, left = max(0, len(self._ring) - self._size), self._bytes
        left -= sum(self._sizes[:count])
        while left > RING_BYTES:
            left -= self._sizes[count]
            count += 1
        self._drop(count)

    def _drop(self, count: int) -> None:
        """Let the ring lose its first facts."""
        self._bytes -= sum(self._sizes[:count])
        del self._ring[:count], self._sizes[:count]


def contiguous_after(facts: Sequence[AnyFact], after: int) -> Sequence[AnyFact]:
    """Those of the facts that follow `after` without a gap.

    A read that meets the trimming of the log on its way can lack facts at its beginning or in its midst.
    """
    if facts and facts[0].sequence == after + 1 and facts[-1].sequence == after + len(facts):
        return facts
    return [fact for index, fact in enumerate(facts) if fact.sequence == after + 1 + index]
