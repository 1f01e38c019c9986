"""The exported schema holds everything of contract.graphql, with the same types, nullability, defaults and enum
values."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    TypeDefinitionNode,
    parse,
    print_ast,
)

from schema.schema import schema

CONTRACT = Path(__file__).with_name("contract.graphql").read_text()


def _types(text: str) -> Mapping[str, TypeDefinitionNode]:
    return {node.name.value: node for node in parse(text).definitions if isinstance(node, TypeDefinitionNode)}


FLOOR = _types(CONTRACT)
OURS = _types(schema.as_str())


def _input(node: InputValueDefinitionNode) -> str:
    default = "" if node.default_value is None else f" = {print_ast(node.default_value)}"
    return f"{node.name.value}: {print_ast(node.type)}{default}"


def _field(node: FieldDefinitionNode) -> set[str]:
    """The field and each of its arguments, one line each: arguments may be added, but not changed."""
    name = node.name.value
    return {f"{name}: {print_ast(node.type)}", *(f"{name}({_input(argument)})" for argument in node.arguments or ())}


def _name(line: str) -> str:
    """The name of the field that a line is about."""
    return line.partition(":")[0].partition("(")[0]


def _directives(nodes: tuple[ConstDirectiveNode, ...] | None) -> set[str]:
    return {f"@{node.name.value}" for node in nodes or ()}


def _lines(node: DefinitionNode) -> set[str]:
    match node:
        case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
            kind = "type" if isinstance(node, ObjectTypeDefinitionNode) else "interface"
            interfaces = {f"implements {interface.name.value}" for interface in node.interfaces or ()}
            return {kind}.union(interfaces, *(_field(field) for field in node.fields or ()))
        case InputObjectTypeDefinitionNode():
            return {"input", *(_input(field) for field in node.fields or ())} | _directives(node.directives)
        case EnumTypeDefinitionNode():
            return {"enum", *(value.name.value for value in node.values or ())}
        case ScalarTypeDefinitionNode():
            return {"scalar"}
    raise AssertionError(f"the contract has no {type(node).__name__}")


@pytest.mark.parametrize("name", FLOOR)
def test_every_type_of_the_contract_is_in_the_schema_unchanged(name: str) -> None:
    missing = _lines(FLOOR[name]) - _lines(OURS[name])

    assert missing == set()


@pytest.mark.parametrize(
    "name", [name for name, node in FLOOR.items() if isinstance(node, InputObjectTypeDefinitionNode)]
)
def test_inputs_require_no_fields_beyond_the_contract(name: str) -> None:
    added = _lines(OURS[name]) - _lines(FLOOR[name])

    assert [line for line in added if line.endswith("!")] == []


def test_fields_require_no_arguments_beyond_the_contract() -> None:
    """Fields that the contract does not have may: they are new."""
    needed = set()
    for name, node in FLOOR.items():
        present = {_name(line) for line in _lines(node)}
        for line in _lines(OURS[name]) - _lines(node):
            if line.endswith("!)") and _name(line) in present:
                needed.add((name, line))

    assert needed == set()
