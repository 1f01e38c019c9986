"""Among 50,000 users and rooms, every page of every list examines about as many documents as it returns."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from storage.filters.expressions import EVERYTHING, And, AttributeCondition, Expression, Operator
from storage.filters.mongo_query import to_query
from storage.mongo.child_pagination import first_children_stages, lookup_pipeline
from storage.mongo.connection import new_id
from storage.mongo.cursors import page_cursor
from storage.mongo.indexes import INDEXES
from storage.mongo.sort_orders import SortOrder
from storage.records import FieldTarget
from storage.rooms import BY_PRIORITY, id_bounds
from storage.users import AGENTS_BY_DEPARTMENT, BY_USERNAME
from storage.webhook_deliveries import DELIVERIES_BY_WEBHOOK

COUNT = 50_000
PAGE = 51
START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = ("QUEUED", "ASSIGNED", "ON_HOLD")


def user(number: int) -> dict[str, Any]:
    """Half of the users are agents, of 25 departments. One in a hundred is a bot."""
    is_agent = bool(number % 2)
    status = "AVAILABLE" if number % 4 == 1 else "NOT_AVAILABLE"
    agent = {"status": status, "departmentIds": [f"D{number % 25}"], "openRoomCount": 0}
    return {
        "_id": f"{number:06}",
        "usernameKey": f"user-{number * 7_919 % COUNT:06}",
        "emailKeys": [f"u{number}@example.org"],
        "roles": ["bot"] if number % 100 == 0 else ["livechat-agent"] if is_agent else [],
        "attrs": [],
        **({"agent": agent, "routable": number % 1000 == 1} if is_agent else {"agent": None}),
    }


def room(number: int, room_id: str) -> dict[str, Any]:
    """One room in a hundred is open, with 50 agents. One in fifty has a priority."""
    is_open = number % 100 == 0
    return {
        "_id": room_id,
        "status": OPEN[number // 100 % 3] if is_open else "CLOSED",
        "departmentId": f"D{number % 25}",
        "servedById": f"A{number // 100 % 50}" if is_open else None,
        "lastServedById": f"A{number % 500}",
        "visitorId": f"V{number % 500}",
        "tags": [f"t{number % 500}", "all"],
        "priority": 0 if number % 50 else number // 50 % 7,
        "startedAt": START + timedelta(minutes=number),
        "attrs": [],
    }


@pytest.fixture(scope="module")
def database(mongodb_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        database = client["test-lists-use-indexes"]
        database["users"].insert_many([user(number) for number in range(COUNT)], ordered=False)
        ids = [new_id(START + timedelta(minutes=number)) for number in range(COUNT)]
        database["rooms"].insert_many([room(number, ids[number]) for number in range(COUNT)], ordered=False)
        for name in ("users", "rooms"):
            database[name].create_indexes(list(INDEXES[name]))
        yield database
        client.drop_database("test-lists-use-indexes")


BY_CREATION = SortOrder("any")


def examined(
    database: Database[dict[str, Any]],
    target: FieldTarget,
    where: Expression,
    order: SortOrder = BY_CREATION,
    *,
    after: list[object] | None = None,
) -> tuple[int, int]:
    """The rows of a page, and the keys examined for them."""
    parts = [to_query(where, target), *(id_bounds(where) if target is FieldTarget.ROOM else ())]
    if after is not None:
        parts.append(order.query_beyond(order.position_of(page_cursor(order.name, after)), inclusive=True))
    found = database["users" if target is FieldTarget.USER else "rooms"].find({"$and": parts})
    stats = found.sort(order.sort()).limit(PAGE).explain()["executionStats"]
    assert stats["totalDocsExamined"] <= stats["totalKeysExamined"]
    return stats["nReturned"], stats["totalKeysExamined"]


def eq(name: str, value: object) -> Expression:
    return AttributeCondition(name, Operator.EQ, value)


def middle(database: Database[dict[str, Any]], target: FieldTarget) -> str:
    """The id in the middle of the list."""
    collection = database["users" if target is FieldTarget.USER else "rooms"]
    return str(next(collection.find({}, ["_id"]).sort("_id", 1).skip(COUNT // 2).limit(1))["_id"])


USER_FILTERS: dict[str, Expression] = {
    "everybody": EVERYTHING,
    "role": eq("role", "bot"),
    "agents": eq("isAgent", True),
    "status": eq("agentStatus", "AVAILABLE"),
    "department": eq("department", "D3"),
    "email": eq("email", "u30001@example.org"),
    "username": eq("username", "user-000007"),
}
ROOM_FILTERS: dict[str, Expression] = {
    "everything": EVERYTHING,
    "status": eq("status", "QUEUED"),
    "closed": eq("status", "CLOSED"),
    "open": AttributeCondition("status", Operator.IN, OPEN),
    "department": eq("department", "D3"),
    "department and status": And((eq("department", "D0"), eq("status", "QUEUED"))),
    "servedBy": eq("servedBy", "A0"),
    "visitor": eq("visitor", "V7"),
    "tag": eq("tag", "t7"),
    "visitor and tag": And((eq("visitor", "V7"), eq("tag", "all"))),
    "since": AttributeCondition("startedAt", Operator.GT, START + timedelta(minutes=COUNT - 200)),
    "until": AttributeCondition("startedAt", Operator.LT, START + timedelta(minutes=200)),
}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", USER_FILTERS)
def test_a_page_of_users_examines_a_page(database: Database[dict[str, Any]], name: str, deep: bool) -> None:
    after: list[object] | None = [middle(database, FieldTarget.USER)] if deep else None

    rows, keys = examined(database, FieldTarget.USER, USER_FILTERS[name], after=after)

    assert keys <= 2 * rows + 5


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ROOM_FILTERS)
def test_a_page_of_rooms_examines_a_page(database: Database[dict[str, Any]], name: str, deep: bool) -> None:
    after: list[object] | None = [middle(database, FieldTarget.ROOM)] if deep else None

    rows, keys = examined(database, FieldTarget.ROOM, ROOM_FILTERS[name], after=after)

    # Lists that the database sorts stay short: the rooms of an agent, and waiting rooms.
    small = {"department and status": 200, "servedBy": 20}.get(name, 0)
    assert keys <= 2 * rows + 5 + small


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("after", [None, ["user-025000", "any"]])
def test_users_by_name_cost_the_same_on_every_page(
    database: Database[dict[str, Any]], descending: bool, after: list[object] | None
) -> None:
    order = BY_USERNAME.reversed() if descending else BY_USERNAME

    assert examined(database, FieldTarget.USER, EVERYTHING, order, after=after) == (PAGE, PAGE)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_rooms_by_priority_cost_the_same_on_every_page(
    database: Database[dict[str, Any]], descending: bool, deep: bool
) -> None:
    order = BY_PRIORITY.reversed() if descending else BY_PRIORITY
    after: list[object] | None = [0, middle(database, FieldTarget.ROOM)] if deep else None

    rows, keys = examined(database, FieldTarget.ROOM, EVERYTHING, order, after=after)

    assert rows == PAGE
    assert keys <= PAGE + 5


def test_usernames_are_filtered_by_prefix_through_an_index(database: Database[dict[str, Any]]) -> None:
    starting = AttributeCondition("username", Operator.STARTS_WITH, "user-0001")

    rows, keys = examined(database, FieldTarget.USER, starting, BY_USERNAME)
    assert (rows, keys) == (PAGE, PAGE)

    rows, keys = examined(database, FieldTarget.USER, starting)
    assert keys <= 105  # all hundred, sorted by creation


def test_emails_are_filtered_by_prefix_through_an_index(database: Database[dict[str, Any]]) -> None:
    starting = AttributeCondition("email", Operator.STARTS_WITH, "u3000")

    rows, keys = examined(database, FieldTarget.USER, starting)

    assert rows == 11
    assert keys <= 15


@pytest.mark.parametrize("after", [None, "020000"])
def test_lists_of_many_parents_examine_only_their_pages(database: Database[dict[str, Any]], after: str | None) -> None:
    departments = [f"D{number}" for number in range(25)]
    database["departments"].insert_many([{"_id": one} for one in departments] if after is None else [{"_id": "last"}])
    query = (
        {}
        if after is None
        else AGENTS_BY_DEPARTMENT.order.query_beyond(
            AGENTS_BY_DEPARTMENT.order.position_of(page_cursor(AGENTS_BY_DEPARTMENT.order.name, [after]))
        )
    )
    pipeline = lookup_pipeline(
        AGENTS_BY_DEPARTMENT, departments, first_children_stages(AGENTS_BY_DEPARTMENT, query, 11)
    )

    plan = database.command(
        "explain", {"aggregate": "departments", "pipeline": pipeline, "cursor": {}}, verbosity="executionStats"
    )

    (stage,) = [stage for stage in plan["stages"] if "$lookup" in stage]
    assert stage["indexesUsed"] == ["department"]
    assert stage["nReturned"] == 25 * 11
    # MongoDB does not report what it examined for the last parent.
    assert stage["totalKeysExamined"] == stage["totalDocsExamined"] == 24 * 11


def test_the_newest_deliveries_of_many_webhooks_examine_only_their_pages(database: Database[dict[str, Any]]) -> None:
    ids = [f"W{number}" for number in range(20)]
    entries = [{"_id": f"{one}-{number}", "webhookId": one, "number": number} for one in ids for number in range(1_000)]
    database["webhooks"].insert_many([{"_id": one} for one in ids])
    database["webhook_deliveries"].insert_many(entries, ordered=False)
    database["webhook_deliveries"].create_indexes(list(INDEXES["webhook_deliveries"]))
    pipeline = lookup_pipeline(DELIVERIES_BY_WEBHOOK, ids, first_children_stages(DELIVERIES_BY_WEBHOOK, {}, 11))

    plan = database.command(
        "explain", {"aggregate": "webhooks", "pipeline": pipeline, "cursor": {}}, verbosity="executionStats"
    )
    newest = [row["child"]["number"] for row in database["webhooks"].aggregate(pipeline) if row["_id"] == "W7"]

    (stage,) = [stage for stage in plan["stages"] if "$lookup" in stage]
    assert stage["indexesUsed"] == ["number"]
    assert stage["nReturned"] == 20 * 11
    # MongoDB does not report what it examined for the last parent.
    assert stage["totalKeysExamined"] == stage["totalDocsExamined"] == 19 * 11
    assert newest == list(range(999, 988, -1))
