"""Among 20,000 users, a filter on any custom field examines about as many keys as it returns rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from storage.filters.expressions import And, AttributeCondition, BoundCondition, Expression, Operator, Or
from storage.filters.mongo_query import to_query
from storage.mongo.field_encoding import join_options, option_key
from storage.mongo.indexes import INDEXES
from storage.records import FieldDefinition, FieldTarget, FieldType

USERS = 20_000
#: 50 users have each value of a field: user n has value n % VALUES.
VALUES = 400
PAGE = 51

START = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = {
    kind: FieldDefinition(id=f"F-{kind.value}", target=FieldTarget.USER, key=kind.value, type=kind, label="")
    for kind in FieldType
}


def value(kind: FieldType, number: int) -> Any:
    match kind:
        case FieldType.NUMBER:
            return number
        case FieldType.BOOLEAN:
            return number == 7
        case FieldType.DATETIME:
            return START + timedelta(seconds=number)
        case FieldType.MULTI_SELECT:
            return (f"option-{number:04}", "shared")
    return f"text-{number:04}"


def user(number: int) -> dict[str, Any]:
    """The document of a user. A tenth are bots, a fifth available, a twenty-fifth in one department."""
    batch = number // VALUES
    role = "bot" if batch % 10 == 0 else "person"
    status = "AVAILABLE" if batch % 5 == 0 else "NOT_AVAILABLE"
    department = f"D{batch % 25}"
    matching = [(FIELDS[kind].id, value(kind, number % VALUES)) for kind in FieldType]
    matching = [(key, join_options(one) if isinstance(one, tuple) else one) for key, one in matching]
    matching.append((option_key(FIELDS[FieldType.MULTI_SELECT].id), f"option-{number % VALUES:04}"))
    return {
        "_id": f"{number:06}",
        "usernameKey": f"user-{number}",
        "roles": [role],
        "agent": {"status": status, "departmentIds": [department]},
        "fields": {FIELDS[FieldType.TEXT].id: value(FieldType.TEXT, number % VALUES)},
        "attrs": [{"k": k, "c": ["", f"r:{role}", f"s:{status}", f"d:{department}"], "v": v} for k, v in matching],
    }


@pytest.fixture(scope="module")
def users(mongodb_uri: str) -> Iterator[Collection[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        collection = client["test-queries-use-indexes"]["users"]
        for start in range(0, USERS, 10_000):
            collection.insert_many([user(number) for number in range(start, start + 10_000)], ordered=False)
        collection.create_indexes(list(INDEXES["users"]))
        yield collection
        client.drop_database("test-queries-use-indexes")


def examined(
    users: Collection[dict[str, Any]], expression: Expression, *, limit: int = 0, after: str = ""
) -> tuple[int, int, int]:
    """The rows returned, and the keys and documents examined for them."""
    query = {"$and": [to_query(expression, FieldTarget.USER), {"_id": {"$gt": after}}]}
    stats = users.find(query).sort("_id", 1).limit(limit).explain()["executionStats"]
    return stats["nReturned"], stats["totalKeysExamined"], stats["totalDocsExamined"]


def text(operator: Operator, operand: Any) -> BoundCondition:
    return BoundCondition(FIELDS[FieldType.TEXT], operator, operand)


def bound(kind: FieldType, operator: Operator, operand: Any) -> BoundCondition:
    return BoundCondition(FIELDS[kind], operator, operand)


def between(kind: FieldType) -> Expression:
    """The values 100, 101 and 102."""
    return And((bound(kind, Operator.GTE, value(kind, 100)), bound(kind, Operator.LT, value(kind, 103))))


CONDITIONS: dict[str, tuple[Expression, int]] = {
    **{f"{kind} eq": (bound(kind, Operator.EQ, value(kind, 7)), 50) for kind in FieldType},
    **{
        f"{kind} in": (bound(kind, Operator.IN, tuple(value(kind, number) for number in (3, 200, 399))), 150)
        for kind in FieldType
        if kind is not FieldType.BOOLEAN
    },
    **{f"{kind} range": (between(kind), 150) for kind in (FieldType.TEXT, FieldType.NUMBER, FieldType.DATETIME)},
    "TEXT startsWith": (bound(FieldType.TEXT, Operator.STARTS_WITH, "text-010"), 500),
    "MULTI_SELECT contains": (bound(FieldType.MULTI_SELECT, Operator.CONTAINS, "option-0007"), 50),
}
ATTRIBUTES: dict[str, tuple[tuple[AttributeCondition, ...], int]] = {
    "alone": ((), 1),
    "role": ((AttributeCondition("role", Operator.EQ, "bot"),), 10),
    "status": ((AttributeCondition("agentStatus", Operator.EQ, "AVAILABLE"),), 5),
    "department": ((AttributeCondition("department", Operator.EQ, "D3"),), 25),
    "agent": ((AttributeCondition("isAgent", Operator.EQ, True),), 1),
}


@pytest.mark.parametrize("combined_with", ATTRIBUTES)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_as_many_keys_are_examined_as_rows_returned(
    users: Collection[dict[str, Any]], condition: str, combined_with: str
) -> None:
    expression, matching = CONDITIONS[condition]
    attributes, share = ATTRIBUTES[combined_with]

    rows, keys, documents = examined(users, And((*attributes, expression)))

    assert rows == matching // share
    assert keys <= rows + 10
    assert documents == rows


@pytest.mark.parametrize("after", ["", "010000", "019000"])
def test_every_page_of_a_long_list_examines_one_page(users: Collection[dict[str, Any]], after: str) -> None:
    many = bound(FieldType.BOOLEAN, Operator.EQ, False)

    rows, keys, documents = examined(users, many, limit=PAGE, after=after)

    assert rows == PAGE
    assert keys == PAGE
    assert documents == PAGE


def test_alternatives_examine_the_keys_of_each(users: Collection[dict[str, Any]]) -> None:
    either = Or((text(Operator.EQ, "text-0001"), bound(FieldType.NUMBER, Operator.EQ, 2)))

    rows, keys, _ = examined(users, And((AttributeCondition("role", Operator.EQ, "bot"), either)))

    assert rows == 10
    assert keys <= rows + 10


def test_contains_examines_only_the_documents_of_an_index(users: Collection[dict[str, Any]]) -> None:
    narrowed = And((text(Operator.STARTS_WITH, "text-010"), text(Operator.CONTAINS, "7")))

    rows, keys, documents = examined(users, narrowed)

    assert rows == 50
    assert keys <= 510
    assert documents == 500
