"""Passwords, activity and presence of users, and the sessions that their changes end."""

from typing import Any

import pytest

from resolvers import sessions, users
from resolvers.auth import access
from storage import passwords, tokens
from storage.errors import Forbidden, Unauthenticated
from storage.records import Presence, User, UserType
from tests.resolvers.refusals import kinds, refused, scoped
from tests.resolvers.world import World


async def create(world: World, username: str, **given: Any) -> User:
    given.setdefault("type", UserType.USER)
    return await users.create_user(world.context, username=username, **given)


async def test_a_new_password_ends_the_sessions_of_the_old_one(world: World) -> None:
    user = await create(world, "anna", password="first password")
    session = await sessions.login(world.context, username="anna", password="first password")
    head = await world.head()

    await users.update_user(world.context, user_id=user.id, password="second password")

    assert kinds(await world.facts(head)) == ["USER_UPDATED"]
    assert await tokens.list_by_holder(world.context.reader, user.id) == []
    assert (await access.authenticate(world.services.storage, session.token)).actor is None
    with pytest.raises(Unauthenticated):
        await sessions.login(world.context, username="anna", password="first password")
    assert (await sessions.login(world.context, username="ANNA", password="second password")).user.id == user.id


async def test_removing_the_password_ends_sessions_and_prevents_logins(world: World) -> None:
    user = await create(world, "anna", password="first password")
    session = await sessions.login(world.context, username="anna", password="first password")

    await users.update_user(world.context, user_id=user.id, password=None)

    assert await passwords.find(world.context.reader, user.id) is None
    assert (await access.authenticate(world.services.storage, session.token)).actor is None
    with pytest.raises(Unauthenticated):
        await sessions.login(world.context, username="anna", password="first password")


async def test_password_is_stored_as_a_hash_and_never_returned(world: World) -> None:
    user = await create(world, "anna", password="correct horse")

    kept = await passwords.find(world.context.reader, user.id)

    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert "correct horse" not in repr(await world.facts())


async def test_password_of_a_user_with_more_scopes_cannot_be_changed(world: World) -> None:
    boss = await create(world, "boss", roles=["admin"])

    message = "Changing this user's password needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await users.update_user(scoped(world, "users:write"), user_id=boss.id, password="mine from now on")
    async with refused(world, Forbidden, message, scope="admin"):
        await users.update_user(scoped(world, "users:write"), user_id=boss.id, password=None)
    message = "Changing this user's activity needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await users.set_user_active(scoped(world, "users:write"), user_id=boss.id, active=False)


async def test_deactivated_user_is_recorded_and_its_sessions_end(world: World) -> None:
    user = await create(world, "anna", password="first password")
    await sessions.login(world.context, username="anna", password="first password")
    head = await world.head()

    off = await users.set_user_active(world.context, user_id=user.id, active=False)
    remaining = await tokens.list_by_holder(world.context.reader, user.id)
    on = await users.set_user_active(world.context, user_id=user.id, active=True)

    assert (off.active, on.active, remaining) == (False, True, [])
    assert kinds(await world.facts(head)) == ["USER_UPDATED", "USER_UPDATED"]


async def test_presence_change_is_recorded(world: World) -> None:
    user = await create(world, "anna")
    head = await world.head()

    after = await users.set_presence(world.context, user_id=user.id, presence=Presence.BUSY)

    assert after.presence is Presence.BUSY
    assert kinds(await world.facts(head)) == ["USER_PRESENCE_CHANGED"]
