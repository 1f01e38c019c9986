"""Sends the results at the end of the log: one result for all equal subscriptions, written to their transports at once.

A subscription that has sent everything up to the end of the log joins the group of its cohort with the same filter. For
each new fact, the group makes one result and hands it to the transport of each member. No task of a member runs, and a
member without new results has none. A member whose transport does not take the result leaves the group, and reads the
log from there (pushed_subscriptions.py); it joins again at the end of the log. So a group stores nothing for a slow
reader.

A result that needs more than its fact, or has errors, is made by the members when they read the log. So is the first
one of a cohort, which shows whether its results do.
"""

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
    """Makes results. The members of a group share one."""

    def write_now(self, fact: AnyFact) -> Delivery | None:
        """Make the result from the fact alone. None if it needs more, or has errors."""

    async def write(self, item: AnyFact) -> Delivery:
        """Make the result. Waits until all reads for it succeed."""


class Member(Protocol):
    """A subscription in a group."""

    #: The sequence of the newest fact that it was sent or has skipped; infinite while it is in no group.
    after: float
    #: What distinguishes its frames from those of other members: equal prefixes share frames.
    prefix: bytes
    #: Writes frames. Returns False if the client reads slowly.
    write: Callable[[bytes], bool]

    def frame(self, delivery: Delivery) -> bytes:
        """The bytes that send a result."""

    def leave(self, position: int) -> None:
        """Read from this position, or from where it is if that is later: it is in the group no more."""


class LiveGroup:
    """The subscriptions of one cohort with one filter. Those at the end of the log are members.

    It is a live reader while it has members.
    """

    __slots__ = ("_members", "cohort", "feed", "of", "subscriptions", "writer")

    def __init__(self, feed: Feed, of: FactFilter, cohort: Cohort, writer: Writer) -> None:
        self.feed = feed
        self.of = of
        self.cohort = cohort
        self.writer = writer
        #: How many subscriptions use the group, as members or not.
        self.subscriptions = 0
        self._members: dict[Member, None] = {}

    @property
    def keys(self) -> frozenset[Key]:
        return self.of.keys

    def add(self, member: Member) -> None:
        """Send the results for facts after `member.after` from now on."""
        if not self._members:
            self.feed.live.add(self)
        self._members[member] = None

    def remove(self, member: Member) -> None:
        if self._members.pop(member, member) is None and not self._members:
            self.feed.live.remove(self)

    def receive(self, fact: AnyFact) -> Iterator[None]:
        """Send the result for a fact to all members, if it passes the filter."""
        if not self.of.passes(fact):
            return
        sequence, count = fact.sequence, self.cohort.deliveries
        delivery = prefix = None
        frame = b""
        for number, member in enumerate(tuple(self._members)):
            if number % SLICE == 0:
                if number:
                    yield
                # Something may have been redacted or erased since the last slice.
                delivery, prefix = self.write_now(fact), None
            if delivery is None:
                self.lose(sequence - 1)
                return
            if member.after < sequence:
                if member.prefix != prefix:
                    prefix, frame = member.prefix, member.frame(delivery)
                if member.write(frame):
                    member.after = sequence
                    count.count += 1
                else:
                    self.remove(member)
                    member.leave(sequence - 1)

    def write_now(self, fact: AnyFact) -> Delivery | None:
        """Make the result from the fact alone, if the last result was made so. None if it needs more."""
        return self.writer.write_now(self.feed.redacted(fact)) if self.cohort.reads_live is False else None

    def lose(self, position: int) -> None:
        """Let all members read from this position."""
        members, self._members = self._members, {}
        self.feed.live.remove(self)
        for member in members:
            member.leave(position)

    def release(self) -> None:
        """Count one subscription less, and remove the group from its cohort if it was the last."""
        self.subscriptions -= 1
        if not self.subscriptions:
            key = _key(self.of)
            groups = self.cohort.groups[key]
            groups.remove(self)
            if not groups:
                del self.cohort.groups[key]


def group_of(feed: Feed, of: FactFilter, cohort: Cohort, make_writer: Callable[[], Writer]) -> LiveGroup:
    """The group of the cohort with this filter, with one more subscription."""
    groups = cohort.groups.setdefault(_key(of), [])
    for group in groups:
        if group.of == of:
            break
    else:
        group = LiveGroup(feed, of, cohort, make_writer())
        groups.append(group)
    group.subscriptions += 1
    return cast(LiveGroup, group)


def _key(of: FactFilter) -> Hashable:
    """The hashable part of a filter."""
    return of.keys, of.types, of.not_by


#: The position of a subscription that is in no group.
NOWHERE = math.inf
