"""The conditions in filters, and their conversion to expressions (storage/filters/expressions.py)."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Protocol

import strawberry
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import has_object_definition

from schema.base.fields import api_input
from schema.base.ids import IdKind, key_prefix
from schema.base.scalars import FieldValue
from storage.errors import Invalid
from storage.filters.attributes import IGNORING_CASE
from storage.filters.expressions import And, AttributeCondition, Expression, FieldCondition, Not, Operator, Or

#: The attributes that are always compared without case.
_ALWAYS_FOLDED = frozenset({"username", "email"})
NAMES = NameConverter()


class Filter(Protocol):
    """A filter of filters.py."""

    def expression(self) -> Expression: ...


def as_given(value: object) -> Any:
    """The JSON value of an input, without the fields that were left out or have their default."""
    match value:
        case Enum():
            return value.name
        case list():
            return [as_given(one) for one in value]
    if not has_object_definition(value):
        return value
    return {
        NAMES.from_field(field): as_given(given)
        for field in value.__strawberry_definition__.fields
        if (given := getattr(value, field.python_name)) is not strawberry.UNSET and given is not field.default
    }


@api_input
class StringFilter:
    """Conditions on a text. All of them must hold. The case of usernames and email addresses is always ignored, the
    case of other texts only with `ignoreCase`."""

    eq: str | None = strawberry.UNSET
    """The value is equal to this."""
    in_: list[str] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """The text is equal to one of these. Matches nothing for an empty list."""
    contains: str | None = strawberry.UNSET
    """The text contains this. It uses no index: all entries that match the rest of the filter are read."""
    starts_with: str | None = strawberry.UNSET
    """The text begins with this."""
    ignore_case: bool = False
    """Whether these conditions ignore case (Unicode case folding)."""

    def conditions(self, attribute: str) -> list[Expression]:
        if self.ignore_case and attribute not in _ALWAYS_FOLDED:
            attribute += IGNORING_CASE
        operators = {
            Operator.EQ: self.eq,
            Operator.IN: self.in_,
            Operator.CONTAINS: self.contains,
            Operator.STARTS_WITH: self.starts_with,
        }
        return [
            AttributeCondition(attribute, operator, value)
            for operator, value in operators.items()
            if _given(value, operator.value)
        ]


@api_input
class IntFilter:
    """Conditions on a number. All of them must hold."""

    eq: int | None = strawberry.UNSET
    """The value is equal to this."""
    in_: list[int] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """The number is equal to one of these. Matches nothing for an empty list."""
    gt: int | None = strawberry.UNSET
    """The number is greater than this."""
    gte: int | None = strawberry.UNSET
    """The number is greater than or equal to this."""
    lt: int | None = strawberry.UNSET
    """The number is less than this."""
    lte: int | None = strawberry.UNSET
    """The number is less than or equal to this."""

    def conditions(self, attribute: str) -> list[Expression]:
        operators = {
            Operator.EQ: self.eq,
            Operator.IN: self.in_,
            Operator.GT: self.gt,
            Operator.GTE: self.gte,
            Operator.LT: self.lt,
            Operator.LTE: self.lte,
        }
        return [
            AttributeCondition(attribute, operator, value)
            for operator, value in operators.items()
            if _given(value, operator.value)
        ]


@api_input
class CustomFieldFilter:
    """Conditions on the value of a custom field. All of them must hold.

    `INVALID_FIELD_VALUE` for a value of the wrong type, and for an operator that the field's type does not have. Null
    is not a value: use `exists` to find objects with or without a value.
    """

    key: str
    """The key of the field. `UNKNOWN_FIELD` if no field has this key."""
    eq: FieldValue | None = strawberry.UNSET
    """The value is equal to this. Numbers are compared as numbers (1 equals 1.0), times as instants, and options in any
    order."""
    ne: FieldValue | None = strawberry.UNSET
    """The value is not equal to this, or the field has no value."""
    in_: list[FieldValue] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """The value is equal to one of these. Matches nothing for an empty list."""
    not_in: list[FieldValue] | None = strawberry.UNSET
    """The value is not equal to any of these, or the field has no value. Matches everything for an empty list."""
    gt: FieldValue | None = strawberry.UNSET
    """For NUMBER, DATETIME and TEXT (by code point): the value is greater than this."""
    gte: FieldValue | None = strawberry.UNSET
    """For NUMBER, DATETIME and TEXT (by code point): the value is greater than or equal to this."""
    lt: FieldValue | None = strawberry.UNSET
    """For NUMBER, DATETIME and TEXT (by code point): the value is less than this."""
    lte: FieldValue | None = strawberry.UNSET
    """For NUMBER, DATETIME and TEXT (by code point): the value is less than or equal to this."""
    contains: str | None = strawberry.UNSET
    """For TEXT: the value contains this, in the same case; all entries that match the rest of the filter are read. For
    MULTI_SELECT: this is one of the options of the value."""
    starts_with: str | None = strawberry.UNSET
    """For TEXT: the value begins with this, in the same case."""
    exists: bool | None = strawberry.UNSET
    """The field has a value (true) or has none (false)."""

    def conditions(self) -> list[Expression]:
        operators = {
            Operator.EQ: self.eq,
            Operator.NE: self.ne,
            Operator.IN: self.in_,
            Operator.NOT_IN: self.not_in,
            Operator.GT: self.gt,
            Operator.GTE: self.gte,
            Operator.LT: self.lt,
            Operator.LTE: self.lte,
            Operator.CONTAINS: self.contains,
            Operator.STARTS_WITH: self.starts_with,
            Operator.EXISTS: self.exists,
        }
        # Nulls are refused later, with the field's definition, as INVALID_FIELD_VALUE.
        given = {operator: value for operator, value in operators.items() if value is not strawberry.UNSET}
        if not given:
            return [FieldCondition(self.key, None, None)]
        return [FieldCondition(self.key, operator, value) for operator, value in given.items()]


# ---------------------------------------------------------------- inputs to expressions


def all_of(*parts: Expression) -> Expression:
    return And(parts)


def combined(and_: Sequence[Filter] | None, or_: Sequence[Filter] | None, not_: Filter | None) -> Iterable[Expression]:
    if _given(and_, "and"):
        yield And(tuple(_each(and_ or (), "and")))
    if _given(or_, "or"):
        yield Or(tuple(_each(or_ or (), "or")))
    if _given(not_, "not") and not_ is not None:
        with key_prefix("not"):
            negated = not_.expression()
        yield Not(negated)


def _each(parts: Sequence[Filter], name: str) -> Iterable[Expression]:
    for index, part in enumerate(parts):
        with key_prefix(f"{name}.{index}"):
            expression = part.expression()
        yield expression


def attribute_is(attribute: str, operator: Operator, value: object, key: str | None = None) -> Iterable[Expression]:
    if _given(value, key or attribute):
        yield AttributeCondition(attribute, operator, _plain(value))


def attribute_is_id(
    attribute: str, kind: IdKind, value: strawberry.ID | Sequence[strawberry.ID] | None, key: str
) -> Iterable[Expression]:
    """The attribute is this id, or one of these ids."""
    if not _given(value, key) or value is None:
        return
    if isinstance(value, str):
        yield AttributeCondition(attribute, Operator.EQ, kind.parse(value, key))
    else:
        yield AttributeCondition(attribute, Operator.IN, [kind.parse(one, key) for one in value])


def attribute_has(attribute: str, values: Sequence[object] | None, key: str) -> Iterable[Expression]:
    if _given(values, key):
        yield from (AttributeCondition(attribute, Operator.EQ, value) for value in values or ())


def attribute_text(attribute: str, where: StringFilter | IntFilter | None) -> Iterable[Expression]:
    if _given(where, attribute) and where is not None:
        with key_prefix(attribute):
            conditions = where.conditions(attribute)
        yield from conditions


def field_conditions(filters: Sequence[CustomFieldFilter] | None) -> Iterable[Expression]:
    if _given(filters, "customFields"):
        yield from (condition for part in filters or () for condition in part.conditions())


def _plain(value: object) -> object:
    """The value with members of enums replaced by their stored texts."""
    match value:
        case Enum():
            return value.value
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _given(value: object, key: str) -> bool:
    """Whether the client gave the value. A null is refused, because its meaning would be ambiguous."""
    if value is None:
        raise Invalid(f"null is not a value to filter by; leave {key} out.", key=key)
    return value is not strawberry.UNSET
