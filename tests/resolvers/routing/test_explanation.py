"""explainRouting says why nobody serves a room, and agrees with what routing does next."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import room_routing, rooms
from resolvers.routing.explanation import NotOffered, consider
from resolvers.routing.policy import choose_for
from storage.errors import Forbidden
from storage.filters.attributes import accepts_rooms
from storage.filters.expressions import AttributeCondition, Operator
from storage.records import (
    AgentProfile,
    AgentStatus,
    Candidate,
    Presence,
    Room,
    RoutingMethod,
    User,
    WaitingRoom,
)
from tests.resolvers.world import World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

# ---------------------------------------------------------------- agreement with the policy

PROFILES = st.builds(
    AgentProfile,
    status=st.sampled_from(AgentStatus),
    accepts_routing=st.booleans(),
    max_rooms=st.sampled_from([None, 0, 2]),
    open_room_count=st.integers(0, 3),
    last_assigned_at=st.sampled_from([None, NOON, NOON + timedelta(seconds=1)]),
)
TRAITS = st.tuples(PROFILES, st.booleans(), st.sampled_from(Presence), st.booleans())


def user(number: int, profile: AgentProfile, active: bool, presence: Presence, is_bot: bool) -> User:
    return User(
        id=f"u{number}",
        username=f"user{number}",
        active=active,
        presence=presence,
        roles=("bot",) if is_bot else (),
        agent=profile,
        created_at=NOON,
        updated_at=NOON,
    )


@given(
    st.lists(TRAITS, max_size=5),
    st.sampled_from([None, "u0", "u1"]),
    st.none() | st.sets(st.sampled_from([f"u{number}" for number in range(5)])),
    st.sampled_from([LEAST_LOADED, ROUND_ROBIN]),
    st.booleans(),
)
def test_the_first_agent_without_a_reason_is_the_one_that_routing_chooses(
    traits: list[tuple[AgentProfile, bool, Presence, bool]],
    passed_over: str | None,
    matching: set[str] | None,
    method: RoutingMethod,
    bots_first: bool,
) -> None:
    users = [user(number, *one) for number, one in enumerate(traits)]
    room = WaitingRoom(id="r", department_id=None, priority=0, queued_at=NOON, passed_over_id=passed_over)
    where = None if matching is None else AttributeCondition("id", Operator.IN, tuple(sorted(matching)))
    routable = [one for one in users if accepts_rooms(one) and (matching is None or one.id in matching)]
    bots = [one for one in routable if "bot" in one.roles]
    tiers = [[Candidate.from_user(one) for one in tier] for tier in ((bots, routable) if bots_first else (routable,))]

    considered = consider(room, users, method, where=where, bots_first=bots_first)

    chosen = choose_for(room, tiers, method)
    offered = [one.agent.id for one in considered if one.reason is None]
    assert offered[:1] == ([] if chosen is None else [chosen.id])
    assert Counter(one.agent.id for one in considered) == Counter(one.id for one in users)


# ---------------------------------------------------------------- explanations of rooms


async def explained(world: World, room: Room) -> dict[str, NotOffered | None]:
    found = await room_routing.explain_routing(world.context, room_id=room.id)
    assert found is not None
    return {one.agent.username: one.reason for one in found.considered}


async def test_each_agent_has_the_first_reason_against_it(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    room = await world.start(sales)
    here: dict[str, Any] = {"departments": [sales]}
    await world.agent("away", **here, presence=Presence.OFFLINE, status=AgentStatus.NOT_AVAILABLE)
    await world.agent("elsewhere")
    await world.agent("full", **here, max_rooms=0)
    await world.agent("offline", **here, presence=Presence.OFFLINE)
    await world.agent("unwilling", **here, accepts_routing=False)

    assert await explained(world, room) == {
        "away": NotOffered.NOT_AVAILABLE,
        "full": NotOffered.AT_CAPACITY,
        "offline": NotOffered.OFFLINE,
        "unwilling": NotOffered.NOT_ACCEPTING,
    }
    found = await room_routing.explain_routing(world.context, room_id=room.id)
    assert found is not None
    assert (found.method, found.position, found.next_change_at) == (LEAST_LOADED, 1, None)
    assert found.summary == (
        "No agent can be offered the room now: 1 NOT_AVAILABLE, 1 OFFLINE, 1 AT_CAPACITY, 1 NOT_ACCEPTING."
    )


async def test_the_agent_that_a_room_was_taken_from_is_passed_over(world: World) -> None:
    await world.agent("anna")
    room = await world.start()
    await rooms.unassign_agent(world.context, room_id=room.id)

    assert await explained(world, room) == {"anna": NotOffered.PASSED_OVER}


async def test_the_position_counts_the_rooms_ahead_in_the_same_queue(world: World) -> None:
    first, second = await world.start(), await world.start()
    urgent = await world.start(priority=1)
    await world.waiting()

    found = [await room_routing.explain_routing(world.context, room_id=room.id) for room in (urgent, first, second)]

    assert [one and one.position for one in found] == [1, 2, 3]


async def test_a_decision_of_an_app_is_explained_with_its_end(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60, fallback_routing=MANUAL)
    await world.agent("anna", departments=[external])
    room = await world.start(external)

    found = await room_routing.explain_routing(world.context, room_id=room.id)
    assert found is not None
    assert (found.method, found.next_change_at) == (EXTERNAL, room.external_until)
    assert "declineRouting" in found.summary
    assert "MANUAL" in found.summary

    await room_routing.decline_routing(world.context, room_id=room.id)
    declined = await room_routing.explain_routing(world.context, room_id=room.id)
    assert declined is not None
    assert (declined.method, declined.next_change_at) == (MANUAL, None)


async def test_a_room_that_does_not_wait_is_not_explained_by_agents(world: World) -> None:
    room = await world.assigned(await world.agent("anna"))

    found = await room_routing.explain_routing(world.context, room_id=room.id)

    assert found is not None
    assert (found.position, found.considered) == (0, ())
    assert found.summary == "The room is ASSIGNED, so it does not wait for an agent."


async def test_a_room_that_does_not_exist_is_not_explained(world: World) -> None:
    assert await room_routing.explain_routing(world.context, room_id="none") is None


async def test_an_explanation_needs_the_scope_of_users(world: World) -> None:
    room = await world.waiting()
    caller = replace(world.context.caller, scopes=frozenset({"rooms:read"}))

    with pytest.raises(Forbidden):
        await room_routing.explain_routing(replace(world.context, caller=caller), room_id=room.id)
