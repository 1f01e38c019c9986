"""The routing policy: the order of agents, limits, reservations, time-outs and passed-over agents."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.context import RoutingSettings
from resolvers.routing import shares
from resolvers.routing.policy import (
    RoutingRule,
    choose,
    choose_for,
    decision_until,
    is_overdue,
    method_at,
    method_for,
    plan_assignments,
    rule_for,
)
from resolvers.routing.shares import ALL, Contention, Share
from storage.records import Candidate, Department, RoutingMethod, WaitingRoom

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def agent(name: str, rooms: int = 0, limit: int | None = None, assigned: datetime | None = None) -> Candidate:
    return Candidate(
        id=name.upper(),
        username_key=name,
        open_room_count=rooms,
        max_rooms=limit,
        last_assigned_at=assigned,
    )


def room(
    name: str = "r",
    *,
    pool: str | None = None,
    priority: int = 0,
    queued: datetime = NOON,
    external: datetime | None = None,
    passed_over: str | None = None,
) -> WaitingRoom:
    return WaitingRoom(
        id=name,
        department_id=pool,
        priority=priority,
        queued_at=queued,
        external_until=external,
        passed_over_id=passed_over,
    )


def department(
    routing: RoutingMethod, *, seconds: int | None = None, fallback: RoutingMethod | None = None
) -> Department:
    return Department(id="d", name="D", routing=routing, external_timeout_seconds=seconds, fallback_routing=fallback)


def chosen(method: RoutingMethod, *candidates: Candidate, **claims: int) -> str | None:
    found = choose(candidates, method, reservations=lambda one: claims.get(one, 0))
    return None if found is None else found.username_key


# ---------------------------------------------------------------- the order of agents


@pytest.mark.parametrize("method", [LEAST_LOADED, ROUND_ROBIN])
def test_no_agent_is_chosen_without_candidates(method: RoutingMethod) -> None:
    assert chosen(method) is None


@pytest.mark.parametrize("method", [LEAST_LOADED, ROUND_ROBIN])
def test_no_agent_is_chosen_if_all_are_at_the_limit(method: RoutingMethod) -> None:
    assert chosen(method, agent("a", rooms=2, limit=2), agent("b", rooms=0, limit=0)) is None


def test_least_loaded_chooses_the_agent_with_the_fewest_rooms() -> None:
    assert chosen(LEAST_LOADED, agent("a", rooms=2), agent("b", rooms=1, assigned=after(9)), agent("c", rooms=3)) == "b"


def test_least_loaded_prefers_the_share_among_agents_with_equally_many_rooms() -> None:
    agents = [agent(name, rooms=1) for name in "abcdefgh"]
    shares = [Share(place, 2) for place in range(2)]
    found = [choose(agents, LEAST_LOADED, share=share) for share in shares]

    assert [one is not None and share.contains(one.id) for one, share in zip(found, shares, strict=True)] == [
        True,
        True,
    ]
    assert found[0] != found[1]
    assert agents[0] in found  # the first one in the order is in one of the shares
    for share in shares:
        emptier = agent("z", rooms=0)
        assert choose([*agents, emptier], LEAST_LOADED, share=share) == emptier
        assert choose(agents, ROUND_ROBIN, share=share) == agents[0]


def test_every_agent_is_in_one_share_and_in_the_share_of_a_process_alone() -> None:
    ids = [f"agent-{number}" for number in range(100)]

    owners = [[share for share in range(3) if Share(share, 3).contains(one)] for one in ids]
    assert {len(found) for found in owners} == {1}
    assert {found[0] for found in owners} == {0, 1, 2}
    assert all(ALL.contains(one) for one in ids)


def test_share_is_preferred_after_a_conflict_and_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("resolvers.routing.shares.time.monotonic", lambda: now)
    contention = Contention()

    assert contention.share(1, 2) == ALL
    contention.note_conflict()
    assert contention.share(1, 2) == Share(1, 2)
    now += shares.CONTENDED_SECONDS
    assert contention.share(1, 2) == ALL


def test_least_loaded_chooses_the_earliest_last_assignment_among_equals() -> None:
    assert chosen(LEAST_LOADED, agent("a", assigned=after(2)), agent("b", assigned=after(1))) == "b"


def test_agent_without_an_assignment_precedes_all_others() -> None:
    assert chosen(LEAST_LOADED, agent("a", assigned=NOON), agent("b")) == "b"
    assert chosen(ROUND_ROBIN, agent("a", assigned=NOON), agent("b")) == "b"


@pytest.mark.parametrize("method", [LEAST_LOADED, ROUND_ROBIN])
def test_the_username_decides_among_equals(method: RoutingMethod) -> None:
    assert chosen(method, agent("b"), agent("a"), agent("c")) == "a"


def test_round_robin_ignores_load() -> None:
    assert chosen(ROUND_ROBIN, agent("a", rooms=0, assigned=after(2)), agent("b", rooms=9, assigned=after(1))) == "b"


def test_round_robin_skips_agents_at_the_limit() -> None:
    assert chosen(ROUND_ROBIN, agent("a", rooms=1, limit=1), agent("b", rooms=1, assigned=NOON)) == "b"


def test_a_reservation_counts_as_a_room() -> None:
    assert chosen(LEAST_LOADED, agent("a"), agent("b", rooms=1), A=2) == "b"
    assert chosen(LEAST_LOADED, agent("a", limit=2), A=2) is None


def test_round_robin_prefers_agents_without_reservations() -> None:
    assert chosen(ROUND_ROBIN, agent("a"), agent("b", assigned=NOON), A=1) == "b"


# ---------------------------------------------------------------- methods and time-outs


DEPLOYMENT = RoutingSettings(ROUND_ROBIN, external_timeout_seconds=30, fallback=MANUAL)


def rule(routing: RoutingMethod, **given: Any) -> RoutingRule:
    return rule_for(department(routing, **given), DEPLOYMENT)


def test_a_room_without_department_is_routed_as_the_deployment_says() -> None:
    assert rule_for(None, DEPLOYMENT) == RoutingRule(ROUND_ROBIN, 30, MANUAL)
    assert method_at(room(), rule_for(None, DEPLOYMENT), after(31)) is ROUND_ROBIN


@pytest.mark.parametrize("method", [LEAST_LOADED, ROUND_ROBIN, MANUAL])
def test_a_department_routes_by_its_own_method(method: RoutingMethod) -> None:
    assert method_for(room(pool="d"), rule(method)) is method


def test_an_external_decision_is_overdue_at_its_timeout() -> None:
    external = rule(EXTERNAL, seconds=30, fallback=ROUND_ROBIN)
    waiting = room(pool="d", external=after(30))

    assert method_at(waiting, external, after(29.999)) is EXTERNAL
    assert method_at(waiting, external, after(30)) is ROUND_ROBIN
    assert [is_overdue(waiting, external, now=after(seconds)) for seconds in (29.999, 30)] == [False, True]


def test_the_fallback_routes_a_declined_room_at_once() -> None:
    external = rule(EXTERNAL, seconds=30, fallback=ROUND_ROBIN)
    declined = msgspec.structs.replace(room(pool="d"), declined=True)

    assert method_at(declined, external, NOON) is ROUND_ROBIN
    assert (decision_until(declined, external), is_overdue(declined, external, now=after(31))) == (None, False)


def test_least_loaded_takes_over_when_no_fall_back_is_named() -> None:
    assert rule(EXTERNAL, seconds=30).fallback is LEAST_LOADED


def test_an_external_decision_without_a_timeout_is_never_overdue() -> None:
    external = rule(EXTERNAL)

    assert external.external_until(NOON) is None
    assert method_at(room(pool="d"), external, after(10**9)) is EXTERNAL


def test_timeout_of_an_external_decision_starts_when_the_wait_starts() -> None:
    assert rule(EXTERNAL, seconds=30).external_until(NOON) == after(30)
    assert rule(MANUAL, seconds=30).external_until(NOON) is None


def test_timeout_of_a_room_queued_before_its_department_became_external_starts_at_queued_at() -> None:
    external = rule(EXTERNAL, seconds=30, fallback=ROUND_ROBIN)

    assert decision_until(room(pool="d", queued=NOON), external) == after(30)
    assert method_at(room(pool="d", queued=NOON), external, after(31)) is ROUND_ROBIN


# ---------------------------------------------------------------- passing over


def test_a_room_passes_over_the_agent_that_it_was_unassigned_from() -> None:
    taken = room(passed_over="A")

    assert choose_for(taken, ((agent("a"),),), LEAST_LOADED) is None
    assert choose_for(taken, ((agent("a"), agent("b", rooms=9)),), LEAST_LOADED) == agent("b", rooms=9)
    assert choose_for(room(), ((agent("a"),),), LEAST_LOADED) == agent("a")


def test_first_agent_is_chosen_unless_the_room_passes_it_over() -> None:
    bot, person = agent("bot", rooms=5), agent("anna")
    tiers = ((bot,), (person, bot))

    assert choose_for(room(), tiers, LEAST_LOADED) == bot
    assert choose_for(room(passed_over="BOT"), tiers, LEAST_LOADED) == person
    assert choose_for(room(passed_over="BOT"), ((bot,),), LEAST_LOADED) is None


# ---------------------------------------------------------------- plans for a whole queue


def planned(waiting: list[WaitingRoom], **pools: list[Candidate]) -> list[tuple[str, str | None]]:
    tiers = {None if pool == "everywhere" else pool: (agents,) for pool, agents in pools.items()}
    return [
        (one.id, None if found is None else found.username_key)
        for one, found in plan_assignments(
            waiting, lambda room: tiers.get(room.department_id, ()), lambda _: LEAST_LOADED
        )
    ]


def test_each_assignment_counts_for_the_next_choice() -> None:
    waiting = [room("1"), room("2"), room("3"), room("4")]

    assert planned(waiting, everywhere=[agent("a", rooms=1), agent("b", limit=2)]) == [
        ("1", "b"),
        ("2", "a"),
        ("3", "b"),
        ("4", "a"),
    ]


def test_an_agent_of_several_departments_is_counted_once() -> None:
    both = agent("a", limit=1)

    assert planned([room("1", pool="x"), room("2", pool="y")], x=[both], y=[both]) == [("1", "a"), ("2", None)]


def test_room_that_no_agent_can_take_does_not_block_later_rooms() -> None:
    waiting = [room("1", pool="x"), room("2", passed_over="A"), room("3")]

    assert planned(waiting, x=[], everywhere=[agent("a")]) == [("1", None), ("2", None), ("3", "a")]


AGENTS = "abcd"
CANDIDATES = st.lists(st.sampled_from(AGENTS), unique=True).flatmap(
    lambda names: st.tuples(
        *(
            st.builds(agent, st.just(name), rooms=st.integers(0, 3), limit=st.none() | st.integers(0, 4))
            for name in names
        )
    )
)
WAITING = st.lists(
    st.tuples(st.none() | st.sampled_from("xy"), st.none() | st.sampled_from(AGENTS.upper())), max_size=12
).map(lambda rooms: [room(str(number), pool=pool, passed_over=over) for number, (pool, over) in enumerate(rooms)])


@given(WAITING, CANDIDATES, CANDIDATES, CANDIDATES, st.sampled_from([LEAST_LOADED, ROUND_ROBIN]))
def test_plan_assigns_every_room_that_an_agent_can_take_and_respects_limits(
    waiting: list[WaitingRoom],
    everywhere: tuple[Candidate, ...],
    x: tuple[Candidate, ...],
    y: tuple[Candidate, ...],
    method: RoutingMethod,
) -> None:
    pools = {None: everywhere, "x": x, "y": y}
    loads = Counter[str]()

    for one, chosen in plan_assignments(waiting, lambda room: (pools.get(room.department_id, []),), lambda _: method):
        free = [
            candidate
            for candidate in pools[one.department_id]
            if candidate.id != one.passed_over_id
            and (candidate.max_rooms is None or candidate.open_room_count + loads[candidate.id] < candidate.max_rooms)
        ]
        assert (chosen is None) is (not free)
        if chosen is not None:
            assert chosen in free
            loads[chosen.id] += 1


def test_the_queue_is_ordered_by_priority_and_then_by_wait() -> None:
    early, late, urgent = room("2"), room("1", queued=after(1)), room("3", priority=1, queued=after(2))

    assert sorted([late, urgent, early], key=lambda one: one.queue_position) == [urgent, early, late]
