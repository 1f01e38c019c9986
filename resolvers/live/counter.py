"""The numbers of rooms in groups, updated by facts."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from storage.records import Room, RoomStatus
from storage.room_views import OLDEST_KEPT, RoomGroup

GroupKey: TypeAlias = tuple[str | None, ...]
#: The estimated memory of a group, and of each of its entries in `oldest`.
_GROUP_BYTES = 500
_ENTRY_BYTES = 150


@dataclass(slots=True)
class _Group:
    count: int = 0
    queued: int = 0
    #: The queued rooms that have waited longest, or all of them: when each was queued, and its id.
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
    """The number of rooms in each group, and when the room was queued that has waited longest.

    If the latter is no longer known for a group, the counts have to be read again (`needs_reload`).
    """

    def __init__(self, by: Sequence[str]) -> None:
        self._by = tuple(by)
        self._groups: dict[GroupKey, _Group] = {}
        #: The number of entries in `oldest` of all groups.
        self._entries = 0
        self.needs_reload = False

    def __len__(self) -> int:
        return len(self._groups)

    def load(self, groups: Sequence[RoomGroup]) -> None:
        self._groups = {one.key: _Group(one.count, one.queued, list(one.oldest)) for one in groups}
        self._entries = sum(len(group.oldest) for group in self._groups.values())

    @property
    def size(self) -> int:
        """Estimated memory in bytes."""
        return _GROUP_BYTES * len(self._groups) + _ENTRY_BYTES * self._entries

    def apply(self, before: Room | None, after: Room | None) -> None:
        """Apply a change of a room. `before` or `after` is None if the room did not match or does not match."""
        if before is not None:
            key = self._key(before)
            group = self._groups.setdefault(key, _Group())
            self._entries -= len(group.oldest)
            group.remove(before, queued=before.status is RoomStatus.QUEUED)
            self._entries += len(group.oldest)
            if group.count <= 0:
                self._entries -= len(group.oldest)
                del self._groups[key]
            self.needs_reload = self.needs_reload or bool(group.count > 0 and group.queued and not group.oldest)
        if after is not None:
            group = self._groups.setdefault(self._key(after), _Group())
            self._entries -= len(group.oldest)
            group.add(after)
            self._entries += len(group.oldest)

    def counts(self) -> list[tuple[GroupKey, int, datetime | None]]:
        """For each group, in the order of the keys: its key, its number of rooms, and when its longest waiting room was
        queued."""
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
