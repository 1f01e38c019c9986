"""Every type, field, argument and enum value of the schema has a description."""

import re
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
)

from schema.base.docstrings import unwrap
from schema.schema import schema


def _described(api: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    for type_ in api.type_map.values():
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_):
            yield type_.name, type_.description
            yield from _parts(type_)
    for directive in api.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive.description


def _parts(type_: GraphQLNamedType) -> Iterator[tuple[str, str | None]]:
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in type_.fields.items():
            yield f"{type_.name}.{name}", field.description
            for argument_name, argument in field.args.items():
                yield f"{type_.name}.{name}({argument_name})", argument.description
    elif isinstance(type_, GraphQLInputObjectType):
        for name, input_field in type_.fields.items():
            yield f"{type_.name}.{name}", input_field.description
    elif isinstance(type_, GraphQLEnumType):
        for name, value in type_.values.items():
            yield f"{type_.name}.{name}", value.description


def test_every_description_is_a_sentence() -> None:
    descriptions = dict(_described(build_schema(schema.as_str())))

    undescribed = [
        name for name, text in descriptions.items() if not text or text[0].islower() or text[-1] not in ".:;"
    ]

    assert len(descriptions) > 900
    assert undescribed == []


def test_every_root_field_declares_its_scopes_or_is_open() -> None:
    api = build_schema(schema.as_str())

    roots = [api.query_type, api.mutation_type, api.subscription_type]
    undeclared = [
        name
        for root in roots
        if root is not None
        for name, field in root.fields.items()
        if field.ast_node is None
        or [directive.name.value for directive in field.ast_node.directives or ()] != ["needsScopes"]
    ]

    assert undeclared == ["errorCodes", "login"]


def test_paragraphs_of_descriptions_are_not_wrapped() -> None:
    wrapped = [
        name
        for name, text in _described(build_schema(schema.as_str()))
        if re.search(r"\S\n(?!\n|\s*([-*+] |\d+[.)] |\||#+ ))", text or "")
    ]

    assert wrapped == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One\nline.\n\nTwo\nlines.", "One line.\n\nTwo lines."),
        ("These:\n- one\n  goes on\n- two\n\nEnd.", "These:\n- one goes on\n- two\n\nEnd."),
        ("1. one\n2. two", "1. one\n2. two"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("So:\n```\na\n  b\n```\nand\nso on.", "So:\n```\na\n  b\n```\nand so on."),
        ("-1 is\nno list", "-1 is no list"),
        ("", ""),
    ],
)
def test_unwrapped_text_keeps_lists_tables_and_code(text: str, expected: str) -> None:
    assert unwrap(text) == expected
