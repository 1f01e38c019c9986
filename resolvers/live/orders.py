"""The orders of lists that keep themselves: as MongoDB sorts them, and as keys in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from storage import rooms
from storage.facts import RoomFact
from storage.mongo.pagination import SortOrder
from storage.records import Room


@total_ordering
@dataclass(frozen=True, slots=True)
class _Reversed:
    """A value that compares the other way round."""

    value: Any

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.value < self.value)


@dataclass(frozen=True, slots=True)
class ListOrder:
    """One order of rooms."""

    stored: SortOrder
    #: What rooms compare by in memory: the first of the list has the least key. No two rooms have the same.
    key: Callable[[Room], Any]
    #: Whether `room_before` has what the key is made of.
    knows_before: Callable[[RoomFact], bool]


def list_order(field: str, *, descending: bool) -> ListOrder:
    """The order of rooms by a field, then by id."""
    order = rooms.BY_PRIORITY if field == "PRIORITY" else rooms.BY_CREATION
    read = _priority if field == "PRIORITY" else _id
    key = (lambda room: _Reversed(read(room))) if descending else read
    return ListOrder(order.reversed() if descending else order, key, _knows_before)


def _id(room: Room) -> tuple[Any, ...]:
    return (room.id,)


def _priority(room: Room) -> tuple[Any, ...]:
    return (room.priority, room.id)


def _knows_before(fact: RoomFact) -> bool:
    return fact.before is None or fact.before.priority is not None
