"""Ids in results have the prefix of their kind, and the kind of ids in inputs is checked."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_required_input_field,
)
from strawberry.types import ExecutionResult

from resolvers.auth.access import Caller
from resolvers.context import Context
from schema.base import ids
from schema.base.ids import InvalidId
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.errors import RoomAlreadyAssigned
from storage.records import Actor, ActorType, User

API = schema._schema
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
#: A logged-in user, because takeRoom refuses apps before it looks at its input.
ADMIN = Caller(
    actor=Actor(type=ActorType.USER, id="u", name="root"),
    scopes=frozenset({"admin"}),
    user=User(id="u", username="root", created_at=MOMENT, updated_at=MOMENT),
)
#: setAppData refuses users before it looks at its input.
AN_APP = Caller(actor=Actor(type=ActorType.APP, id="a", name="app"), scopes=frozenset({"admin"}))
#: An id of a kind that only `node` and `nodes` accept.
WRONG = "evt_1"
#: Root fields that take ids of every kind.
ANY_KIND = {"node", "nodes"}
#: The depth of nested inputs in which ids are searched. Filters contain filters without an end.
MAX_DEPTH = 3


def test_a_user_and_an_agent_are_named_by_the_id_of_either() -> None:
    assert ids.USER.parse("agt_1", "userId") == "1"
    assert ids.AGENT.parse("usr_1", "agentId") == "1"
    assert (ids.USER.format("1"), ids.AGENT.format("1")) == ("usr_1", "agt_1")


def test_an_id_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(InvalidId) as refusal:
        ids.AGENT.parse("room_1", "agentId")

    assert refusal.value.message == (
        '"room_1" is the id of a room; agentId takes the id of an agent, which begins with "agt_".'
    )
    assert refusal.value.data == {"key": "agentId"}


@pytest.mark.parametrize("given", ["", "1", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "xyz_1", "_1", "USR_1", "usr"])
def test_a_text_that_is_not_an_id_is_refused(given: str) -> None:
    with pytest.raises(InvalidId) as refusal:
        ids.USER.parse(given, "by.id")

    assert refusal.value.message.endswith('is not an id; by.id takes the id of a user, which begins with "usr_".')


@pytest.mark.parametrize("stored", ["", "_", "usr_1", "\0", "x" * 10_000])
def test_everything_after_the_prefix_is_the_stored_id(stored: str) -> None:
    assert ids.USER.parse(ids.USER.format(stored), "userId") == stored


def test_ids_in_the_data_of_an_error_have_prefixes() -> None:
    assert ids.with_prefixes(RoomAlreadyAssigned(agent_id="1", username="ann"))[1] == {
        "servedBy": {"id": "agt_1", "userId": "usr_1", "username": "ann"}
    }


# ---------------------------------------------------------------- every input of type ID


def id_inputs() -> Iterator[tuple[str, str, str]]:
    """Every input of type ID: the operation, its argument with a wrong id in it, and the key of the refusal."""
    for root in (API.query_type, API.mutation_type, API.subscription_type):
        assert root is not None
        for name, field in root.fields.items():
            for argument, declared in field.args.items():
                if name in ANY_KIND:
                    continue
                for text, key in with_wrong_id(declared.type, MAX_DEPTH):
                    others = {
                        one: minimal_value(other.type)
                        for one, other in field.args.items()
                        if one != argument and isinstance(other.type, GraphQLNonNull)
                    }
                    arguments = ", ".join(f"{one}: {value}" for one, value in {**others, argument: text}.items())
                    prefix = "" if argument == "input" else argument
                    selection = "" if not hasattr(get_named_type(field.type), "fields") else " { __typename }"
                    yield root.name.lower(), f"{name}({arguments}){selection}", ".".join(filter(None, (prefix, key)))


def with_wrong_id(kind: GraphQLInputType, depth: int) -> Iterator[tuple[str, str]]:
    """Values of the type with one id of a wrong kind, each with the key of this id."""
    match kind:
        case GraphQLNonNull(of_type=inner):
            yield from with_wrong_id(inner, depth)
        case GraphQLList(of_type=inner) if get_named_type(inner).name == "ID":
            yield f'["{WRONG}"]', ""
        case GraphQLList(of_type=inner):
            yield from ((f"[{text}]", f"0.{key}") for text, key in with_wrong_id(inner, depth))
        case GraphQLInputObjectType(is_one_of=one_of) if depth:
            for name, field in kind.fields.items():
                for text, key in with_wrong_id(field.type, depth - 1):
                    needed = {} if one_of else required_fields(kind)
                    arguments = ", ".join(f"{one}: {value}" for one, value in {**needed, name: text}.items())
                    yield f"{{{arguments}}}", f"{name}.{key}".rstrip(".")
        case _ if get_named_type(kind).name == "ID":
            yield f'"{WRONG}"', ""


def required_fields(kind: GraphQLInputObjectType) -> dict[str, str]:
    required = {name: field.type for name, field in kind.fields.items() if is_required_input_field(field)}
    return {name: ID_BY_NAME.get(name, minimal_value(type_)) for name, type_ in required.items()}


def minimal_value(kind: GraphQLInputType) -> str:
    """A small value of the type. Ids in fields that ID_BY_NAME has are of the right kind."""
    match kind:
        case GraphQLNonNull(of_type=inner):
            return minimal_value(inner)
        case GraphQLList():
            return "[]"
        case GraphQLEnumType():
            return str(next(iter(kind.values)))
        case GraphQLInputObjectType():
            fields = required_fields(kind) or {
                name: minimal_value(one.type) for name, one in list(kind.fields.items())[:1]
            }
            return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"
    texts = {"Int": "1", "Long": "1", "Float": "1.5", "Boolean": "true"}
    return texts.get(get_named_type(kind).name, '"x"')


ID_BY_NAME = {
    "roomId": '"room_1"',
    "userId": '"usr_1"',
    "agentId": '"agt_1"',
    "departmentId": '"dep_1"',
    "appId": '"app_1"',
    "messageId": '"msg_1"',
    "roleId": '"rol_1"',
}
ID_INPUTS = list(id_inputs())


def test_the_inputs_of_type_id_are_found() -> None:
    assert len(ID_INPUTS) > 60


@pytest.mark.parametrize(("root", "call", "key"), ID_INPUTS)
async def test_every_input_of_type_id_refuses_an_id_of_another_kind(root: str, call: str, key: str) -> None:
    caller = AN_APP if call.startswith("setAppData") else ADMIN
    context = RequestContext(Context(services=None, caller=caller))  # type: ignore[arg-type]
    if root == "subscription":
        stream: Any = await schema.subscribe(f"subscription {{ {call} }}", context_value=context)
        result = cast(ExecutionResult, await anext(aiter(stream)))
    else:
        result = cast(ExecutionResult, await schema.execute(f"{root} {{ {call} }}", context_value=context))

    assert result.errors is not None
    (error,) = result.errors
    assert error.extensions == {"code": "INVALID_INPUT", "key": key}
    assert error.message.startswith('"evt_1" is the id of an event; ')
