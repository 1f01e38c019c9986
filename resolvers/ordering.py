"""The order of a list in the API, and its conversion to an order of storage."""

from collections.abc import Callable, Mapping

from resolvers.custom_fields.definitions import find_definition
from storage.errors import Invalid
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortOrder
from storage.records import FieldDefinition, FieldTarget, Record

CUSTOM_FIELD = "CUSTOM_FIELD"


class Ordering(Record, frozen=True, kw_only=False):
    """What a list is sorted by: one of the orders of its target, or a custom field."""

    field: str
    descending: bool = False
    custom_field: str | None = None


async def sort_order(
    reader: Reader,
    target: FieldTarget,
    ordering: Ordering | None,
    *,
    orders: Mapping[str, SortOrder],
    default: str,
    by_field: Callable[[FieldDefinition], SortOrder],
) -> SortOrder:
    """The order of storage for an ordering. Raises UnknownField and Invalid."""
    ordering = ordering or Ordering(default)
    if ordering.field != CUSTOM_FIELD:
        if ordering.custom_field is not None:
            raise Invalid(
                f"customField is given with the field {CUSTOM_FIELD} alone, not with {ordering.field}.",
                key="orderBy.customField",
            )
        order = orders[ordering.field]
    elif ordering.custom_field is None:
        raise Invalid(f"{CUSTOM_FIELD} takes the key of a field in customField.", key="orderBy.customField")
    else:
        order = by_field(await find_definition(reader, target, ordering.custom_field))
    return order.reversed() if ordering.descending else order
