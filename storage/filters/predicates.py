"""Bound filters evaluated in memory, against a record; mongo_query.py asks MongoDB the same, and the two agree."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from storage.filters.attributes import ATTRIBUTES, Attribute
from storage.filters.expressions import (
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    FieldCondition,
    Not,
    Operator,
    Or,
)
from storage.records import FieldDefinition, FieldTarget, FieldType, Room, User, Visitor

Predicate: TypeAlias = Callable[[Any], bool]

#: What a value of each type is in memory. A record older than a definition may hold, under the same
#: key, the value of a field that was removed.
_TYPES: dict[FieldType, frozenset[type]] = {
    FieldType.TEXT: frozenset({str}),
    FieldType.NUMBER: frozenset({int, float}),
    FieldType.BOOLEAN: frozenset({bool}),
    FieldType.DATETIME: frozenset({datetime}),
    FieldType.SELECT: frozenset({str}),
    FieldType.MULTI_SELECT: frozenset({list}),
}


def matches(expression: Expression, record: User | Visitor | Room) -> bool:
    """Whether the record is one of those that the expression describes."""
    return predicate(expression, _target(record))(record)


def predicate(expression: Expression, target: FieldTarget) -> Callable[[User | Visitor | Room], bool]:
    """A function that tells whether a record of the target matches; for expressions that many records meet."""
    match expression:
        case And(parts=parts):
            return _all_of([predicate(part, target) for part in parts])
        case Or(parts=parts):
            return _any_of([predicate(part, target) for part in parts])
        case Not(part=part):
            return _not(predicate(part, target))
        case AttributeCondition(name=name):
            return _on_attribute(expression, ATTRIBUTES[target][name])
        case BoundCondition():
            return _on_field(expression)
        case FieldCondition(key=key):
            raise TypeError(f"The condition on {key!r} is not bound to a definition.")
    assert_never(expression)


def _target(record: User | Visitor | Room) -> FieldTarget:
    match record:
        case User():
            return FieldTarget.USER
        case Visitor():
            return FieldTarget.VISITOR
        case Room():
            return FieldTarget.ROOM
    assert_never(record)


# ---------------------------------------------------------------- and, or, not


def _all_of(parts: Iterable[Predicate]) -> Predicate:
    tests = tuple(parts)
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _any_of(parts: Iterable[Predicate]) -> Predicate:
    tests = tuple(parts)
    return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)


def _not(test: Predicate) -> Predicate:
    return lambda record: not test(record)


# ---------------------------------------------------------------- conditions


def _on_attribute(condition: AttributeCondition, attribute: Attribute) -> Predicate:
    read, value = attribute.read, condition.value
    if condition.operator is Operator.EXISTS:
        return lambda record: (read(record) is not None) == value
    if attribute.folded:
        value = value.casefold() if isinstance(value, str) else tuple(one.casefold() for one in value)
    test = _test(condition.operator, value)
    if attribute.many:
        return lambda record: any(map(test, read(record)))

    def holds(record: Any) -> bool:
        held = read(record)
        return held is not None and test(held)

    return holds


def _on_field(condition: BoundCondition) -> Predicate:
    match condition.operator:
        case Operator.NE:
            return _not(_on_field(_with(condition, Operator.EQ)))
        case Operator.NOT_IN:
            return _not(_on_field(_with(condition, Operator.IN)))
        case Operator.EXISTS if not condition.value:
            return _not(_has(condition.definition))
        case Operator.EXISTS:
            return _has(condition.definition)
    test = _test(condition.operator, condition.value)
    if condition.definition.type is FieldType.MULTI_SELECT and condition.operator is not Operator.CONTAINS:
        return _has(condition.definition, lambda held: test(tuple(held)))
    return _has(condition.definition, test)


def _with(condition: BoundCondition, operator: Operator) -> BoundCondition:
    return BoundCondition(condition.definition, operator, condition.value)


def _has(definition: FieldDefinition, test: Predicate | None = None) -> Predicate:
    """Whether a record holds a value of the field, and one that meets the test."""
    key, types = definition.key, _TYPES[definition.type]

    def holds(record: Any) -> bool:
        held = record.custom_fields.get(key)
        return type(held) in types and (test is None or test(held))

    return holds


def _test(operator: Operator, value: Any) -> Callable[[Any], bool]:
    """Whether a value that is there, and of the right type, meets the condition."""
    match operator:
        case Operator.EQ:
            return lambda held: bool(held == value)
        case Operator.IN:
            values = frozenset(value)
            return lambda held: held in values
        case Operator.GT:
            return lambda held: bool(held > value)
        case Operator.GTE:
            return lambda held: bool(held >= value)
        case Operator.LT:
            return lambda held: bool(held < value)
        case Operator.LTE:
            return lambda held: bool(held <= value)
        case Operator.CONTAINS:
            return lambda held: value in held
        case Operator.STARTS_WITH:
            return lambda held: bool(held.startswith(value))
        case Operator.NE | Operator.NOT_IN | Operator.EXISTS:
            raise TypeError(f"{operator} is told by other operators.")
    assert_never(operator)
