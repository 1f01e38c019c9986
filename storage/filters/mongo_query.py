"""From a bound filter to a MongoDB query; predicates.py evaluates the same filters in memory.

A condition on a custom field becomes one $elemMatch on `attrs`, which one index (attrs.k, attrs.c, attrs.v, _id)
answers. What stands beside it, such as a role or a status, moves into its `c`. Keys of a query are written here or come
from attributes.py; what a client sent only ever stands where MongoDB takes a literal.
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

#: MongoDB sees at once that no document can match.
NOTHING: Query = {"_id": {"$in": []}}

#: What the opposite of each negative operator is.
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
    """The MongoDB query that finds what the expression matches; {} for everything."""
    return _translate(expression, target, (ANY,))


# ---------------------------------------------------------------- and, or, not


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one entry of `attrs` must be: all bounds hold for its value."""

    key: str
    bounds: list[Query] = field(default_factory=list)


def _translate(expression: Expression, target: FieldTarget, contexts: Sequence[str]) -> Query:
    """`contexts`: what is known to hold around the expression."""
    match expression:
        case Not(part=part):
            if (denied := _denied(part)) is not None:
                return _translate(denied, target, contexts)
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
    told = _most_useful(parts, target)
    if told is not None:
        contexts = told[1]
    entries: dict[str, _Entry] = {}
    clauses: list[Query] = []
    beside: list[tuple[Expression, Query]] = []
    for part in parts:
        match part:
            case AttributeCondition():
                beside.append((part, attribute_query(part, ATTRIBUTES[target][part.name])))
            case BoundCondition() if not _is_negative(part):
                clauses.extend(_bound(part, entries))
            case FieldCondition():
                raise TypeError(f"The condition on {part.key!r} is not bound to a definition.")
            case _:
                clauses.append(_translate(part, target, contexts))
    # An entry with the context of an attribute says all that the condition on the attribute says. Without that
    # condition there is one index to choose, and no plan that was good for another value is tried first.
    clauses = [
        *(_elem_match(entry, contexts) for entry in entries.values()),
        *(query for part, query in beside if not (entries and told and part is told[0])),
        *clauses,
    ]
    if NOTHING in clauses or NOTHING in (query for _, query in beside):
        return dict(NOTHING)
    clauses = [clause for clause in clauses if clause]
    return _joined("$and", clauses) if clauses else {}


def _flat(expression: Expression) -> Iterable[Expression]:
    """The parts of an And, and of the Ands among them; those that are denied twice are parts like any other."""
    match expression:
        case And(parts=parts):
            for part in parts:
                yield from _flat(part)
        case Not(part=part) if (denied := _denied(part)) is not None:
            yield from _flat(denied)
        case _:
            yield expression


def _denied(expression: Expression) -> Expression | None:
    """What the expression denies, if it does nothing else: what its own negation says. An index answers it."""
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
    """The condition on an attribute that narrows most, and the contexts that tell it."""
    found = []
    for part in parts:
        if isinstance(part, AttributeCondition):
            attribute = ATTRIBUTES[target][part.name]
            values = _told(part, attribute)
            if attribute.context is not None and values:
                found.append((_breadth(part.name, values), part, [f"{attribute.context}{value}" for value in values]))
    if not found:
        return None
    _, part, contexts = min(found, key=lambda one: one[0])
    return part, contexts


def _told(condition: AttributeCondition, attribute: Attribute) -> list[str]:
    """The values of which the attribute must have one; empty when contexts cannot say it."""
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
    """How much a condition is likely to leave, as a rank: closed rooms pile up, and every agent is an agent."""
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
    """Add to the entries what the condition asks of them; returned is what it asks beside them."""
    definition, value = condition.definition, condition.value
    if definition.type is FieldType.MULTI_SELECT and condition.operator is Operator.CONTAINS:
        # Each option is an entry of its own: two conditions of this kind are not about the same entry.
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
            bounds.append({"$in": [_held(definition.type, one) for one in value]})
            return []
    bounds.append({COMPARED[condition.operator]: _held(definition.type, value)})
    return []


def _held(kind: FieldType, value: Any) -> Any:
    return join_options(value) if kind is FieldType.MULTI_SELECT else value


def _elem_match(entry: _Entry, contexts: Sequence[str]) -> Query:
    found: Query = {"k": entry.key, "c": contexts[0] if len(contexts) == 1 else {"$in": list(contexts)}}
    operators = [operator for bound in entry.bounds for operator in bound]
    if len(set(operators)) < len(operators):  # the same operator twice, as in `startsWith` beside `gte`
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
            # Without $elemMatch, one element of a list could meet one end of the range and another the other.
            return {path: {"$elemMatch": prefixed(value)} if attribute.many else prefixed(value)}
        case Operator.CONTAINS:
            return contains(path, value, many=attribute.many)
    return {path: {COMPARED[operator]: value}}


def _plain(value: Any, *, folded: bool) -> Any:
    """The value as documents hold it: no enums, no tuples, case-folded where they are."""
    if isinstance(value, str):
        return str(value).casefold() if folded else str(value)
    if isinstance(value, tuple | list):
        return [_plain(one, folded=folded) for one in value]
    return value


# ---------------------------------------------------------------- text


def prefixed(prefix: str) -> Query:
    """The range of the texts that start so: MongoDB orders text by code point."""
    start = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not start:
        return {"$gte": prefix}
    following = ord(start[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return {"$gte": prefix, "$lt": start[:-1] + chr(following)}


def contains(path: str, part: str, *, many: bool = False) -> Query:
    """Text at the path, or in the list there, that contains the part: literally, without a regular expression."""
    if not many:
        return {"$expr": _found(f"${path}", part)}
    elements = {"$map": {"input": {"$ifNull": [f"${path}", []]}, "in": _found("$$this", part)}}
    return {"$expr": {"$anyElementTrue": [elements]}}


def _found(text: str, part: str) -> Query:
    # A missing text has the index null, which sorts before 0.
    return {"$gte": [{"$indexOfBytes": [text, {"$literal": part}]}, 0]}
