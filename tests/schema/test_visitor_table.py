"""What is open to a visitor's token: the table of the code, of the contract and of the page on security are one."""

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
from schema.execution.visitor_fields import rule_of
from schema.schema import schema
from schema.visitor_values import VALUES as LIMITED
from storage.records import Actor, ActorType, Visitor
from tests.schema.test_scopes import OPEN, OPEN_TO_VISITORS
from tests.schema.visitor_paths import API, ROOTS, Reached, object_types, open_root_fields, reached

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
VISITOR = Visitor(id="visitor", token="v", created_at=datetime(2026, 1, 1, tzinfo=UTC))
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
        place for place in (*HIDDEN_VALUES, *LIMITED) if place.split(".")[1] not in fields[place.split(".")[0]]
    } == (set())
    assert {place for place in LIMITED if place.split(".")[1] not in FIELDS[place.split(".")[0]]} == set()
    assert ARGUMENTS - arguments <= {"notByMe"}


def test_every_other_field_of_every_type_is_hidden_or_refused() -> None:
    for kind in object_types():
        for name, field in kind.fields.items():
            place, rule = f"{kind.name}.{name}", rule_of(field)
            if name in FIELDS.get(kind.name, ()):
                assert (rule is not None) == (place in LIMITED), place
                continue
            assert rule is not None, place
            assert rule.hidden, place
            inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
            if place in HIDDEN_VALUES:
                expected: object = 0
            elif isinstance(inner, GraphQLList):
                expected = []
            elif inner is field.type:
                expected = None
            else:
                assert rule.refused, place
                continue
            assert not rule.refused, place
            assert rule.resolve(object(), context=None) == expected, place


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
    caller = Caller(Actor(type=ActorType.VISITOR, id=VISITOR.id, name=None), visitor=VISITOR)
    context = RequestContext(Context(services=None, caller=caller))  # type: ignore[arg-type]  # nothing can run

    result = await _result(one.document, context)

    assert result.data is None
    (error,) = [cast(dict[str, Any], error.formatted) for error in result.errors or []]
    assert error["message"] == f"A visitor's token cannot read {one.path}."
    assert error["extensions"] == {"code": "FORBIDDEN", "key": one.path}


async def _result(document: str, context: RequestContext) -> ExecutionResult:
    if not document.startswith("subscription"):
        return cast(ExecutionResult, await schema.execute(document, context_value=context))
    results = await schema.subscribe(document, context_value=context)
    return cast(ExecutionResult, await anext(aiter(cast(AsyncIterator[ExecutionResult], results))))
