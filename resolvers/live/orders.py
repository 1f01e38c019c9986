"""The orders of lists that keep themselves: as MongoDB sorts them, and as keys in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage import rooms
from storage.errors import Invalid
from storage.facts import RoomFact
from storage.mongo.sort_orders import SortOrder
from storage.records import Room


@dataclass(frozen=True, slots=True)
class ListOrder:
    """One order of rooms."""

    stored: SortOrder
    #: What rooms compare by in memory: the first of the list has the least key. No two rooms have the same.
    key: Callable[[Room], Any]
    #: Whether `room_before` has what the key is made of.
    knows_before: Callable[[RoomFact], bool]


def list_order(field: str, *, descending: bool) -> ListOrder:
    """The order of rooms by a field, then by id. Raises Invalid for a custom field."""
    order = rooms.ORDERS.get(field)
    if order is None:
        raise Invalid(f"A list that keeps itself is not sorted by {field}.", key="orderBy.field")
    order = order.reversed() if descending else order
    return ListOrder(order, order.sort_key, _knows_before if field in _KNOWN_BEFORE else _is_first)


#: The orders of which `room_before` has all values.
_KNOWN_BEFORE = frozenset({"STARTED_AT", "PRIORITY"})


def _is_first(fact: RoomFact) -> bool:
    return fact.before is None


def _knows_before(fact: RoomFact) -> bool:
    return fact.before is None or fact.before.priority is not None
