"""The orders of lists that keep themselves: as MongoDB sorts them, and as keys in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


def list_order(order: SortOrder) -> ListOrder:
    """The order of storage as one of a list that is kept in memory."""
    return ListOrder(order, order.sort_key, _knows_before)


def _knows_before(fact: RoomFact) -> bool:
    return fact.before is None or fact.before.priority is not None
