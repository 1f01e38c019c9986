"""A change whose answer would be refused is refused itself, before anything is changed."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, parse

from schema.schema import schema
from schema.selections import required_scopes, scopes_of_answers

API = schema._schema
CLOSE = 'closeRoom(input: {roomId: "1"})'


@pytest.mark.parametrize(
    ("document", "scopes"),
    [
        (f"mutation {{ {CLOSE} {{ room {{ id servedBy {{ user {{ name }} }} }} }} }}", set()),
        (f"mutation {{ {CLOSE} {{ room {{ messages {{ totalCount }} }} }} }}", {"messages:read"}),
        (
            (
                f"mutation {{ {CLOSE} {{ room {{ ... on Room {{ ...R }} ...R }} }} }}"
                " fragment R on Room { events { nodes { ... on RoomEvent { room { messages { totalCount } } } } } }"
            ),
            {"events:read", "messages:read"},
        ),
        (
            (
                f"mutation {{ ...M }} fragment M on Mutation {{ {CLOSE} {{ room {{ servedBy {{ rooms {{ totalCount }}"
                " departments { agents { totalCount } } } } } }"
            ),
            {"rooms:read", "users:read"},
        ),
        (f"mutation {{ {CLOSE} {{ room {{ messages @include(if: false) {{ totalCount }} }} }} }}", set()),
        ("mutation { a: createRole(input: {name: null}) { nothing { messages } } ...Nothing }", set()),
        (f"mutation {{ ...A }} fragment A on Mutation {{ {CLOSE} {{ room {{ id }} }} ...A }}", set()),
    ],
)
def test_the_answer_needs_what_its_fields_need(document: str, scopes: set[str]) -> None:
    assert scopes_of_answers(API, parse(document)) == {None: scopes}


def test_each_mutation_of_a_document_needs_its_own() -> None:
    document = parse(
        f"mutation A {{ {CLOSE} {{ room {{ messages {{ totalCount }} }} }} }} "
        f"mutation B {{ {CLOSE} {{ room {{ id }} }} }} query C {{ rooms {{ totalCount }} }}"
    )

    assert scopes_of_answers(API, document) == {"A": {"messages:read"}, "B": set()}


def test_every_field_beneath_the_roots_that_says_it_needs_a_scope_declares_it() -> None:
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
        "Room.events": ("events:read",),
        "Room.messages": ("messages:read",),
    }
