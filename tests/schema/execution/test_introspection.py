"""Introspection: its results are cached, and other operations run while a result is computed."""

import asyncio
from typing import Any

from graphql import get_introspection_query, graphql_sync

from resolvers.context import Context
from schema.execution.context import RequestContext
from schema.execution.introspection import PUBLISHED_LOCATIONS
from schema.schema import schema

EVERYTHING = get_introspection_query(input_value_deprecation=True, specified_by_url=True)


async def ask(text: str, **variables: object) -> Any:
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]
    return await schema.execute(text, variable_values=variables, context_value=context)


async def test_result_equals_that_of_graphql_core() -> None:
    first, again = await ask(EVERYTHING), await ask(EVERYTHING)

    assert first.errors is None
    assert first.data == again.data == graphql_sync(schema._schema, EVERYTHING).data


async def test_other_operations_are_answered_during_introspection() -> None:
    ended: list[str] = []

    async def run(text: str, name: str) -> None:
        assert (await ask(text)).errors is None
        ended.append(name)

    await asyncio.gather(
        run(f"# not cached\n{EVERYTHING}", "everything"), *(run("{ __typename }", "one") for _ in range(5))
    )

    assert ended == [*["one"] * 5, "everything"]


async def test_introspection_with_variables_is_not_cached() -> None:
    text = "query ($name: String!) { __type(name: $name) { name } }"

    answers = [await ask(text, name=name) for name in ("Room", "Agent")]

    assert [answer.data for answer in answers] == [{"__type": {"name": "Room"}}, {"__type": {"name": "Agent"}}]


async def test_each_operation_of_a_document_has_its_own_result() -> None:
    text = "query A { __schema { queryType { name } } } query B { __schema { mutationType { name } } }"
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]

    answers = [await schema.execute(text, operation_name=name, context_value=context) for name in ("A", "B", "A")]

    schemas = [answer.data and answer.data["__schema"] for answer in answers]
    assert schemas == [{"queryType": {"name": "Query"}}, {"mutationType": {"name": "Mutation"}}, schemas[0]]


async def test_only_directive_locations_of_a_published_specification_are_returned() -> None:
    """By name: graphql-core 3.2 raises for a location that it does not know."""
    result = await ask(
        '{ __schema { directives { name locations } } __type(name: "__DirectiveLocation") { enumValues { name } } }'
    )

    assert result.errors is None
    locations = {one["name"]: set(one["locations"]) for one in result.data["__schema"]["directives"]}
    assert set().union(*locations.values()) <= PUBLISHED_LOCATIONS
    assert locations["deprecated"] == {
        "FIELD_DEFINITION",
        "ARGUMENT_DEFINITION",
        "INPUT_FIELD_DEFINITION",
        "ENUM_VALUE",
    }
    assert {one["name"] for one in result.data["__type"]["enumValues"]} == PUBLISHED_LOCATIONS
