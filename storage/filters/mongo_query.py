"""Translates a bound filter to a MongoDB query. predicates.py evaluates the same filters in memory.

A condition on a custom field becomes one $elemMatch on `attrs`, which one index (attrs.k, attrs.c, attrs.v, _id)
answers. One condition on an attribute of the same And, such as a role or a status, moves into its `c`. Keys of a query
are constants of this module or come from attributes.py. Values that clients send are used only as literals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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
from storage.mongo.field_encoding import ANY, join_options, option_key
from storage.records import FieldTarget, FieldType, RoomStatus

Query: TypeAlias = dict[str, Any]

#: Matches no document. MongoDB answers it without reading documents.
NOTHING: Query = {"_id": {"$in": []}}

#: The operator that each negative operator negates.
_POSITIVE = {Operator.NE: Operator.EQ, Operator.NOT_IN: Operator.IN}
COMPARED = {
    Operator.EQ: "$eq",
    Operator.GT: "$gt",
    Operator.GTE: "$gte",
    Operator.LT: "$lt",
    Operator.LTE: "$lte",
}
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def to_query(expression: Expression, target: FieldTarget) -> Query:
    """The MongoDB query that matches the same documents as the expression; {} if all match."""
    return _translate(expression, target, (ANY,))


# ---------------------------------------------------------------- and, or, not


@dataclass(frozen=True, slots=True)
class _Entry:
    """The conditions on one entry of `attrs`: its key, and the bounds that its value must meet."""

    key: str
    bounds: list[Query] = field(default_factory=list)


def _translate(expression: Expression, target: FieldTarget, contexts: Sequence[str]) -> Query:
    """`contexts`: the contexts of which a matching document has at least one, by the enclosing conditions."""
    match expression:
        case Not(part=part):
            if (positive := _positive_of(part)) is not None:
                return _translate(positive, target, contexts)
            return _negated(_translate(part, target, (ANY,)))
        case Or(parts=parts):
            branches = [branch for part in parts if (branch := _translate(part, target, contexts)) != NOTHING]
            if {} in branches:
                return {}
            return _joined("$or", branches) if branches else dict(NOTHING)
        case BoundCondition(operator=Operator.NE | Operator.NOT_IN | Operator.EXISTS) if _is_negative(expression):
            return _negated(_translate(_opposite(expression), target, (ANY,)))
    return _conjunction(list(_flat(expression)), target, contexts)


def _conjunction(parts: Sequence[Expression], target: FieldTarget, contexts: Sequence[str]) -> Query:
    selective = _most_useful(parts, target)
    if selective is not None:
        contexts = selective[1]
    entries: dict[str, _Entry] = {}
    clauses: list[Query] = []
    on_attributes: list[tuple[Expression, Query]] = []
    for part in parts:
        match part:
            case AttributeCondition():
                on_attributes.append((part, attribute_query(part, ATTRIBUTES[target][part.name])))
            case BoundCondition() if not _is_negative(part):
                clauses.extend(_bound(part, entries))
            case FieldCondition():
                raise TypeError(f"The condition on {part.key!r} is not bound to a definition.")
            case _:
                clauses.append(_translate(part, target, contexts))
    # The context of an entry implies the condition on the attribute, so that condition is left out. MongoDB then has
    # one index to choose from, and does not try a cached query plan that suited another value.
    clauses = [
        *(_elem_match(entry, contexts) for entry in entries.values()),
        *(query for part, query in on_attributes if not (entries and selective and part is selective[0])),
        *clauses,
    ]
    if NOTHING in clauses or NOTHING in (query for _, query in on_attributes):
        return dict(NOTHING)
    clauses = [clause for clause in clauses if clause]
    return _joined("$and", clauses) if clauses else {}


def _flat(expression: Expression) -> Iterable[Expression]:
    """The parts of an And, with nested Ands and double negations resolved."""
    match expression:
        case And(parts=parts):
            for part in parts:
                yield from _flat(part)
        case Not(part=part) if (positive := _positive_of(part)) is not None:
            yield from _flat(positive)
        case _:
            yield expression


def _positive_of(expression: Expression) -> Expression | None:
    """The positive expression that a purely negative one negates, or None. An index answers the positive one."""
    match list(_flat(expression)):
        case [Not(part=part)]:
            return part
        case [BoundCondition() as condition] if _is_negative(condition):
            return _opposite(condition)
    return None


def _joined(operator: str, clauses: list[Query]) -> Query:
    return clauses[0] if len(clauses) == 1 else {operator: clauses}


def _negated(query: Query) -> Query:
    if not query:
        return dict(NOTHING)
    return {} if query == NOTHING else {"$nor": [query]}


# ---------------------------------------------------------------- contexts


def _most_useful(parts: Sequence[Expression], target: FieldTarget) -> tuple[Expression, list[str]] | None:
    """The most selective condition on an attribute, and the contexts that are equivalent to it."""
    found = []
    for part in parts:
        if isinstance(part, AttributeCondition):
            attribute = ATTRIBUTES[target][part.name]
            values = _required_values(part, attribute)
            if attribute.context is not None and values:
                found.append((_breadth(part.name, values), part, [f"{attribute.context}{value}" for value in values]))
    if not found:
        return None
    _, part, contexts = min(found, key=lambda one: one[0])
    return part, contexts


def _required_values(condition: AttributeCondition, attribute: Attribute) -> list[str]:
    """The values of which the attribute must have one; empty if contexts cannot express the condition."""
    if attribute.existence:
        return [*map(str, attribute.choices)] if condition.value else []
    match condition.operator:
        case Operator.EQ:
            return [str(condition.value)]
        case Operator.IN:
            values = list(dict.fromkeys(map(str, condition.value)))
            return values if len(values) != len(attribute.choices) else []
    return []


def _breadth(name: str, values: Sequence[str]) -> int:
    """Rank a condition by its expected number of matches: most rooms are closed, and all agents match isAgent."""
    match name:
        case "isAgent":
            return 5
        case "status":
            return 4 if RoomStatus.CLOSED in values else 0
        case "department":
            return 1
        case "role":
            return 3 if "livechat-agent" in values else 1
    return 2


# ---------------------------------------------------------------- custom fields


def _is_negative(condition: BoundCondition) -> bool:
    return condition.operator in _POSITIVE or (condition.operator is Operator.EXISTS and not condition.value)


def _opposite(condition: BoundCondition) -> BoundCondition:
    if condition.operator is Operator.EXISTS:
        return BoundCondition(condition.definition, Operator.EXISTS, True)
    return BoundCondition(condition.definition, _POSITIVE[condition.operator], condition.value)


def _bound(condition: BoundCondition, entries: dict[str, _Entry]) -> list[Query]:
    """Add the bounds of the condition to the entries, and return the clauses that entries cannot express."""
    definition, value = condition.definition, condition.value
    if definition.type is FieldType.MULTI_SELECT and condition.operator is Operator.CONTAINS:
        # Each option has its own entry, so two such conditions apply to different entries.
        key = option_key(definition.id)
        entries[f"{key}{value}"] = _Entry(key, [{"$eq": value}])
        return []
    bounds = entries.setdefault(definition.id, _Entry(definition.id)).bounds
    match condition.operator:
        case Operator.EXISTS:
            return []
        case Operator.CONTAINS:
            return [contains(f"fields.{definition.id}", value)]
        case Operator.STARTS_WITH:
            bounds.append(prefixed(value))
            return []
        case Operator.IN if not value:
            return [dict(NOTHING)]
        case Operator.IN:
            bounds.append({"$in": [_stored(definition.type, one) for one in value]})
            return []
    bounds.append({COMPARED[condition.operator]: _stored(definition.type, value)})
    return []


def _stored(kind: FieldType, value: Any) -> Any:
    return join_options(value) if kind is FieldType.MULTI_SELECT else value


def _elem_match(entry: _Entry, contexts: Sequence[str]) -> Query:
    found: Query = {"k": entry.key, "c": contexts[0] if len(contexts) == 1 else {"$in": list(contexts)}}
    operators = [operator for bound in entry.bounds for operator in bound]
    if len(set(operators)) < len(operators):  # the same operator twice, as in `startsWith` and `gte`
        found["$and"] = [{"v": bound} for bound in entry.bounds]
    elif operators:
        found["v"] = {operator: value for bound in entry.bounds for operator, value in bound.items()}
    return {"attrs": {"$elemMatch": found}}


# ---------------------------------------------------------------- attributes


def attribute_query(condition: AttributeCondition, attribute: Attribute) -> Query:
    path, operator = attribute.path, condition.operator
    value = _plain(condition.value, folded=attribute.folded)
    if attribute.existence or operator is Operator.EXISTS:
        if not value:
            return {path: {"$eq": None}}
        return {path: {"$in": [*map(str, attribute.choices)]} if attribute.choices else {"$ne": None}}
    match operator:
        case Operator.IN:
            return {path: {"$in": value}} if value else dict(NOTHING)
        case Operator.STARTS_WITH:
            # Without $elemMatch, different elements of a list could meet the two ends of the range.
            return {path: {"$elemMatch": prefixed(value)} if attribute.many else prefixed(value)}
        case Operator.CONTAINS:
            return contains(path, value, many=attribute.many)
    return {path: {COMPARED[operator]: value}}


def _plain(value: Any, *, folded: bool) -> Any:
    """The value as documents store it: without enums and tuples, and case-folded for folded attributes."""
    if isinstance(value, str):
        return str(value).casefold() if folded else str(value)
    if isinstance(value, tuple | list):
        return [_plain(one, folded=folded) for one in value]
    return value


# ---------------------------------------------------------------- text


def prefixed(prefix: str) -> Query:
    """The range of the texts that start with the prefix. MongoDB orders text by code point."""
    start = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not start:
        return {"$gte": prefix}
    following = ord(start[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return {"$gte": prefix, "$lt": start[:-1] + chr(following)}


def contains(path: str, part: str, *, many: bool = False) -> Query:
    """Match text at the path, or in the list there, that contains the part literally, without a regular expression."""
    if not many:
        return {"$expr": _found(f"${path}", part)}
    elements = {"$map": {"input": {"$ifNull": [f"${path}", []]}, "in": _found("$$this", part)}}
    return {"$expr": {"$anyElementTrue": [elements]}}


def _found(text: str, part: str) -> Query:
    # $indexOfBytes of a missing text is null, which sorts before 0.
    return {"$gte": [{"$indexOfBytes": [text, {"$literal": part}]}, 0]}
