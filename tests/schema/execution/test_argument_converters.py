"""Arguments are converted as by Strawberry."""

from typing import Any

import pytest
from graphql import FieldNode, OperationDefinitionNode, parse
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import convert_arguments

from schema.execution.argument_converters import ArgumentConverters, converters_of
from schema.schema import schema


@pytest.mark.parametrize(
    "field",
    [
        '{ user(by: {customField: {key: "k", value: ["a", "b"]}}) { id } }',
        '{ user(by: {id: "usr_1"}) { id } }',
        "{ users { nodes { id } } }",
        "{ users(where: null, first: null, orderBy: null) { nodes { id } } }",
        '{ users(first: 3, after: "x", orderBy: {field: NAME, direction: DESC}) { nodes { id } } }',
        """{ users(where: {ids: ["usr_1", "usr_2"], and: [{not: {hasRoles: ["bot"]}}, {or: [{active: true}, {}]}],
            customFields: [{key: "a", eq: 1}, {key: "b", in: ["x", "y"]}, {key: "c"}]}) { nodes { id } } }""",
        "{ customFieldDefinitions(target: ROOM) { id } }",
        """mutation { createUser(input: {username: "a", name: null, type: BOT, emails: [], roles: ["bot"],
            customFields: [{key: "a", value: null}, {key: "b"}]}) { user { id } } }""",
        """mutation { startRoom(input: {visitorToken: "v", tags: ["a"], customFields: [{key: "k", value: 1.5}],
            clientMutationId: "m"}) { room { id } } }""",
    ],
)
def test_arguments_are_those_of_strawberry(field: str) -> None:
    api: Any = schema._schema
    (operation,) = parse(field).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (node,) = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    root = api.get_root_type(operation.operation)
    declared = root.fields[node.name.value]
    definition = declared.extensions["strawberry-definition"]
    values = get_argument_values(declared, node)

    found = converters_of(api).arguments(definition.arguments)(values)

    registry, config = schema.schema_converter.scalar_registry, schema.config
    assert found == convert_arguments(values, definition.arguments, registry, config)


def test_converters_of_a_schema_are_made_once() -> None:
    converters = converters_of(schema._schema)
    assert isinstance(converters, ArgumentConverters)
    assert converters_of(schema._schema) is converters
