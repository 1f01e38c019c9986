"""Logins, also with concurrent changes of passwords and users."""

import asyncio
import time
from dataclasses import replace

import argon2
import pytest

from resolvers import sessions, users
from resolvers.auth import access, passwords
from resolvers.auth.hash_queue import MAX_CONCURRENT_HASHES, MAX_WAITING, HashQueue, Lane
from resolvers.auth.login_throttle import LoginThrottle
from storage import tokens
from storage.errors import Invalid, RateLimited, Unauthenticated, Unavailable
from storage.mongo.reader import Reader
from tests.resolvers.world import World
from tests.storage.support import until

OLD, NEW = "correct horse battery", "another horse battery"


async def test_login_and_a_change_of_the_password_do_not_both_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await users.create_user(world.context, username="anna", password=OLD)
    verify = passwords.verify

    async def verify_and_change_password(queue: HashQueue, lane: Lane, stored: str | None, password: str) -> bool:
        matches = await verify(queue, lane, stored, password)
        await users.update_user(world.context, user_id=user.id, password=NEW)
        return matches

    monkeypatch.setattr(passwords, "verify", verify_and_change_password)
    with pytest.raises(Unauthenticated):
        await sessions.login(world.context, username="anna", password=OLD)

    assert await tokens.list_by_holder(world.context.reader, user.id) == []


async def test_session_created_during_a_deactivation_stays_invalid(world: World) -> None:
    user = await users.create_user(world.context, username="berta", password=OLD)
    session = await sessions.login(world.context, username="berta", password=OLD)
    kept = await tokens.list_by_holder(world.context.reader, user.id)
    await users.set_user_active(world.context, user_id=user.id, active=False)
    await world.services.storage.transactions.run(lambda tx: tokens.insert(tx, kept[0]))

    await users.set_user_active(world.context, user_id=user.id, active=True)

    assert (await access.authenticate(world.services.storage, session.token)).actor is None


async def test_oldest_session_of_a_user_ends_when_there_are_too_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sessions.MAX_SESSIONS == 100
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    await users.create_user(world.context, username="anna", password=OLD)

    created = [await sessions.login(world.context, username="anna", password=OLD) for _ in range(3)]

    callers = [await access.authenticate(world.services.storage, session.token) for session in created]
    assert [caller.actor is not None for caller in callers] == [False, True, True]


async def test_too_many_failures_are_rate_limited_also_with_the_right_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.services, "login_throttle", LoginThrottle(2))
    await users.create_user(world.context, username="clara", password=OLD)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await sessions.login(world.context, username="clara", password="wrong")

    with pytest.raises(RateLimited) as caught:
        await sessions.login(world.context, username="Clara", password=OLD)

    assert set(caught.value.data) == {"retryAfterSeconds"}


def test_login_of_an_unknown_user_takes_the_same_work() -> None:
    hasher = argon2.PasswordHasher()

    assert argon2.extract_parameters(passwords._DUMMY_HASH) == argon2.extract_parameters(hasher.hash("x"))
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        hasher.verify(passwords._DUMMY_HASH, "x")


async def test_failing_database_is_not_a_wrong_password(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.services, "login_throttle", LoginThrottle(1))
    await users.create_user(world.context, username="dora", password=OLD)

    async def fail(reader: Reader, user_id: str) -> str | None:
        raise Unavailable("The database does not answer.", retryable=True)

    with monkeypatch.context() as broken:
        broken.setattr(passwords, "find", fail)
        for _ in range(15):
            with pytest.raises(Unavailable):
                await sessions.login(world.context, username="dora", password=OLD)

    assert (await sessions.login(world.context, username="dora", password=OLD)).user.username == "dora"


async def test_two_hundred_wrong_passwords_from_new_addresses_lock_no_user_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.services, "login_throttle", LoginThrottle())
    await users.create_user(world.context, username="emma", password=OLD)
    await users.create_user(world.context, username="fritz", password=OLD)
    matches = passwords._matches

    def matches_as_slowly_as_outside_of_tests(kept: str, password: bytes) -> bool:
        time.sleep(0.05)
        return matches(kept, password)

    monkeypatch.setattr(passwords, "_matches", matches_as_slowly_as_outside_of_tests)

    async def attempt(username: str, password: str, address: str) -> str:
        context = replace(world.context, address=address)
        try:
            await sessions.login(context, username=username, password=password)
        except (Unauthenticated, RateLimited) as refusal:
            return refusal.code
        return "in"

    attack = [
        asyncio.create_task(attempt("emma", "wrong password", f"198.51.{number // 250}.{number % 250}"))
        for number in range(200)
    ]
    queue = world.services.hashing

    async def all_are_checked_or_waiting() -> bool:
        ended = sum(task.done() for task in attack)
        return ended + sum(map(len, queue._lanes.values())) + MAX_CONCURRENT_HASHES >= len(attack)

    await until(all_are_checked_or_waiting)
    right = await asyncio.gather(
        attempt("emma", OLD, "192.0.2.1"), attempt("fritz", OLD, "192.0.2.2"), attempt("fritz", OLD, "192.0.2.3")
    )
    outcomes = await asyncio.gather(*attack)

    assert list(right) == ["in", "in", "in"]
    assert set(outcomes) == {"UNAUTHENTICATED", "RATE_LIMITED"}
    assert outcomes.count("UNAUTHENTICATED") <= MAX_CONCURRENT_HASHES + 2 * MAX_WAITING


@pytest.mark.parametrize(
    ("kept", "given"), [("pass\u00e9word", "passe\u0301word"), ("\uff11\uff12345678", "12345678")], ids=ascii
)
async def test_password_is_the_same_in_every_form_of_unicode(world: World, kept: str, given: str) -> None:
    await users.create_user(world.context, username="gerda", password=kept)
    await users.create_user(world.context, username="hanna", password=given)

    for username in ("gerda", "hanna"):
        for password in (kept, given):
            session = await sessions.login(world.context, username=username, password=password)
            assert session.user.username == username
    with pytest.raises(Unauthenticated):
        await sessions.login(world.context, username="gerda", password="password")


async def test_password_hashed_before_normalisation_matches_its_original_form(world: World) -> None:
    user = await users.create_user(world.context, username="irma", password=OLD)
    old = argon2.PasswordHasher().hash("passe\u0301word")
    await world.services.storage.database["passwords"].update_one({"_id": user.id}, {"$set": {"hash": old}})

    assert (await sessions.login(world.context, username="irma", password="passe\u0301word")).user.id == user.id


@pytest.mark.parametrize("password", ["seven77", "x" * 257, "e\u0301" * 7, "x" * 5_000], ids=len)
async def test_password_that_is_too_short_or_too_long_as_normalised_is_refused(world: World, password: str) -> None:
    with pytest.raises(Invalid, match="password must have 8 to 256 characters"):
        await users.create_user(world.context, username="jane", password=password)

    assert await users.find_user(world.context, username="jane") is None


async def test_longer_password_with_the_right_beginning_is_wrong(world: World) -> None:
    await users.create_user(world.context, username="karl", password="x" * 256)

    for wrong in ("x" * 257, "x" * 5_000):
        with pytest.raises(Unauthenticated):
            await sessions.login(world.context, username="karl", password=wrong)
