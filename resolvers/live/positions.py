"""Cursors of `roomList`. A cursor contains all that is needed to resume; the server stores nothing for a client."""

from dataclasses import dataclass

from storage.errors import InvalidCursor
from storage.mongo.cursors import page_cursor, page_values

_NO_BASE = -1
_UNKNOWN_BASE = -2


@dataclass(frozen=True, slots=True)
class ListPosition:
    """The state of a client's list: complete as of the fact `sequence`, or partly updated to it.

    With a `base`, the client has the list as of the fact `base` (0: an empty list), and the first `count` changes from
    there to `sequence`.
    """

    sequence: int
    base: int | None = None
    count: int = 0

    @property
    def start(self) -> int:
        """The sequence after which facts are needed to resume."""
        return self.base or self.sequence

    @property
    def is_resumable(self) -> bool:
        return self.base != _UNKNOWN_BASE


def partial(sequence: int, base: int | None, count: int) -> ListPosition:
    """The position of a client that is partly updated to `sequence`. It cannot resume there if `base` is None."""
    return ListPosition(sequence, _UNKNOWN_BASE if base is None else base, count)


@dataclass(frozen=True, slots=True)
class ListName:
    """Identifies the list of a cursor, and what its reader may see of the list."""

    #: A digest of the filter, the order and the size.
    list_id: str
    #: A digest of the caller's permissions that decide which rooms and changes are visible.
    view_id: str

    def cursor(self, at: ListPosition) -> str:
        """The cursor of a position."""
        base = _NO_BASE if at.base is None else at.base
        return page_cursor(f"roomList.{self.list_id}", [self.view_id, at.sequence, base, at.count])

    def position(self, cursor: str) -> ListPosition:
        """The position of a cursor. It cannot be resumed if the cursor is of a reader with other permissions.

        Raises InvalidCursor for a text that is not a cursor of this list.
        """
        match page_values(cursor, f"roomList.{self.list_id}", 4):
            case [str(view), int(sequence), int(base), int(count)] if (
                0 <= sequence < 2**53 and _UNKNOWN_BASE <= base <= sequence and 0 <= count < 2**31
            ):
                if view != self.view_id:
                    base = _UNKNOWN_BASE
                return ListPosition(sequence, None if base == _NO_BASE else base, count)
        raise InvalidCursor("This is not a cursor of this list.", key="after")
