"""Evaluates bound filters in memory. The results are the same as those of the queries of mongo_query.py."""

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

#: The Python types of the values of each field type. A record that is older than the definition can have, under the
#: same key, a value of a removed field of another type.
_TYPES: dict[FieldType, frozenset[type]] = {
    FieldType.TEXT: frozenset({str}),
    FieldType.NUMBER: frozenset({int, float}),
    FieldType.BOOLEAN: frozenset({bool}),
    FieldType.DATETIME: frozenset({datetime}),
    FieldType.SELECT: frozenset({str}),
    FieldType.MULTI_SELECT: frozenset({list}),
}


def matches(expression: Expression, record: User | Visitor | Room) -> bool:
    """Whether the record matches the expression."""
    return predicate(expression, _target(record))(record)


def predicate(expression: Expression, target: FieldTarget) -> Callable[[User | Visitor | Room], bool]:
    """Compile the expression to a function that returns whether a record of the target matches."""
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
    test = _compare(condition.operator, value)
    if attribute.many:
        return lambda record: any(map(test, read(record)))

    def check(record: Any) -> bool:
        actual = read(record)
        return actual is not None and test(actual)

    return check


def _on_field(condition: BoundCondition) -> Predicate:
    match condition.operator:
        case Operator.NE:
            return _not(_on_field(_with_operator(condition, Operator.EQ)))
        case Operator.NOT_IN:
            return _not(_on_field(_with_operator(condition, Operator.IN)))
        case Operator.EXISTS if not condition.value:
            return _not(_has_value(condition.definition))
        case Operator.EXISTS:
            return _has_value(condition.definition)
    test = _compare(condition.operator, condition.value)
    if condition.definition.type is FieldType.MULTI_SELECT and condition.operator is not Operator.CONTAINS:
        return _has_value(condition.definition, lambda actual: test(tuple(actual)))
    return _has_value(condition.definition, test)


def _with_operator(condition: BoundCondition, operator: Operator) -> BoundCondition:
    return BoundCondition(condition.definition, operator, condition.value)


def _has_value(definition: FieldDefinition, test: Predicate | None = None) -> Predicate:
    """A predicate: the record has a value of the field, and the value passes the test, if there is one."""
    key, types = definition.key, _TYPES[definition.type]

    def check(record: Any) -> bool:
        actual = record.custom_fields.get(key)
        return type(actual) in types and (test is None or test(actual))

    return check


def _compare(operator: Operator, value: Any) -> Callable[[Any], bool]:
    """A test of the operator for values that are present and of the right type."""
    match operator:
        case Operator.EQ:
            return lambda actual: bool(actual == value)
        case Operator.IN:
            values = frozenset(value)
            return lambda actual: actual in values
        case Operator.GT:
            return lambda actual: bool(actual > value)
        case Operator.GTE:
            return lambda actual: bool(actual >= value)
        case Operator.LT:
            return lambda actual: bool(actual < value)
        case Operator.LTE:
            return lambda actual: bool(actual <= value)
        case Operator.CONTAINS:
            return lambda actual: value in actual
        case Operator.STARTS_WITH:
            return lambda actual: bool(actual.startswith(value))
        case Operator.NE | Operator.NOT_IN | Operator.EXISTS:
            raise TypeError(f"{operator} is implemented by other operators.")
    assert_never(operator)
