"""The limits of a document, and the number of steps in which they are checked."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType

import pytest
from graphql import get_introspection_query, parse, specified_rules, validate

from resolvers.auth.access import ANONYMOUS
from resolvers.context import Context
from schema.execution import cost_limits
from schema.execution.context import RequestContext
from schema.execution.cost_limits import DEFAULT_LIMITS, Limits
from schema.schema import schema
from storage.errors import QueryTooComplex

API = schema._schema
NONE: Mapping[str, object] = {}
PAGE = "query($first: Int = 2) { rooms(first: $first) { nodes { id status } } }"
NODES = "query($ids: [ID!]! = [1, 2]) { nodes(ids: $ids) { ... on Room { messages(first: 10) { nodes { id } } } } }"
#: The fields that a page with a list of rooms shows.
DASHBOARD = """
    query { rooms(first: 100, orderBy: {field: PRIORITY, direction: DESC}) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes {
            id status revision subject tags priority startedAt assignedAt closedAt closeComment
            customFields { key value } visitor { id name email phone customFields { key value } } department { id name }
            servedBy { id status openRoomCount user { id username name presence roles { name } } }
            messages(first: 20) { nodes { id text sentAt sender { type id name } } }
        } }
        agents { nodes { id status maxRooms openRoomCount routable user { username presence } departments { name } } } }
"""
#: 30 levels of two spreads each: half a billion fields in less than a thousand characters.
BOMB = (
    "{...a}"
    + "".join(
        f"fragment {a} on Query{{...{b} ...{b}}}"
        for a, b in zip("abcdefghijklmnopqrstuvwxyzABCD", "bcdefghijklmnopqrstuvwxyzABCDE", strict=True)
    )
    + "fragment E on Query{roles{name}}"
)


def check(text: str, allowed: Limits = DEFAULT_LIMITS, **variables: object) -> None:
    cost_limits.check(API, parse(text), allowed, variables)


def refusal(text: str, allowed: Limits = DEFAULT_LIMITS, **variables: object) -> str:
    with pytest.raises(QueryTooComplex) as caught:
        check(text, allowed, **variables)
    return caught.value.message


def calls_of(run: Callable[[], object]) -> int:
    """The number of Python calls of `run`, which does not depend on the machine or its load."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "text",
    [
        get_introspection_query(),
        get_introspection_query(specified_by_url=True, schema_description=True, input_value_deprecation=True),
        DASHBOARD,
        "subscription { events { id type ... on RoomEvent { room { roomId servedBy { user { username } } } } } }",
    ],
)
def test_operations_of_graphiql_and_dashboards_cost_less_than_two_thirds_of_the_limits(text: str) -> None:
    check(text, replace(DEFAULT_LIMITS, complexity=2 * DEFAULT_LIMITS.complexity // 3, depth=16))


def test_introspection_costs_as_much_as_its_lists_are_long() -> None:
    """Each selection of `types` has an entry for every type, so that many small selections are expensive."""
    inner = "fields { type { ofType { fields { name description } interfaces { name } } } }"

    check(f"{{ __schema {{ types {{ {inner} }} }} }}")
    assert "points of complexity" in refusal(
        "{" + " ".join(f"a{number}: __schema {{ types {{ {inner} }} }}" for number in range(49)) + "}"
    )


@pytest.mark.parametrize(
    ("text", "allowed", "message"),
    [
        ("{ viewer { id } }", Limits(depth=1), "The operation has 2 levels of nesting; the maximum is 1."),
        ("{ a: viewer { b: id } }", Limits(aliases=1), "The operation has 2 aliases; the maximum is 1."),
        (
            "query @a { viewer @b { id @c } }",
            Limits(directives=2),
            "The operation has 3 directives; the maximum is 2.",
        ),
        ("{ roles { id } viewer { id } }", Limits(root_fields=1), "The operation has 2 root fields; the maximum is 1."),
        (
            "{ ...a } fragment a on Query { ...b ...b } fragment b on Query { x: roles { id } }",
            Limits(aliases=1),
            "The operation has 2 aliases; the maximum is 1.",
        ),
        (
            "{ ... { ... on Query { roles { id } viewer { id } } } }",
            Limits(root_fields=1),
            "The operation has 2 root fields; the maximum is 1.",
        ),
        (
            "query a { viewer { id } } query b { viewer { id name } }",
            Limits(complexity=2),
            f"The operation has 3 points of complexity; the maximum is 2.{cost_limits.HINTS[cost_limits.POINTS]}",
        ),
    ],
)
def test_the_error_names_the_exceeded_limit(text: str, allowed: Limits, message: str) -> None:
    assert refusal(text, allowed) == message


@pytest.mark.parametrize(
    ("text", "variables", "complexity"),
    [
        ("{ viewer { id } }", {}, 2),
        ("{ rooms { nodes { id } } }", {}, 1 + 50 * 2),
        ("{ rooms(first: 10) { nodes { id } } }", {}, 1 + 10 * 2),
        ("{ rooms(first: 10) { nodes { messages(first: 20) { nodes { id } } } } }", {}, 1 + 10 * (1 + 1 + 20 * 2)),
        ("{ rooms(first: 2147483647) { nodes { id } } }", {}, 1 + 200 * 2),
        (f"{{ rooms(first: {'9' * 1000}) {{ nodes {{ id }} }} }}", {}, 1 + 200 * 2),
        ("{ rooms { edges { node { id } } pageInfo { endCursor } } }", {}, 1 + 2 + 50 * (1 + 1 + 1)),
        ("{ rooms { ...a } } fragment a on RoomConnection { nodes { id } }", {}, 1 + 50 * 2),
        ("{ rooms(first: 10) { totalCount } }", {}, 1 + 1 + cost_limits.COUNT_POINTS),
        ("{ events(first: 10) { totalCount } }", {}, 1 + 1 + cost_limits.EVENT_COUNT_POINTS),
        ("{ rooms(first: -1) { nodes { id } } }", {}, 1 + 2),
        ("{ departments { id } }", {}, 1 + cost_limits.LIST_ENTRIES),
        ("{ timers(roomId: 1) { name room { id } } }", {}, 1 + 100 * (1 + 2)),
        ("{ consumers { name } }", {}, 1 + 1_000),
        ("{ webhooks { name } }", {}, 1 + 500),
        ("{ webhooks { deliveries(first: 3) { nodes { number } } } }", {}, 1 + 500 * (1 + 3 * 2)),
        ("{ nodes(ids: [1, 2, 3]) { id } }", {}, 1 + 3),
        ("{ nodes(ids: 1) { id } }", {}, 1 + 1),
        (NODES, {"ids": ["1"] * 5}, 1 + 5 * (1 + 10 * 2)),
        (NODES, {"ids": ["1"] * 300}, 1 + 200 * (1 + 10 * 2)),
        (NODES, {}, 1 + 2 * (1 + 10 * 2)),
        ("{ unknown { id } }", {}, 2),
        (PAGE, {}, 1 + 2 * 3),
        (PAGE, {"first": 3}, 1 + 3 * 3),
        (PAGE, {"first": 3.0}, 1 + 3 * 3),
        (PAGE, {"first": None}, 1 + 50 * 3),
        (PAGE, {"first": 10**30}, 1 + 200 * 3),
        (PAGE, {"first": "many"}, 1 + 50 * 3),
    ],
)
def test_pages_and_lists_multiply_the_cost_of_their_entries(
    text: str, variables: dict[str, object], complexity: int
) -> None:
    check(text, Limits(complexity=complexity), **variables)
    assert str(complexity) in refusal(text, Limits(complexity=complexity - 1), **variables)


def test_the_cost_of_a_recursive_fragment_is_finite() -> None:
    check("{ ...a } fragment a on Query { viewer { id } ...b } fragment b on Query { ...a }")


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "{ " + "viewer { id } " * 400 + "}",
        "{ " + " ".join(f"...f{i}" for i in range(80)) + " }" + "fragment f0 on Query { viewer { id } }",
        "".join(f"fragment f{i} on Query {{ viewer {{ id }} }} " for i in range(101)) + "{ ...f1 }",
        "".join(f"query q{i} {{ viewer {{ id }} }} " for i in range(51)),
        "{ rooms { nodes { " + "servedBy { rooms { nodes { " * 8 + "id" + " } } }" * 8 + " } } }",
        "{ a: __schema { types { fields { type { fields { type { fields { name } } } } } } } "
        + "".join(f"b{i}: __schema {{ types {{ name }} }} " for i in range(100))
        + "}",
    ],
)
def test_expensive_documents_are_refused_after_few_steps(text: str) -> None:
    document = parse(text)

    def refused() -> None:
        with pytest.raises(QueryTooComplex):
            cost_limits.check(API, document, DEFAULT_LIMITS, NONE)

    assert calls_of(refused) < 20_000


@pytest.mark.parametrize(
    "text",
    [
        "{ " + "rooms { nodes { visitor { id } } } " * 49 + "}",
        "{ "
        + " ".join(f"...f{i}" for i in range(40))
        + " }"
        + "".join(f"fragment f{i} on Query {{ viewer {{ id }} roles {{ id }} }} " for i in range(40)),
        "{ " + " ".join(f"{'room' * 5}{i}" for i in range(49)) + " }",
    ],
)
def test_documents_within_the_limits_are_validated_in_bounded_steps(text: str) -> None:
    document = parse(text)
    cost_limits.check(API, document, replace(DEFAULT_LIMITS, root_fields=1_000), NONE)

    calls = calls_of(lambda: validate(API, document, specified_rules))

    assert calls < 300_000


# ---------------------------------------------------------------- in an operation


async def codes(text: str, allowed: Limits = DEFAULT_LIMITS, **variables: object) -> list[str]:
    context = RequestContext(Context(services=None, caller=ANONYMOUS), allowed)  # type: ignore[arg-type]
    result = await schema.execute(text, variable_values=variables, context_value=context)
    return [error.formatted["extensions"]["code"] for error in result.errors or []]


@pytest.mark.parametrize(
    "text",
    [
        "{ __typename }" + " " * 100_000,
        "{" + " __typename" * 6_000 + "}",
        "{a" * 500 + "}" * 500,
        BOMB,
        # Also invalid. The validation would take long.
        "{ users(where: {" + ", ".join(f"customFeld{i}: 1" for i in range(2_000)) + "}) { nodes { id } } }",
    ],
)
async def test_operation_beyond_a_limit_is_query_too_complex(text: str) -> None:
    assert await codes(text) == ["QUERY_TOO_COMPLEX"]


async def test_size_in_a_variable_is_counted_in_each_operation() -> None:
    allowed = Limits(complexity=100)

    assert await codes(PAGE, allowed, first=10) == ["UNAUTHENTICATED"]
    assert await codes(PAGE, allowed, first=10) == ["UNAUTHENTICATED"]
    assert await codes(PAGE, allowed, first=50) == ["QUERY_TOO_COMPLEX"]
    assert await codes(PAGE, allowed, first=10) == ["UNAUTHENTICATED"]
    assert await codes(NODES, allowed, ids=["a"] * 4) == ["UNAUTHENTICATED"]
    assert await codes(NODES, allowed, ids=["a"] * 5) == ["QUERY_TOO_COMPLEX"]


async def test_introspection_can_be_turned_off() -> None:
    closed = Limits(introspection=False)

    assert set(await codes("{ __schema { queryType { name } } }", closed)) == {"GRAPHQL_VALIDATION_FAILED"}
    assert set(await codes('{ __type(name: "Room") { name } }', closed)) == {"GRAPHQL_VALIDATION_FAILED"}
    assert await codes("{ __typename }", closed) == []
    assert await codes("{ __schema { queryType { name } } }") == []


async def test_without_introspection_errors_suggest_no_names() -> None:
    context = RequestContext(Context(services=None, caller=ANONYMOUS), Limits(introspection=False))  # type: ignore[arg-type]

    result = await schema.execute("{ room { id } rom { id } }", context_value=context)

    assert result.errors
    assert all("Did you mean" not in error.message for error in result.errors)
