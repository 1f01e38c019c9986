"""Subscriptions whose results are written to a transport that tells whether it is writable.

Such a subscription has no generator. Behind the end of the log, a task reads and sends the results in batches: equal
subscriptions at the same position share a batch. At the end of the log, the task ends, and a live group
(live_groups.py) sends the results.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from resolvers.event_filters import FactFilter
from schema.events.live_groups import NOWHERE, LiveGroup, Writer, group_of
from schema.execution.cohorts import Batch, Cohort, Delivery
from storage.facts import AnyFact
from storage.log.feed import Feed

#: The facts of one read. A subscription that is fewer facts behind sends result by result.
BATCH_FACTS = 64
#: The bytes of results that are written at once. The result that exceeds them is the last one.
BATCH_BYTES = 128 * 1024


class Channel(Protocol):
    """Sends the results of one subscription to its client."""

    def frame(self, prefix: bytes, delivery: Delivery) -> bytes:
        """The bytes that send a result to the subscription with this prefix."""

    async def wait_until_writable(self) -> bool:
        """Wait until the connection takes frames. Returns False if it is closing."""

    def resume(self) -> None:
        """Run `PushedSubscription.read` in a task."""


class LogFollower:
    """Receives the position and the filter of a subscription from its resolver."""

    __slots__ = ("_feed", "_of", "_position")

    def __init__(self) -> None:
        self._feed: Feed | None = None
        self._of: FactFilter | None = None
        self._position = 0

    def begin(self, feed: Feed, position: int, of: FactFilter) -> None:
        self._feed, self._position, self._of = feed, position, of

    @property
    def has_begun(self) -> bool:
        """Whether the resolver leaves the facts to it."""
        return self._feed is not None

    def subscription(self, cohort: Cohort, make_writer: Callable[[], Writer]) -> "PushedSubscription":
        """The subscription, in this cohort. The first one of a group makes the writer."""
        assert self._feed is not None
        assert self._of is not None
        return PushedSubscription(group_of(self._feed, self._of, cohort, make_writer), self._position)


class PushedSubscription:
    """One subscription. It is a member of its group while it is at the end of the log."""

    __slots__ = ("_channel", "_group", "_position", "after", "prefix", "write")

    _channel: Channel
    prefix: bytes
    write: Callable[[bytes], bool]

    def __init__(self, group: LiveGroup, position: int) -> None:
        self._group = group
        self._position = position
        self.after: float = NOWHERE

    def connect(self, channel: Channel, *, prefix: bytes, write: Callable[[bytes], bool]) -> None:
        """Set the channel to the client.

        Its frames are distinguished by the prefix. `write` writes frames, unless the client reads slowly or the
        connection is closing, and returns whether it did. A delivery to a member of a group is one call of it.
        """
        self._channel, self.prefix, self.write = channel, prefix, write

    def join(self) -> bool:
        """Join the group if the subscription is at the end of the log. Returns whether it is."""
        if self._group.feed.head > self._position:
            return False
        self.after = self._position
        self._group.add(self)
        return True

    def close(self) -> None:
        """End the subscription. Nothing is sent from now on."""
        self.after = NOWHERE
        self._group.remove(self)
        self._group.release()
        self._group.cohort.leave()

    # ---------------------------------------------------------------- at the end of the log

    def frame(self, delivery: Delivery) -> bytes:
        return self._channel.frame(self.prefix, delivery)

    def leave(self, position: int) -> None:
        self._position, self.after = max(position, int(self.after)), NOWHERE
        self._channel.resume()

    # ---------------------------------------------------------------- behind the end of the log

    async def read(self) -> None:
        """Send what the log has, and join the group. Also returns when the connection is closing.

        Raises CursorExpired if facts were trimmed before they were read.
        """
        feed = self._group.feed
        while not self.join():
            if feed.head - self._position >= BATCH_FACTS:
                is_open = await self._send_batch()
            else:
                is_open = await self._send_each(await feed.read(self._position, BATCH_FACTS))
            if not is_open:
                return
            await asyncio.sleep(0)  # a long replay lets other tasks run

    async def _send_each(self, facts: Sequence[AnyFact]) -> bool:
        """Send result by result. Returns False if the connection is closing.

        Near the head, all subscriptions process a fact before the next one. So the subscriptions of one socket usually
        send their results in the order of the log.
        """
        for fact in facts:
            if self._group.of.passes(fact):
                if not await self._channel.wait_until_writable():
                    return False
                frame = self._frame_now(fact) or await self._frame(fact)
                if frame is None or not self._write([frame]):
                    return False
            self._position = fact.sequence
            await asyncio.sleep(0)
        return True

    async def _send_batch(self) -> bool:
        """Send the next results together. Returns False if the connection is closing.

        What another subscription has made is sent without reading the facts.
        """
        cohort, key = self._group.cohort, (self._group, self._position, self.prefix)
        batch = cohort.get_batch(key)
        facts = await self._group.feed.read(self._position, BATCH_FACTS) if batch is None else ()
        if not await self._channel.wait_until_writable():
            return False
        batch = cohort.get_batch(key)  # it may have been made, or dropped, meanwhile
        if batch is None and facts:
            batch = await self._make_batch(facts)
            if batch is None:
                return False
        if batch is None:
            return True
        self._position = batch.position
        return self._write([batch.frames], batch.results)

    async def _make_batch(self, facts: Sequence[AnyFact]) -> Batch | None:
        """The results for the facts that are not written yet. None if the connection is closing."""
        cohort, key = self._group.cohort, (self._group, self._position, self.prefix)
        frames: list[bytes] = []
        size, is_whole = 0, True
        for fact in facts:
            if not self._group.of.passes(fact):
                continue
            frame = self._frame_now(fact)
            if frame is None:
                # What is written now may be redacted while the result is made.
                is_open = self._write(frames)
                frame = await self._frame(fact)
                if frame is None or not is_open:
                    return None
                frames, size, is_whole = [], 0, False
            frames.append(frame)
            size += len(frame)
            if size >= BATCH_BYTES:
                if not self._write(frames) or not await self._channel.wait_until_writable():
                    return None
                frames, size, is_whole = [], 0, False
        batch = Batch(b"".join(frames), len(frames), facts[-1].sequence)
        if is_whole:
            cohort.put_batch(key, batch)
        return batch

    def _frame_now(self, fact: AnyFact) -> bytes | None:
        """The frame of a result that is made from the fact alone. None if it needs more."""
        delivery = self._group.write_now(fact)
        return None if delivery is None else self.frame(delivery)

    async def _frame(self, fact: AnyFact) -> bytes | None:
        """The frame of a result, when it is made and the channel is writable. None if the connection is closing."""
        feed = self._group.feed
        while await self._channel.wait_until_writable():
            redactions = feed.redactions
            delivery = await self._group.writer.write(feed.redacted(fact))
            # Other results of the socket may have filled its buffer meanwhile. If content is removed before the client
            # reads on, the result is made again.
            if await self._channel.wait_until_writable() and feed.redactions == redactions:
                return self.frame(delivery)
        return None

    def _write(self, frames: Sequence[bytes], count: int | None = None) -> bool:
        """Write frames with that many results, by default one in each. Returns False if the connection is closing."""
        joined = frames[0] if len(frames) == 1 else b"".join(frames)
        if joined:
            if not self.write(joined):
                return False
            self._group.cohort.deliveries.count += len(frames) if count is None else count
        return True
