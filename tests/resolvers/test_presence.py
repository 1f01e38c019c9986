"""How presence ends: with its lease, and with the last session of a user that set its own presence."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from resolvers import rooms, sessions, users
from resolvers.auth import access
from resolvers.context import Context
from resolvers.presence import PresenceExpiry
from storage import tokens
from storage.errors import Invalid, Unauthenticated
from storage.facts import UserPresenceChanged
from storage.filters.attributes import is_routable
from storage.records import SYSTEM, Presence, User
from storage.transactions.transaction import Transaction
from tests.resolvers.refusals import kinds, refused
from tests.resolvers.world import World

PASSWORD = "correct horse battery"
ONLINE, AWAY, OFFLINE = Presence.ONLINE, Presence.AWAY, Presence.OFFLINE


async def agent(world: World, username: str = "anna") -> User:
    """An agent with a password that is OFFLINE."""
    made = await world.agent(username, presence=OFFLINE)
    return await users.update_user(world.context, user_id=made.id, password=PASSWORD)


async def logged_in(world: World, user: User) -> Context:
    """The context of the user in a new session."""
    session = await sessions.login(world.context, username=user.username, password=PASSWORD)
    caller = await access.load_caller(world.services.storage, tokens.digest(session.token))
    return replace(world.context, caller=caller)


async def let_expire(world: World, user: User, session: Context | None = None) -> None:
    """Move the end of the lease of the user's presence, or of a session and with it of the presence, into the past."""
    database = world.services.storage.database
    past = database.now() - timedelta(seconds=1)
    if session is not None:
        moved = await database["tokens"].update_one(
            {"expiresAt": session.caller.expires_at}, {"$set": {"expiresAt": past}}
        )
        assert moved.modified_count == 1
    until = "presenceUntil" if session is None else "sessionsUntil"
    await database["users"].update_one(
        {"_id": user.id}, {"$set": {until: past, "presenceDue": past}, "$inc": {"version": 1}}
    )


async def presence_of(world: World, user: User) -> Presence:
    return (await world.user(user)).presence


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(1_000):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("It does not come true.")


async def until_offline(world: World, user: User) -> None:
    """Wait until the user is OFFLINE and the log has the fact."""

    async def is_told() -> bool:
        if await presence_of(world, user) is not OFFLINE:
            return False
        return await world.services.storage.database["outbox"].find_one({}) is None

    await until(is_told)


# ---------------------------------------------------------------- sessions


async def test_logout_sets_a_user_offline_without_new_rooms(world: World) -> None:
    anna = await agent(world)
    session = await logged_in(world, anna)
    await users.set_presence(session, user_id=anna.id, presence=ONLINE)
    head = await world.head()

    await sessions.logout(session)

    after = await world.user(anna)
    assert (after.presence, is_routable(after)) == (OFFLINE, False)
    (fact,) = await world.facts(head)
    assert isinstance(fact, UserPresenceChanged)
    assert (fact.user.presence, fact.actor.id) == (OFFLINE, anna.id)
    assert await world.served_by(await world.start()) is None


async def test_presence_lasts_as_long_as_one_session_is_left(world: World) -> None:
    anna = await agent(world)
    first, second = await logged_in(world, anna), await logged_in(world, anna)
    await users.set_presence(first, user_id=anna.id, presence=AWAY)
    head = await world.head()

    await sessions.logout(first)
    assert await presence_of(world, anna) is AWAY
    assert await world.facts(head) == []
    await sessions.logout(second)

    assert await presence_of(world, anna) is OFFLINE


async def test_presence_set_by_another_caller_outlasts_the_sessions(world: World) -> None:
    anna = await agent(world)
    session = await logged_in(world, anna)
    await users.set_presence(session, user_id=anna.id, presence=ONLINE)
    await users.set_presence(world.context, user_id=anna.id, presence=ONLINE)

    await sessions.logout(session)

    assert await presence_of(world, anna) is ONLINE


REVOCATIONS: dict[str, Callable[[World, User], Awaitable[object]]] = {
    "deactivated": lambda world, anna: users.set_user_active(world.context, user_id=anna.id, active=False),
    "given a new password": lambda world, anna: users.update_user(
        world.context, user_id=anna.id, password="another horse battery"
    ),
    "left without a password": lambda world, anna: users.update_user(world.context, user_id=anna.id, password=None),
}


@pytest.mark.parametrize("revocation", REVOCATIONS)
async def test_presence_ends_when_the_sessions_are_revoked(world: World, revocation: str) -> None:
    anna = await agent(world)
    session = await logged_in(world, anna)
    await users.set_presence(session, user_id=anna.id, presence=ONLINE)
    head = await world.head()

    await REVOCATIONS[revocation](world, anna)

    assert await presence_of(world, anna) is OFFLINE
    assert kinds(await world.facts(head)) == ["USER_UPDATED", "USER_PRESENCE_CHANGED"]


async def test_presence_ends_when_the_last_session_expires(world: World) -> None:
    anna = await agent(world)
    session = await logged_in(world, anna)
    await users.set_presence(session, user_id=anna.id, presence=ONLINE)
    assert (await world.user(anna)).presence_until is None
    head = await world.head()

    await let_expire(world, anna, session)
    await until_offline(world, anna)

    (fact,) = await world.facts(head)
    assert isinstance(fact, UserPresenceChanged)
    assert fact.actor == SYSTEM


async def test_a_session_that_began_later_keeps_the_presence(world: World) -> None:
    anna = await agent(world)
    world.services.session_length = timedelta(hours=1)
    short = await logged_in(world, anna)
    await users.set_presence(short, user_id=anna.id, presence=ONLINE)
    world.services.session_length = timedelta(hours=12)
    long = await logged_in(world, anna)
    await let_expire(world, anna, short)

    async def prolonged() -> bool:
        return (await world.user(anna)).sessions_until == long.caller.expires_at

    await until(prolonged)
    assert await presence_of(world, anna) is ONLINE

    await sessions.logout(long)

    assert await presence_of(world, anna) is OFFLINE


async def test_when_the_longest_session_is_ended_presence_lasts_as_long_as_the_others(world: World) -> None:
    anna = await agent(world)
    long = await logged_in(world, anna)
    world.services.session_length = timedelta(hours=1)
    short = await logged_in(world, anna)
    await users.set_presence(short, user_id=anna.id, presence=ONLINE)

    await sessions.logout(long)

    assert (await world.user(anna)).sessions_until == short.caller.expires_at


async def test_an_ended_session_cannot_set_the_presence(world: World) -> None:
    anna = await agent(world)
    session = await logged_in(world, anna)
    await sessions.logout(session)

    async with refused(world, Unauthenticated, "The session has ended; log in again."):
        await users.set_presence(session, user_id=anna.id, presence=ONLINE)


async def test_concurrent_logout_and_set_presence_leave_no_user_online(world: World, other: World) -> None:
    anna = await agent(world)
    for _ in range(10):
        session = await logged_in(world, anna)
        elsewhere = replace(other.context, caller=session.caller)
        await asyncio.gather(
            users.set_presence(session, user_id=anna.id, presence=ONLINE),
            sessions.logout(elsewhere),
            return_exceptions=True,
        )
        assert await presence_of(world, anna) is OFFLINE


# ---------------------------------------------------------------- leases


async def test_presence_ends_with_its_lease(world: World) -> None:
    anna = await agent(world)
    head = await world.head()
    leased = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=1)
    assert leased.presence_until == leased.updated_at + timedelta(seconds=1)

    await until_offline(world, anna)

    after = await world.user(anna)
    began, ended = await world.facts(head)
    assert isinstance(began, UserPresenceChanged)
    assert isinstance(ended, UserPresenceChanged)
    assert began.user.presence is ONLINE
    assert (ended.actor, ended.user.presence, after.presence_until) == (SYSTEM, OFFLINE, None)
    assert ended.occurred_at >= leased.presence_until


async def test_a_renewed_lease_records_no_fact(world: World) -> None:
    anna = await agent(world)
    first = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=60)
    head = await world.head()

    second = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=90)

    assert first.presence_until is not None
    assert second.presence_until is not None
    assert second.presence_until >= first.presence_until + timedelta(seconds=30)
    assert await world.facts(head) == []


async def test_presence_set_without_a_lease_does_not_expire(world: World) -> None:
    anna = await agent(world)
    await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=1)

    after = await users.set_presence(world.context, user_id=anna.id, presence=ONLINE)

    assert after.presence_until is None
    assert "presenceDue" not in (await stored(world, anna))


async def test_offline_has_no_lease(world: World) -> None:
    anna = await agent(world)
    await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=60)

    after = await users.set_presence(world.context, user_id=anna.id, presence=OFFLINE, lease_seconds=60)

    assert (after.presence, after.presence_until) == (OFFLINE, None)
    assert "presenceDue" not in (await stored(world, anna))


async def stored(world: World, user: User) -> dict[str, object]:
    document = await world.services.storage.database["users"].find_one({"_id": user.id})
    assert document is not None
    return document


@pytest.mark.parametrize("seconds", [0, -1, 365 * 24 * 60 * 60 + 1])
async def test_a_lease_is_a_second_to_a_year(world: World, seconds: int) -> None:
    anna = await agent(world)
    message = f"leaseSeconds must be 1 to 31536000; it is {seconds}."

    async with refused(world, Invalid, message, key="leaseSeconds"):
        await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=seconds)


async def test_an_agent_whose_lease_ended_keeps_its_rooms(world: World) -> None:
    anna = await agent(world)
    await users.set_presence(world.context, user_id=anna.id, presence=ONLINE, lease_seconds=3_600)
    room = await world.start()
    assert await world.served_by(room) == "anna"

    await let_expire(world, anna)
    await until_offline(world, anna)

    assert await world.served_by(room) == "anna"
    assert (await rooms.close_room(world.context, room_id=room.id)).last_served_by_id == anna.id


# ---------------------------------------------------------------- several processes and no process


async def test_presence_that_expired_without_a_server_ends_once_at_the_next_start(world: World, other: World) -> None:
    """Several processes end the expired presence of many users at the same time."""
    all_agents = [await agent(world, f"agent{number}") for number in range(3)]
    for one in all_agents:
        await users.set_presence(world.context, user_id=one.id, presence=ONLINE, lease_seconds=3_600)
    head = await world.head()

    async def run_out(tx: Transaction) -> None:
        past = tx.now - timedelta(seconds=1)
        await tx.collection("users").update_many(
            {}, {"$set": {"presenceUntil": past, "presenceDue": past}}, session=await tx.write_session()
        )

    await world.services.storage.transactions.run(run_out)
    await asyncio.gather(*(PresenceExpiry(one.services.storage).run() for one in (world, other, world, other)))

    assert [await presence_of(world, one) for one in all_agents] == [OFFLINE] * 3
    await until_offline(world, all_agents[0])
    assert kinds(await world.facts(head)) == ["USER_PRESENCE_CHANGED"] * 3


async def test_user_that_cannot_be_changed_does_not_keep_others_present(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    anna, bert = await agent(world, "anna"), await agent(world, "bert")
    for user in (anna, bert):
        await users.set_presence(world.context, user_id=user.id, presence=ONLINE, lease_seconds=3_600)
    collection = world.services.storage.database["users"]
    past = world.services.storage.database.now() - timedelta(seconds=1)
    await collection.update_one({"_id": anna.id}, {"$set": {"createdAt": "long ago"}})
    await collection.update_many({}, {"$set": {"presenceUntil": past, "presenceDue": past}})

    await PresenceExpiry(world.services.storage).run()

    assert await presence_of(world, bert) is OFFLINE
    assert f"Cannot end the presence of the user {anna.id}. It is excluded for 5 seconds" in caplog.text
    await collection.update_one({"_id": anna.id}, {"$set": {"createdAt": anna.created_at}})
    await PresenceExpiry(world.services.storage).run()
    assert await presence_of(world, anna) is OFFLINE
