from collections.abc import Sequence

import pytest

from resolvers import apps
from resolvers.auth import access
from resolvers.auth.access import authenticate
from storage.errors import Forbidden, Invalid, NotFound
from storage.facts import AppCreated
from tests.resolvers.refusals import kinds, refused, scoped
from tests.resolvers.world import World

SCOPES = ", ".join(sorted(access.SCOPES))


async def test_an_app_has_the_permissions_of_its_scopes(world: World) -> None:
    head = await world.head()

    made = await apps.create_app(world.context, name="Crm", scopes=["users:read", "fields:write", "users:read"])

    caller = await authenticate(world.services.storage, made.token)
    assert made.app.scopes == ("fields:write", "users:read")
    assert (caller.actor and caller.actor.name, caller.scopes) == ("Crm", frozenset({"users:read", "fields:write"}))
    assert [app.name for app in await apps.list_apps(world.context)][-1] == "Crm"
    (fact,) = await world.facts(head)
    assert isinstance(fact, AppCreated)
    assert fact.app == made.app
    assert made.token not in repr(fact)


async def test_the_token_itself_is_not_stored(world: World) -> None:
    made = await apps.create_app(world.context, name="Crm", scopes=["users:read"])

    kept = await world.services.storage.database["tokens"].find({}).to_list(None)

    assert made.token not in repr(kept)


@pytest.mark.parametrize(
    ("name", "scopes", "message", "key"),
    [
        ("", ["users:read"], "name must have 1 to 128 characters; this one is empty.", "name"),
        ("x" * 129, ["users:read"], "name must have 1 to 128 characters; this one has 129.", "name"),
        ("Crm", ["users:fly"], f'Unknown scope "users:fly"; the scopes are {SCOPES}.', "scopes"),
        ("Crm", [], "scopes must name at least one scope.", "scopes"),
        ("Crm", [""], "scopes must have 1 to 64 characters; this one is empty.", "scopes"),
    ],
)
async def test_invalid_arguments_are_refused(
    world: World, name: str, scopes: Sequence[str], message: str, key: str
) -> None:
    async with refused(world, Invalid, message, key=key):
        await apps.create_app(world.context, name=name, scopes=scopes)


async def test_app_delegates_only_scopes_that_it_has(world: World) -> None:
    context = scoped(world, "apps:write", "users:read")
    stronger = await apps.create_app(world.context, name="Crm", scopes=["users:write"])

    await apps.create_app(context, name="Mirror", scopes=["users:read"])

    message = "{} this app needs scopes that this token does not have: {}."
    async with refused(world, Forbidden, message.format("Creating", "admin"), scope="admin"):
        await apps.create_app(context, name="Boss", scopes=["admin"])
    message = message.format("Changing", "users:write")
    async with refused(world, Forbidden, message, scope="users:write"):
        await apps.rotate_app_token(context, app_id=stronger.app.id)
    async with refused(world, Forbidden, message, scope="users:write"):
        await apps.revoke_app(context, app_id=stronger.app.id)


async def test_a_new_token_replaces_the_old_one_immediately_or_after_the_overlap(world: World) -> None:
    storage = world.services.storage
    first = await apps.create_app(world.context, name="Crm", scopes=["users:read"])
    head = await world.head()

    second = await apps.rotate_app_token(world.context, app_id=first.app.id)
    third = await apps.rotate_app_token(world.context, app_id=first.app.id, overlap_seconds=60)

    valid = [(await authenticate(storage, one.token)).actor is not None for one in (first, second, third)]
    assert valid == [False, True, True]
    assert kinds(await world.facts(head)) == ["APP_TOKEN_ROTATED", "APP_TOKEN_ROTATED"]


@pytest.mark.parametrize("seconds", [-1, 604_801])
async def test_an_overlap_has_bounds(world: World, seconds: int) -> None:
    made = await apps.create_app(world.context, name="Crm", scopes=["users:read"])

    message = f"overlapSeconds must be 0 to 604800; it is {seconds}."
    async with refused(world, Invalid, message, key="overlapSeconds"):
        await apps.rotate_app_token(world.context, app_id=made.app.id, overlap_seconds=seconds)


async def test_a_revoked_app_is_unauthenticated(world: World) -> None:
    made = await apps.create_app(world.context, name="Crm", scopes=["users:read"])
    head = await world.head()

    revoked = await apps.revoke_app(world.context, app_id=made.app.id)
    again = await apps.revoke_app(world.context, app_id=made.app.id)

    assert revoked.active is False
    assert again.active is False
    assert (await authenticate(world.services.storage, made.token)).actor is None
    assert kinds(await world.facts(head)) == ["APP_REVOKED"]
    async with refused(world, Invalid, "The app is revoked and takes no new token; create another app.", key="appId"):
        await apps.rotate_app_token(world.context, app_id=made.app.id)


async def test_the_admin_app_cannot_be_revoked(world: World) -> None:
    message = "The admin app cannot be revoked; call rotateAppToken to give it a new token."
    async with refused(world, Invalid, message, key="appId"):
        await apps.revoke_app(world.context, app_id="admin")


async def test_an_unknown_app_is_not_found(world: World) -> None:
    async with refused(world, NotFound, 'There is no app "nobody".', key="appId"):
        await apps.rotate_app_token(world.context, app_id="nobody")
    async with refused(world, NotFound, 'There is no app "$ne".', key="appId"):
        await apps.revoke_app(world.context, app_id="$ne")


async def test_operations_on_apps_need_their_scope(world: World) -> None:
    message = "This needs the scope apps:write, which this token does not have."
    async with refused(world, Forbidden, message, scope="apps:write"):
        await apps.list_apps(scoped(world, "users:read"))
