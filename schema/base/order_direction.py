"""Directions to sort in; what can be sorted by is with the nouns."""

from enum import StrEnum

from schema.base.fields import api_enum


@api_enum
class OrderDirection(StrEnum):
    """Which end of a sorted list comes first."""

    ASC = "ASC"
    """The smallest, earliest or alphabetically first."""
    DESC = "DESC"
    """The largest, latest or alphabetically last."""


def descending(direction: OrderDirection) -> bool:
    return direction is OrderDirection.DESC
