"""The numbers of rooms in groups (`roomCounts`): once, and as a subscription."""

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
from resolvers.live.lists import digest
from resolvers.live.log_view import LogView, lost_content
from resolvers.operations import query
from storage import room_views
from storage.errors import CursorExpired, QueryTooComplex, Unavailable
from storage.facts import AnyFact, RoomFact
from storage.filters.expressions import Expression
from storage.mongo.deadlines import READ_SECONDS
from storage.records import FieldTarget
from storage.room_views import GROUPED_BY, MAX_GROUPS
from storage.runtime import Storage

#: The least time between two messages to a subscriber.
INTERVAL_SECONDS = 0.5
#: Messages are sent at multiples of this time, so that more subscribers share the same message.
STEP_SECONDS = 0.1

#: The estimated memory of a group in a message.
_COUNT_BYTES = 200

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class RoomCount:
    """A group of rooms with equal values of the attributes they are grouped by. Other attributes are None."""

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
    #: Unique in this process.
    number: int


@query("rooms:read")
async def count_rooms(context: Context, *, where: Expression | None = None, by: Sequence[str]) -> RoomCounts:
    """The numbers of rooms that match and that the caller may read, grouped by the attributes (keys of GROUPED_BY).

    Raises QueryTooComplex if there are more than MAX_GROUPS groups.
    """
    view = await _view(context, where, _distinct(by))
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await view.read()
    except TimeoutError:
        raise Unavailable("The event log is behind the counts; try again.", retryable=True) from None


@query("rooms:read")
async def subscribe_room_counts(
    context: Context, *, where: Expression | None = None, by: Sequence[str]
) -> AsyncGenerator[RoomCounts, None]:
    """The result of `count_rooms`, immediately and again when it changes, at most every INTERVAL_SECONDS."""
    grouped = _distinct(by)
    view = await _view(context, where, grouped)
    visible = access.visible_rooms(context.caller)
    key = f"counts {digest(view.where, visible, grouped)}"
    counts = _follow(context, key, lambda: view, await context.storage.log.head())
    # aclose() does not run the `finally` of a generator that was not started. So it is started here.
    await anext(counts)
    return cast(AsyncGenerator[RoomCounts, None], counts)


async def _view(context: Context, where: Expression | None, by: Sequence[str]) -> "CountsView":
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    return CountsView(context.storage, expression, access.visible_rooms(context.caller), by)


def _distinct(by: Sequence[str]) -> list[str]:
    return [name for name in GROUPED_BY if name in by]


async def _follow(
    context: Context, key: str, create: Callable[[], "CountsView"], head: int
) -> AsyncGenerator[RoomCounts | None, None]:
    """Yields None once, and then the counts."""
    clock = asyncio.get_running_loop().time
    with context.services.live_views.subscribe(key, create, context.storage.supervisor) as view:
        yield None
        await view.wait_until(head)
        sent = view.counts()
        while True:
            yield sent
            next_time = math.ceil((clock() + INTERVAL_SECONDS) / STEP_SECONDS) * STEP_SECONDS
            await asyncio.sleep(next_time - clock())
            await view.wait_until_different(sent)
            sent = view.counts()


class CountsView(LogView):
    """The live view of counts of rooms."""

    name = "update counts of rooms"

    def __init__(self, storage: Storage, where: Expression, visible: Expression, by: Sequence[str]) -> None:
        super().__init__(storage, where=where, visible=visible)
        self.where = where
        self._by = tuple(by)
        self._counter = RoomCounter(self._by)
        self._counts: RoomCounts | None = None

    @property
    def size(self) -> int:
        """Estimated memory in bytes."""
        return self._counter.size + _COUNT_BYTES * (0 if self._counts is None else len(self._counts.groups))

    @override
    def shrink(self) -> None:
        self._counts = None

    async def read(self) -> RoomCounts:
        """The current counts, for a view that is read once."""
        await self._build()
        return self.counts()

    def counts(self) -> RoomCounts:
        """The counts at the view's position."""
        if self._counts is None:
            groups = [self._group(*one) for one in self._counter.counts()]
            self._counts = RoomCounts(cursor_of(self.current), groups, next(_numbers))
        return self._counts

    async def wait_until_different(self, sent: RoomCounts) -> None:
        """Wait until the counts differ from `sent`. Raises `error`."""
        while True:
            if self.error is not None:
                raise self.error
            if self._ready and (current := self.counts()) is not sent and current.groups != sent.groups:
                return
            await self.wait_for_change()

    def _group(self, key: GroupKey, number: int, oldest: datetime | None) -> RoomCount:
        values = dict(zip(self._by, key, strict=True))
        return RoomCount(
            count=number,
            oldest_queued_at=oldest,
            status=values.get("STATUS"),
            department_id=values.get("DEPARTMENT"),
            served_by_id=values.get("SERVED_BY"),
            source=values.get("SOURCE"),
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
                continue  # the log no longer has the facts after the snapshot
            if not counter.needs_reload:
                break
        self._counter, self._position, self._counts = counter, position, None

    @override
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        changed = False
        for fact in facts:
            self._require_fields(fact)
            if self._count(self._counter, fact):
                changed = True
            self._position = fact.sequence
        if self._counter.needs_reload:
            return False
        if changed:
            self._counts = None
            self._notify_change()
        return True

    def _count(self, counter: RoomCounter, fact: AnyFact) -> bool:
        if not isinstance(fact, RoomFact):
            return False
        if lost_content(fact):
            counter.needs_reload = True
            return False
        before = None if fact.before is None else room_before(fact)
        matched = before if before is not None and self._matches(before) else None
        matching = fact.room.room if self._matches(fact.room.room) else None
        if matched is None and matching is None:
            return False
        counter.apply(matched, matching)
        if len(counter) > MAX_GROUPS:
            raise QueryTooComplex(f"There are more than {MAX_GROUPS:,} groups; match fewer rooms with `where`.")
        return True
