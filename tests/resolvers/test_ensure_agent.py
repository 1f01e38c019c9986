"""ensureAgent finds or creates an agent, also in concurrent calls in several processes."""

import asyncio
from typing import Any

import pytest

from resolvers import agents, users
from resolvers.agents import AgentEnsured
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from resolvers.custom_fields.values import FieldAssignment
from storage.errors import (
    Duplicate,
    FieldRequired,
    Forbidden,
    Invalid,
    InvalidFieldValue,
    NotFound,
    SwitchboardError,
    UnknownField,
    UnknownRole,
    UsernameTaken,
)
from storage.records import AgentStatus, FieldTarget, FieldType, RoutingMethod, UserType
from tests.resolvers.refusals import kinds, refused, scoped, values
from tests.resolvers.test_role_scopes import AGENT, holder, logged_in
from tests.resolvers.world import World

BY = FieldRef("externalId", "x-1")


async def define(world: World, key: str, **given: Any) -> None:
    given.setdefault("type", FieldType.TEXT)
    await define_custom_field(world.context, target=FieldTarget.USER, key=key, **given)


async def ensure(world: World, **given: Any) -> AgentEnsured:
    return await agents.ensure_agent(world.context, **{"by": BY, "username": "anna", **given})


# ---------------------------------------------------------------- concurrent calls


async def test_a_hundred_concurrent_calls_in_two_processes_create_one_agent(world: World, other: World) -> None:
    await define(world, "externalId", unique=True)
    head = await world.head()

    answers = await asyncio.gather(*(ensure((world, other)[n % 2], name="Anna") for n in range(100)))

    assert sorted(answer.created for answer in answers) == [False] * 99 + [True]
    assert len({answer.user.id for answer in answers}) == 1
    assert all(answer.user == answers[0].user for answer in answers)
    assert await world.services.storage.database["users"].count_documents({}) == 1
    assert await world.user(answers[0].user) == answers[0].user
    assert kinds(await world.facts(head)) == ["USER_CREATED", "AGENT_ADDED"]


async def test_concurrent_calls_are_refused_if_another_user_has_the_username(world: World, other: World) -> None:
    await define(world, "externalId", unique=True)
    await world.agent("anna")

    message = 'The username "ANNA" is taken (usernames are compared without case, and by their look).'
    async with refused(world, UsernameTaken, message):
        answers = await asyncio.gather(
            *(ensure((world, other)[n % 2], username="ANNA") for n in range(20)), return_exceptions=True
        )
        assert [str(answer) for answer in answers] == [message] * 20
        raise answers[0]  # type: ignore[misc] # an exception, as asserted above


async def test_of_two_concurrent_calls_with_one_username_one_succeeds(world: World, other: World) -> None:
    await define(world, "externalId", unique=True)

    answers = await asyncio.gather(
        *(ensure((world, other)[n % 2], by=FieldRef("externalId", f"x-{n % 4}")) for n in range(40)),
        return_exceptions=True,
    )

    winners = [answer for answer in answers if isinstance(answer, AgentEnsured)]
    losers = [answer for answer in answers if isinstance(answer, UsernameTaken)]
    assert (len(winners), len(losers)) == (10, 30)
    assert len({answer.user.id for answer in winners}) == 1
    assert [answer.created for answer in winners].count(True) == 1


async def test_another_unique_field_of_the_same_agent_is_no_conflict(world: World, other: World) -> None:
    await define(world, "externalId", unique=True)
    await define(world, "badge", unique=True, type=FieldType.NUMBER)

    answers = await asyncio.gather(*(ensure((world, other)[n % 2], custom_fields=values(badge=7)) for n in range(20)))

    assert [answer.created for answer in answers].count(True) == 1
    assert len({answer.user.id for answer in answers}) == 1


# ---------------------------------------------------------------- created


async def test_a_new_agent_has_the_given_values(world: World) -> None:
    await define(world, "externalId", unique=True)
    await define(world, "site")
    sales = await world.department("Sales", RoutingMethod.MANUAL)

    answer = await ensure(
        world,
        name="Anna",
        emails=["a@example.org"],
        type=UserType.BOT,
        roles=["bot"],
        custom_fields=values(site="Bern", externalId="x-1"),
        status=AgentStatus.NOT_AVAILABLE,
        max_rooms=0,
        department_ids=[sales.id],
    )

    user = answer.user
    assert (user.username, user.name, user.emails, user.type) == ("anna", "Anna", ("a@example.org",), UserType.BOT)
    assert (user.roles, user.custom_fields) == (("bot", "livechat-agent"), {"externalId": "x-1", "site": "Bern"})
    assert user.agent is not None
    assert (user.agent.status, user.agent.max_rooms) == (AgentStatus.NOT_AVAILABLE, 0)
    assert user.agent.department_ids == (sales.id,)


async def test_a_new_agent_is_available_without_a_limit(world: World) -> None:
    await define(world, "externalId", unique=True)

    answer = await ensure(world)

    assert answer.user.agent is not None
    assert (answer.user.agent.status, answer.user.agent.max_rooms) == (AgentStatus.AVAILABLE, None)


# ---------------------------------------------------------------- existing agents


async def test_an_existing_user_becomes_an_agent(world: World) -> None:
    await define(world, "externalId", unique=True)
    user = await users.create_user(
        world.context, username="anna", type=UserType.USER, custom_fields=values(externalId="x-1")
    )
    head = await world.head()

    answer = await ensure(world, max_rooms=0)

    assert (answer.created, answer.user.id) == (False, user.id)
    assert answer.user.agent is not None
    assert answer.user.agent.max_rooms == 0
    assert kinds(await world.facts(head)) == ["USER_ROLES_CHANGED", "AGENT_ADDED"]


async def test_an_existing_agent_is_updated_with_the_given_values(world: World) -> None:
    await define(world, "externalId", unique=True)
    await define(world, "site")
    first = await ensure(world, name="Anna", max_rooms=3, custom_fields=values(site="Bern"))
    head = await world.head()

    answer = await ensure(
        world,
        username="bea",
        roles=["bot"],
        status=AgentStatus.NOT_AVAILABLE,
        max_rooms=None,
        custom_fields=values(site="Basel"),
    )

    user = answer.user
    assert (answer.created, user.id) == (False, first.user.id)
    assert (user.username, user.name, user.roles) == ("bea", "Anna", ("bot", "livechat-agent"))
    assert user.custom_fields == {"externalId": "x-1", "site": "Basel"}
    assert user.agent is not None
    assert (user.agent.status, user.agent.max_rooms) == (AgentStatus.NOT_AVAILABLE, None)
    assert kinds(await world.facts(head)) == [
        "USER_UPDATED",
        "USER_ROLES_CHANGED",
        "AGENT_UPDATED",
        "AGENT_STATUS_CHANGED",
    ]


async def test_an_agent_without_a_difference_records_no_fact(world: World) -> None:
    await define(world, "externalId", unique=True)
    given = {"name": "Anna", "roles": ["bot"], "max_rooms": 3, "status": AgentStatus.AVAILABLE}
    first = await ensure(world, **given)
    head = await world.head()

    second = await ensure(world, **given)

    assert (second.created, second.user) == (False, first.user)
    assert await world.facts(head) == []


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("given", "kind", "message", "data"),
    [
        (
            {"by": FieldRef("nothing", "x")},
            UnknownField,
            'There is no custom field "nothing" here; defined are "externalId", "site".',
            {"key": "nothing"},
        ),
        (
            {"by": FieldRef("site", "Bern")},
            Invalid,
            'Custom field "site" is not unique, so its value can belong to several entities; use a filter.',
            {"key": "site"},
        ),
        (
            {"by": FieldRef("externalId", 7)},
            InvalidFieldValue,
            'Custom field "externalId": expected TEXT, got 7 (Int).',
            {"key": "externalId", "expected": "TEXT"},
        ),
        (
            {"custom_fields": values(externalId="x-2")},
            Invalid,
            'Custom field "externalId" identifies the agent, so customFields cannot give it another value.',
            {"key": "externalId"},
        ),
        (
            {"custom_fields": values(externalId=None)},
            Invalid,
            'Custom field "externalId" identifies the agent, so customFields cannot give it another value.',
            {"key": "externalId"},
        ),
        ({"roles": ["pilot"]}, UnknownRole, 'There is no role "pilot"; create it first.', {"key": "pilot"}),
        (
            {"department_ids": ["nowhere"]},
            NotFound,
            'There is no department "nowhere".',
            {"key": "departmentIds"},
        ),
        ({"max_rooms": -1}, Invalid, "maxRooms must be 0 to 100000; it is -1.", {"key": "maxRooms"}),
        (
            {"username": ""},
            Invalid,
            "username must have 1 to 64 characters; this one is empty.",
            {"key": "username"},
        ),
        (
            {"custom_fields": [FieldAssignment("site", ["Bern"])]},
            InvalidFieldValue,
            'Custom field "site": expected TEXT, got a list of 1.',
            {"key": "site", "expected": "TEXT"},
        ),
    ],
)
async def test_an_invalid_argument_changes_nothing(
    world: World,
    exists: bool,
    given: dict[str, Any],
    kind: type[SwitchboardError],
    message: str,
    data: dict[str, Any],
) -> None:
    await define(world, "externalId", unique=True)
    await define(world, "site")
    if exists:
        await ensure(world)

    async with refused(world, kind, message, **data):
        await ensure(world, **{"name": "never written", **given})


async def test_a_missing_required_field_or_a_value_of_another_user_is_refused(world: World) -> None:
    await define(world, "externalId", unique=True)
    await define(world, "badge", type=FieldType.NUMBER, unique=True, required=True)
    await ensure(world, by=FieldRef("externalId", "x-2"), username="bert", custom_fields=values(badge=7))

    async with refused(world, FieldRequired, 'Required custom fields are missing: "badge".', key="badge"):
        await ensure(world)
    async with refused(world, Duplicate, 'Another user holds badge "7" already; it is unique.', key="badge"):
        await ensure(world, custom_fields=values(badge=7))


async def test_ensure_agent_needs_the_scopes_of_all_its_changes(world: World) -> None:
    await define(world, "externalId", unique=True)

    message = "This needs the scope {}, which this token does not have."
    async with refused(world, Forbidden, message.format("users:write"), scope="users:write"):
        await agents.ensure_agent(scoped(world, "agents:write"), by=BY, username="anna")
    async with refused(world, Forbidden, message.format("agents:write"), scope="agents:write"):
        await agents.ensure_agent(scoped(world, "users:write"), by=BY, username="anna")
    async with refused(world, Forbidden, message.format("roles:write"), scope="roles:write"):
        await agents.ensure_agent(scoped(world, "users:write", "agents:write"), by=BY, username="anna", roles=["bot"])


async def test_ensure_agent_changes_no_agent_that_the_caller_may_not_change(world: World) -> None:
    await define(world, "externalId", unique=True)
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    boss = await agents.ensure_agent(
        world.context, by=FieldRef("externalId", "x"), username="boss", roles=["admin"], department_ids=[sales.id]
    )
    clara = await agents.ensure_agent(
        world.context, by=FieldRef("externalId", "y"), username="clara", department_ids=[sales.id]
    )
    anna = await holder(world, "users:write", *AGENT, "agents:write")
    context = await logged_in(world, anna)
    head = await world.head()

    for change in ({"max_rooms": 0}, {"accepts_routing": False}, {"status": AgentStatus.NOT_AVAILABLE}):
        message = "Changing this agent needs scopes that this token does not have: admin."
        async with refused(world, Forbidden, message, scope="admin"):
            await agents.ensure_agent(context, by=FieldRef("externalId", "x"), username="boss", **change)
        async with refused(
            world,
            Forbidden,
            "This changes a department to which you do not belong; you can change only your own departments.",
        ):
            await agents.ensure_agent(context, by=FieldRef("externalId", "y"), username="clara", **change)
    # What changes nothing is found without a permission to change it.
    found = await agents.ensure_agent(context, by=FieldRef("externalId", "y"), username="clara", accepts_routing=True)
    assert found == agents.AgentEnsured(clara.user, False)
    assert await agents.ensure_agent(context, by=FieldRef("externalId", "x"), username="boss") == agents.AgentEnsured(
        boss.user, False
    )
    assert await world.head() == head
