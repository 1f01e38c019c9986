from datetime import UTC, datetime

import pytest
import strawberry

from schema.base.conditions import CustomFieldFilter, IntFilter, StringFilter
from schema.base.filters import RoomFilter, UserFilter, VisitorFilter, expression_of
from storage.errors import Invalid
from storage.filters.expressions import EVERYTHING, And, AttributeCondition, FieldCondition, Not, Operator, Or
from storage.records import AgentStatus, Presence, RoomStatus, UserType

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
TIMES = ("startedAt", "queuedAt", "closedAt")


def _is(name: str, value: object, operator: Operator = Operator.EQ) -> AttributeCondition:
    return AttributeCondition(name, operator, value)


@pytest.mark.parametrize("where", [None, UserFilter(), VisitorFilter(), RoomFilter()])
def test_empty_filter_matches_everything(where: UserFilter | None) -> None:
    assert expression_of(where) == EVERYTHING


def test_all_conditions_on_a_user_must_hold() -> None:
    where = UserFilter(
        ids=[strawberry.ID("usr_1")],
        username=StringFilter(eq="ann"),
        name=StringFilter(starts_with="A", contains="n"),
        email=StringFilter(in_=["a@b"]),
        type=UserType.BOT,
        active=True,
        presence=[Presence.AWAY, Presence.BUSY],
        has_roles=["bot", "admin"],
        is_agent=True,
        agent_status=AgentStatus.AVAILABLE,
        department_id=strawberry.ID("dep_d"),
        custom_fields=[CustomFieldFilter(key="level", gte=2, lt=5)],
    )

    expression = where.expression()

    assert expression == And(
        (
            _is("id", ["1"], Operator.IN),
            _is("username", "ann"),
            _is("name", "n", Operator.CONTAINS),
            _is("name", "A", Operator.STARTS_WITH),
            _is("email", ["a@b"], Operator.IN),
            _is("type", "BOT"),
            _is("active", True),
            _is("presence", ["AWAY", "BUSY"], Operator.IN),
            _is("role", "bot"),
            _is("role", "admin"),
            _is("isAgent", True),
            _is("agentStatus", "AVAILABLE"),
            _is("department", "d"),
            FieldCondition("level", Operator.GTE, 2),
            FieldCondition("level", Operator.LT, 5),
        )
    )


def test_all_conditions_on_a_visitor_must_hold() -> None:
    where = VisitorFilter(token=StringFilter(eq="t"), phone=StringFilter(starts_with="+49"))

    assert where.expression() == And((_is("token", "t"), _is("phone", "+49", Operator.STARTS_WITH)))


def test_all_conditions_on_a_room_must_hold() -> None:
    where = RoomFilter(
        status=[RoomStatus.QUEUED],
        department_id=strawberry.ID("dep_d"),
        served_by_id=strawberry.ID("usr_a"),
        last_served_by_id=strawberry.ID("agt_b"),
        has_department=True,
        visitor_id=strawberry.ID("vis_v"),
        source=StringFilter(eq="api"),
        subject=StringFilter(contains="bill"),
        has_tags=["x", "y"],
        has_any_tags=["y", "z"],
        priority=IntFilter(gte=1, lt=5),
        started_after=MOMENT,
        started_before=MOMENT,
        queued_after=MOMENT,
        queued_before=MOMENT,
        closed_after=MOMENT,
        closed_before=MOMENT,
    )

    assert where.expression() == And(
        (
            _is("status", ["QUEUED"], Operator.IN),
            _is("department", "d"),
            _is("servedBy", "a"),
            _is("lastServedBy", "b"),
            _is("department", True, Operator.EXISTS),
            _is("visitor", "v"),
            _is("source", "api"),
            _is("subject", "bill", Operator.CONTAINS),
            _is("tag", "x"),
            _is("tag", "y"),
            _is("tag", ["y", "z"], Operator.IN),
            _is("priority", 1, Operator.GTE),
            _is("priority", 5, Operator.LT),
            *(_is(time, MOMENT, operator) for time in TIMES for operator in (Operator.GT, Operator.LT)),
        )
    )


def test_ignore_case_applies_to_all_operators_of_the_condition() -> None:
    where = UserFilter(name=StringFilter(starts_with="A", contains="N", ignore_case=True))

    assert where.expression() == And(
        (_is("nameIgnoringCase", "N", Operator.CONTAINS), _is("nameIgnoringCase", "A", Operator.STARTS_WITH))
    )


def test_usernames_and_email_addresses_are_always_compared_without_case() -> None:
    for ignore_case in (True, False):
        text = StringFilter(eq="ann", ignore_case=ignore_case)

        assert UserFilter(username=text, email=text).expression() == And((_is("username", "ann"), _is("email", "ann")))


def test_all_operators_on_a_number_must_hold() -> None:
    where = RoomFilter(priority=IntFilter(eq=1, in_=[1, 2], gt=0, gte=1, lt=3, lte=1))

    assert where.expression() == And(
        (
            _is("priority", 1),
            _is("priority", [1, 2], Operator.IN),
            _is("priority", 0, Operator.GT),
            _is("priority", 1, Operator.GTE),
            _is("priority", 3, Operator.LT),
            _is("priority", 1, Operator.LTE),
        )
    )


def test_and_or_and_not_nest() -> None:
    bots, people = UserFilter(type=UserType.BOT), UserFilter(type=UserType.USER)

    where = UserFilter(and_=[bots], or_=[bots, people], not_=people)

    is_bot, is_person = And((_is("type", "BOT"),)), And((_is("type", "USER"),))
    assert where.expression() == And((And((is_bot,)), Or((is_bot, is_person)), Not(is_person)))


def test_empty_and_matches_everything_and_empty_or_matches_nothing() -> None:
    assert UserFilter(and_=[]).expression() == And((And(),))
    assert UserFilter(or_=[]).expression() == And((Or(),))


@pytest.mark.parametrize(
    ("where", "key"),
    [
        (UserFilter(ids=None), "ids"),
        (UserFilter(not_=None), "not"),
        (UserFilter(username=StringFilter(eq=None)), "username.eq"),
        (RoomFilter(department_id=None), "departmentId"),
        (RoomFilter(last_served_by_id=None), "lastServedById"),
        (RoomFilter(has_department=None), "hasDepartment"),
        (RoomFilter(has_any_tags=None), "hasAnyTags"),
        (RoomFilter(priority=IntFilter(gt=None)), "priority.gt"),
        (RoomFilter(and_=[RoomFilter(), RoomFilter(not_=RoomFilter(has_tags=None))]), "and.1.not.hasTags"),
        (RoomFilter(queued_after=None), "queuedAfter"),
        (RoomFilter(closed_before=None), "closedBefore"),
        (VisitorFilter(custom_fields=None), "customFields"),
    ],
)
def test_null_is_refused(where: UserFilter, key: str) -> None:
    with pytest.raises(Invalid) as refusal:
        where.expression()

    assert refusal.value.data == {"key": key}


def test_a_custom_field_without_an_operator_is_a_condition_without_an_operator() -> None:
    assert CustomFieldFilter(key="level").conditions() == [FieldCondition("level", None, None)]


def test_null_for_a_custom_field_becomes_a_condition() -> None:
    where = CustomFieldFilter(key="level", eq=None)

    assert where.conditions() == [FieldCondition("level", Operator.EQ, None)]
