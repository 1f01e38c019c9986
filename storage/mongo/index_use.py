"""Which part of a query one index answers alone. This decides whether a read is a scan, and how to count."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from storage.mongo.indexes import INDEXES

Query: TypeAlias = dict[str, Any]

_POINT_OPERATORS = frozenset({"$eq", "$in"})
_RANGE_OPERATORS = frozenset({"$gt", "$gte", "$lt", "$lte", "$elemMatch"})
#: Paths with several values in one document. An index answers only one of two conditions on such a path.
_MULTIKEY_PATHS = frozenset({"attrs", "tags", "roles", "emailKeys", "agent.departmentIds"})
#: Conditions on these paths match many documents: the number of closed rooms only grows.
_UNSELECTIVE = frozenset({"status"})


def is_scan(collection: str, query: Query) -> bool:
    """Whether a read for this query examines documents that no index selects, or evaluates an expression on each."""
    return bool(query) and (_names(query, "$expr") or not indexed_parts(collection, query))


def indexed_parts(collection: str, query: Query) -> list[Query]:
    """The parts of the query that one index of the collection answers alone, the most selective first.

    A document that matches the query matches each part. A part that equals the query answers the query.
    """
    clauses = _clauses(query)
    found = [part for index in _keys_of(collection) if (part := _covered(index, clauses))]
    for clause in clauses:
        if branches := clause.get("$or"):
            chosen = [indexed_parts(collection, branch) for branch in branches]
            if all(chosen):
                found.append([{"$or": [parts[0] for parts in chosen]}])
    found.sort(key=lambda part: (-len(part), any(not clause.keys().isdisjoint(_UNSELECTIVE) for clause in part)))
    return [_conjunction(part) for part in found]


def is_whole_query(part: Query, query: Query) -> bool:
    """Whether the part is the whole query."""
    return _canonical(part) == _canonical(query)


def _canonical(query: Query) -> list[str]:
    return sorted(
        repr(["$or", sorted(map(_canonical, clause["$or"]))]) if "$or" in clause else repr(clause)
        for clause in _clauses(query)
    )


def _clauses(query: Query) -> list[Query]:
    """The conditions of the query, all of which a document must match."""
    found: list[Query] = []
    for key, value in query.items():
        if key == "$and":
            found.extend(clause for part in value for clause in _clauses(part))
        else:
            found.append({key: value})
    return found


def _conjunction(clauses: Sequence[Query]) -> Query:
    return clauses[0] if len(clauses) == 1 else {"$and": list(clauses)}


def _keys_of(collection: str) -> list[tuple[list[str], bool]]:
    """The paths of each index, and whether the index has every document."""
    indexes = [index.document for index in INDEXES.get(collection, ())]
    return [
        (["_id"], True),
        *((list(index["key"]), not (index.get("sparse") or "partialFilterExpression" in index)) for index in indexes),
    ]


def _covered(index: tuple[list[str], bool], clauses: Sequence[Query]) -> list[Query]:
    """The conditions that the index answers: equality on its first paths, then a range on the next path."""
    paths, complete = index
    covered: list[Query] = []
    for path in paths:
        name = "attrs" if path.startswith("attrs.") else path
        found = [clause for clause in clauses if name in clause and _usable(clause[name], complete=complete)]
        if name in _MULTIKEY_PATHS:
            found = found[:1]
        covered.extend(found)
        if not found or name == "attrs" or not all(_is_point(clause[name]) for clause in found):
            break
    return covered


def _usable(condition: Any, *, complete: bool) -> bool:
    if not isinstance(condition, Mapping):
        return condition is not None or complete
    return condition.keys() <= _POINT_OPERATORS | _RANGE_OPERATORS and (
        complete or condition.get("$eq", "") is not None
    )


def _is_point(condition: Any) -> bool:
    return not isinstance(condition, Mapping) or condition.keys() <= _POINT_OPERATORS


def _names(query: Any, operator: str) -> bool:
    if isinstance(query, Mapping):
        return operator in query or any(_names(value, operator) for value in query.values())
    return isinstance(query, list) and any(_names(value, operator) for value in query)
