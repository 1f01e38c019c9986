"""The agent cache: the order of agents, updates by facts in any order, and loads from the database."""

import random
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from resolvers.routing.agent_cache import AgentCache
from resolvers.routing.policy import choose
from resolvers.routing.shares import Share
from storage import waiting_rooms
from storage.facts import AgentUpdated, CustomFieldRemoved, RoomFact, RoomQueued
from storage.records import (
    SYSTEM,
    AgentProfile,
    AgentStatus,
    Candidate,
    FieldDefinition,
    FieldTarget,
    FieldType,
    Presence,
    Room,
    RoomSnapshot,
    RoomStatus,
    RoutingMethod,
    User,
    Visitor,
)
from tests.resolvers.agent_filters import named
from tests.resolvers.world import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN


def agent(name: str, version: int = 1, *, roles: tuple[str, ...] = (), **profile: Any) -> User:
    return User(
        id=name,
        version=version,
        username=name,
        presence=Presence.ONLINE,
        roles=roles,
        agent=AgentProfile(**profile),
        created_at=NOON,
        updated_at=NOON,
    )


def updated(user: User) -> AgentUpdated:
    return AgentUpdated(id=f"{user.id}-1", occurred_at=NOON, actor=SYSTEM, user=user)


def queued(room_id: str, *, pool: str | None = None, status: RoomStatus = RoomStatus.QUEUED) -> RoomFact:
    room = Room(
        id=room_id,
        status=status,
        revision=1,
        visitor_id="v",
        department_id=pool,
        started_at=NOON,
        queued_at=NOON if status is RoomStatus.QUEUED else None,
    )
    snapshot = RoomSnapshot(room=room, visitor=Visitor(id="v", token="v", created_at=NOON))
    return RoomQueued(id=f"{room_id}-1", occurred_at=NOON, actor=SYSTEM, room=snapshot)


def cache_of(*users: User) -> AgentCache:
    cache = AgentCache()
    cache.apply(updated(user) for user in users)
    return cache


def names(
    cache: AgentCache,
    pool: str | None = None,
    *,
    method: RoutingMethod = LEAST_LOADED,
    bots_first: bool = False,
    reserved: str = "",
) -> list[list[str]]:
    with ExitStack() as claims:
        for one in reserved.split():
            claims.enter_context(cache.reserve(one))
        tiers = cache.tiers(pool, method, bots_first=bots_first)
    return [[one.id for one in tier] for tier in tiers]


# ---------------------------------------------------------------- agents


def test_tier_ends_with_the_first_agent_without_reservations() -> None:
    cache = cache_of(agent("a", open_room_count=2), agent("b", open_room_count=1), agent("c", open_room_count=3))

    assert names(cache) == [["b"]]
    assert names(cache, reserved="b") == [["b", "a"]]
    assert names(cache, reserved="a b c") == [["b", "a", "c"]]


def test_tier_has_the_agent_that_the_policy_chooses_among_all_for_every_share() -> None:
    dice = random.Random(1)
    for _ in range(300):
        agents = [
            agent(f"a{number}", open_room_count=dice.randrange(3), last_assigned_at=NOON + timedelta(dice.randrange(3)))
            for number in range(dice.randrange(1, 12))
        ]
        cache, method = cache_of(*agents), dice.choice([LEAST_LOADED, ROUND_ROBIN])
        share = Share(dice.randrange(3), 3)
        with ExitStack() as claims:
            for one in agents:
                for _ in range(dice.randrange(3)):
                    claims.enter_context(cache.reserve(one.id))
            ((*tier,),) = cache.tiers(None, method, bots_first=False, share=share)

            everyone = [Candidate.from_user(one) for one in agents]
            expected = choose(everyone, method, reservations=cache.reservations, share=share)
            assert choose(tier, method, reservations=cache.reservations, share=share) == expected


def test_a_reservation_lasts_until_its_block_ends() -> None:
    cache = cache_of(agent("a"))

    with cache.reserve("a"), cache.reserve("a"):
        assert (cache.reservations("a"), cache.reserved_agent_count) == (2, 1)
    assert (cache.reservations("a"), cache.reserved_agent_count) == (0, 0)


def test_round_robin_orders_by_last_assignment_and_least_loaded_by_rooms() -> None:
    cache = cache_of(agent("a", last_assigned_at=NOON), agent("b", open_room_count=9))

    assert names(cache, method=LEAST_LOADED) == [["a"]]
    assert names(cache, method=ROUND_ROBIN) == [["b"]]


def test_agents_are_found_in_their_departments_and_everywhere() -> None:
    cache = cache_of(agent("a", department_ids=("x",)), agent("b", department_ids=("x", "y"), open_room_count=1))

    assert names(cache, "x", reserved="a b") == [["a", "b"]]
    assert names(cache, "y", reserved="a b") == [["b"]]
    assert names(cache, None, reserved="a b") == [["a", "b"]]
    assert names(cache, "z") == [[]]


def test_only_routable_agents_are_candidates() -> None:
    away = agent("a", status=AgentStatus.NOT_AVAILABLE)
    full = agent("b", max_rooms=1, open_room_count=1)

    assert names(cache_of(away, full)) == [[]]


def test_bots_are_the_first_tier() -> None:
    cache = cache_of(agent("a"), agent("robot", roles=("bot",), open_room_count=5))

    assert names(cache, bots_first=True) == [["robot"], ["a"]]


def test_outdated_fact_does_not_replace_a_newer_version() -> None:
    cache = cache_of(agent("a", 2, department_ids=("y",)))

    cache.apply([updated(agent("a", 1, department_ids=("x",)))])
    assert (names(cache, "x"), names(cache, "y")) == ([[]], [["a"]])

    cache.apply([updated(agent("a", 3, status=AgentStatus.NOT_AVAILABLE))])
    assert (names(cache, "y"), names(cache)) == ([[]], [[]])


def test_facts_that_are_not_newer_change_nothing() -> None:
    cache = cache_of(agent("a", 2, open_room_count=2))

    cache.apply([updated(agent("a", 2, open_room_count=1))])

    cached = cache.agent("a")
    assert cached is not None
    assert cached.agent is not None
    assert cached.agent.open_room_count == 2


def test_outdated_fact_does_not_restore_a_removed_agent() -> None:
    cache = cache_of(agent("a", 1))

    cache.apply([updated(msgspec.structs.replace(agent("a", 3), agent=None))])
    cache.apply([updated(agent("a", 2))])

    assert names(cache) == [[]]


def test_newest_returns_the_newer_of_read_and_cached_agent() -> None:
    cache = cache_of(agent("a", 2))

    assert cache.newest(agent("a", 1)).version == 2
    assert cache.newest(agent("a", 3)).version == 3
    assert cache.newest(agent("b", 1)).version == 1


def test_removed_field_is_removed_from_all_agents() -> None:
    definition = FieldDefinition(id="f", target=FieldTarget.USER, key="k", type=FieldType.TEXT, label="k")
    cache = cache_of(msgspec.structs.replace(agent("a"), custom_fields={"k": "1", "other": "2"}))

    cache.apply([CustomFieldRemoved(id="f-1", occurred_at=NOON, actor=SYSTEM, definition=definition)])

    cached = cache.agent("a")
    assert cached is not None
    assert cached.custom_fields == {"other": "2"}
    assert names(cache) == [["a"]]


# ---------------------------------------------------------------- rooms


def test_rooms_are_cached_by_department_while_they_wait() -> None:
    cache = AgentCache()

    cache.apply([queued("1", pool="x"), queued("2", pool="x"), queued("1", pool="x")])
    assert (cache.has_waiting_rooms(["x"]), cache.has_waiting_rooms([None, "y"])) == (True, False)

    cache.apply([queued("1", pool="y"), queued("2", status=RoomStatus.CLOSED)])
    assert (cache.has_waiting_rooms(["x"]), cache.has_waiting_rooms(["y"])) == (False, True)


# ---------------------------------------------------------------- the database


async def test_a_load_includes_missed_changes(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])
    await world.waiting()
    missed = AgentCache()
    missed.apply([queued("long gone", pool="nowhere")])

    await missed.load(world.context.reader)

    assert names(missed, sales.id) == [[anna.id]]
    assert missed.agent(anna.id) == await world.user(anna)
    assert not missed.has_waiting_rooms(["nowhere"])


async def test_agent_whose_change_is_not_cached_is_assigned_with_its_current_version(world: World) -> None:
    anna = await world.agent("anna")
    database = world.services.storage.database
    await database["users"].update_one({"_id": anna.id}, {"$inc": {"version": 1}, "$set": {"name": "A"}})

    room = await world.start()

    assert room.served_by_id == anna.id
    assert (await world.user(anna)).name == "A"
    assert (await world.profile(anna)).open_room_count == 1


async def test_load_removes_users_that_are_no_longer_agents(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    cache = AgentCache()
    await cache.load(world.context.reader)
    # The process has missed the facts about it.
    await world.services.storage.database["users"].update_one({"_id": anna.id}, {"$unset": {"agent": ""}})
    await world.services.storage.database["users"].delete_one({"_id": bert.id})

    await cache.load(world.context.reader)

    assert cache.agent(anna.id) is None
    assert cache.agent(bert.id) is None
    assert list(cache.tiers(None, LEAST_LOADED, bots_first=False)) == [[]]


async def test_waiting_rooms_are_loaded_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_rooms, "BATCH_ROWS", 2)
    rooms = [await world.start(agent_filter=named("zoe") if number % 2 else None) for number in range(5)]
    cache = AgentCache()
    await cache.load(world.context.reader)
    assert cache._waiting.keys() == {room.id for room in rooms}

    await world.services.storage.database["rooms"].update_many(
        {"_id": {"$in": [room.id for room in rooms[:3]]}}, {"$set": {"status": "CLOSED"}}
    )
    await cache.load(world.context.reader)

    assert cache._waiting.keys() == {room.id for room in rooms[3:]}
