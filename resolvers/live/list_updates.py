"""The updates of a list of rooms: the messages to its subscribers, and a bounded buffer of them."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from resolvers.live.positions import ListPosition
from resolvers.live.window import ListChange
from storage.records import Room
from storage.sizes import size_of

#: The most updates in a buffer, and their estimated memory.
MAX_UPDATES = 1_024
MAX_UPDATE_BYTES = 8 * 1024 * 1024
#: The estimated memory of an update without its room.
UPDATE_BYTES = 500


@dataclass(frozen=True, slots=True)
class ListUpdate:
    """One message to the subscribers of a list."""

    change: ListChange
    at: ListPosition
    cursor: str
    room_id: str | None = None
    #: The room as of the position; None if the subscriber may not read it.
    room: Room | None = None
    #: Whether the message has `total`, which may be None.
    has_total: bool = False
    total: int | None = None
    #: Unique in this process.
    number: int = 0


class UpdateBuffer:
    """The last updates of a list, by index. The oldest are dropped beyond the limits."""

    def __init__(self) -> None:
        self._updates: deque[ListUpdate] = deque()
        #: The estimated memory of the updates.
        self.bytes = 0
        #: The index of the oldest update, and of the next one.
        self.start = 0
        self.end = 0

    def append(self, update: ListUpdate) -> None:
        self._updates.append(update)
        self.bytes += _bytes_of(update)
        self.end += 1
        while len(self._updates) > MAX_UPDATES or self.bytes > MAX_UPDATE_BYTES:
            self.bytes -= _bytes_of(self._updates.popleft())
            self.start += 1

    def clear(self) -> None:
        """Drop all updates."""
        self.start = self.end
        self._updates.clear()
        self.bytes = 0

    def since(self, index: int) -> Sequence[ListUpdate]:
        """The updates from an index on, which is not before `start`."""
        return [self._updates[position - self.start] for position in range(index, self.end)]


def _bytes_of(update: ListUpdate) -> int:
    return UPDATE_BYTES + (0 if update.room is None else size_of(update.room))
