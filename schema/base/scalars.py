"""The custom scalars: DateTime, JSON, Cursor, Long and FieldValue."""

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
    JSON: TypeAlias = object
else:
    FieldValue = NewType("FieldValue", object)
    JSON = NewType("JSON", object)

FIELD_VALUE_IS = "FieldValue is a String, an Int, a Float, a Boolean or a list of Strings"


# ---------------------------------------------------------------- DateTime


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with "Z", without a fraction or with three digits."""
    text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond >= 1000 else "seconds")
    return text.removesuffix("+00:00") + "Z"


def parse_time(value: object) -> datetime:
    """The time, truncated to milliseconds."""
    instant = parse_instant(value) if isinstance(value, str) else None
    if instant is None:
        raise GraphQLError(f"DateTime is RFC 3339, such as 2030-01-31T09:30:00Z; it cannot be {describe(value)}.")
    return instant


# ---------------------------------------------------------------- Cursor, Long


def parse_cursor(value: object) -> str:
    if not isinstance(value, str):
        raise GraphQLError(f"Cursor is a text that the API returned; it cannot be {describe(value)}.")
    return value


def parse_long(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_WHOLE_NUMBER:
        raise GraphQLError(f"Long is an integer between -(2^53 - 1) and 2^53 - 1; it cannot be {describe(value)}.")
    return value


# ---------------------------------------------------------------- JSON, FieldValue


def format_json(value: object) -> object:
    """The value, with a time as DateTime text.

    `validation.json_text` limits the size and depth of inputs where the name of the input is known.
    """
    return format_time(value) if isinstance(value, datetime) else value


def format_field_value(value: object) -> object:
    return format_time(value) if isinstance(value, datetime) else value


def parse_field_value(value: object) -> object:
    """The value unchanged. The definition of its field is not known here, so that its type is checked later."""
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
    """The value of a literal. Enum values are refused, because a text without quotes would be one."""
    items = node.values if isinstance(node, ListValueNode) else [node]
    if any(isinstance(item, EnumValueNode) for item in items):
        raise GraphQLError(f"{FIELD_VALUE_IS}; texts need quotes.", node)
    return parse_field_value(value_from_ast_untyped(node, variables))


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "A time with milliseconds, in RFC 3339. Results are in UTC with `Z`, such as `2030-01-31T09:30:00Z` or "
            "`2030-01-31T09:30:00.250Z`: with three fractional digits, or with none if they are zero. Inputs may "
            "have another offset, and are truncated to milliseconds."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description=(
            "A position in the event log or in a list, as opaque text. Its format may change with any version. A text "
            "that is not a cursor is refused with `INVALID_CURSOR`."
        ),
        serialize=str,
        parse_value=parse_cursor,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="An integer from -(2^53 - 1) to 2^53 - 1, as a JSON number. It has a larger range than Int.",
        serialize=parse_long,
        parse_value=parse_long,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description=(
            "Any JSON value. An input takes at most 16 KiB as compact UTF-8 text and is nested at most 64 levels deep; "
            "beyond that it is refused with `INVALID_INPUT`."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=format_json,
        parse_value=format_json,
    ),
    FieldValue: strawberry.scalar(
        name="FieldValue",
        description=(
            "The value of a custom field: a String (TEXT, SELECT, and DATETIME in the format of `DateTime`), an Int or "
            "Float (NUMBER), a Boolean (BOOLEAN), or a list of Strings (MULTI_SELECT). A value that does not fit the "
            "field's definition is refused with `INVALID_FIELD_VALUE`."
        ),
        serialize=format_field_value,
        parse_value=parse_field_value,
        parse_literal=parse_field_value_literal,
    ),
}
