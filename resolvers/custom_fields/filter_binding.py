"""Binding of filters: conditions on custom fields get their definitions, and values are checked and converted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from resolvers.custom_fields.values import (
    MAX_TEXT_CHARACTERS,
    convert,
    describe,
    invalid_value_error,
    is_encodable,
    unknown_field_error,
)
from resolvers.names import forms, normalised
from storage.errors import Invalid, InvalidFieldValue, quoted
from storage.filters.attributes import ATTRIBUTES, IGNORING_CASE
from storage.filters.expressions import (
    EVERYTHING,
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    FieldCondition,
    Not,
    Operator,
    Or,
)
from storage.records import FieldDefinition, FieldTarget, FieldType

MAX_DEPTH = 10
MAX_CONDITIONS = 200
#: The longest list of `in` and `notIn`.
MAX_VALUES = 500

#: API names of attributes whose internal name differs.
_ARGUMENTS = {
    "id": "ids",
    "role": "hasRoles",
    "department": "departmentId",
    "servedBy": "servedById",
    "lastServedBy": "lastServedById",
    "visitor": "visitorId",
    "tag": "hasTags",
}
#: Attributes whose argument is an input with operators (StringFilter, IntFilter).
_WITH_OPERATORS = frozenset({"username", "name", "email", "token", "phone", "source", "subject", "priority"})
_LISTS = frozenset({Operator.IN, Operator.NOT_IN})
_EQUALITY = frozenset({Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.EXISTS})
_ORDER = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})

OPERATORS: Mapping[FieldType, frozenset[Operator]] = {
    FieldType.TEXT: _EQUALITY | _ORDER | {Operator.CONTAINS, Operator.STARTS_WITH},
    FieldType.NUMBER: _EQUALITY | _ORDER,
    FieldType.BOOLEAN: _EQUALITY,
    FieldType.DATETIME: _EQUALITY | _ORDER,
    FieldType.SELECT: _EQUALITY,
    FieldType.MULTI_SELECT: _EQUALITY | {Operator.CONTAINS},
}


def bind(
    expression: Expression, definitions: Mapping[str, FieldDefinition], target: FieldTarget, *, path: str = "where"
) -> Expression:
    """Bind every FieldCondition to its definition. `definitions` are those of the target, by key.

    `path` is the argument of the filter, for errors. Raises UnknownField, InvalidFieldValue, and Invalid for a filter
    or text beyond its limits.
    """
    conditions = _count(expression, depth=0, path=path)
    if conditions > MAX_CONDITIONS:
        raise Invalid(f"A filter has at most {MAX_CONDITIONS} conditions, not {conditions}.", key=path)
    return _bind(expression, definitions, target, path=path)


def _bind(
    expression: Expression, definitions: Mapping[str, FieldDefinition], target: FieldTarget, *, path: str
) -> Expression:
    """Bind a filter, or one condition of the filter at the path.

    A filter is an And, and the And of a filter directly inside it is the list in its `and` (see _count).
    """

    def listed(parts: Sequence[Expression], name: str) -> tuple[Expression, ...]:
        return tuple(
            _bind(part, definitions, target, path=f"{path}.{name}.{index}") for index, part in enumerate(parts)
        )

    match expression:
        case And(parts=parts):
            return And(
                tuple(
                    And(listed(part.parts, "and"))
                    if isinstance(part, And)
                    else _bind(part, definitions, target, path=path)
                    for part in parts
                )
            )
        case Or(parts=parts):
            return Or(listed(parts, "or"))
        case Not(part=part):
            return Not(_bind(part, definitions, target, path=f"{path}.not"))
        case AttributeCondition():
            return _on_attribute(expression, target, path)
        case FieldCondition():
            return _on_field(expression, definitions)
    return expression


def _count(expression: Expression, *, depth: int, path: str, grouped: bool = True) -> int:
    """The number of conditions of the expression. Raises Invalid if and, or and not are nested too deep.

    Filters are objects whose conditions all hold, so that they and the lists in `and`, `or` and `not` alternate: an And
    directly inside of a group is a filter of that group, and is not counted as a level of its own.
    """
    match expression:
        case And(parts=parts) if grouped:
            return sum(_count(part, depth=depth, path=path, grouped=False) for part in parts)
        case And(parts=parts) if not any(isinstance(part, And | Or | Not) for part in parts):
            return len(parts)
        case And(parts=parts) | Or(parts=parts):
            inner = parts
        case Not(part=part):
            inner = (part,)
        case _:
            return 1
    if depth == MAX_DEPTH:
        raise Invalid(f"and, or and not are nested at most {MAX_DEPTH} deep.", key=path)
    return sum(_count(part, depth=depth + 1, path=path) for part in inner)


# ---------------------------------------------------------------- custom fields


def _on_field(condition: FieldCondition, definitions: Mapping[str, FieldDefinition]) -> Expression:
    key, operator, value = condition.key, condition.operator, condition.value
    subject = f"Filter on custom field {quoted(key)}"
    if operator is not None:
        subject += f", operator {operator.value}"
    definition = definitions.get(key)
    if definition is None:
        raise unknown_field_error(key, definitions, subject=f"{subject}: ")
    if operator is None:
        return EVERYTHING
    allowed = OPERATORS[definition.type]
    if operator not in allowed:
        names = ", ".join(sorted(one.value for one in allowed))
        message = f"{subject}: a {definition.type.value} has the operators {names}; got {describe(value)}."
        raise InvalidFieldValue(message, key=key, expected=f"one of the operators {names}")
    return BoundCondition(definition, operator, _value(definition, operator, value, subject))


def _value(definition: FieldDefinition, operator: Operator, value: object, subject: str) -> object:
    if operator is Operator.EXISTS:
        if not isinstance(value, bool):
            raise invalid_value_error(definition, value, subject=subject, expected="BOOLEAN")
        return value
    if operator in _LISTS:
        if not isinstance(value, list | tuple):
            expected = f"a list of {definition.type.value}"
            raise invalid_value_error(definition, value, subject=subject, expected=expected)
        if len(value) > MAX_VALUES:
            expected = f"a list of at most {MAX_VALUES}"
            raise invalid_value_error(definition, value, subject=subject, expected=expected)
        return tuple(_one(definition, one, subject) for one in value)
    if operator is Operator.CONTAINS and definition.type is FieldType.MULTI_SELECT:
        if not isinstance(value, str):
            raise invalid_value_error(definition, value, subject=subject, expected="an option of the MULTI_SELECT")
        (option,) = _one(definition, [value], subject)
        return option
    return _one(definition, value, subject)


def _one(definition: FieldDefinition, value: object, subject: str) -> Any:
    if value is None:
        hint = " (null is no value: use the operator exists)"
        raise invalid_value_error(definition, value, subject=subject, hint=hint)
    stored = convert(definition, value, subject=subject)
    return tuple(stored) if isinstance(stored, list) else stored


# ---------------------------------------------------------------- attributes


def _on_attribute(condition: AttributeCondition, target: FieldTarget, path: str) -> AttributeCondition:
    name, operator, value = condition.name, condition.operator, condition.value
    argument = name.removesuffix(IGNORING_CASE)
    key = f"{path}.{argument}.{operator.value}" if argument in _WITH_OPERATORS else f"{path}.{_argument(condition)}"
    attribute = ATTRIBUTES[target].get(name)
    if attribute is None or operator not in attribute.operators:
        raise Invalid(f"A filter of {target.value.lower()}s has no {name} {operator.value}.", key=key)
    if (
        operator is Operator.EQ
        and isinstance(value, str)
        and not value.isascii()
        and Operator.IN in attribute.operators
    ):
        operator, value = Operator.IN, (value,)
    if operator is not Operator.IN:
        plain = _plain(value, key=key)
        return AttributeCondition(name, operator, normalised(plain) if isinstance(plain, str) else plain)
    if not isinstance(value, list | tuple):
        raise Invalid(f"{key}: expected a list, got {describe(value)}.", key=key)
    if len(value) > MAX_VALUES:
        raise Invalid(f"{key}: at most {MAX_VALUES} values, not {len(value)}.", key=key)
    plain = [_plain(one, key=key) for one in value]
    spelled = (form for one in plain for form in (forms(one) if isinstance(one, str) else (one,)))
    return AttributeCondition(name, operator, tuple(dict.fromkeys(spelled)))


def _argument(condition: AttributeCondition) -> str:
    """The name of the argument of an attribute without operators of its own."""
    if condition.name == "tag" and condition.operator is Operator.IN:
        return "hasAnyTags"
    return _ARGUMENTS.get(condition.name, condition.name)


def _plain(value: object, *, key: str) -> object:
    match value:
        case None:
            raise Invalid(f"{key}: null is no value; leave the condition out.", key=key)
        case str() if len(value) > MAX_TEXT_CHARACTERS:
            raise Invalid(f"{key}: at most {MAX_TEXT_CHARACTERS} characters, not {len(value)}.", key=key)
        case str() if not is_encodable(value):
            raise Invalid(f"{key}: expected text without unpaired surrogates, got {describe(value)}.", key=key)
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
