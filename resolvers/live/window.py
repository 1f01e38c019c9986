"""The first rooms of a list, kept from one fact to the next."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from storage.records import Room
from storage.sizes import size_of

Key: TypeAlias = Callable[[Room], Any]


class ListChange(StrEnum):
    PRESENT = "PRESENT"
    READY = "READY"
    ENTERED = "ENTERED"
    CHANGED = "CHANGED"
    LEFT = "LEFT"


class Window:
    """The first rooms of a list, and some that follow them.

    The rooms are always the first ones that match, without a gap: a room beyond the last one is left out while others
    may lie between. When rooms leave, those that follow move up; when too few are left the window is `short`, and has
    to be read again.
    """

    def __init__(self, key: Key, *, size: int, capacity: int) -> None:
        self._key = key
        self._size = size
        self._capacity = capacity
        self._keys: list[Any] = []
        self._rooms: list[Room] = []
        self._known: dict[str, tuple[Any, int]] = {}
        #: No room that matches lies beyond the last one.
        self.complete = True
        #: How many rooms match; None when that is not known.
        self.total: int | None = 0
        #: What the rooms take.
        self.bytes = 0

    def load(self, rooms: Sequence[Room], *, complete: bool, total: int | None) -> None:
        """Fill an empty window with the first rooms of the list."""
        for room in rooms:
            self._insert(self._key(room), room)
        self.complete, self.total = complete, total

    @property
    def short(self) -> bool:
        """Whether rooms are missing from the part that is shown."""
        return not self.complete and len(self._rooms) < self._size

    @property
    def visible(self) -> list[Room]:
        """The part that is shown."""
        return self._rooms[: self._size]

    @property
    def visible_ids(self) -> list[str]:
        return [room.id for room in self._rooms[: self._size]]

    def __contains__(self, room_id: str) -> bool:
        return room_id in self._known

    def apply(self, room: Room, *, matched: bool, matches: bool) -> None:
        """Take in what became of a room: whether it matched before, and whether it does now."""
        if self.total is not None:
            self.total += matches - matched
        last = self._keys[-1] if self._keys else None
        if room.id in self._known:
            self._remove(room.id)
        if not matches:
            return
        key = self._key(room)
        if self.complete or (last is not None and not last < key):
            self._insert(key, room)
            if len(self._rooms) > self._capacity:
                self._remove(self._rooms[-1].id)
                self.complete = False

    def drop_slack(self) -> None:
        """Keep no more than what is shown."""
        while len(self._rooms) > self._size:
            self._remove(self._rooms[-1].id)
            self.complete = False

    def visible_before(self, touched: Collection[str], returned: Sequence[tuple[Any, str]]) -> list[str] | None:
        """The ids that were shown before rooms were touched; None when that cannot be told.

        `returned` holds the keys and ids of those of the touched rooms that matched then.
        """
        entries = [(key, room.id) for key, room in zip(self._keys, self._rooms, strict=True) if room.id not in touched]
        entries = sorted([*entries, *returned])
        if not self.complete:
            # Rooms that are not known lie beyond the last one.
            last = self._keys[-1] if self._keys else None
            entries = [entry for entry in entries if last is not None and not last < entry[0]]
            if len(entries) < self._size:
                return None
        return [room_id for _, room_id in entries[: self._size]]

    def _insert(self, key: Any, room: Room) -> None:
        index = bisect_left(self._keys, key)
        size = size_of(room)
        self._keys.insert(index, key)
        self._rooms.insert(index, room)
        self._known[room.id] = key, size
        self.bytes += size

    def _remove(self, room_id: str) -> None:
        key, size = self._known.pop(room_id)
        index = bisect_left(self._keys, key)
        del self._keys[index], self._rooms[index]
        self.bytes -= size


def changes(before: Sequence[str], after: Sequence[str], changed: Collection[str]) -> list[tuple[ListChange, str]]:
    """What leads from one list of ids to another, in an order that depends on nothing else."""
    was, is_ = frozenset(before), frozenset(after)
    left = [(ListChange.LEFT, one) for one in before if one not in is_]
    others = [
        (ListChange.CHANGED if one in was else ListChange.ENTERED, one)
        for one in after
        if one not in was or one in changed
    ]
    return [*left, *others]
