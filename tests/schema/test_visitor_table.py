"""What a visitor's token opens: the tables of the code, of the contract and of the page on security agree."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, parse, validate
from strawberry.types import ExecutionResult

from resolvers.auth.access import Caller
from resolvers.context import Context
from schema.base.visitor_table import ARGUMENTS, FIELDS, HIDDEN_VALUES, INPUTS, VALUES
from schema.execution.context import RequestContext
from schema.execution.visitor_fields import find_refusals, rule_of
from schema.schema import schema
from schema.visitor_values import VALUES as LIMITED
from storage.records import Actor, ActorType, Visitor
from tests.schema.test_scopes import OPEN, OPEN_TO_VISITORS
from tests.schema.visitor_paths import API, ROOTS, Reached, object_types, open_root_fields, reached

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
VISITOR = Visitor(id="visitor", token="v", created_at=datetime(2026, 1, 1, tzinfo=UTC))
CALLER = Caller(Actor(type=ActorType.VISITOR, id=VISITOR.id, name=None), visitor=VISITOR)
REACHED = reached()
REFUSED = [one for one in REACHED if (rule := rule_of(one.field)) is not None and rule.refused]


def test_the_root_fields_of_the_contract_are_open_to_visitors_and_no_others() -> None:
    assert open_root_fields() == OPEN_TO_VISITORS | OPEN


def test_every_row_of_the_table_is_a_field_of_the_schema() -> None:
    fields = {kind.name: set(kind.fields) for kind in object_types()}
    inputs = {kind.name: set(kind.fields) for kind in API.type_map.values() if isinstance(kind, GraphQLInputObjectType)}
    enums = {kind.name: set(kind.values) for kind in API.type_map.values() if isinstance(kind, GraphQLEnumType)}
    arguments = {name for root in ROOTS for field in root.fields.values() for name in field.args}

    for table, existing in ((FIELDS, fields), (INPUTS, inputs), (VALUES, enums)):
        assert {kind: names - existing[kind] for kind, names in table.items() if names - existing[kind]} == {}
    assert {
        field_name
        for field_name in (*HIDDEN_VALUES, *LIMITED)
        if field_name.split(".")[1] not in fields[field_name.split(".")[0]]
    } == (set())
    assert {
        field_name for field_name in LIMITED if field_name.split(".")[1] not in FIELDS[field_name.split(".")[0]]
    } == set()
    assert ARGUMENTS - arguments <= {"notByMe"}


def test_every_other_field_of_every_type_is_hidden_or_refused() -> None:
    for kind in object_types():
        for name, field in kind.fields.items():
            field_name, rule = f"{kind.name}.{name}", rule_of(field)
            if name in FIELDS.get(kind.name, ()):
                assert (rule is not None) == (field_name in LIMITED), field_name
                continue
            assert rule is not None, field_name
            assert rule.hidden, field_name
            inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
            if field_name in HIDDEN_VALUES:
                expected: object = 0
            elif isinstance(inner, GraphQLList):
                expected = []
            elif inner is field.type:
                expected = None
            else:
                assert rule.refused, field_name
                continue
            assert not rule.refused, field_name
            assert rule.resolve(object(), context=None) == expected, field_name


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()

    rows = [line for line in lines if line.startswith("| ") and line.split("|")[1].strip() in FIELDS]
    assert rows == [f"| {kind} | {', '.join(sorted(fields))} |" for kind, fields in FIELDS.items()]


# ---------------------------------------------------------------- the whole schema, with a visitor's token


def test_the_walk_reaches_every_type_of_the_table() -> None:
    assert {one.kind for one in REACHED} >= FIELDS.keys()
    for one in REACHED:
        assert validate(API, parse(one.document)) == [], one.document


@pytest.mark.parametrize("one", REFUSED, ids=lambda one: f"{one.kind}.{one.name}")
async def test_an_operation_that_selects_a_hidden_field_is_forbidden_before_it_runs(one: Reached) -> None:
    context = RequestContext(Context(services=None, caller=CALLER))  # type: ignore[arg-type]  # nothing can run

    result = await _result(one.document, context)

    assert result.data is None
    (error,) = [cast(dict[str, Any], error.formatted) for error in result.errors or []]
    assert error["message"] == f"A visitor's token cannot read {one.path}."
    assert error["extensions"] == {"code": "FORBIDDEN", "key": one.path}


@pytest.mark.parametrize(
    ("selection", "key"),
    [
        ("room(by: {id: $id}) { servedBy { status } }", "room.servedBy.status"),
        ("mine: room(by: {id: $id}) { agent: servedBy { is: routable } }", "mine.agent.is"),
        ("room(by: {id: $id}) { servedBy { status @skip(if: true) } }", "room.servedBy.status"),
        ("room(by: {id: $id}) { servedBy { ... @include(if: false) { status } } }", "room.servedBy.status"),
        ("node(id: $id) { ... on AgentFields { status } }", "node.status"),
        ("node(id: $id) { ... on UserFields { username } }", "node.username"),
        ("node(id: $id) { ... on Role { name } }", "node.name"),
        ("room(by: {id: $id}) { ...A }", "room.servedBy.user.username"),
        ("rooms { nodes { id } } room(by: {id: $id}) { lastServedBy { ...B } }", "room.lastServedBy.user.username"),
    ],
)
async def test_hidden_fields_are_found_behind_aliases_fragments_interfaces_and_directives(
    selection: str, key: str
) -> None:
    fragments = "fragment A on Room { servedBy { ...B } } fragment B on Agent { user { ... on User { username } } }"
    used = fragments if "...A" in selection else fragments.partition("fragment B")[2] if "...B" in selection else ""
    if used and "...A" not in selection:
        used = f"fragment B{used}"
    context = RequestContext(Context(services=None, caller=CALLER))  # type: ignore[arg-type]  # nothing can run

    result = await schema.execute(
        f"query($id: ID!) {{ {selection} }} {used}", context_value=context, variable_values={"id": "room_x"}
    )

    assert [error.extensions for error in result.errors or []] == [{"code": "FORBIDDEN", "key": key}]


@pytest.mark.parametrize(
    "selection",
    [
        "room(by: {id: $id}) { tags priority customFields { key value } closeComment passedOver { id status } }",
        "room(by: {id: $id}) { ... on RoomFields { tags priority } servedBy { departments { id routing } } }",
        "users { nodes { username } }",  # the root field is refused when it is resolved
    ],
)
def test_selections_below_empty_or_refused_fields_are_not_checked(selection: str) -> None:
    document = parse(f"query($id: ID!) {{ {selection} }}")

    assert find_refusals(API, document) == {}


async def test_only_the_named_operation_of_a_document_is_checked() -> None:
    document = 'query A { errorCodes { code } } query B { room(by: {id: "room_x"}) { servedBy { status } } }'
    context = RequestContext(Context(services=None, caller=CALLER))  # type: ignore[arg-type]  # nothing can run

    first, second = [await schema.execute(document, context_value=context, operation_name=name) for name in ("A", "B")]

    assert first.errors is None
    assert [error.extensions for error in second.errors or []] == [{"code": "FORBIDDEN", "key": "room.servedBy.status"}]


async def _result(document: str, context: RequestContext) -> ExecutionResult:
    if not document.startswith("subscription"):
        return cast(ExecutionResult, await schema.execute(document, context_value=context))
    results = await schema.subscribe(document, context_value=context)
    return cast(ExecutionResult, await anext(aiter(cast(AsyncIterator[ExecutionResult], results))))
