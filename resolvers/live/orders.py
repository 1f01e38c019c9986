"""The orders of `roomList`: for MongoDB, and as sort keys in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.facts import RoomFact
from storage.mongo.sort_orders import SortOrder
from storage.records import Room


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order of rooms."""

    stored: SortOrder
    #: The sort key of a room. No two rooms have the same key.
    key: Callable[[Room], Any]
    #: Whether `room_before` of a fact has all values that the key needs.
    has_key_before: Callable[[RoomFact], bool]


def list_order(order: SortOrder) -> ListOrder:
    """The order with its sort key in memory."""
    return ListOrder(order, order.sort_key, _has_key_before)


def _has_key_before(fact: RoomFact) -> bool:
    return fact.before is None or fact.before.priority is not None
