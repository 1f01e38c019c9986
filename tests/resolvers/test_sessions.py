"""Signing in, beside others who change what it depends on."""

import argon2
import pytest

from resolvers import access, passwords, sessions, users
from resolvers.sign_ins import SignIns
from storage import tokens
from storage.errors import RateLimited, Unauthenticated
from storage.transactions import Reader
from tests.resolvers.worlds import World

OLD, NEW = "correct horse battery", "another horse battery"


async def test_login_and_a_new_password_do_not_both_come_true(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await users.create_user(world.context, username="anna", password=OLD)
    verify = passwords.verify

    async def verify_just_before_it_changes(reader: Reader, user_id: str | None, password: str) -> str | None:
        found = await verify(reader, user_id, password)
        if found is not None:
            await users.update_user(world.context, user_id=user.id, password=NEW)
        return found

    monkeypatch.setattr(passwords, "verify", verify_just_before_it_changes)
    with pytest.raises(Unauthenticated):
        await sessions.login(world.context, username="anna", password=OLD)

    assert await tokens.list_of(world.context.reader, user.id) == []


async def test_session_begun_while_a_user_was_deactivated_does_not_come_back(world: World) -> None:
    user = await users.create_user(world.context, username="berta", password=OLD)
    session = await sessions.login(world.context, username="berta", password=OLD)
    kept = await tokens.list_of(world.context.reader, user.id)
    await users.set_user_active(world.context, user_id=user.id, active=False)
    await world.services.storage.changes.run(lambda tx: tokens.insert(tx, kept[0]))

    await users.set_user_active(world.context, user_id=user.id, active=True)

    assert (await access.authenticate(world.services.storage, session.token)).actor is None


async def test_too_many_failures_are_rate_limited_also_with_the_right_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.services, "sign_ins", SignIns(2))
    await users.create_user(world.context, username="clara", password=OLD)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await sessions.login(world.context, username="clara", password="wrong")

    with pytest.raises(RateLimited) as caught:
        await sessions.login(world.context, username="Clara", password=OLD)

    assert set(caught.value.data) == {"retryAfterSeconds"}


def test_whoever_does_not_exist_is_verified_at_the_same_cost() -> None:
    hasher = argon2.PasswordHasher()

    assert argon2.extract_parameters(passwords._NOBODY) == argon2.extract_parameters(hasher.hash("x"))
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        hasher.verify(passwords._NOBODY, "x")
