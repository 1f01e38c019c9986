"""The directions to sort in. The fields to sort by are in the modules of the types."""

from enum import StrEnum

from schema.base.fields import api_enum


@api_enum
class OrderDirection(StrEnum):
    """The direction of a sorted list."""

    ASC = "ASC"
    """Ascending: the smallest, earliest or alphabetically first value comes first."""
    DESC = "DESC"
    """Descending: the largest, latest or alphabetically last value comes first."""


def descending(direction: OrderDirection) -> bool:
    return direction is OrderDirection.DESC
