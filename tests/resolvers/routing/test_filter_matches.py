"""The agents that match the filters of waiting rooms: evaluated in steps, so that no change blocks the process."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from resolvers.routing import filter_matches
from resolvers.routing.filter_matches import ALLOWANCE, COMPILING, STEP, FilterMatches
from storage import agent_filters
from storage.filters.expressions import AttributeCondition, Operator, Or
from storage.filters.predicates import predicate
from storage.records import AgentProfile, FieldTarget, User

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = ("u0", "u1", "u2")


def agent(id: str, username: str = "") -> User:
    return User(id=id, username=username or id, agent=AgentProfile(), created_at=NOON, updated_at=NOON)


def named(*usernames: str) -> str:
    return agent_filters.encode(AttributeCondition("username", Operator.IN, usernames))


def expensive(number: int, name: str = "nobody") -> str:
    """A filter with 200 conditions."""
    words = (*(f"{number}-{condition}" for condition in range(199)), name)
    return agent_filters.encode(Or(tuple(AttributeCondition("name", Operator.CONTAINS, word) for word in words)))


class Counted(dict[str, User]):
    """Agents that count how often a filter is evaluated for one."""

    def __init__(self, *agents: User) -> None:
        super().__init__({one.id: one for one in agents})
        self.evaluated = 0

    @override
    def get(self, key: str, default: Any = None) -> Any:
        self.evaluated += 1
        return super().get(key, default)


async def evaluate_all(matches: FilterMatches) -> None:
    while matches.is_outdated:
        await matches.evaluate_some()


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give all changes of a test one allowance."""
    monkeypatch.setattr(filter_matches, "monotonic", lambda: 0.0)


def test_few_filters_are_evaluated_with_the_change() -> None:
    agents = {"a": agent("a", "anna")}
    matches = FilterMatches(agents)

    text = matches.add(named("anna"))
    assert (matches.agents_of(text), list(matches.filters_of("a"))) == ({"a"}, [text])

    before, agents["a"] = agents["a"], agent("a", "zoe")
    matches.update_agent(before, agents["a"])
    assert (matches.agents_of(text), list(matches.filters_of("a"))) == (set(), [])
    assert not matches.is_outdated


async def test_changes_together_cost_no_more_than_the_allowance_and_the_rest_is_evaluated_in_steps() -> None:
    agents = Counted(*(agent(f"a{number}") for number in range(10)))
    matches = FilterMatches(agents)
    texts = [matches.add(expensive(number)) for number in range(30)]
    cost = len(texts[0]) // filter_matches.BYTES_PER_UNIT

    at_once = agents.evaluated
    assert 0 < at_once * cost <= ALLOWANCE + COMPILING * cost
    before, agents["a0"] = agents["a0"], msgspec.structs.replace(agents["a0"], name="nobody")
    matches.update_agent(before, agents["a0"])
    assert (agents.evaluated, matches.is_outdated) == (at_once, True)

    steps = [agents.evaluated]

    async def other_task() -> None:
        while matches.is_outdated:
            steps.append(agents.evaluated)
            await asyncio.sleep(0)

    await asyncio.gather(evaluate_all(matches), other_task())

    assert len(steps) > 100
    assert max(after - before for before, after in pairwise(steps)) * cost <= STEP + COMPILING * cost
    assert all(matches.agents_of(text) == {"a0"} for text in texts)


async def test_agents_that_changed_take_turns_with_new_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_matches, "STEPS", 4)
    agents = {"a": agent("a", "anna")}
    matches = FilterMatches(agents)
    text = matches.add(named("zoe"))
    for number in range(100):
        matches.add(expensive(number))
    before, agents["a"] = agents["a"], agent("a", "zoe")
    matches.update_agent(before, agents["a"])

    await matches.evaluate_some()

    assert matches.is_outdated
    assert matches.agents_of(text) == {"a"}


async def test_what_is_kept_compiled_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_matches, "MAX_COMPILED_BYTES", 3 * len(expensive(10)))
    agents = {"a": msgspec.structs.replace(agent("a"), name="nobody")}
    matches = FilterMatches(agents)

    texts = [matches.add(expensive(number)) for number in range(10, 30)]
    await evaluate_all(matches)

    assert len(matches._compiled) == 3
    assert all(matches.agents_of(text) == {"a"} for text in texts)
    for text in texts:
        matches.remove(text)
    assert (len(matches._compiled), matches._compiled_bytes, list(matches.filters_of("a"))) == (0, 0, [])


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("remove"), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("agent"), st.tuples(st.sampled_from("ab"), st.sampled_from(NAMES))),
        st.tuples(st.just("gone"), st.sampled_from("ab")),
        st.tuples(st.just("step"), st.integers(1, 4)),
    ),
    max_size=30,
)


@given(CHANGES)
def test_after_any_changes_each_filter_has_the_agents_that_match_it(
    changes: list[tuple[str, Any]],
) -> None:
    agents: dict[str, User] = {}
    matches, texts = FilterMatches(agents), set[str]()
    matches._allowance = 0
    for kind, value in changes:
        text = named(*sorted(value)) if kind in ("add", "remove") else ""
        if kind == "add":
            texts.add(matches.add(text))
        elif kind == "remove" and text in texts:
            texts.remove(text)
            matches.remove(text)
        elif kind == "agent":
            before, agents[value[0]] = agents.get(value[0]), agent(*value)
            matches.update_agent(before, agents[value[0]])
        elif kind == "gone" and value in agents:
            del agents[value]
            matches.remove_agent(value)
        elif kind == "step":
            matches._evaluate(value)

    matches._evaluate(1_000_000)

    assert not matches.is_outdated
    for text in texts:
        is_match = predicate(agent_filters.decode(text).expression, FieldTarget.USER)
        assert matches.agents_of(text) == {user.id for user in agents.values() if is_match(user)}
    for one in "ab":
        assert set(matches.filters_of(one)) == {text for text in texts if one in matches.agents_of(text)}
