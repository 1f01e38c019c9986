"""One list that keeps itself, for all who watch it: its window, the changes of late, and how to catch up with it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from typing_extensions import override

from resolvers.event_filters import room_before
from resolvers.live.following import BATCH, FollowingWatch
from resolvers.live.orders import ListOrder
from resolvers.live.positions import ListName, ListPosition, partial
from resolvers.live.window import ListChange, Window, changes
from storage import room_views
from storage.errors import CursorExpired, QueryTooComplex
from storage.facts import AnyFact, MessageSent, RoomFact
from storage.filters.expressions import Expression
from storage.filters.predicates import predicate
from storage.mongo.counts import within
from storage.records import FieldTarget, Room
from storage.runtime import Storage
from storage.sizes import size_of

#: Rooms beyond the last one shown that are kept: at least so many, and as many as are shown.
MIN_SLACK = 50
#: Changes that are kept for those who read slowly, and about how many bytes.
MAX_UPDATES = 1_024
MAX_UPDATE_BYTES = 8 * 1024 * 1024
#: Facts that a client may have missed and still be sent what changed; beyond, it is sent the whole list.
MAX_MISSED_FACTS = 5_000
#: Answers to those who resumed, kept for others who resume from the same position at the same time.
MAX_RESUMES = 32
#: What a change takes beside its room.
_UPDATE_BYTES = 500

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class ListSpec:
    """What a list shows, in which order and how much of it, and as whom."""

    where: Expression
    visible: Expression
    order: ListOrder
    size: int
    #: Whether messages count as changes.
    with_messages: bool
    name: ListName


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """One message to those who watch a list."""

    change: ListChange
    at: ListPosition
    cursor: str
    room_id: str | None = None
    #: The room as it is at the position; None when it is out of sight.
    room: Room | None = None
    #: Whether `total` is told.
    has_total: bool = False
    total: int | None = None
    #: Unlike that of any other update of this process.
    number: int = 0


class ListWatch(FollowingWatch):
    """One list of rooms, kept up to date."""

    name = "keep a list of rooms up to date"

    def __init__(self, storage: Storage, spec: ListSpec) -> None:
        super().__init__(storage, where=spec.where, visible=spec.visible)
        self._spec = spec
        self._sees = predicate(spec.visible, FieldTarget.ROOM)
        self._window: Window | None = None
        self._shown: list[Room] = []
        self._shown_total: int | None = None
        self._updates: deque[ListUpdate] = deque()
        self._update_bytes = 0
        #: The number of the first update that is kept.
        self._first = 0
        #: Whether updates were kept that were not announced.
        self._fresh = False
        self._presence: list[ListUpdate] | None = None
        self._resumes: dict[ListPosition, list[ListUpdate]] = {}

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self._update_bytes + (self._window.bytes if self._window is not None else 0)

    # ------------------------------------------------------------ for those who watch

    async def start(self, after: ListPosition | None) -> tuple[Sequence[ListUpdate], int]:
        """The whole list, or what changed since the position; and the number of the first update that follows."""
        if after is not None:
            await self.reached(after.sequence)
        if after is not None and after.is_resumable:
            return await self._resume(after), self._next
        return self._present(), self._next

    async def following(self, number: int, last: ListPosition) -> tuple[Sequence[ListUpdate], int]:
        """The updates from that number on, when there are any; for a reader that was too slow, what brings it up to
        date from the position `last`."""
        while True:
            if self.error is not None:
                raise self.error
            if number < self._first:
                return await self.start(last)
            if number < self._next:
                return [self._updates[index - self._first] for index in range(number, self._next)], self._next
            await self.news()

    @property
    def _next(self) -> int:
        return self._first + len(self._updates)

    def _present(self) -> list[ListUpdate]:
        if self._presence is None:
            at = self.current
            found = [
                self._update(ListChange.PRESENT, partial(at, 0, index), room.id, room)
                for index, room in enumerate(self._shown, 1)
            ]
            self._presence = [*found, self._ready_update(at)]
        return self._presence

    # ------------------------------------------------------------ resuming

    async def _resume(self, after: ListPosition) -> Sequence[ListUpdate]:
        facts: list[RoomFact] = []
        read = after.start
        while read < self.current:
            if self.current - after.start > MAX_MISSED_FACTS:
                return self._present()
            if (known := self._resumes.get(after)) is not None:
                return known
            try:
                found = await self._feed.read(read, BATCH)
            except CursorExpired:
                return self._present()
            facts += [fact for fact in found if isinstance(fact, RoomFact)]
            read = found[-1].sequence if found else read
            await self.reached(after.sequence)
        if (known := self._resumes.get(after)) is not None:
            return known
        updates = self._catch_up(after, [fact for fact in facts if fact.sequence <= self.current])
        while len(self._resumes) >= MAX_RESUMES:
            del self._resumes[next(iter(self._resumes))]
        self._resumes[after] = updates
        return updates

    def _catch_up(self, after: ListPosition, facts: Sequence[RoomFact]) -> list[ListUpdate]:
        """What leads from what a client knows to the list as it is; the facts are all that it missed."""
        there = self._shown_at(after.sequence, facts)
        base = [] if not after.base else self._shown_at(after.base, facts)
        if there is None or base is None:
            return self._present()
        owed: set[str] = set()
        known = there
        if after.base is not None:
            between = [fact for fact in facts if fact.sequence <= after.sequence] if after.base else []
            steps = changes(base, there, self._changed_by(between))
            gone = {one for change, one in steps[: after.count] if change is ListChange.LEFT}
            came = [one for change, one in steps[: after.count] if change is ListChange.ENTERED]
            known = [*(one for one in base if one not in gone), *came]
            owed = {one for _, one in steps[after.count :]}
        changed = owed | self._changed_by([fact for fact in facts if fact.sequence > after.sequence])
        now = self.current
        rooms = {room.id: room for room in self._shown}
        steps = changes(known, list(rooms), changed)
        exact = after.sequence if after.base is None else None
        updates = [
            self._update(change, partial(now, exact, index), room_id, rooms.get(room_id))
            for index, (change, room_id) in enumerate(steps, 1)
        ]
        return [*updates, self._ready_update(now)]

    def _shown_at(self, sequence: int, facts: Sequence[RoomFact]) -> list[str] | None:
        """The ids that were shown after that fact; None when that cannot be told any more."""
        assert self._window is not None
        first: dict[str, RoomFact] = {}
        for fact in facts:
            if fact.sequence > sequence:
                first.setdefault(fact.room.room.id, fact)
        returned = []
        for fact in first.values():
            if not self._spec.order.knows_before(fact):
                return None
            if fact.before is not None and self._matches(room := room_before(fact)):
                returned.append((self._spec.order.key(room), room.id))
        return self._window.visible_before(first.keys(), returned)

    def _changed_by(self, facts: Sequence[RoomFact]) -> set[str]:
        """The rooms of the facts that count as changes."""
        return {fact.room.room.id for fact in facts if self._counts(fact)}

    def _counts(self, fact: RoomFact) -> bool:
        return self._spec.with_messages or not isinstance(fact, MessageSent)

    # ------------------------------------------------------------ keeping up

    @override
    async def _build(self) -> None:
        while True:
            try:
                window, position = await self._read()
            except CursorExpired:
                continue  # this process is further behind than the log is kept
            if not window.short:
                break
        before, told = self._shown, self._position
        began = self._window is not None
        facts = await self._facts_between(told, position) if began else []
        self._window, self._position = window, position
        self._shown = window.visible
        if began:
            self._announce_jump(before, told, facts)
        else:
            self._shown_total = self._total

    async def _read(self) -> tuple[Window, int]:
        size = self._spec.size
        capacity = size + slack(size)
        read = await room_views.read_window(
            self._reader, self._expression, order=self._spec.order.stored, size=capacity
        )
        if len(read.rooms) < size and not read.complete:
            raise self._too_large()
        window = Window(self._spec.order.key, size=size, capacity=capacity)
        window.load(read.rooms, complete=read.complete, total=read.total)
        return window, await self._roll_forward(read.log, lambda fact: self._take(window, fact))

    def _too_large(self) -> QueryTooComplex:
        return QueryTooComplex(
            f"The first {self._spec.size} rooms of this list take more than {room_views.WINDOW_BYTES:,} bytes; ask for "
            "fewer with `first`."
        )

    async def _facts_between(self, after: int, until: int) -> list[RoomFact] | None:
        """The facts about rooms after one position up to another; None when they are not kept, or too many."""
        facts: list[RoomFact] = []
        if until - after > MAX_MISSED_FACTS:
            return None
        while after < until:
            try:
                found = await self._feed.read(after, BATCH)
            except CursorExpired:
                return None
            facts += [fact for fact in found if isinstance(fact, RoomFact) and fact.sequence <= until]
            after = found[-1].sequence
        return facts

    def _announce_jump(self, before: Sequence[Room], told: int, facts: Sequence[RoomFact] | None) -> None:
        """Tell what leads from what was told to the list as it is, all at once."""
        if facts is None:
            known = {room.id: room for room in before}
            changed = {room.id for room in self._shown if room.id in known and self._differs(known[room.id], room)}
        else:
            changed = self._changed_by(facts)
        rooms = {room.id: room for room in self._shown}
        steps = changes([room.id for room in before], list(rooms), changed)
        self._publish(steps, rooms, base=None if facts is None else told)
        self._publish_total()
        self._announce()

    def _differs(self, before: Room, after: Room) -> bool:
        if before.revision != after.revision:
            return True
        return self._spec.with_messages and before.message_count != after.message_count

    @override
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        window = self._window
        assert window is not None
        for fact in facts:
            self._require_defined(fact)
            if self._take(window, fact) and isinstance(fact, RoomFact):
                if window.short:
                    return False
                self._show(window, fact)
            self._position = fact.sequence
        self._publish_total()
        if self._fresh:
            self._announce()
        return True

    def _take(self, window: Window, fact: AnyFact) -> bool:
        """Take a fact into a window; False when the list does not concern it."""
        if not isinstance(fact, RoomFact):
            return False
        room = fact.room.room
        matched = fact.before is not None and self._matches(room_before(fact))
        matches = self._matches(room)
        if not matched and not matches and room.id not in window:
            return False
        window.apply(room, matched=matched, matches=matches)
        if window.bytes > room_views.WINDOW_BYTES:
            window.drop_slack()
            if window.bytes > 2 * room_views.WINDOW_BYTES:
                raise self._too_large()
        return True

    def _show(self, window: Window, fact: RoomFact) -> None:
        """Tell what a fact changed in what is shown."""
        before, room = self._shown, fact.room.room
        self._shown = window.visible
        rooms = {one.id: one for one in before} | {one.id: one for one in self._shown} | {room.id: room}
        changed = {room.id} if self._counts(fact) else set()
        steps = changes([one.id for one in before], [one.id for one in self._shown], changed)
        if steps:
            self._position = fact.sequence
            self._publish(steps, rooms, base=fact.sequence - 1)
        elif any(one is room for one in self._shown):
            self._outdate()

    # ------------------------------------------------------------ updates

    @property
    def _total(self) -> int | None:
        assert self._window is not None
        return None if self._window.total is None else within(self._window.total)

    def _publish(self, steps: Sequence[tuple[ListChange, str]], rooms: dict[str, Room], *, base: int | None) -> None:
        for index, (change, room_id) in enumerate(steps, 1):
            last = index == len(steps)
            at = ListPosition(self._position) if last else partial(self._position, base, index)
            has_total = self._total != self._shown_total
            self._shown_total = self._total
            self._keep(self._update(change, at, room_id, rooms.get(room_id), has_total=has_total))

    def _publish_total(self) -> None:
        """Tell the total where it changed and nothing that is shown did."""
        if self._total != self._shown_total:
            self._shown_total = self._total
            self._keep(self._ready_update(self._position))

    @override
    def _announce(self) -> None:
        self._fresh = False
        super()._announce()

    def _keep(self, update: ListUpdate) -> None:
        self._outdate()
        self._fresh = True
        self._updates.append(update)
        self._update_bytes += _weight(update)
        while len(self._updates) > MAX_UPDATES or self._update_bytes > MAX_UPDATE_BYTES:
            self._update_bytes -= _weight(self._updates.popleft())
            self._first += 1

    def _outdate(self) -> None:
        """What was told of the whole list is not to be told to others."""
        self._presence = None
        self._resumes.clear()

    def _update(
        self,
        change: ListChange,
        at: ListPosition,
        room_id: str,
        room: Room | None,
        *,
        has_total: bool = False,
    ) -> ListUpdate:
        return ListUpdate(
            change,
            at,
            self._spec.name.cursor(at),
            room_id,
            room if room is not None and self._sees(room) else None,
            has_total,
            self._shown_total if has_total else None,
            next(_numbers),
        )

    def _ready_update(self, sequence: int) -> ListUpdate:
        at = ListPosition(sequence)
        cursor = self._spec.name.cursor(at)
        return ListUpdate(ListChange.READY, at, cursor, has_total=True, total=self._shown_total, number=next(_numbers))


def slack(size: int) -> int:
    """How many rooms beyond those that are shown are kept, to move up when others leave."""
    return max(size, MIN_SLACK)


def _weight(update: ListUpdate) -> int:
    return _UPDATE_BYTES + (0 if update.room is None else size_of(update.room))
