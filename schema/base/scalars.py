"""The scalars that GraphQL does not have itself: what they hold, and how they are read and written."""

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

import strawberry
from graphql import GraphQLError
from graphql.language import EnumValueNode, ListValueNode, ValueNode
from graphql.utilities import value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from resolvers.custom_fields.values import MAX_WHOLE_NUMBER, describe, parse_instant

Cursor = NewType("Cursor", str)
Long = NewType("Long", int)

if TYPE_CHECKING:
    FieldValue: TypeAlias = str | int | float | bool | list[str]
else:
    FieldValue = NewType("FieldValue", object)

FIELD_VALUE_IS = "FieldValue is a String, an Int, a Float, a Boolean or a list of Strings"


# ---------------------------------------------------------------- DateTime


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with "Z": no fraction when there is none, else three digits."""
    text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond >= 1000 else "seconds")
    return text.removesuffix("+00:00") + "Z"


def parse_time(value: object) -> datetime:
    """The instant, to the millisecond: finer digits are cut off, as everywhere in Switchboard."""
    instant = parse_instant(value) if isinstance(value, str) else None
    if instant is None:
        raise GraphQLError(f"DateTime is RFC 3339, such as 2030-01-31T09:30:00Z; it cannot be {describe(value)}.")
    return instant


# ---------------------------------------------------------------- Cursor, Long


def parse_cursor(value: object) -> str:
    if not isinstance(value, str):
        raise GraphQLError(f"Cursor is text that the API gave out; it cannot be {describe(value)}.")
    return value


def parse_long(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_WHOLE_NUMBER:
        raise GraphQLError(f"Long is an integer between -(2^53 - 1) and 2^53 - 1; it cannot be {describe(value)}.")
    return value


# ---------------------------------------------------------------- FieldValue


def format_field_value(value: object) -> object:
    return format_time(value) if isinstance(value, datetime) else value


def parse_field_value(value: object) -> object:
    """The value as it came: what its field's definition says of it is not known here."""
    match value:
        case str() | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case list() if all(isinstance(item, str) for item in value):
            return value
        case _:
            raise GraphQLError(f"{FIELD_VALUE_IS}; it cannot be {describe(value)}.")


def parse_field_value_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> object:
    """Of the names that stand in a document for themselves, enum values, it knows none: they are not taken for text."""
    items = node.values if isinstance(node, ListValueNode) else [node]
    if any(isinstance(item, EnumValueNode) for item in items):
        raise GraphQLError(f"{FIELD_VALUE_IS}; texts need quotes.", node)
    return parse_field_value(value_from_ast_untyped(node, variables))


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "A point in time, to the millisecond: RFC 3339, always answered in UTC with `Z`, such as "
            "`2030-01-31T09:30:00Z` or `2030-01-31T09:30:00.250Z`. Three digits of fraction are written, or none when "
            "they would be zeros. What you send may have another offset, and is converted; finer digits are cut off."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description=(
            "A position in the event log or in a list, as opaque text. Keep it and send it back as it came; what is in "
            "it may change from version to version. A text that is no cursor is `INVALID_CURSOR`."
        ),
        serialize=str,
        parse_value=parse_cursor,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="An integer of up to 2^53 - 1, written as a plain JSON number: more than Int can hold.",
        serialize=parse_long,
        parse_value=parse_long,
    ),
    FieldValue: strawberry.scalar(
        name="FieldValue",
        description=(
            "What a custom field holds: a String (TEXT, SELECT, and DATETIME in the form of `DateTime`), an Int or "
            "Float (NUMBER), a Boolean (BOOLEAN), or a list of Strings (MULTI_SELECT). The field's definition decides "
            "which; a value that does not fit it is `INVALID_FIELD_VALUE`."
        ),
        serialize=format_field_value,
        parse_value=parse_field_value,
        parse_literal=parse_field_value_literal,
    ),
}
