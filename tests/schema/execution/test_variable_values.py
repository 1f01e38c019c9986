"""Variables and arguments have the values that graphql-core gives them."""

from typing import Any

import pytest
from graphql import FieldNode, OperationDefinitionNode, build_schema
from graphql.execution.values import get_argument_values, get_variable_values

from schema.execution.cost_limits import DEFAULT_LIMITS
from schema.execution.documents import Document
from schema.execution.variable_values import argument_values, coercion_of
from schema.schema import schema

API = build_schema("""
    enum Colour { RED GREEN }
    input Filter { and: [Filter!] name: String }
    input By @oneOf { id: ID name: String }
    input Deep { by: By filter: Filter numbers: [Int!]! = [1, 2] }
    input Input { text: String! colour: Colour = GREEN lists: [[Int]] deep: Deep flag: Boolean }
    type Query {
      field(input: Input, n: Int = 3, by: By, colour: Colour, ids: [ID!], where: Filter, deep: [Deep]): String
    }
""")


def operation_of(text: str, api: Any = API) -> tuple[Document, OperationDefinitionNode]:
    document = Document(text, api, DEFAULT_LIMITS)
    operation = document.operation(None)
    assert operation is not None
    return document, operation


def field_of(operation: OperationDefinitionNode) -> FieldNode:
    (node,) = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    return node


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("Int", [None, 1, 1.0, 1.5, "1", True, 2**31, [1], {}]),
        ("Int!", [None, 1]),
        ("[ID!]", [None, "a", 1, ["a", 1], ["a", None], [], {}, "", {"a": 1}]),
        ("[ID]!", [None, ["a", None]]),
        ("Colour", ["RED", "BLUE", 1, None]),
        ("By", [{"id": "a"}, {"id": None}, {}, {"id": "a", "name": "b"}, {"id": "a", "name": None}, {"x": 1}, [], "a"]),
        ("Filter", [{}, {"name": "a"}, {"and": None}, {"and": [{"name": "a"}, {"and": []}]}, {"and": {}}, {"or": []}]),
        ("[Deep]", [{}, [{}], [{"numbers": []}], [{"numbers": None}], [{"by": {"id": 1}, "filter": {"and": [{}]}}]]),
        (
            "Input",
            [
                {"text": "a"},
                {"text": None},
                {},
                {"text": "a", "colour": None, "flag": "true"},
                {"flag": True, "colour": "RED", "text": "a", "lists": [[1], [None, 2], None, 3]},
                {"text": "a", "lists": [["x"]]},
                {"text": "a", "deep": {"numbers": 1, "by": {"name": "a"}}},
                {"text": "a", "unknown": 1},
            ],
        ),
    ],
)
def test_variables_have_the_values_of_graphql_core(kind: str, values: list[Any]) -> None:
    argument = {"Int": "n", "Int!": "n", "[ID!]": "ids", "[ID]!": "ids", "[Deep]": "deep", "Filter": "where"}.get(kind)
    document, operation = operation_of(f"query q($v: {kind}) {{ field({argument or kind.lower()}: $v) }}")
    for given in ({}, *({"v": value, "other": 1} for value in values)):
        expected = get_variable_values(API, operation.variable_definitions or (), dict(given))

        found = document.variable_values(operation, given)

        if isinstance(expected, list):
            assert found is None
            continue
        assert found is not None
        assert repr(found.coerced) == repr(expected.coerced)  # also in the same order
        assert {name: source.value for name, source in found.sources.items()} == {
            name: source.value for name, source in expected.sources.items()
        }
        field = API.query_type.fields["field"]  # type: ignore[union-attr]
        node = field_of(operation)
        assert argument_values(field, node)(found) == get_argument_values(field, node, expected)


def test_defaults_of_variables_apply() -> None:
    document, operation = operation_of("query q($n: Int = 7, $m: Int! = 8) { field(n: $n, ids: [$m]) }")

    found = document.variable_values(operation, {})

    assert found is not None
    assert found.coerced == {"n": 7, "m": 8}


def test_inputs_of_mutations_are_coerced_without_graphql_core() -> None:
    api = schema._schema
    _, operation = operation_of("mutation m($i: StartRoomInput!) { startRoom(input: $i) { room { id } } }", api)
    coercion = coercion_of(api, operation.variable_definitions or ())
    assert coercion is not None
    given = {"i": {"visitorToken": "v", "tags": ["a"], "customFields": [{"key": "k", "value": "x"}], "priority": 2}}
    expected = get_variable_values(api, operation.variable_definitions or (), given)

    found = coercion.coerce(given)

    assert found is not None
    assert not isinstance(expected, list)
    assert found.coerced == expected.coerced


def test_inputs_in_inputs_of_the_same_type_are_left_to_graphql_core() -> None:
    document, operation = operation_of("query q($f: Filter) { field(where: $f) }")
    coercion = coercion_of(API, operation.variable_definitions or ())
    assert coercion is not None
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"and": [deep]}

    assert coercion.coerce({"f": {"and": [{}]}}) is None
    assert document.variable_values(operation, {"f": deep}) is None
