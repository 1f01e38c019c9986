"""Cursors of lists that keep themselves: how far a client has come, told without keeping anything for it."""

from dataclasses import dataclass

from storage.errors import InvalidCursor
from storage.mongo.cursors import page_cursor, page_values

_NO_BASE = -1
_UNKNOWN_BASE = -2


@dataclass(frozen=True, slots=True)
class ListPosition:
    """What a client knows: the list as it was after the fact `sequence`, or a part of the way there.

    With a `base` it knows the list as it was after the fact `base` (0: nothing of it), and the first `count` changes
    that lead from there to `sequence`.
    """

    sequence: int
    base: int | None = None
    count: int = 0

    @property
    def start(self) -> int:
        """The sequence from which facts are needed to go on."""
        return self.base or self.sequence

    @property
    def is_resumable(self) -> bool:
        return self.base != _UNKNOWN_BASE


def partial(sequence: int, base: int | None, count: int) -> ListPosition:
    """A part of the way to `sequence`; `base` None: from a state that cannot be told again."""
    return ListPosition(sequence, _UNKNOWN_BASE if base is None else base, count)


@dataclass(frozen=True, slots=True)
class ListName:
    """Which list a cursor is of, and as whom its reader saw it."""

    #: Of the filter, the order and the size.
    list_id: str
    #: Of what decides which rooms and which changes a caller sees.
    view_id: str

    def cursor(self, at: ListPosition) -> str:
        """The text for a position."""
        base = _NO_BASE if at.base is None else at.base
        return page_cursor(f"roomList.{self.list_id}", [self.view_id, at.sequence, base, at.count])

    def position(self, cursor: str) -> ListPosition:
        """The position that a text stands for. Raises InvalidCursor, also for the cursor of another list.

        The position of a reader who saw other rooms is one from which nobody can go on.
        """
        match page_values(cursor, f"roomList.{self.list_id}", 4):
            case [str(view), int(sequence), int(base), int(count)] if (
                0 <= sequence < 2**53 and _UNKNOWN_BASE <= base <= sequence and 0 <= count < 2**31
            ):
                if view != self.view_id:
                    base = _UNKNOWN_BASE
                return ListPosition(sequence, None if base == _NO_BASE else base, count)
        raise InvalidCursor("This is not a cursor of this list.", key="after")
