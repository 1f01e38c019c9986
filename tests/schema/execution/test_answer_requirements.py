"""A mutation whose selection has a page size out of bounds is refused before it changes anything."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, parse

from schema.execution.answer_requirements import find_requirements, required_scopes
from schema.schema import schema
from storage.errors import Invalid

API = schema._schema
CLOSE = 'closeRoom(input: {roomId: "1"})'


def test_each_mutation_of_a_document_has_its_own_pages() -> None:
    document = parse(
        f"mutation A {{ {CLOSE} {{ room {{ ...R }} }} }} fragment R on Room {{ messages(last: 300) {{ totalCount }} }} "
        f"mutation B {{ {CLOSE} {{ room {{ id }} }} }} query C {{ rooms(first: 0) {{ totalCount }} }} "
        f"mutation D {{ {CLOSE} {{ room {{ messages(first: 0) @include(if: false) {{ totalCount }} }} }} }}"
    )

    sizes = {name: answer.sizes for name, answer in find_requirements(API, document).items()}
    assert sizes == {"A": {("last", None, 300)}, "B": set(), "D": set()}


@pytest.mark.parametrize(
    ("first", "variables"), [("201", {}), ("$first", {"first": 0}), ("$first", {}), ("9" * 30, {}), ("-1", {})]
)
def test_a_mutation_with_an_invalid_page_size_is_refused(first: str, variables: dict[str, int]) -> None:
    document = f"mutation ($first: Int = 0) {{ {CLOSE} {{ room {{ messages(first: {first}) {{ totalCount }} }} }} }}"
    (answer,) = find_requirements(API, parse(document)).values()

    with pytest.raises(Invalid) as refusal:
        answer.require(variables)

    assert refusal.value.data == {"key": "first"}


@pytest.mark.parametrize(("first", "variables"), [("200", {}), ("$first", {"first": 1}), ("$first", {"first": None})])
def test_a_mutation_with_a_valid_page_size_is_accepted(first: str, variables: dict[str, int | None]) -> None:
    document = f"mutation ($first: Int = 0) {{ {CLOSE} {{ room {{ messages(first: {first}) {{ totalCount }} }} }} }}"
    (answer,) = find_requirements(API, parse(document)).values()

    answer.require(variables)


def test_every_nested_field_whose_description_names_a_scope_declares_it() -> None:
    roots = (API.query_type, API.mutation_type, API.subscription_type)
    declaring = {
        f"{type_.name}.{name}": required_scopes(field)
        for type_ in API.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and type_ not in roots
        for name, field in type_.fields.items()
        if required_scopes(field) or "Needs the scope" in (field.description or "")
    }

    assert declaring == {
        "Agent.rooms": ("rooms:read",),
        "Department.agents": ("users:read",),
        "Room.appData": ("rooms:read",),
        "Room.events": ("events:read",),
        "Room.lastMessage": ("messages:read",),
        "Room.messages": ("messages:read",),
        "User.appData": ("users:read",),
        "Visitor.appData": ("visitors:read",),
        "Visitor.erasure": ("visitors:read",),
    }
