"""Anything is found by its id, by those who may read it."""

from dataclasses import replace
from typing import Any, cast

import pytest
from strawberry.types import ExecutionResult

from resolvers import apps, departments, messages, roles, users
from resolvers.auth.access import SCOPES, Caller
from resolvers.context import Services
from resolvers.custom_fields import definitions
from schema.base import ids
from schema.base.ids import IdKind
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.records import FieldTarget, FieldType
from tests.resolvers.test_webhooks import create as create_webhook
from tests.resolvers.world import APP, World

NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
#: The scopes that each type takes beside a valid token.
NEEDED = {
    "User": {"users:read"},
    "Agent": {"users:read"},
    "Role": {"users:read"},
    "Department": {"users:read"},
    "Visitor": {"visitors:read"},
    "Room": {"rooms:read"},
    "Message": {"rooms:read", "messages:read"},
    "CustomFieldDefinition": set[str](),
    "App": {"apps:write"},
    "RoomStarted": {"events:read", "rooms:read"},
    "Webhook": {"webhooks:write"},
}


@pytest.fixture
async def world(services: Services) -> World:
    return World(services)


async def create_one_of_each(world: World) -> dict[str, str]:
    """Create an object of every kind. Returns their types by their ids."""
    anna = await world.agent("anna")
    visitor = await world.visitor()
    room = await world.start()
    message = await messages.send_message(world.context, room_id=room.id, text="hello")
    made: list[tuple[IdKind, str, str]] = [
        (ids.USER, anna.id, "User"),
        (ids.AGENT, anna.id, "Agent"),
        (ids.ROLE, (await roles.create_role(world.context, name="r")).id, "Role"),
        (ids.DEPARTMENT, (await departments.create_department(world.context, name="d")).id, "Department"),
        (ids.VISITOR, visitor.id, "Visitor"),
        (ids.ROOM, room.id, "Room"),
        (ids.MESSAGE, message.id, "Message"),
        (
            ids.FIELD,
            (
                await definitions.define_custom_field(
                    world.context, target=FieldTarget.USER, key="k", type=FieldType.TEXT
                )
            ).id,
            "CustomFieldDefinition",
        ),
        (ids.APP, (await apps.create_app(world.context, name="a", scopes=["users:read"])).app.id, "App"),
        (ids.EVENT, f"{room.id}-1", "RoomStarted"),
        (ids.WEBHOOK, (await create_webhook(world.context)).id, "Webhook"),
    ]
    await world.services.storage.appender.cleanup.wait()
    return {kind.format(stored): name for kind, stored, name in made}


async def ask(world: World, text: str, *, scopes: frozenset[str] | None = None, **variables: Any) -> ExecutionResult:
    context = world.context
    if scopes is not None:
        context = replace(context, caller=Caller(actor=APP, scopes=scopes))
    result = await schema.execute(text, variables, context_value=RequestContext(context))
    return cast(ExecutionResult, result)


async def test_nodes_are_in_the_order_of_the_ids(world: World) -> None:
    made = await create_one_of_each(world)

    result = await ask(world, NODES, ids=list(made))

    assert result.errors is None
    assert result.data == {"nodes": [{"__typename": name, "id": one} for one, name in made.items()]}


async def test_a_node_needs_the_scopes_of_its_own_type(world: World) -> None:
    made = await create_one_of_each(world)

    for one, name in made.items():
        found = await ask(world, NODE, id=one, scopes=frozenset(NEEDED[name]))
        assert (found.errors, found.data) == (None, {"node": {"__typename": name, "id": one}})
        for scope in NEEDED[name]:
            less = await ask(world, NODE, id=one, scopes=frozenset(SCOPES) - {scope, "admin"})
            assert less.data == {"node": None}
            codes = [(error.extensions or {})["code"] for error in less.errors or ()]
            # Events that the caller may not read are absent, as in `events`.
            assert codes == ([] if name == "RoomStarted" and scope != "events:read" else ["FORBIDDEN"])


@pytest.mark.parametrize("stored_id", ["", "nothing", "\0", "x" * 10_000, "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
async def test_the_node_of_an_unknown_id_is_null(world: World, stored_id: str) -> None:
    unknown = [kind.format(stored_id) for kind in ids.KINDS.values()]

    result = await ask(world, NODES, ids=unknown)

    assert result.errors is None
    assert result.data == {"nodes": [None] * len(unknown)}


async def test_the_agent_id_of_a_user_that_is_not_an_agent_has_no_node(world: World) -> None:
    anna = await users.create_user(world.context, username="anna")

    result = await ask(world, NODES, ids=[ids.USER.format(anna.id), ids.AGENT.format(anna.id)])

    assert result.data == {"nodes": [{"__typename": "User", "id": ids.USER.format(anna.id)}, None]}


async def test_a_text_that_is_not_an_id_results_in_null_and_an_error(world: World) -> None:
    visitor = await world.visitor()

    result = await ask(world, NODES, ids=["nope", ids.VISITOR.format(visitor.id), "xyz_1"])

    assert result.data == {"nodes": [None, {"__typename": "Visitor", "id": ids.VISITOR.format(visitor.id)}, None]}
    assert [(error.path, error.extensions) for error in result.errors or ()] == [
        (["nodes", 0], {"code": "INVALID_INPUT", "key": "ids.0"}),
        (["nodes", 2], {"code": "INVALID_INPUT", "key": "ids.2"}),
    ]


async def test_a_missing_scope_results_in_null_for_the_nodes_that_need_it(world: World) -> None:
    made = {name: one for one, name in (await create_one_of_each(world)).items()}

    result = await ask(world, NODES, ids=[made["Room"], made["User"]], scopes=frozenset({"users:read"}))

    assert result.data == {"nodes": [None, {"__typename": "User", "id": made["User"]}]}
    assert [(error.path, error.extensions) for error in result.errors or ()] == [
        (["nodes", 0], {"code": "FORBIDDEN", "scope": "rooms:read"})
    ]


async def test_more_than_100_nodes_are_refused(world: World) -> None:
    result = await ask(world, NODES, ids=["usr_1"] * 101)

    assert [error.extensions for error in result.errors or ()] == [{"code": "INVALID_INPUT", "key": "ids"}]
