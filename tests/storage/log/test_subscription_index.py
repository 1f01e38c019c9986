"""A fact wakes every subscription that it matches, and none that shares no key with it.

`make soak` tries as many examples as SOAK_EXAMPLES says.
"""

import asyncio
import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvers.auth.access import Caller, visible_rooms
from resolvers.event_filters import compile_filter
from storage.changes import Change
from storage.facts import FACTS, AnyFact, RoomBefore, RoomUpdated, UserUpdated
from storage.filters.expressions import (
    EVERYTHING,
    And,
    AttributeCondition,
    BoundCondition,
    Expression,
    Not,
    Operator,
    Or,
)
from storage.filters.predicates import matches
from storage.log.subscription_index import (
    ALL_FACTS,
    ANY,
    Key,
    SubscriptionIndex,
    Waiter,
    fact_keys,
    room_keys,
    room_subscription_keys,
    subscription_keys,
)
from storage.records import (
    SYSTEM,
    Actor,
    ActorType,
    AgentProfile,
    FieldDefinition,
    FieldTarget,
    FieldType,
    Room,
    RoomSnapshot,
    RoomStatus,
    User,
    Visitor,
)
from tests.storage.filters.test_query_and_predicate_agree import NOON, field_definitions, filters, records

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "25"))
ALL = frozenset(FACTS)
VISITOR = Visitor(id="v", token="v", created_at=NOON)
ROOM = Room(
    id="r",
    status=RoomStatus.ASSIGNED,
    revision=2,
    visitor_id="v",
    department_id="sales",
    served_by_id="ann",
    custom_fields={"caseId": "c1", "options": ["a"]},
    started_at=NOON,
)
CASE = FieldDefinition(id="f1", target=FieldTarget.ROOM, key="caseId", type=FieldType.TEXT, label="case")


def updated(room: Room, before: Room | None = None, *, sequence: int = 1) -> RoomUpdated:
    """A RoomUpdated fact."""
    was = before or room
    return RoomUpdated(
        id="r-2",
        occurred_at=NOON,
        actor=SYSTEM,
        sequence=sequence,
        room=RoomSnapshot(room=room, visitor=VISITOR),
        before=RoomBefore(
            status=was.status,
            department_id=was.department_id,
            served_by_id=was.served_by_id,
            tags=was.tags,
            custom_fields=was.custom_fields,
        ),
        changes=(Change("subject"),),
    )


def is_(name: str, value: object, operator: Operator = Operator.EQ) -> Expression:
    return AttributeCondition(name, operator, value)


# ---------------------------------------------------------------- the rule


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_matching_fact_has_a_key_of_the_filter(data: st.DataObject) -> None:
    definitions = data.draw(field_definitions(FieldTarget.ROOM))
    after, before = (data.draw(records(definitions, FieldTarget.ROOM, number)) for number in range(2))
    fact = updated(after, msgspec.structs.replace(before, id=after.id))
    held = set(fact_keys(fact))

    for where in data.draw(filters(definitions, FieldTarget.ROOM, [after, before])):
        keys = subscription_keys(ALL, where=where)
        if compile_filter(Caller(actor=SYSTEM), ALL, where)(fact):
            assert keys & held, where


@pytest.mark.parametrize("role", ["livechat-agent", "livechat-manager"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_visible_fact_has_a_key_of_the_visibility_filter(role: str, data: st.DataObject) -> None:
    definitions = data.draw(field_definitions(FieldTarget.ROOM))
    after, before = (data.draw(records(definitions, FieldTarget.ROOM, number)) for number in range(2))
    fact = updated(after, msgspec.structs.replace(before, id=after.id))
    profile = AgentProfile(department_ids=tuple(data.draw(st.sets(st.sampled_from(["d1", "d2"])))))
    user = User(
        id=data.draw(st.sampled_from(["p1", "p2"])),
        username="u",
        roles=(role,),
        agent=profile,
        created_at=NOON,
        updated_at=NOON,
    )
    caller = Caller(actor=Actor(type=ActorType.USER, id=user.id), scopes=frozenset({"rooms:read"}), user=user)

    keys = subscription_keys(ALL, where=None, visible=visible_rooms(caller))

    if compile_filter(caller, ALL, None)(fact):
        assert keys & set(fact_keys(fact))


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        (None, ALL_FACTS),
        (is_("id", "r"), {("id", "r")}),
        (is_("id", ["r", "s"], Operator.IN), {("id", "r"), ("id", "s")}),
        (And((is_("status", "QUEUED"), is_("department", "sales"))), {("department", "sales")}),
        (And((is_("servedBy", "ann"), BoundCondition(CASE, Operator.EQ, "c1"))), {("field", "caseId", "c1")}),
        (Or((is_("id", "r"), is_("servedBy", "ann"))), {("id", "r"), ("servedBy", "ann")}),
        (Or(()), frozenset[Key]()),
        (is_("department", False, Operator.EXISTS), {("department", None)}),
        (is_("department", True, Operator.EXISTS), ALL_FACTS),
        (Not(is_("id", "r")), ALL_FACTS),
        (Or((is_("id", "r"), is_("source", "api"))), ALL_FACTS),
        (BoundCondition(CASE, Operator.STARTS_WITH, "c"), ALL_FACTS),
    ],
)
def test_most_selective_conditions_are_the_keys(where: Expression | None, keys: object) -> None:
    assert subscription_keys(ALL, where=where) == keys


def test_types_are_keys_if_the_filter_implies_none() -> None:
    types = {"ROOM_STARTED", "USER_UPDATED"}

    assert subscription_keys(types, where=None) == {("type", "ROOM_STARTED"), ("type", "USER_UPDATED")}
    assert subscription_keys(types, where=is_("id", "r")) == {("id", "r")}
    assert subscription_keys(types, where=None, visible=is_("servedBy", "ann")) == {
        ("servedBy", "ann"),
        ("type", "USER_UPDATED"),
    }
    assert subscription_keys(types, where=None, visible=EVERYTHING) == {
        ("type", "ROOM_STARTED"),
        ("type", "USER_UPDATED"),
    }


def test_keys_of_a_room_fact_are_those_before_and_after() -> None:
    after = msgspec.structs.replace(ROOM, status=RoomStatus.QUEUED, served_by_id=None)

    keys = set(fact_keys(updated(after, ROOM)))

    assert keys >= {ANY, ("type", "ROOM_UPDATED"), ("id", "r"), ("visitor", "v"), ("field", "caseId", "c1")}
    assert keys >= {("status", "QUEUED"), ("status", "ASSIGNED"), ("servedBy", None), ("servedBy", "ann")}
    assert not any("options" in key for key in keys)


def test_keys_of_a_room_are_those_of_a_fact_without_its_type() -> None:
    assert set(room_keys(ROOM)) == set(fact_keys(updated(ROOM))) - {("type", "ROOM_UPDATED")}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_room_that_matches_has_a_key_of_the_filter(data: st.DataObject) -> None:
    definitions = data.draw(field_definitions(FieldTarget.ROOM))
    room = data.draw(records(definitions, FieldTarget.ROOM, 0))

    for where in data.draw(filters(definitions, FieldTarget.ROOM, [room])):
        if matches(where, room):
            assert room_subscription_keys(where, EVERYTHING) & set(room_keys(room)), where


# ---------------------------------------------------------------- waiting


async def wake(waiters: SubscriptionIndex, *facts: AnyFact) -> None:
    await asyncio.sleep(0)  # lets the waiters begin to wait
    waiters.wake(facts)
    await asyncio.sleep(0)


async def test_waiter_with_a_key_of_the_fact_is_woken_and_others_wait() -> None:
    waiters = SubscriptionIndex()
    mine = asyncio.ensure_future(waiters.wait(Waiter(3, frozenset({("id", "r"), ("servedBy", "ann")}))))
    other = asyncio.ensure_future(waiters.wait(Waiter(3, frozenset({("id", "s")}))))
    user = User(id="u", username="u", created_at=NOON, updated_at=NOON)

    unrelated = UserUpdated(id="u-1", occurred_at=NOON, actor=SYSTEM, sequence=4, user=user)
    await wake(waiters, unrelated, updated(ROOM, sequence=5), updated(ROOM, sequence=6))

    assert await mine == 4
    assert not other.done()
    other.cancel()


async def test_waiter_ahead_of_the_facts_is_not_woken() -> None:
    waiters = SubscriptionIndex()
    ahead = asyncio.ensure_future(waiters.wait(Waiter(7, ALL_FACTS)))

    await wake(waiters, *(updated(ROOM, sequence=sequence) for sequence in (5, 6, 7)))
    early = ahead.done()
    await wake(waiters, updated(ROOM, sequence=8))

    assert not early
    assert await ahead == 7


async def test_wake_all_returns_each_waiter_to_its_own_position() -> None:
    waiters = SubscriptionIndex()
    behind = asyncio.ensure_future(waiters.wait(Waiter(3, frozenset({("id", "s")}))))
    await asyncio.sleep(0)

    waiters.wake_all()

    assert await behind == 3


async def test_waiters_that_ended_are_removed_from_the_index() -> None:
    waiters = SubscriptionIndex()
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(waiters.wait(Waiter(3, frozenset({("id", str(number)), ("id", "r")}))))
        for number in range(5)
    ]
    await asyncio.sleep(0)

    waiting[0].cancel()
    await wake(waiters, updated(ROOM, sequence=5))
    await asyncio.gather(*waiting, return_exceptions=True)

    assert waiters._waiting == {}
