"""Translates a bound filter on rooms to a MongoDB query on the log. resolvers/events.py evaluates them in memory.

A fact about a room matches if the state of the room before or after the fact matches. The log stores rooms as records,
without the index entries of the collection of rooms.
"""

from dataclasses import replace
from typing import Any, TypeAlias, assert_never

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
from storage.filters.mongo_query import COMPARED, NOTHING, attribute_query, contains, prefixed
from storage.records import FieldTarget, FieldType

Query: TypeAlias = dict[str, Any]

_AFTER = "fact.room.room"
_BEFORE = "fact.before"
#: The attributes that RoomBefore has, and `closedAt`. A fact does not change any other attribute.
_CHANGING = frozenset(
    {
        "status",
        "departmentId",
        "servedById",
        "tags",
        "customFields",
        "lastServedById",
        "subject",
        "priority",
        "queuedAt",
        "closedAt",
    }
)
#: For attributes that a RoomBefore may lack: the facts that did not change them.
_UNCHANGED_IF: dict[str, Query] = {
    "priority": {f"{_BEFORE}.priority": None},  # facts of version 0.1.0
    "closedAt": {f"{_BEFORE}.status": "CLOSED"},  # facts about messages of a closed room
}
_TYPES = {
    FieldType.TEXT: "string",
    FieldType.NUMBER: "number",
    FieldType.BOOLEAN: "bool",
    FieldType.DATETIME: "date",
    FieldType.SELECT: "string",
    FieldType.MULTI_SELECT: "array",
}


def fact_query(expression: Expression) -> Query:
    """The query for facts about rooms that match before or after the fact; {} if all facts match."""
    if expression == EVERYTHING:
        return {}
    before = {"$and": [{_BEFORE: {"$type": "object"}}, _translate(expression, before=True)]}
    return {"$or": [_translate(expression, before=False), before]}


def is_translatable(expression: Expression) -> bool:
    """Return whether fact_query can translate the filter. Facts have no case-folded text."""
    match expression:
        case And(parts=parts) | Or(parts=parts):
            return all(map(is_translatable, parts))
        case Not(part=part):
            return is_translatable(part)
        case AttributeCondition(name=name):
            return not name.endswith(IGNORING_CASE)
    return True


def _translate(expression: Expression, *, before: bool) -> Query:
    match expression:
        case And(parts=parts):
            return {"$and": [_translate(part, before=before) for part in parts]} if parts else {}
        case Or(parts=parts):
            return {"$or": [_translate(part, before=before) for part in parts]} if parts else dict(NOTHING)
        case Not(part=part):
            return {"$nor": [_translate(part, before=before)]}
        case AttributeCondition(name=name):
            attribute = ATTRIBUTES[FieldTarget.ROOM][name]
            if name.endswith(IGNORING_CASE):
                raise TypeError(f"Facts hold no case-folded text for {name}.")
            path = "id" if attribute.path == "_id" else attribute.path
            query = attribute_query(expression, replace(attribute, path=_path(path, before=before)))
            if not before or path not in _UNCHANGED_IF:
                return query
            # RoomBefore may lack the value, and then it is the same as after the fact.
            same = attribute_query(expression, replace(attribute, path=_path(path, before=False)))
            unchanged = _UNCHANGED_IF[path]
            return {"$or": [{"$and": [unchanged, same]}, {"$and": [{"$nor": [unchanged]}, query]}]}
        case BoundCondition():
            return _field(expression, f"{_path('customFields', before=before)}.{expression.definition.key}")
        case FieldCondition(key=key):
            raise TypeError(f"The condition on {key!r} is not bound to a definition.")
    assert_never(expression)


def _path(name: str, *, before: bool) -> str:
    return f"{_BEFORE if before and name in _CHANGING else _AFTER}.{name}"


def _field(condition: BoundCondition, path: str) -> Query:
    match condition.operator:
        case Operator.NE:
            return {"$nor": [_field(BoundCondition(condition.definition, Operator.EQ, condition.value), path)]}
        case Operator.NOT_IN:
            return {"$nor": [_field(BoundCondition(condition.definition, Operator.IN, condition.value), path)]}
        case Operator.EXISTS if not condition.value:
            return {"$nor": [_has(condition, path)]}
        case Operator.EXISTS:
            return _has(condition, path)
    return {"$and": [_has(condition, path), _compared(condition, path)]}


def _has(condition: BoundCondition, path: str) -> Query:
    """The field has a value of its type. The query excludes arrays, because one of their elements could match it."""
    kind = condition.definition.type
    if kind is FieldType.MULTI_SELECT:
        return {path: {"$type": "array"}}
    return {path: {"$type": _TYPES[kind], "$not": {"$type": "array"}}}


def _compared(condition: BoundCondition, path: str) -> Query:
    value = _plain(condition.value)
    match condition.operator:
        case Operator.IN:
            return {path: {"$in": value}}
        case Operator.CONTAINS if condition.definition.type is FieldType.MULTI_SELECT:
            return {path: {"$elemMatch": {"$eq": value}}}
        case Operator.CONTAINS:
            # $expr is evaluated for every fact, so it checks the type itself.
            return {"$expr": {"$and": [{"$eq": [{"$type": f"${path}"}, "string"]}, contains(path, value)["$expr"]]}}
        case Operator.STARTS_WITH:
            return {path: prefixed(value)}
    return {path: {COMPARED[condition.operator]: value}}


def _plain(value: Any) -> Any:
    """The value as documents store it: without enums and tuples."""
    if isinstance(value, tuple | list | frozenset):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
