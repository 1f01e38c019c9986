"""setAppData and appData in the API: of rooms, users, visitors and the app itself, for the app that wrote it alone."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from resolvers.auth.access import ADMIN, SCOPES, Caller
from resolvers.context import Context, Services
from schema.base import ids
from schema.execution.cohorts import Cohorts
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.records import Actor, ActorType, Presence
from tests.resolvers.world import APP, World
from tests.storage.support import until

OTHER_APP = Actor(type=ActorType.APP, id="other", name="Other")
SET = """mutation ($input: SetAppDataInput!) { setAppData(input: $input) {
    datum { key value version updatedAt } clientMutationId } }"""


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


def app(world: World, actor: Actor = APP, *scopes: str) -> Context:
    return replace(world.context, caller=Caller(actor, frozenset(scopes or {ADMIN})))


async def execute(context: Context, text: str, **variables: Any) -> tuple[Any, list[dict[str, Any]]]:
    """The data, and the errors as a client sees them."""
    result = await schema.execute(text, variable_values=variables, context_value=RequestContext(context))
    return result.data, [dict(error.formatted) for error in result.errors or []]


async def put(context: Context, of: dict[str, Any], value: object, key: str = "k", **given: Any) -> dict[str, Any]:
    """The datum of the answer."""
    data, errors = await execute(context, SET, input={"of": of, "key": key, "value": value, **given})
    assert errors == []
    datum: dict[str, Any] = data["setAppData"]["datum"]
    return datum


async def refusal(context: Context, of: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The extensions of the only error of a mutation that changes nothing."""
    data, (error,) = await execute(context, SET, input={"of": of, "key": "k", **given})
    assert data == {"setAppData": None}
    return {**error["extensions"], "message": error["message"]}


async def test_each_entity_shows_what_the_app_keeps_beside_it(world: World) -> None:
    anna = await world.agent("anna", presence=Presence.OFFLINE)
    room = await world.start()
    owners: dict[str, dict[str, Any]] = {
        "room": {"roomId": ids.ROOM.format(room.id)},
        "user": {"userId": ids.USER.format(anna.id)},
        "visitor": {"visitorId": ids.VISITOR.format(room.visitor_id)},
        "app": {"app": True},
    }
    written = {name: await put(world.context, of, {"of": [name]}) for name, of in owners.items()}

    text = """query ($room: ID!, $user: ID!) {
        room(by: {id: $room}) {
            appData(key: "k") { ...D } visitor { appData(key: "k") { ...D } } none: appData(key: "x") { ...D }
        }
        agent(id: $user) { user { appData(key: "k") { ...D } } }
    } fragment D on AppDatum { key value version updatedAt }"""
    data, errors = await execute(world.context, text, room=owners["room"]["roomId"], user=ids.AGENT.format(anna.id))

    assert errors == []
    assert data == {
        "room": {"appData": written["room"], "visitor": {"appData": written["visitor"]}, "none": None},
        "agent": {"user": {"appData": written["user"]}},
    }
    assert {name: (one["key"], one["value"], one["version"]) for name, one in written.items()} == {
        name: ("k", {"of": [name]}, 1) for name in owners
    }
    assert written["app"]["updatedAt"].endswith("Z")


async def test_an_app_sees_its_own_data_in_viewer_and_none_beside_other_apps(services: Services) -> None:
    from resolvers import apps

    world = World(services)
    created = (await apps.create_app(world.context, name="Own", scopes=["rooms:read"])).app
    own = app(world, Actor(type=ActorType.APP, id=created.id, name="Own"), "rooms:read")
    datum = await put(own, {"app": True}, "mine")

    mine, none = await execute(own, '{ viewer { app { appData(key: "k") { value version } } } }')
    others, no_errors = await execute(world.context, '{ apps { id appData(key: "k") { value } } }')

    assert (none, no_errors) == ([], [])
    assert mine["viewer"]["app"]["appData"] == {"value": "mine", "version": datum["version"]}
    assert {"id": ids.APP.format(created.id), "appData": None} in others["apps"]


async def test_a_value_is_changed_by_version_and_removed_by_null(world: World) -> None:
    of = {"app": True}
    first = await put(world.context, of, False, ifVersion=0)
    assert (await refusal(world.context, of, value=1, ifVersion=0)) == {
        "code": "STALE_VERSION",
        "version": 1,
        "message": "The key has a value already, at version 1; ifVersion 0 only adds keys.",
    }
    second = await put(world.context, of, 0, ifVersion=first["version"])

    assert (first["value"], second["value"], second["version"]) == (False, 0, 2)
    assert await put(world.context, of, None, ifVersion=2) is None
    assert await put(world.context, of, None) is None


@pytest.mark.parametrize(
    ("of", "given", "key"),
    [
        ({"app": True}, {}, "value"),
        ({"app": False}, {"value": 1}, "of.app"),
        ({"app": True}, {"value": 1, "key": " "}, "key"),
        ({"app": True}, {"value": 1, "ifVersion": -1}, "ifVersion"),
        ({"app": True}, {"value": "x" * 17_000}, "value"),
        ({"roomId": "vis_1"}, {"value": 1}, "of.roomId"),
        ({"userId": "room_1"}, {"value": 1}, "of.userId"),
        ({"visitorId": "usr_1"}, {"value": 1}, "of.visitorId"),
    ],
)
async def test_bad_input_names_its_field(world: World, of: dict[str, Any], given: dict[str, Any], key: str) -> None:
    error = await refusal(world.context, of, **given)

    assert (error["code"], error["key"]) == ("INVALID_INPUT", key)


@pytest.mark.parametrize("of", [{"roomId": "room_1"}, {"roomId": "room_"}, {"userId": "agt_1"}, {"visitorId": "vis_1"}])
async def test_an_entity_that_is_not_there_is_named(world: World, of: dict[str, Any]) -> None:
    error = await refusal(world.context, of, value=1)

    assert (error["code"], error["key"]) == ("NOT_FOUND", f"of.{next(iter(of))}")


@pytest.mark.parametrize(
    ("of", "scope"), [("roomId", "rooms:read"), ("userId", "users:read"), ("visitorId", "visitors:read")]
)
async def test_the_missing_scope_is_told_before_the_wrong_id(world: World, of: str, scope: str) -> None:
    others = set(SCOPES) - {ADMIN, scope}

    error = await refusal(app(world, APP, *others), {of: "nothing"}, value=1)

    assert (error["code"], error["scope"]) == ("FORBIDDEN", scope)


async def test_a_field_without_its_scope_is_null_beside_its_error(world: World) -> None:
    room = await world.start()
    text = 'query ($id: ID!) { room(by: {id: $id}) { status visitor { token appData(key: "k") { value } } } }'

    data, (error,) = await execute(app(world, APP, "rooms:read"), text, id=ids.ROOM.format(room.id))

    assert data["room"] == {"status": "QUEUED", "visitor": {"token": "v", "appData": None}}
    assert error["extensions"] == {"code": "FORBIDDEN", "scope": "visitors:read"}


async def test_users_are_refused_and_their_field_is_null_beside_its_error(world: World) -> None:
    room = await world.start()
    await put(world.context, {"roomId": ids.ROOM.format(room.id)}, 1)
    admin = world.logged_in(await world.agent("anna", presence=Presence.OFFLINE), ADMIN)
    text = 'query ($id: ID!) { room(by: {id: $id}) { status appData(key: "k") { value } } }'

    data, (error,) = await execute(admin, text, id=ids.ROOM.format(room.id))

    assert (data["room"], error["extensions"]) == ({"status": "QUEUED", "appData": None}, {"code": "FORBIDDEN"})
    assert (await refusal(admin, {"app": True}, value=1))["code"] == "FORBIDDEN"


# ---------------------------------------------------------------- subscriptions

#: Subscriptions whose results have app data, and where.
CURRENT = 'subscription { roomStarted { room { visitor { current { appData(key: "k") { value } } } } } }'
FRAGMENT = """subscription S { roomStarted { room { ...R } } } fragment R on RoomSnapshot { visitor { ...V } }
    fragment V on VisitorSnapshot { current { ... { appData(key: "k") { value } } } }"""
LIST = 'subscription { roomList { change room { visitor { appData(key: "k") { value } } } } }'


async def results_of(context: Context, cohorts: Cohorts, text: str, count: int) -> list[Any]:
    stream: Any = await schema.subscribe(text, context_value=RequestContext(context, cohorts=cohorts))
    async with aclosing(stream), asyncio.timeout(60):
        return [(await anext(stream)).data for _ in range(count)]


async def results(world: World, text: str, contexts: Sequence[Context], count: int) -> list[list[Any]]:
    """The results of a subscription of each of these callers, to whom a room is started when all have begun."""
    cohorts = Cohorts()
    reading = [asyncio.ensure_future(results_of(context, cohorts, text, count)) for context in contexts]

    async def all_are_subscribed() -> bool:
        return cohorts.members == len(contexts)

    await until(all_are_subscribed)
    await world.start()
    return await asyncio.gather(*reading)


@pytest.mark.parametrize("text", [CURRENT, FRAGMENT])
async def test_subscriptions_of_apps_with_the_same_scopes_have_values_of_their_own(world: World, text: str) -> None:
    of = {"visitorId": ids.VISITOR.format((await world.visitor()).id)}
    mine, theirs = world.context, app(world, OTHER_APP)
    await put(mine, of, "mine")
    await put(theirs, of, "theirs")

    found = await results(world, text, [mine, theirs, mine, theirs], 1)

    values = [one[0]["roomStarted"]["room"]["visitor"]["current"]["appData"]["value"] for one in found]
    assert values == ["mine", "theirs", "mine", "theirs"]


async def test_live_lists_of_apps_with_the_same_scopes_have_values_of_their_own(world: World) -> None:
    of = {"visitorId": ids.VISITOR.format((await world.visitor()).id)}
    mine, theirs = world.context, app(world, OTHER_APP)
    await put(mine, of, "mine")
    await put(theirs, of, "theirs")

    found = await results(world, LIST, [mine, theirs, mine], 2)

    # The room is there when the list is read, or enters it.
    changes = [one["roomList"] for of_app in found for one in of_app if one["roomList"]["change"] != "READY"]
    assert {one["change"] for one in changes} <= {"PRESENT", "ENTERED"}
    assert [one["room"]["visitor"]["appData"]["value"] for one in changes] == ["mine", "theirs", "mine"]
