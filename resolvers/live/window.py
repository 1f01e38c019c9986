"""The first rooms of a list in memory, updated by facts."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from storage.records import Room
from storage.sizes import size_of

Key: TypeAlias = Callable[[Room], Any]


class ListChange(StrEnum):
    PRESENT = "PRESENT"
    READY = "READY"
    ENTERED = "ENTERED"
    CHANGED = "CHANGED"
    LEFT = "LEFT"


class Move(NamedTuple):
    """The index of a room in the window before and after a change of it. None if the window does not have the room."""

    before: int | None
    after: int | None


class Window:
    """The rooms of a list that are shown, and some rooms that follow them in its order.

    The window always has the first rooms that match, without a gap. A room that comes after the last one is therefore
    not added, unless the window is `complete`. When a shown room leaves, the next one becomes shown. When too few rooms
    are left, the window has to be read again (`needs_reload`).
    """

    def __init__(self, key: Key, *, size: int, capacity: int) -> None:
        self._key = key
        self._size = size
        self._capacity = capacity
        self._is_outdated = False
        self._keys: list[Any] = []
        self._rooms: list[Room] = []
        self._by_id: dict[str, tuple[Any, int]] = {}
        #: Whether the window has all rooms that match.
        self.complete = True
        #: The number of rooms that match, or None if they are too many to count.
        self.total: int | None = 0
        #: The estimated memory of the rooms.
        self.bytes = 0

    def load(self, rooms: Sequence[Room], *, complete: bool, total: int | None) -> None:
        """Fill an empty window with the first rooms of the list."""
        for room in rooms:
            self._insert(self._key(room), room)
        self.complete, self.total = complete, total

    @property
    def needs_reload(self) -> bool:
        """Whether the window may lack rooms that have to be shown, or a fact does not say how it changes."""
        return self._is_outdated or (not self.complete and len(self._rooms) < self._size)

    def require_reload(self) -> None:
        """Note that a fact has changed the window, and does not say how."""
        self._is_outdated = True

    @property
    def visible(self) -> list[Room]:
        """The rooms that are shown."""
        return self._rooms[: self._size]

    @property
    def rooms(self) -> Sequence[Room]:
        """All rooms of the window."""
        return self._rooms

    def __contains__(self, room_id: str) -> bool:
        return room_id in self._by_id

    def apply(self, room: Room, *, matched: bool, matches: bool) -> Move:
        """Apply a change of a room, which matched the list before, matches it now, or both."""
        if self.total is not None:
            self.total += matches - matched
        last = self._keys[-1] if self._keys else None
        before = self._remove(room.id) if room.id in self._by_id else None
        if not matches:
            return Move(before, None)
        key = self._key(room)
        if not self.complete and (last is None or last < key):
            return Move(before, None)
        after = self._insert(key, room)
        if len(self._rooms) > self._capacity:
            self._remove(self._rooms[-1].id)
            self.complete = False
        return Move(before, after)

    def update_shown(self, shown: list[Room], move: Move) -> list[tuple[ListChange, Room]]:
        """Apply the move of a room to `shown`, a copy of `visible` before it. Returns the rooms that left or entered.

        The result equals that of `changes`, without CHANGED. The cost does not depend on the size of the list.
        """
        steps: list[tuple[ListChange, Room]] = []
        was_shown = move.before is not None and move.before < self._size
        is_shown = move.after is not None and move.after < self._size
        moved = shown.pop(move.before) if move.before is not None and was_shown else None
        if move.after is not None and is_shown:
            room = self._rooms[move.after]
            if moved is None and len(shown) == self._size:
                steps.append((ListChange.LEFT, shown.pop()))
            shown.insert(move.after, room)
            if moved is None:
                steps.append((ListChange.ENTERED, room))
        elif moved is not None:
            steps.append((ListChange.LEFT, moved))
            if len(self._rooms) >= self._size:
                shown.append(self._rooms[self._size - 1])
                steps.append((ListChange.ENTERED, shown[-1]))
        return steps

    def drop_slack(self) -> None:
        """Remove the rooms that are not shown."""
        while len(self._rooms) > self._size:
            self._remove(self._rooms[-1].id)
            self.complete = False

    def visible_before(self, changed: Collection[str], restored: Sequence[tuple[Any, str]]) -> list[str] | None:
        """The ids that were shown before some rooms changed, or None if they cannot be computed.

        `restored` has the keys and ids of the changed rooms that matched at that time.
        """
        entries = [(key, room.id) for key, room in zip(self._keys, self._rooms, strict=True) if room.id not in changed]
        entries = sorted([*entries, *restored])
        if not self.complete:
            # Rooms after the last one are not in the window.
            last = self._keys[-1] if self._keys else None
            entries = [entry for entry in entries if last is not None and not last < entry[0]]
            if len(entries) < self._size:
                return None
        return [room_id for _, room_id in entries[: self._size]]

    def _insert(self, key: Any, room: Room) -> int:
        """Insert the room, and return its index."""
        index = bisect_left(self._keys, key)
        size = size_of(room)
        self._keys.insert(index, key)
        self._rooms.insert(index, room)
        self._by_id[room.id] = key, size
        self.bytes += size
        return index

    def _remove(self, room_id: str) -> int:
        """Remove the room, and return the index that it had."""
        key, size = self._by_id.pop(room_id)
        index = bisect_left(self._keys, key)
        del self._keys[index], self._rooms[index]
        self.bytes -= size
        return index


def changes(before: Sequence[str], after: Sequence[str], changed: Collection[str]) -> list[tuple[ListChange, str]]:
    """The changes from one list of ids to another. The order depends on the arguments only."""
    old, new = frozenset(before), frozenset(after)
    left = [(ListChange.LEFT, room_id) for room_id in before if room_id not in new]
    others = [
        (ListChange.CHANGED if room_id in old else ListChange.ENTERED, room_id)
        for room_id in after
        if room_id not in old or room_id in changed
    ]
    return [*left, *others]
