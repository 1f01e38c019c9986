"""A change whose answer would be refused is refused itself, before anything is changed."""

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, parse

from resolvers.auth.access import Caller
from schema.execution.answer_requirements import find_requirements, required_scopes
from schema.schema import schema
from storage.errors import Invalid
from storage.records import Actor, ActorType

API = schema._schema
ADMIN = Caller(actor=Actor(type=ActorType.APP, id="app"), scopes=frozenset({"admin"}))
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
    assert find_requirements(API, parse(document))[None].scopes == scopes


def test_each_mutation_of_a_document_needs_its_own() -> None:
    document = parse(
        f"mutation A {{ {CLOSE} {{ room {{ messages {{ totalCount }} }} }} }} "
        f"mutation B {{ {CLOSE} {{ room {{ id }} }} }} query C {{ rooms {{ totalCount }} }}"
    )

    needed = {name: answer.scopes for name, answer in find_requirements(API, document).items()}
    assert needed == {"A": {"messages:read"}, "B": set()}


@pytest.mark.parametrize(
    ("first", "variables"), [("201", {}), ("$first", {"first": 0}), ("$first", {}), ("9" * 30, {}), ("-1", {})]
)
def test_a_page_that_is_none_is_refused_with_the_change(first: str, variables: dict[str, int]) -> None:
    document = f"mutation ($first: Int = 0) {{ {CLOSE} {{ room {{ messages(first: {first}) {{ totalCount }} }} }} }}"
    (answer,) = find_requirements(API, parse(document)).values()

    with pytest.raises(Invalid) as refusal:
        answer.require(ADMIN, variables)

    assert refusal.value.data == {"key": "first"}


@pytest.mark.parametrize(("first", "variables"), [("200", {}), ("$first", {"first": 1}), ("$first", {"first": None})])
def test_a_page_that_is_one_is_not(first: str, variables: dict[str, int | None]) -> None:
    document = f"mutation ($first: Int = 0) {{ {CLOSE} {{ room {{ messages(first: {first}) {{ totalCount }} }} }} }}"
    (answer,) = find_requirements(API, parse(document)).values()

    answer.require(ADMIN, variables)


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
