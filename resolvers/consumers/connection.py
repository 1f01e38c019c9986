"""The connection that reads for a consumer: its lease, the events that it sent, and which of them are acknowledged."""

import asyncio
from contextlib import suppress
from functools import partial

from resolvers.consumers.delivery_window import DeliveryWindow
from storage import acknowledgements, consumers
from storage.consumer_records import Consumer
from storage.errors import ConsumerBusy, Unavailable
from storage.log.feed import Feed
from storage.log.subscription_index import Waiter
from storage.mongo.clock import boot_seconds as clock
from storage.mongo.reader import Reader
from storage.mongo.retries import read_with_retries

#: Acknowledgements that one read takes.
READ_ACKNOWLEDGEMENTS = 10_000
#: The first and the longest pause between two reads of acknowledgements, while the connection waits for them. Those of
#: this process need no read.
FIRST_POLL_SECONDS = 0.02
LONGEST_POLL_SECONDS = 0.5


class ConsumerConnection:
    """A connection that reads for a consumer. Its lease is lost if it is not renewed within `seconds`.

    The database counts the seconds from the time at which it received a renewal, and this class from the time at
    which the renewal was sent. So no other connection has the lease while this one counts as confirmed.
    """

    def __init__(self, consumer: Consumer, reader: Reader, *, seconds: float, max_in_flight: int) -> None:
        self.consumer = consumer
        self._reader = reader
        self._seconds = seconds
        #: The last sequence that was read. Facts up to it were sent, or do not match.
        self.position = consumer.acked
        #: The sequence of the last fact that was sent.
        self.sent = consumer.acked
        self._window = DeliveryWindow(max_in_flight)
        #: Every event up to it is acknowledged, also those that were not sent yet.
        self._acknowledged_to = consumer.acked
        #: Whether there may be acknowledgements of single events, which are deleted when the position is after them.
        self._has_acknowledgements = True
        self._deleted_to = -1
        #: Events after the position that are acknowledged by themselves, read up to `_read_to`; None: to the end.
        self._ahead: set[int] = set()
        self._read_to: int | None = consumer.acked
        #: The last event that matched. It is the next one to send, unless it was sent.
        self._next = consumer.acked
        #: Waits for the next fact that may match. None: the connection is reading.
        self.waiter: Waiter | None = None
        self._until = 0.0
        self._lost = False
        self._changed = asyncio.Event()
        #: Set when the position to store, or `sent`, has changed.
        self.progressed = asyncio.Event()

    # ---------------------------------------------------------------- the lease

    def extend(self, sent_at: float) -> None:
        """Record a renewal whose request was sent at this time of the clock."""
        self._until = sent_at + self._seconds
        self._notify()

    def mark_lost(self) -> None:
        self._lost = True
        self._notify()

    async def wait_until_confirmed(self) -> None:
        """Return if the lease is confirmed, and otherwise wait for a renewal. Raises ConsumerBusy if it is lost."""
        while self._lost or clock() >= self._until:
            if self._lost:
                raise ConsumerBusy(
                    "This connection lost the consumer: another connection reads it now, or it was removed."
                )
            await self._changed.wait()

    async def wait_until_lost(self) -> None:
        """Return when the lease is lost."""
        while not self._lost:
            await self._changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # ---------------------------------------------------------------- what was sent

    def acknowledged_to(self, feed: Feed) -> int:
        """The sequence up to which every fact is acknowledged or does not match: the position to store."""
        first = self._window.first
        return max(self.sent, self.passed(feed)) if first is None else first - 1

    def passed(self, feed: Feed) -> int:
        """The sequence up to which every matching fact was sent."""
        if self.waiter is None or self.waiter.woken.done():
            return self.position
        return max(self.position, feed.head)

    async def is_acknowledged(self, sequence: int) -> bool:
        """Whether the next fact that matches was acknowledged by itself before it was sent."""
        while self._read_to is not None and sequence > self._read_to:
            await self.read_ahead()
        return sequence <= self._acknowledged_to or sequence in self._ahead

    async def read_ahead(self) -> None:
        """Read the next acknowledgements of facts after those that were read. Raises Unavailable."""
        assert self._read_to is not None
        read = partial(
            acknowledgements.list_after, self._reader, self.consumer, self._read_to, limit=READ_ACKNOWLEDGEMENTS
        )
        found = await read_with_retries(self._reader.database, read)
        self._ahead = {sequence for sequence in self._ahead if sequence > self.position}.union(found)
        self._read_to = found[-1] if len(found) == READ_ACKNOWLEDGEMENTS else None
        self._has_acknowledgements |= bool(found)

    def record(self, sequence: int, *, acknowledged: bool) -> None:
        """Record that the next matching fact is sent, or left out because it is acknowledged."""
        self._window.add(sequence, acknowledged=acknowledged)
        self._ahead.discard(sequence)
        self.sent = sequence
        self.progressed.set()

    # ---------------------------------------------------------------- acknowledgements

    def on_acknowledged(self, sequence: int, *, only: bool) -> None:
        """Record an acknowledgement that this process stored."""
        if only:
            self._has_acknowledgements = True
            self._window.acknowledge((sequence,))
            if sequence > self.position and len(self._ahead) < READ_ACKNOWLEDGEMENTS:
                self._ahead.add(sequence)
        else:
            self._acknowledge_up_to(sequence)
        self.progressed.set()
        self._notify()

    async def wait_for_acknowledgements(self, sequence: int) -> None:
        """Return when the next event that matches may be sent: fewer than the maximum wait. Raises ConsumerBusy."""
        pause = FIRST_POLL_SECONDS
        self._next = sequence
        while self._window.is_full:
            changed = self._changed
            await self.refresh()
            await self.wait_until_confirmed()
            if self._window.is_full:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await changed.wait()
                pause = min(2 * pause, LONGEST_POLL_SECONDS)

    async def refresh(self) -> None:
        """Read which of the sent events are acknowledged. Changes nothing if the database does not answer.

        If another process has acknowledged the next event, the acknowledgements of all later ones are read again, too.
        """
        pending = self._window.pending
        if not pending:
            return
        following, is_unknown = self._next, self._next > self.sent and self._next not in self._ahead
        wanted = [*pending, following] if is_unknown else pending
        with suppress(Unavailable):
            position, found = await consumers.read_progress(self._reader, self.consumer, wanted)
            self._acknowledge_up_to(position)
            self._window.acknowledge(found)
            self._has_acknowledgements |= bool(found)
            if is_unknown and following in found:
                self._read_to = self.position

    def _acknowledge_up_to(self, sequence: int) -> None:
        self._acknowledged_to = max(self._acknowledged_to, sequence)
        self._window.acknowledge_up_to(sequence)

    async def delete_acknowledgements(self, position: int) -> None:
        """Delete the acknowledgements up to the stored position. Deletes them later if the database does not answer."""
        if not self._has_acknowledgements or position <= self._deleted_to:
            return
        with suppress(Unavailable):
            await acknowledgements.delete_up_to(self._reader, self.consumer, position)
            self._deleted_to = position
            self._has_acknowledgements = bool(self._ahead) or self._window.has_acknowledged
