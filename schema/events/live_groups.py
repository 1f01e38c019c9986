"""Sends the results at the end of the log: one result for all equal subscriptions, written to their transports at once.

A subscription that has sent everything up to the end of the log joins the group of its cohort with the same filter. For
each new fact, the group makes one result and hands it to the transport of each member. No task of a member runs. A
member whose transport does not take the result leaves the group, and its own generator reads the log from there
(resolvers/events.py); it joins again at the end of the log. So a group stores nothing for a slow reader.

A result that needs more than its fact, or has errors, is made by the generators of the members. So is the first one of
a cohort, which shows whether its results do.
"""

import asyncio
import math
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol, cast

from resolvers.event_filters import FactFilter
from schema.execution.cohorts import Cohort, Delivery
from storage.facts import AnyFact
from storage.log.feed import Feed
from storage.log.subscription_index import Key

#: Results that are written before other callbacks of the event loop may run: some milliseconds.
SLICE = 200


class Writer(Protocol):
    """Makes results."""

    def write_now(self, fact: AnyFact) -> Delivery | None:
        """Make the result from the fact alone. None if it needs more, or has errors."""


class Member:
    """A subscription in a group."""

    __slots__ = ("after", "left", "send")

    def __init__(self, after: float, send: Callable[[Delivery], bool]) -> None:
        #: The sequence of the newest fact that it was sent or has skipped; infinite once it has left.
        self.after = after
        self.send = send
        #: Resolves to the position from which the subscription reads.
        self.left: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def leave(self, position: int) -> None:
        """Let the subscription read from this position, or from where it is if that is later."""
        if not self.left.done():
            self.left.set_result(max(position, int(self.after)))
        self.after = math.inf


class LiveGroup:
    """The subscriptions of one cohort with one filter that are at the end of the log. It is a live reader."""

    def __init__(self, feed: Feed, of: FactFilter, cohort: Cohort, writer: Writer) -> None:
        self._feed = feed
        self.of = of
        self._cohort = cohort
        self._writer = writer
        self._members: dict[Member, None] = {}

    @property
    def keys(self) -> frozenset[Key]:
        return self.of.keys

    async def follow(self, position: int, send: Callable[[Delivery], bool]) -> int:
        """Be a member from this position. Returns the position after which the subscription reads by itself."""
        member = Member(position, send)
        self._members[member] = None
        try:
            return await member.left
        finally:
            member.after = math.inf
            self._remove(member)

    def receive(self, fact: AnyFact) -> Iterator[None]:
        """Send the result for a fact to all members, if it passes the filter."""
        if not self.of.passes(fact):
            return
        sequence, count = fact.sequence, self._cohort.deliveries
        delivery = None
        for number, member in enumerate(tuple(self._members)):
            if number % SLICE == 0:
                if number:
                    yield
                # Something may have been redacted or erased since the last slice.
                delivery = self._writer.write_now(self._feed.redacted(fact))
            if delivery is None:
                self.lose(sequence - 1)
                return
            if member.after < sequence:
                if member.send(delivery):
                    member.after = sequence
                    count.count += 1
                else:
                    member.leave(sequence - 1)
                    self._remove(member)

    def lose(self, position: int) -> None:
        """Let all members read from this position."""
        members, self._members = self._members, {}
        self._disband()
        for member in members:
            member.leave(position)

    def _remove(self, member: Member) -> None:
        if self._members.pop(member, member) is None and not self._members:
            self._disband()

    def _disband(self) -> None:
        """Let members that join from now on make another group."""
        self._feed.live.remove(self)
        groups = self._cohort.groups.get(_key(self.of), [])
        if self in groups:
            groups.remove(self)
            if not groups:
                del self._cohort.groups[_key(self.of)]


def _key(of: FactFilter) -> Hashable:
    """The hashable part of a filter."""
    return of.keys, of.types, of.not_by


class LiveFollower:
    """The follower of one subscription: joins the group of its cohort at the end of the log."""

    __slots__ = ("_cohort", "_send", "_writer")

    def __init__(self, send: Callable[[Delivery], bool]) -> None:
        self._send = send
        self._cohort: Cohort | None = None
        self._writer: Writer | None = None

    def begin(self, cohort: Cohort, writer: Writer) -> None:
        """The subscription has begun, in this cohort. The first result is made with this writer."""
        self._cohort, self._writer = cohort, writer

    async def follow(self, feed: Feed, position: int, of: FactFilter) -> int:
        if feed.head > position:
            return position
        cohort, writer = self._cohort, self._writer
        if cohort is None or writer is None or cohort.reads_live is not False:
            return await feed.wait(position, of.keys)
        return await _group(feed, of, cohort, writer).follow(position, self._send)


def _group(feed: Feed, of: FactFilter, cohort: Cohort, writer: Writer) -> LiveGroup:
    """The group of the cohort with this filter."""
    groups = cohort.groups.setdefault(_key(of), [])
    for group in groups:
        if group.of == of:
            return cast(LiveGroup, group)
    made = LiveGroup(feed, of, cohort, writer)
    groups.append(made)
    feed.live.add(made)
    return made
