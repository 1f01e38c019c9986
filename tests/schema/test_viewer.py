"""Who the token belongs to and what it may do, and the codes of errors."""

from dataclasses import replace
from typing import Any, cast

import pytest
from strawberry.types import ExecutionResult

from resolvers import apps, departments, users
from resolvers import roles as resolver_roles
from resolvers.auth import access
from resolvers.auth.access import ANONYMOUS, SCOPES, Caller
from resolvers.context import Context, Services
from schema.execution.context import RequestContext
from schema.schema import schema
from storage import roles
from storage.records import Actor, ActorType
from tests.resolvers.world import World

VIEWER = "{ viewer { type id name scopes roles user { id username } app { id name scopes } visitor { id } } }"


@pytest.fixture
async def world(services: Services) -> World:
    return World(services)


async def ask(context: Context, text: str) -> ExecutionResult:
    return cast(ExecutionResult, await schema.execute(text, context_value=RequestContext(context)))


async def data(context: Context, text: str) -> Any:
    result = await ask(context, text)
    assert result.errors is None
    return result.data


async def test_an_app_sees_itself_and_its_scopes(world: World) -> None:
    made = (await apps.create_app(world.context, name="crm", scopes=["rooms:read", "events:read"])).app
    caller = Caller(Actor(type=ActorType.APP, id=made.id, name="crm"), frozenset(made.scopes))

    seen = await data(replace(world.context, caller=caller), VIEWER)

    own, scopes = f"app_{made.id}", ["events:read", "rooms:read"]
    assert seen["viewer"] == {
        "type": "APP",
        "id": own,
        "name": "crm",
        "scopes": scopes,
        "roles": [],
        "user": None,
        "app": {"id": own, "name": "crm", "scopes": scopes},
        "visitor": None,
    }


async def test_a_user_sees_itself_and_its_roles_without_the_scope_to_read_users(world: World) -> None:
    anna = await world.agent("anna")
    caller = Caller(Actor(type=ActorType.USER, id=anna.id, name="anna"), frozenset(), anna)

    seen = await data(replace(world.context, caller=caller), VIEWER)

    own = f"usr_{anna.id}"
    assert seen["viewer"] == {
        "type": "USER",
        "id": own,
        "name": "anna",
        "scopes": [],
        "roles": [roles.AGENT],
        "user": {"id": own, "username": "anna"},
        "app": None,
        "visitor": None,
    }


async def test_a_user_sees_the_scopes_of_a_role_of_its_own(world: World) -> None:
    await resolver_roles.create_role(world.context, name="pilot", scopes=["rooms:read", "events:read"])
    anna = await users.create_user(world.context, username="anna", roles=["pilot"])
    scopes = await access.scopes_of(world.context.reader, anna.roles)
    caller = Caller(Actor(type=ActorType.USER, id=anna.id, name="anna"), scopes, anna)

    seen = await data(replace(world.context, caller=caller), "{ viewer { scopes roles } }")

    assert seen["viewer"] == {"scopes": ["events:read", "rooms:read"], "roles": ["pilot"]}


async def test_viewer_lists_every_scope_of_an_admin(world: World) -> None:
    seen = await data(world.context, "{ viewer { scopes } }")

    assert seen["viewer"]["scopes"] == sorted(SCOPES)


async def test_a_missing_scope_for_another_field_does_not_affect_the_viewer(world: World) -> None:
    await departments.create_department(world.context, name="d")
    caller = Caller(Actor(type=ActorType.APP, id="a", name="a"), frozenset())

    result = await ask(replace(world.context, caller=caller), "{ viewer { id } departments { id } }")

    assert result.data == {"viewer": {"id": "app_a"}, "departments": None}
    assert [(error.path, (error.extensions or {})["code"]) for error in result.errors or []] == [
        (["departments"], "FORBIDDEN")
    ]


async def test_error_codes_need_no_token_and_the_viewer_needs_one(world: World) -> None:
    nobody = replace(world.context, caller=ANONYMOUS)

    codes = (await data(nobody, "{ errorCodes { code meaning retryable } }"))["errorCodes"]
    refused = await ask(nobody, "{ viewer { id } }")

    assert {one["code"] for one in codes if one["retryable"]} == {"CONSUMER_BUSY", "RATE_LIMITED", "UNAVAILABLE"}
    assert [one["meaning"] for one in codes if one["code"] == "ROOM_NOT_ASSIGNED"] == ["The room has no agent."]
    assert refused.data is None
    assert [(error.extensions or {})["code"] for error in refused.errors or []] == ["UNAUTHENTICATED"]
