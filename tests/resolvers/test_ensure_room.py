"""ensureRoom finds or starts a room, also in concurrent calls in several processes."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from resolvers import departments, room_starts, rooms, visitors
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from resolvers.room_starts import RoomEnsured
from resolvers.visitors import VisitorValues
from storage.errors import (
    DepartmentDisabled,
    Duplicate,
    FieldRequired,
    Forbidden,
    IdempotencyMismatch,
    Invalid,
    InvalidFieldValue,
    NotFound,
    SwitchboardError,
    UnknownField,
)
from storage.facts import RoomFact, VisitorSaved
from storage.records import FieldTarget, FieldType, RoomStatus, RoutingMethod
from tests.resolvers.agent_filters import named
from tests.resolvers.refusals import kinds, refused, scoped, values
from tests.resolvers.world import World

BY = FieldRef("case", "c-1")


async def define(world: World, key: str, target: FieldTarget = FieldTarget.ROOM, **given: Any) -> None:
    given.setdefault("type", FieldType.TEXT)
    await define_custom_field(world.context, target=target, key=key, **given)


@pytest_asyncio.fixture(loop_scope="session")
async def case(world: World) -> World:
    """A deployment in which rooms have the unique field "case"."""
    await define(world, "case", unique=True)
    return world


async def ensure(world: World, *, token: str = "new", **given: Any) -> RoomEnsured:
    given = {"context": world.context, "by": BY, "visitor": VisitorValues(token=token), **given}
    return await room_starts.ensure_room(given.pop("context"), **given)


async def counts(world: World) -> tuple[int, int]:
    """The number of stored rooms and visitors."""
    database = world.services.storage.database
    return await database["rooms"].count_documents({}), await database["visitors"].count_documents({})


# ---------------------------------------------------------------- concurrent calls


async def test_a_hundred_concurrent_calls_in_two_processes_start_one_room(case: World, other: World) -> None:
    head, before = await case.head(), await counts(case)

    answers = await asyncio.gather(*(ensure((case, other)[n % 2], subject="Hi") for n in range(100)))

    assert sorted(answer.created for answer in answers) == [False] * 99 + [True]
    assert len({answer.room.id for answer in answers}) == 1
    assert await counts(case) == (before[0] + 1, before[1] + 1)
    assert kinds(await case.facts(head)) == ["VISITOR_SAVED", "ROOM_STARTED", "ROOM_QUEUED"]


async def test_concurrent_calls_with_visitors_of_their_own_save_one_visitor(case: World, other: World) -> None:
    before = await counts(case)

    answers = await asyncio.gather(*(ensure((case, other)[n % 2], token=f"t{n}") for n in range(20)))

    assert [answer.created for answer in answers].count(True) == 1
    assert await counts(case) == (before[0] + 1, before[1] + 1)


async def test_concurrent_calls_for_several_rooms_of_one_visitor_save_it_once(case: World, other: World) -> None:
    before = await counts(case)

    answers = await asyncio.gather(*(ensure((case, other)[n % 2], by=FieldRef("case", f"c{n % 5}")) for n in range(20)))

    assert [answer.created for answer in answers].count(True) == 5
    assert len({answer.room.visitor_id for answer in answers}) == 1
    assert await counts(case) == (before[0] + 5, before[1] + 1)


# ---------------------------------------------------------------- started


async def test_a_new_room_has_the_given_values_and_its_visitor_is_saved_with_it(case: World) -> None:
    await define(case, "level", type=FieldType.NUMBER)
    await define(case, "plan", FieldTarget.VISITOR)
    sales = await case.department("Sales", RoutingMethod.MANUAL)
    head = await case.head()

    answer = await ensure(
        case,
        visitor=VisitorValues(token="new", name="Vi", email="v@example.org", custom_fields=values(plan="gold")),
        context=case.context.mutation("m1"),
        department_id=sales.id,
        source="email",
        subject="Hi",
        priority=3,
        tags=["a"],
        custom_fields=values(level=2, case="c-1"),
    )

    room = answer.room
    assert answer.created
    assert (room.department_id, room.source, room.subject, room.priority, room.tags) == (
        sales.id,
        "email",
        "Hi",
        3,
        ("a",),
    )
    assert room.custom_fields == {"case": "c-1", "level": 2}
    assert await case.room(room) == room
    saved, *later = await case.facts(head)
    assert isinstance(saved, VisitorSaved)
    assert (saved.visitor.id, saved.visitor.name, saved.visitor.custom_fields) == (
        room.visitor_id,
        "Vi",
        {"plan": "gold"},
    )
    assert kinds(later) == ["ROOM_STARTED", "ROOM_QUEUED"]
    assert all(isinstance(fact, RoomFact) and fact.room.visitor == saved.visitor for fact in later)
    assert {fact.client_mutation_id for fact in (saved, *later)} == {"m1"}


async def test_a_new_room_is_routed(case: World) -> None:
    anna, bert = await case.agent("anna"), await case.agent("bert")
    await case.start()

    routed = (await ensure(case)).room
    preferred = (await ensure(case, by=FieldRef("case", "c-2"), preferred_agent_id=anna.id)).room

    assert (routed.status, preferred.status) == (RoomStatus.ASSIGNED, RoomStatus.ASSIGNED)
    assert preferred.served_by_id == anna.id
    assert (await case.profile(anna)).open_room_count + (await case.profile(bert)).open_room_count == 3


async def test_a_new_room_is_routed_by_its_filter(case: World) -> None:
    await case.agent("anna")
    await case.agent("bert")

    matched = (await ensure(case, agent_filter=named("bert"))).room
    waiting = (await ensure(case, by=FieldRef("case", "c-2"), agent_filter=named("zoe"), agent_filter_seconds=60)).room

    assert (await case.served_by(matched), matched.agent_filter_until) == ("bert", None)
    assert waiting.status is RoomStatus.QUEUED
    assert waiting.agent_filter == '{"username":{"in":["zoe"]}}'
    assert waiting.agent_filter_until == waiting.started_at + timedelta(seconds=60)


async def test_the_visitor_of_a_new_room_is_updated_with_what_is_given(case: World) -> None:
    visitor = await visitors.save_visitor(case.context, token="v", name="Vi", phone="1")
    head = await case.head()

    first = await ensure(case, visitor=VisitorValues(token="v", name="Vera"))
    second = await ensure(case, visitor=VisitorValues(token="v", name="Vera"), by=FieldRef("case", "c-2"))

    found = await visitors.find_visitor(case.context, id=visitor.id)
    assert found is not None
    assert (found.name, found.phone) == ("Vera", "1")
    assert first.room.visitor_id == second.room.visitor_id == visitor.id
    assert kinds(await case.facts(head)) == [
        "VISITOR_SAVED",
        *["ROOM_STARTED", "ROOM_QUEUED"] * 2,
    ]


# ---------------------------------------------------------------- found


@pytest.mark.parametrize("closed", [False, True])
async def test_of_a_room_that_is_found_nothing_changes(case: World, closed: bool) -> None:
    room = (await ensure(case, subject="first")).room
    if closed:
        room = await rooms.close_room(case.context, room_id=room.id)
    disabled = await case.department("Sales", RoutingMethod.MANUAL)
    await departments.update_department(case.context, department_id=disabled.id, enabled=False)
    head, before = await case.head(), await counts(case)

    for token in ("new", "another"):
        answer = await ensure(
            case,
            visitor=VisitorValues(token=token, name="Changed"),
            department_id=disabled.id,
            subject="second",
            tags=["b"],
            agent_filter=named("zoe"),
            preferred_agent_id="nobody",
        )
        assert answer == RoomEnsured(room, False)

    assert await case.room(room) == room
    assert await counts(case) == before
    assert await case.facts(head) == []


async def test_a_value_is_free_again_when_the_room_no_longer_has_it(case: World) -> None:
    first = await ensure(case)
    await rooms.update_room(case.context, room_id=first.room.id, custom_fields=values(case=None))

    second = await ensure(case)

    assert (second.created, second.room.id == first.room.id) == (True, False)


async def test_a_repeated_call_returns_the_first_answer(case: World) -> None:
    context = case.context.mutation("m1")
    first = await ensure(case, context=context)
    await rooms.close_room(case.context, room_id=first.room.id)

    assert await ensure(case, context=context) == first
    with pytest.raises(IdempotencyMismatch):
        await ensure(case, context=context, token="another")


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("given", "kind", "message", "data"),
    [
        ({"by": FieldRef("none", 1)}, UnknownField, None, {"key": "none"}),
        ({"by": FieldRef("level", 1)}, Invalid, None, {"key": "level"}),
        ({"by": FieldRef("case", 1)}, InvalidFieldValue, None, {"key": "case"}),
        (
            {"custom_fields": values(case="c-2")},
            Invalid,
            'Custom field "case" identifies the room, so customFields cannot give it another value.',
            {"key": "case"},
        ),
        ({"custom_fields": values(none=1)}, UnknownField, None, {"key": "none"}),
        ({"source": ""}, Invalid, None, {"key": "source"}),
        ({"subject": "x" * 1001}, Invalid, None, {"key": "subject"}),
        ({"tags": ["x" * 129]}, Invalid, None, {"key": "tags"}),
        ({"agent_filter_seconds": 60}, Invalid, None, {"key": "agentFilterSeconds"}),
        ({"agent_filter": named("a"), "agent_filter_seconds": 0}, Invalid, None, {"key": "agentFilterSeconds"}),
        ({"token": ""}, Invalid, "visitor.token must have 1 to 128 characters; this one is empty.", {}),
        ({"visitor": VisitorValues(token="new", name="x" * 129)}, Invalid, None, {"key": "visitor.name"}),
        ({"visitor": VisitorValues(token="new", email="x")}, Invalid, None, {"key": "visitor.email"}),
        ({"visitor": VisitorValues(token="new", phone="x" * 65)}, Invalid, None, {"key": "visitor.phone"}),
        ({"visitor": VisitorValues(token="new", custom_fields=values(none=1))}, UnknownField, None, {"key": "none"}),
        ({"department_id": "none"}, NotFound, None, {"key": "departmentId"}),
        ({"preferred_agent_id": "none"}, NotFound, None, {"key": "preferredAgentId"}),
    ],
)
async def test_bad_input_is_refused_and_saves_no_visitor(
    case: World, given: dict[str, Any], kind: type[SwitchboardError], message: str | None, data: dict[str, Any]
) -> None:
    await define(case, "level", type=FieldType.NUMBER)
    before, head = await counts(case), await case.head()

    with pytest.raises(SwitchboardError) as caught:
        await ensure(case, **given)

    assert type(caught.value) is kind
    assert message is None or caught.value.message == message
    assert data.items() <= caught.value.data.items()
    assert (await counts(case), await case.head()) == (before, head)


async def test_a_disabled_department_is_refused_and_saves_no_visitor(case: World) -> None:
    sales = await case.department("Sales", RoutingMethod.MANUAL)
    await departments.update_department(case.context, department_id=sales.id, enabled=False)

    async with refused(case, DepartmentDisabled, 'The department "Sales" is disabled and takes no rooms.'):
        await ensure(case, department_id=sales.id)


async def test_required_fields_of_rooms_and_visitors_bind(case: World) -> None:
    await define(case, "plan", FieldTarget.VISITOR, required=True)
    with pytest.raises(FieldRequired) as caught:
        await ensure(case)
    assert caught.value.data["key"] == "plan"

    await define(case, "level", type=FieldType.NUMBER)
    visitor = VisitorValues(token="new", custom_fields=values(plan="gold"))
    assert (await ensure(case, visitor=visitor)).created


async def test_another_unique_value_of_another_room_or_visitor_is_refused(case: World) -> None:
    await define(case, "ticket", unique=True)
    await define(case, "badge", FieldTarget.VISITOR, unique=True)
    await ensure(
        case, custom_fields=values(ticket="t"), visitor=VisitorValues(token="a", custom_fields=values(badge="b"))
    )
    fresh = FieldRef("case", "c-2")

    async with refused(case, Duplicate, 'Another room holds ticket "t" already; it is unique.', key="ticket"):
        await ensure(case, by=fresh, custom_fields=values(ticket="t"))
    async with refused(case, Duplicate, 'Another visitor holds badge "b" already; it is unique.', key="badge"):
        await ensure(case, by=fresh, visitor=VisitorValues(token="b", custom_fields=values(badge="b")))


@pytest.mark.parametrize("scope", ["rooms:write", "visitors:write"])
async def test_it_needs_both_scopes(case: World, scope: str) -> None:
    context = scoped(case, *({"rooms:write", "visitors:write"} - {scope}))

    message = f"This needs the scope {scope}, which this token does not have."
    async with refused(case, Forbidden, message, scope=scope):
        await ensure(case, context=context)

    assert (await ensure(case, context=scoped(case, "rooms:write", "visitors:write"))).created


async def test_a_room_that_the_caller_may_not_see_is_neither_shown_nor_started_again(case: World) -> None:
    sales = await case.department("Sales", RoutingMethod.MANUAL)
    stranger = case.logged_in(await case.agent("bert"), "rooms:write", "visitors:write")
    await ensure(case, department_id=sales.id)

    async with refused(case, Duplicate, 'Another room holds case "c-1" already; it is unique.', key="case"):
        await ensure(case, context=stranger)
