"""The sessions of visitors: they begin, expire by the database's clock, and end together."""

from dataclasses import replace
from datetime import timedelta

import pytest

from resolvers import visitor_sessions
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.visitor_sessions import MAX_SECONDS, MAX_SESSIONS, create_visitor_session
from storage import tokens
from storage.errors import Forbidden, Invalid, NotFound
from storage.records import ActorType, Token
from tests.resolvers.refusals import refused
from tests.resolvers.world import APP, World


async def caller_of(world: World, token: str) -> Caller:
    return await access.authenticate(world.services.storage, token)


async def held(world: World) -> list[Token]:
    visitor = await world.visitor()
    return await tokens.list_by_holder(world.context.reader, visitor.id)


async def test_a_session_is_a_caller_without_scopes_that_sees_its_own_rooms(world: World) -> None:
    session = await create_visitor_session(world.context, visitor_token="v", seconds=60)

    caller = await caller_of(world, session.token)
    visitor = await world.visitor()
    assert caller.visitor == session.visitor == visitor
    assert (caller.identified.type, caller.id, caller.scopes, caller.user) == (
        ActorType.VISITOR,
        visitor.id,
        frozenset(),
        None,
    )
    assert not access.sees_notes(caller)
    assert access.visible_rooms(caller) == access._room_attribute("visitor", visitor.id)


async def test_only_the_hash_of_a_session_is_stored_and_its_end(world: World) -> None:
    session = await create_visitor_session(world.context, visitor_token="v", seconds=60)

    (stored,) = await held(world)
    assert session.token.startswith("sb_visitor_")
    assert stored.id == tokens.digest(session.token)
    assert stored.expires_at == session.expires_at == stored.created_at + timedelta(seconds=60)


async def test_a_session_expires_by_the_clock_of_the_database(world: World) -> None:
    session = await create_visitor_session(world.context, visitor_token="v", seconds=60)
    end = world.services.storage.database.now()

    await world.services.storage.transactions.run(lambda tx: tokens.expire(tx, session.visitor.id, at=end))

    assert (await caller_of(world, session.token)).actor is None


async def test_seconds_0_ends_all_sessions_of_the_visitor_and_of_no_other(world: World) -> None:
    await world.visitor("w")
    other = await create_visitor_session(world.context, visitor_token="w")
    sessions = [await create_visitor_session(world.context, visitor_token="v") for _ in range(2)]

    ended = await create_visitor_session(world.context, visitor_token="v", seconds=0)

    assert await held(world) == []
    for session in (*sessions, ended):
        assert (await caller_of(world, session.token)).actor is None
    assert (await caller_of(world, other.token)).id == other.visitor.id


async def test_the_oldest_session_ends_when_there_are_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_SESSIONS == 100
    monkeypatch.setattr(visitor_sessions, "MAX_SESSIONS", 2)

    sessions = [await create_visitor_session(world.context, visitor_token="v") for _ in range(3)]

    valid = [(await caller_of(world, session.token)).actor is not None for session in sessions]
    assert valid == [False, True, True]


async def test_an_unknown_visitor_is_not_found(world: World) -> None:
    async with refused(world, NotFound, 'There is no visitor with the token "x".', key="visitorToken"):
        await create_visitor_session(world.context, visitor_token="x")


@pytest.mark.parametrize("seconds", [-1, MAX_SECONDS + 1])
async def test_seconds_outside_the_limits_are_refused_and_end_no_session(world: World, seconds: int) -> None:
    session = await create_visitor_session(world.context, visitor_token="v")

    async with refused(world, Invalid, f"seconds must be 0 to 2592000; it is {seconds}.", key="seconds"):
        await create_visitor_session(world.context, visitor_token="v", seconds=seconds)

    assert [token.id for token in await held(world)] == [tokens.digest(session.token)]


async def test_a_session_needs_visitors_write_and_no_visitor_begins_one(world: World) -> None:
    session = await create_visitor_session(world.context, visitor_token="v")

    for caller in (Caller(APP, frozenset({"visitors:read"})), await caller_of(world, session.token)):
        with pytest.raises(Forbidden):
            await create_visitor_session(replace(world.context, caller=caller), visitor_token="v")

    assert len(await held(world)) == 1
