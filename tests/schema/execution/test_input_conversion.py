"""Inputs are made as Strawberry makes them, in a quicker way."""

from typing import Any

import pytest
import strawberry
from graphql import GraphQLInputObjectType, coerce_input_value
from strawberry.types.arguments import convert_argument

from schema.schema import schema

API = schema._schema
GIVEN: list[tuple[str, dict[str, Any]]] = [
    ("UserFilter", {}),
    (
        "UserFilter",
        {
            "and": [{"username": {"startsWith": "a"}}, {"not": {"or": [{"active": True}]}}],
            "ids": ["1", "2"],
            "presence": ["ONLINE", "AWAY"],
            "customFields": [{"key": "k", "in": ["a", 1, True], "gt": None}, {"key": "l", "exists": False}],
        },
    ),
    ("UserFilter", {"and": None, "not": None, "presence": None}),
    ("CreateUserInput", {"username": "anna"}),
    ("CreateUserInput", {"username": "anna", "type": "BOT", "customFields": [{"key": "k", "value": ["a"]}]}),
    ("UpdateRoomInput", {"roomId": "r", "subject": None, "increment": [{"key": "n", "by": 1}]}),
    ("StartRoomInput", {"visitorToken": "v", "tags": ["a"]}),
    ("TransferRoomInput", {"roomId": "r", "to": {"agentId": "a"}}),
    ("RoomFilter", {"startedAfter": "2030-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("name", "given"), GIVEN)
def test_input_is_made_as_strawberry_makes_it(
    monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, Any]
) -> None:
    coerced = coerce_input_value(given, API.type_map[name])  # type: ignore[arg-type]
    quick = convert(name, coerced)

    for kind in API.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            monkeypatch.setattr(kind.extensions["strawberry-definition"], "from_input", None)

    assert quick == convert(name, coerced)
    assert type(quick) is type(convert(name, coerced))


def convert(name: str, value: object) -> Any:
    kind = API.type_map[name].extensions["strawberry-definition"].origin
    return convert_argument(value, kind, schema.schema_converter.scalar_registry, schema.config)


def test_a_default_is_nobodys_own() -> None:
    lists = [convert("UserFilter", {"ids": ["1"]}).ids for _ in range(2)]

    lists[0].append("2")

    assert lists[1] == ["1"]
    assert convert("UserFilter", {}).ids is strawberry.UNSET
