"""The conditions that filters are made of, and what each says in the one filter language
(storage/filters/expressions.py)."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol

import strawberry

from schema.base.fields import api_input
from schema.base.ids import IdKind, within
from schema.base.scalars import FieldValue
from storage.errors import Invalid
from storage.filters.attributes import IGNORING_CASE
from storage.filters.expressions import And, AttributeCondition, Expression, FieldCondition, Not, Operator, Or

#: The attributes that are always compared without case.
_ALWAYS_FOLDED = frozenset({"username", "email"})


class Filter(Protocol):
    """Any of the inputs of filters.py."""

    def expression(self) -> Expression: ...


@api_input
class StringFilter:
    """What a text must be. All that is given must hold. Usernames and emails are compared without case, all else with
    it."""

    eq: str | None = strawberry.UNSET
    """Equal to this."""
    in_: list[str] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """Equal to one of these; to nothing when the list is empty."""
    contains: str | None = strawberry.UNSET
    """Has this somewhere in it. No index helps with that: it reads all that the rest of the filter leaves."""
    starts_with: str | None = strawberry.UNSET
    """Begins with this."""
    ignore_case: bool = False
    """Whether all operators given here compare without case, by Unicode case folding."""

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
    """What a number must be. All operators that are given must hold."""

    eq: int | None = strawberry.UNSET
    """Equal to this."""
    in_: list[int] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """Equal to one of these; an empty list matches nothing."""
    gt: int | None = strawberry.UNSET
    """More than this."""
    gte: int | None = strawberry.UNSET
    """This or more."""
    lt: int | None = strawberry.UNSET
    """Less than this."""
    lte: int | None = strawberry.UNSET
    """This or less."""

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
    """What a custom field must hold. All operators that are given must hold.

    A value of the wrong type, or an operator that the field's type does not have, is `INVALID_FIELD_VALUE`, never an
    empty result. null is no value: to ask whether there is one, use `exists`.
    """

    key: str
    """Which field; `UNKNOWN_FIELD` when none is defined under this key."""
    eq: FieldValue | None = strawberry.UNSET
    """Holds this. Numbers compare as numbers (1 equals 1.0), times as instants, options in any order."""
    ne: FieldValue | None = strawberry.UNSET
    """Does not hold this; matches too where the field holds nothing."""
    in_: list[FieldValue] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """Holds one of these; an empty list matches nothing."""
    not_in: list[FieldValue] | None = strawberry.UNSET
    """Holds none of these; matches too where the field holds nothing. An empty list matches everything."""
    gt: FieldValue | None = strawberry.UNSET
    """Holds more than this. NUMBER, DATETIME, and TEXT (by code point)."""
    gte: FieldValue | None = strawberry.UNSET
    """Holds this or more. NUMBER, DATETIME, and TEXT (by code point)."""
    lt: FieldValue | None = strawberry.UNSET
    """Holds less than this. NUMBER, DATETIME, and TEXT (by code point)."""
    lte: FieldValue | None = strawberry.UNSET
    """Holds this or less. NUMBER, DATETIME, and TEXT (by code point)."""
    contains: str | None = strawberry.UNSET
    """TEXT: has this somewhere in it, with the same case; reads all that the rest of the filter leaves.
    MULTI_SELECT: this is one of its options."""
    starts_with: str | None = strawberry.UNSET
    """TEXT: begins with this, with the same case."""
    exists: bool | None = strawberry.UNSET
    """Whether it holds anything at all: true for those that do, false for those that do not."""

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
        # Nulls go on: the definition that they do not fit is known further down.
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
        with within("not"):
            negated = not_.expression()
        yield Not(negated)


def _each(parts: Sequence[Filter], name: str) -> Iterable[Expression]:
    for index, part in enumerate(parts):
        with within(f"{name}.{index}"):
            expression = part.expression()
        yield expression


def attribute_is(attribute: str, operator: Operator, value: object, key: str | None = None) -> Iterable[Expression]:
    if _given(value, key or attribute):
        yield AttributeCondition(attribute, operator, _plain(value))


def attribute_is_id(
    attribute: str, kind: IdKind, value: strawberry.ID | Sequence[strawberry.ID] | None, key: str
) -> Iterable[Expression]:
    """The attribute is this id, or one of these."""
    if not _given(value, key) or value is None:
        return
    if isinstance(value, str):
        yield AttributeCondition(attribute, Operator.EQ, kind.take(value, key))
    else:
        yield AttributeCondition(attribute, Operator.IN, [kind.take(one, key) for one in value])


def attribute_has(attribute: str, values: Sequence[object] | None, key: str) -> Iterable[Expression]:
    if _given(values, key):
        yield from (AttributeCondition(attribute, Operator.EQ, value) for value in values or ())


def attribute_text(attribute: str, where: StringFilter | IntFilter | None) -> Iterable[Expression]:
    if _given(where, attribute) and where is not None:
        yield from where.conditions(attribute)


def field_conditions(filters: Sequence[CustomFieldFilter] | None) -> Iterable[Expression]:
    if _given(filters, "customFields"):
        yield from (condition for part in filters or () for condition in part.conditions())


def _plain(value: object) -> object:
    """Members of enums as the text that is stored."""
    match value:
        case Enum():
            return value.value
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _given(value: object, key: str) -> bool:
    """Whether the client named it. A null would match everything or nothing, according to taste: so it is refused."""
    if value is None:
        raise Invalid(f"null is no value to filter by; leave {key} out.", key=key)
    return value is not strawberry.UNSET
