"""`roomCounts`: rooms counted by group, once and whenever the counts change."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from typing import cast

from typing_extensions import override

from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.event_filters import room_before
from resolvers.events import cursor_of
from resolvers.live.counter import GroupKey, RoomCounter
from resolvers.live.following import FollowingWatch
from resolvers.live.lists import digest
from resolvers.operations import query
from storage import room_views
from storage.errors import CursorExpired, QueryTooComplex, Unavailable
from storage.facts import AnyFact, RoomFact
from storage.filters.expressions import Expression
from storage.mongo.deadlines import READ_SECONDS
from storage.records import FieldTarget
from storage.room_views import GROUPED_BY, MAX_GROUPS
from storage.runtime import Storage

#: The least time between two messages to one who watches counts.
INTERVAL_SECONDS = 0.5
#: Those who are told at different moments are told at multiples of this, so that more of them share what is sent.
STEP_SECONDS = 0.1

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class RoomCount:
    """A group of rooms that are equal in what rooms are counted by."""

    count: int
    oldest_queued_at: datetime | None
    status: str | None = None
    department_id: str | None = None
    served_by_id: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class RoomCounts:
    """All groups, as of a position in the log."""

    cursor: str
    groups: list[RoomCount]
    #: Unlike that of any other counts of this process.
    number: int


@query("rooms:read")
async def count_rooms(context: Context, *, where: Expression | None = None, by: Sequence[str]) -> RoomCounts:
    """The rooms that match and that the caller may see, counted by the attributes (keys of GROUPED_BY).

    Raises QueryTooComplex when there are more than MAX_GROUPS groups.
    """
    watch = await _watch(context, where, _distinct(by))
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await watch.read()
    except TimeoutError:
        raise Unavailable("The event log did not come up to the counts in time; try again.", retryable=True) from None


@query("rooms:read")
async def subscribe_room_counts(
    context: Context, *, where: Expression | None = None, by: Sequence[str]
) -> AsyncGenerator[RoomCounts, None]:
    """What `count_rooms` answers, at once and whenever it changes, at most every INTERVAL_SECONDS."""
    grouped = _distinct(by)
    watch = await _watch(context, where, grouped)
    visible = access.visible_rooms(context.caller)
    key = f"counts {digest(watch.where, visible, grouped)}"
    counts = _follow(context, key, lambda: watch, await context.storage.log.head())
    # A generator that was never asked for anything gives nothing back when it is closed. So it has been asked once.
    await anext(counts)
    return cast(AsyncGenerator[RoomCounts, None], counts)


async def _watch(context: Context, where: Expression | None, by: Sequence[str]) -> "CountsWatch":
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    return CountsWatch(context.storage, expression, access.visible_rooms(context.caller), by)


def _distinct(by: Sequence[str]) -> list[str]:
    return [name for name in GROUPED_BY if name in by]


async def _follow(
    context: Context, key: str, make: Callable[[], "CountsWatch"], head: int
) -> AsyncGenerator[RoomCounts | None, None]:
    """Nothing, and then the counts."""
    clock = asyncio.get_running_loop().time
    with context.services.watches.join(key, make, context.storage.supervisor) as watch:
        yield None
        await watch.reached(head)
        told = watch.counts()
        while True:
            yield told
            again = math.ceil((clock() + INTERVAL_SECONDS) / STEP_SECONDS) * STEP_SECONDS
            while True:
                await watch.differs(told)
                if (pause := again - clock()) > 0:
                    await asyncio.sleep(pause)
                if (now := watch.counts()).groups != told.groups:
                    break
            told = now


class CountsWatch(FollowingWatch):
    """The counts of some rooms, kept up to date."""

    name = "keep counts of rooms up to date"

    def __init__(self, storage: Storage, where: Expression, visible: Expression, by: Sequence[str]) -> None:
        super().__init__(storage, where=where, visible=visible)
        self.where = where
        self._by = tuple(by)
        self._counter = RoomCounter(self._by)
        self._counts: RoomCounts | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self._counter.size

    async def read(self) -> RoomCounts:
        """The counts as they are now, for a watch that does not run."""
        await self._build()
        return self.counts()

    def counts(self) -> RoomCounts:
        """The counts as they are."""
        if self._counts is None:
            groups = [self._group(*one) for one in self._counter.counts()]
            self._counts = RoomCounts(cursor_of(self.current), groups, next(_numbers))
        return self._counts

    async def differs(self, told: RoomCounts) -> None:
        """Return when the counts differ from what was told. Raises `error`."""
        while True:
            if self.error is not None:
                raise self.error
            if self._ready and (now := self.counts()) is not told and now.groups != told.groups:
                return
            await self.news()

    def _group(self, key: GroupKey, number: int, oldest: datetime | None) -> RoomCount:
        held = dict(zip(self._by, key, strict=True))
        return RoomCount(
            count=number,
            oldest_queued_at=oldest,
            status=held.get("STATUS"),
            department_id=held.get("DEPARTMENT"),
            served_by_id=held.get("SERVED_BY"),
            source=held.get("SOURCE"),
        )

    @override
    async def _build(self) -> None:
        while True:
            read = await room_views.read_groups(self._reader, self._expression, by=self._by)
            counter = RoomCounter(self._by)
            counter.load(read.groups)
            try:
                position = await self._roll_forward(read.log, partial(self._count, counter))
            except CursorExpired:
                continue  # this process is further behind than the log is kept
            if not counter.short:
                break
        self._counter, self._position, self._counts = counter, position, None
        self._announce()

    @override
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        changed = False
        for fact in facts:
            self._require_defined(fact)
            if self._count(self._counter, fact):
                changed = True
            self._position = fact.sequence
        if self._counter.short:
            return False
        if changed:
            self._counts = None
            self._announce()
        return True

    def _count(self, counter: RoomCounter, fact: AnyFact) -> bool:
        if not isinstance(fact, RoomFact):
            return False
        before = None if fact.before is None else room_before(fact)
        matched = before if before is not None and self._matches(before) else None
        matching = fact.room.room if self._matches(fact.room.room) else None
        if matched is None and matching is None:
            return False
        counter.apply(matched, matching)
        if len(counter) > MAX_GROUPS:
            raise QueryTooComplex(f"There are more than {MAX_GROUPS:,} groups; name fewer rooms with `where`.")
        return True
