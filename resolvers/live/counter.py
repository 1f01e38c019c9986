"""Rooms counted by group, kept from one fact to the next."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from storage.records import Room, RoomStatus
from storage.room_views import OLDEST_KEPT, RoomGroup

GroupKey: TypeAlias = tuple[str | None, ...]
#: What a group takes, and each room of which it is known since when it waits.
_GROUP_BYTES = 500
_ENTRY_BYTES = 150


@dataclass(slots=True)
class _Group:
    count: int = 0
    queued: int = 0
    #: Those that wait, longest first; all of them, or the first ones.
    oldest: list[tuple[datetime, str]] = field(default_factory=list)

    def remove(self, room: Room, *, queued: bool) -> None:
        self.count -= 1
        if queued:
            self.queued -= 1
            self.oldest = [entry for entry in self.oldest if entry[1] != room.id]

    def add(self, room: Room) -> None:
        self.count += 1
        if room.status is not RoomStatus.QUEUED:
            return
        complete = len(self.oldest) == self.queued
        self.queued += 1
        if room.queued_at is not None and (complete or (room.queued_at, room.id) < self.oldest[-1]):
            insort(self.oldest, (room.queued_at, room.id))
            del self.oldest[2 * OLDEST_KEPT :]


class RoomCounter:
    """How many rooms match, by what they are counted by, and since when the first of each group waits.

    It is `short` when it is not known any more which room of a group has waited longest; then it has to be read again.
    """

    def __init__(self, by: Sequence[str]) -> None:
        self._by = tuple(by)
        self._groups: dict[GroupKey, _Group] = {}
        self.short = False

    def __len__(self) -> int:
        return len(self._groups)

    def load(self, groups: Sequence[RoomGroup]) -> None:
        self._groups = {one.key: _Group(one.count, one.queued, list(one.oldest)) for one in groups}

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(_GROUP_BYTES + _ENTRY_BYTES * len(group.oldest) for group in self._groups.values())

    def apply(self, before: Room | None, after: Room | None) -> None:
        """Take in what became of a room: None where it did not match, or does not."""
        if before is not None:
            key = self._key(before)
            group = self._groups.setdefault(key, _Group())
            group.remove(before, queued=before.status is RoomStatus.QUEUED)
            if group.count <= 0:
                del self._groups[key]
            self.short = self.short or bool(group.count > 0 and group.queued and not group.oldest)
        if after is not None:
            self._groups.setdefault(self._key(after), _Group()).add(after)

    def counts(self) -> list[tuple[GroupKey, int, datetime | None]]:
        """The groups in the order of their keys: the number of rooms, and since when the first of them waits."""
        return [
            (key, group.count, group.oldest[0][0] if group.oldest else None)
            for key, group in sorted(self._groups.items(), key=lambda one: [part or "" for part in one[0]])
        ]

    def _key(self, room: Room) -> GroupKey:
        return tuple(_READ[name](room) for name in self._by)


_READ = {
    "STATUS": lambda room: room.status.value,
    "DEPARTMENT": lambda room: room.department_id,
    "SERVED_BY": lambda room: room.served_by_id,
    "SOURCE": lambda room: room.source,
}
