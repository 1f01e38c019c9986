"""The live view of one list of rooms, which all subscribers of the list share."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from typing_extensions import override

from resolvers.event_filters import room_before
from resolvers.live.list_history import ListSpec, changed_by, changes_since, differs, is_change
from resolvers.live.list_updates import UPDATE_BYTES, ListUpdate, UpdateBuffer
from resolvers.live.log_view import BATCH, LogView, lost_content
from resolvers.live.positions import ListPosition, partial
from resolvers.live.window import ListChange, Move, Window, changes
from storage import room_views
from storage import rooms as stored_rooms
from storage.errors import CursorExpired, QueryTooComplex
from storage.facts import AnyFact, RoomFact
from storage.filters.predicates import predicate
from storage.mongo.counts import within_limit
from storage.mongo.retries import read_with_retries
from storage.records import FieldTarget, Room
from storage.runtime import Storage

#: The least number of rooms in the window beyond those that are shown.
MIN_SLACK = 50
#: A client that missed more facts gets the whole list instead of the changes.
MAX_MISSED_FACTS = 5_000
#: The most cached results of `_resume`, for other clients that resume from the same position.
MAX_RESUMES = 32

_numbers = count(1)


class ListView(LogView):
    """The live view of one list of rooms."""

    name = "update a list of rooms"

    def __init__(self, storage: Storage, spec: ListSpec) -> None:
        super().__init__(storage, where=spec.where, visible=spec.visible, sorted_by=spec.sorted_by)
        self._spec = spec
        self._database = storage.database
        self._is_visible = predicate(spec.visible, FieldTarget.ROOM)
        self._window: Window | None = None
        self._shown: list[Room] = []
        self._shown_total: int | None = None
        self._buffer = UpdateBuffer()
        #: Whether the buffer has updates that subscribers were not woken for.
        self._has_new_updates = False
        #: The cached results of `_present` and `_resume`. They are valid until the next change.
        self._whole_list: list[ListUpdate] | None = None
        self._resumes: dict[ListPosition, list[ListUpdate]] = {}

    @property
    def size(self) -> int:
        """Estimated memory in bytes."""
        cached = len(self._whole_list or ()) + sum(map(len, self._resumes.values()))
        return self._buffer.bytes + UPDATE_BYTES * cached + (0 if self._window is None else self._window.bytes)

    @override
    def shrink(self) -> None:
        self._clear_caches()
        self._buffer.clear()
        if self._window is not None:
            self._window.drop_slack()

    # ------------------------------------------------------------ for subscribers

    async def start(self, after: ListPosition | None) -> tuple[Sequence[ListUpdate], int]:
        """The whole list, or the changes since a position; and the index of the next update in the buffer."""
        if after is not None:
            await self.wait_until(after.sequence)
        if after is not None and after.is_resumable:
            return await self._resume(after), self._buffer.end
        return self._present(), self._buffer.end

    async def next_updates(self, index: int, last: ListPosition) -> tuple[Sequence[ListUpdate], int]:
        """Wait for updates from an index on. Returns them and the index of the next one.

        If the buffer no longer has the update at the index, the updates are those since the position `last`.
        """
        while True:
            if self.error is not None:
                raise self.error
            if index < self._buffer.start:
                return await self.start(last)
            if index < self._buffer.end:
                return self._buffer.since(index), self._buffer.end
            await self.wait_for_change()

    def _present(self) -> list[ListUpdate]:
        """The whole list."""
        if self._whole_list is None:
            at = self.current
            rooms = [
                self._update(ListChange.PRESENT, partial(at, 0, index), room.id, room)
                for index, room in enumerate(self._shown, 1)
            ]
            self._whole_list = [*rooms, self._ready_update(at)]
        return self._whole_list

    # ------------------------------------------------------------ resuming

    async def _resume(self, after: ListPosition) -> Sequence[ListUpdate]:
        """The changes since a position, or the whole list if they cannot be computed."""
        facts: list[RoomFact] = []
        position = after.start
        while position < self.current:
            if self.current - after.start > MAX_MISSED_FACTS:
                return self._present()
            if (cached := self._resumes.get(after)) is not None:
                return cached
            try:
                batch = await self._feed.read(position, BATCH)
            except CursorExpired:
                return self._present()
            facts += [fact for fact in batch if isinstance(fact, RoomFact)]
            position = batch[-1].sequence if batch else position
            await self.wait_until(after.sequence)
        if (cached := self._resumes.get(after)) is not None:
            return cached
        updates = self._updates_since(after, [fact for fact in facts if fact.sequence <= self.current])
        if updates is None:
            return self._present()
        while len(self._resumes) >= MAX_RESUMES:
            del self._resumes[next(iter(self._resumes))]
        self._resumes[after] = updates
        self.check_memory()
        return updates

    def _updates_since(self, after: ListPosition, facts: Sequence[RoomFact]) -> list[ListUpdate] | None:
        """The changes since a position, or None if they cannot be computed. `facts` are those since `after.start`."""
        assert self._window is not None
        steps = changes_since(self._spec, self._window, after, facts)
        if steps is None:
            return None
        current = self.current
        base = after.sequence if after.base is None else None
        rooms = self._rooms_after(facts)
        updates = [
            self._update(change, partial(current, base, index), room_id, rooms[room_id])
            for index, (change, room_id) in enumerate(steps, 1)
        ]
        return [*updates, self._ready_update(current)]

    def _rooms_after(self, facts: Iterable[RoomFact]) -> dict[str, Room]:
        """The rooms of the facts as they are after the last one, and the rooms of the window."""
        assert self._window is not None
        return {
            **{fact.room.room.id: fact.room.room for fact in facts},
            **{room.id: room for room in self._window.rooms},
        }

    async def _read_rooms(self, ids: Sequence[str]) -> dict[str, Room | None]:
        found = await read_with_retries(self._database, lambda: stored_rooms.get_many(self._reader, ids))
        return {room_id: found.get(room_id) for room_id in ids}

    # ------------------------------------------------------------ applying facts

    @override
    async def _build(self) -> None:
        while True:
            try:
                window, position = await self._read()
            except CursorExpired:
                continue  # the log no longer has the facts after the snapshot
            if not window.needs_reload:
                break
        shown, shown_at = self._shown, self._position
        is_rebuilt = self._window is not None
        facts = await self._facts_between(shown_at, position) if is_rebuilt else []
        left: Mapping[str, Room | None] = {room.id: room for room in shown}
        if facts is None:
            left = await self._read_rooms([room.id for room in shown if room.id not in window])
        self._window, self._position = window, position
        self._shown = window.visible
        if is_rebuilt:
            rooms = {**left, **self._rooms_after(facts or ())}
            self._publish_rebuilt(shown, shown_at, facts, rooms)
        else:
            self._shown_total = self._total

    async def _read(self) -> tuple[Window, int]:
        """Read the window, and apply the facts that its snapshot lacks. Returns it and its position."""
        size = self._spec.size
        capacity = size + slack(size)
        read = await room_views.read_window(
            self._reader, self._expression, order=self._spec.order.stored, size=capacity
        )
        if len(read.rooms) < size and not read.complete:
            raise self._too_large()
        window = Window(self._spec.order.key, size=size, capacity=capacity)
        window.load(read.rooms, complete=read.complete, total=read.total)
        return window, await self._roll_forward(read.log, lambda fact: self._apply(window, fact))

    def _too_large(self) -> QueryTooComplex:
        return QueryTooComplex(
            f"The first {self._spec.size} rooms of this list take more than {room_views.WINDOW_BYTES:,} bytes; ask for "
            "fewer with `first`."
        )

    async def _facts_between(self, after: int, until: int) -> list[RoomFact] | None:
        """The facts about rooms after one position up to another, or None if they are too many or expired."""
        facts: list[RoomFact] = []
        if until - after > MAX_MISSED_FACTS:
            return None
        while after < until:
            try:
                batch = await self._feed.read(after, BATCH)
            except CursorExpired:
                return None
            facts += [fact for fact in batch if isinstance(fact, RoomFact) and fact.sequence <= until]
            after = batch[-1].sequence
        return facts

    def _publish_rebuilt(
        self,
        shown: Sequence[Room],
        shown_at: int,
        facts: Sequence[RoomFact] | None,
        rooms: Mapping[str, Room | None],
    ) -> None:
        """Publish the changes from the list that was shown before to the list that was read.

        `facts` are those between the positions of both, or None if they cannot be read. `rooms` has the rooms of both
        lists as they are in the second one.
        """
        if facts is None:
            old = {room.id: room for room in shown}
            changed = {room.id for room in self._shown if room.id in old and differs(self._spec, old[room.id], room)}
        else:
            changed = changed_by(self._spec, facts)
        steps = changes([room.id for room in shown], [room.id for room in self._shown], changed)
        self._publish(steps, rooms, base=None if facts is None else shown_at)
        self._publish_total()

    @override
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        window = self._window
        assert window is not None
        for fact in facts:
            self._require_fields(fact)
            if lost_content(fact):
                # Nobody gets what earlier updates have of the room.
                self._buffer.clear()
                self._clear_caches()
            move = self._apply(window, fact)
            if window.needs_reload:
                return False
            if move is not None and isinstance(fact, RoomFact):
                self._publish_fact(window, fact, move)
            self._position = fact.sequence
        self._publish_total()
        if self._has_new_updates:
            self._notify_change()
        return True

    def _apply(self, window: Window, fact: AnyFact) -> Move | None:
        """Apply a fact to a window. Returns None if it does not concern the list."""
        if not isinstance(fact, RoomFact):
            return None
        if lost_content(fact):
            window.require_reload()
            return None
        room = fact.room.room
        matched = fact.before is not None and self._matches(room_before(fact))
        matches = self._matches(room)
        if not matched and not matches and room.id not in window:
            return None
        move = window.apply(room, matched=matched, matches=matches)
        if window.bytes > room_views.WINDOW_BYTES:
            window.drop_slack()
            if window.bytes > 2 * room_views.WINDOW_BYTES:
                raise self._too_large()
        return move

    # ------------------------------------------------------------ publishing updates

    def _publish_fact(self, window: Window, fact: RoomFact, move: Move) -> None:
        """Publish the changes that a fact made to the rooms that are shown."""
        room = fact.room.room
        steps = window.update_shown(self._shown, move)
        if not steps and move.after is not None and move.after < self._spec.size:
            if not is_change(self._spec, fact):
                self._clear_caches()
                return
            steps = [(ListChange.CHANGED, room)]
        if steps:
            self._position = fact.sequence
            rooms = {**{one.id: one for _, one in steps}, room.id: room}
            self._publish([(change, one.id) for change, one in steps], rooms, base=fact.sequence - 1)

    @property
    def _total(self) -> int | None:
        assert self._window is not None
        return None if self._window.total is None else within_limit(self._window.total)

    def _publish(
        self, steps: Sequence[tuple[ListChange, str]], rooms: Mapping[str, Room | None], *, base: int | None
    ) -> None:
        for index, (change, room_id) in enumerate(steps, 1):
            is_last = index == len(steps)
            at = ListPosition(self._position) if is_last else partial(self._position, base, index)
            has_total = self._total != self._shown_total
            self._shown_total = self._total
            self._append(self._update(change, at, room_id, rooms[room_id], has_total=has_total))

    def _publish_total(self) -> None:
        """Publish the total if it changed without a change of the rooms that are shown."""
        if self._total != self._shown_total:
            self._shown_total = self._total
            self._append(self._ready_update(self._position))

    @override
    def _notify_change(self) -> None:
        self._has_new_updates = False
        super()._notify_change()

    def _append(self, update: ListUpdate) -> None:
        self._clear_caches()
        self._has_new_updates = True
        self._buffer.append(update)

    def _clear_caches(self) -> None:
        self._whole_list = None
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
            room if room is not None and self._is_visible(room) else None,
            has_total,
            self._shown_total if has_total else None,
            next(_numbers),
        )

    def _ready_update(self, sequence: int) -> ListUpdate:
        at = ListPosition(sequence)
        cursor = self._spec.name.cursor(at)
        return ListUpdate(ListChange.READY, at, cursor, has_total=True, total=self._shown_total, number=next(_numbers))


def slack(size: int) -> int:
    """The number of rooms in the window beyond those that are shown. They become shown when others leave."""
    return max(size, MIN_SLACK)
