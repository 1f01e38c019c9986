import asyncio
from typing import Any

import pytest

from resolvers import departments, users
from storage.errors import Forbidden, Invalid, NotAnAgent, NotFound
from storage.facts import AgentUpdated, DepartmentSaved
from storage.records import AgentGoneAction, Department, RoutingMethod, UserType
from storage.transactions.keyed_locks import LockKey
from tests.resolvers.refusals import kinds, refused, scoped
from tests.resolvers.world import World

MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL
KEEP, REQUEUE = AgentGoneAction.KEEP, AgentGoneAction.REQUEUE


async def test_a_department_has_the_values_of_its_creation(world: World) -> None:
    head = await world.head()

    made = await departments.create_department(
        world.context,
        name="Sales",
        routing=EXTERNAL,
        external_timeout_seconds=30,
        fallback_routing=RoutingMethod.ROUND_ROBIN,
    )

    assert (made.name, made.enabled, made.routing) == ("Sales", True, EXTERNAL)
    assert (made.external_timeout_seconds, made.fallback_routing) == (30, RoutingMethod.ROUND_ROBIN)
    assert await departments.list_departments(world.context) == [made]
    (fact,) = await world.facts(head)
    assert isinstance(fact, DepartmentSaved)
    assert fact.department == made


async def test_an_update_changes_its_arguments_and_null_removes_a_value(world: World) -> None:
    before = await world.department("Sales", EXTERNAL, external_timeout_seconds=30, fallback_routing=MANUAL)
    head = await world.head()

    after = await departments.update_department(
        world.context, department_id=before.id, enabled=False, external_timeout_seconds=None, fallback_routing=None
    )

    assert (after.name, after.enabled, after.routing) == ("Sales", False, EXTERNAL)
    assert (after.external_timeout_seconds, after.fallback_routing) == (None, None)
    assert await departments.list_departments(world.context) == [after]
    assert kinds(await world.facts(head)) == ["DEPARTMENT_SAVED"]


async def test_a_department_keeps_the_rooms_of_gone_agents_unless_it_says_otherwise(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    requeueing = await world.department("Help", MANUAL, when_agent_gone=REQUEUE, agent_gone_after_seconds=0)
    assert (sales.when_agent_gone, sales.agent_gone_after_seconds) == (KEEP, 300)
    assert (requeueing.when_agent_gone, requeueing.agent_gone_after_seconds) == (REQUEUE, 0)

    changed = await departments.update_department(
        world.context, department_id=sales.id, when_agent_gone=REQUEUE, agent_gone_after_seconds=31_536_000
    )

    assert (changed.when_agent_gone, changed.agent_gone_after_seconds) == (REQUEUE, 31_536_000)
    assert await departments.list_departments(world.context) == [changed, requeueing]


async def test_an_update_without_a_change_records_no_fact(world: World) -> None:
    before = await world.department("Sales", MANUAL)
    head = await world.head()

    same = await departments.update_department(world.context, department_id=before.id, name="Sales", enabled=True)

    assert same == before
    assert await world.facts(head) == []


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"name": ""}, "name must have 1 to 128 characters; this one is empty.", "name"),
    ({"name": "x" * 129}, "name must have 1 to 128 characters; this one has 129.", "name"),
    (
        {"external_timeout_seconds": 0},
        "externalTimeoutSeconds must be 1 to 86400; it is 0.",
        "externalTimeoutSeconds",
    ),
    (
        {"external_timeout_seconds": 86_401},
        "externalTimeoutSeconds must be 1 to 86400; it is 86401.",
        "externalTimeoutSeconds",
    ),
    (
        {"fallback_routing": EXTERNAL},
        "fallbackRouting cannot be EXTERNAL; choose another method.",
        "fallbackRouting",
    ),
    (
        {"agent_gone_after_seconds": -1},
        "agentGoneAfterSeconds must be 0 to 31536000; it is -1.",
        "agentGoneAfterSeconds",
    ),
    (
        {"agent_gone_after_seconds": 31_536_001},
        "agentGoneAfterSeconds must be 0 to 31536000; it is 31536001.",
        "agentGoneAfterSeconds",
    ),
]


@pytest.mark.parametrize(("given", "message", "key"), WRONG)
async def test_invalid_arguments_are_refused(world: World, given: dict[str, Any], message: str, key: str) -> None:
    sales = await world.department("Sales", MANUAL)

    async with refused(world, Invalid, message, key=key):
        await departments.create_department(world.context, **{"name": "Sales", **given})
    async with refused(world, Invalid, message, key=key):
        await departments.update_department(world.context, department_id=sales.id, **given)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("name", "name"),
        ("enabled", "enabled"),
        ("routing", "routing"),
        ("when_agent_gone", "whenAgentGone"),
        ("agent_gone_after_seconds", "agentGoneAfterSeconds"),
    ],
)
async def test_required_values_of_a_department_cannot_be_null(world: World, name: str, key: str) -> None:
    sales = await world.department("Sales", MANUAL)
    nothing: dict[str, Any] = {name: None}

    async with refused(world, Invalid, f"{key} cannot be null; leave it out to keep it as it is.", key=key):
        await departments.update_department(world.context, department_id=sales.id, **nothing)


@pytest.mark.parametrize("id", ["", "nowhere", "\0", "$ne"])
async def test_an_unknown_department_is_not_found(world: World, id: str) -> None:
    shown = id.replace("\0", "\\u0000")

    async with refused(world, NotFound, f'There is no department "{shown}".', key="departmentId"):
        await departments.update_department(world.context, department_id=id, name="x")
    async with refused(world, NotFound, f'There is no department "{shown}".', key="departmentId"):
        await departments.set_department_agents(world.context, department_id=id)


# ---------------------------------------------------------------- agents of departments


async def test_agents_are_added_to_and_removed_from_a_department(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    anna = await world.agent("anna", departments=[sales])
    bert = await world.agent("bert")
    clea = await world.agent("clea", departments=[sales])
    head = await world.head()

    answer = await departments.set_department_agents(
        world.context, department_id=sales.id, add=[bert.id, clea.id, bert.id], remove=[anna.id]
    )

    assert answer == sales
    assert [(await world.profile(one)).department_ids for one in (anna, bert, clea)] == [(), (sales.id,), (sales.id,)]
    facts = await world.facts(head)
    assert all(isinstance(fact, AgentUpdated) for fact in facts)
    assert {fact.subject_id for fact in facts} == {anna.id, bert.id}


async def test_agents_are_added_and_removed_under_locks(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    anna, bert = await world.agent("anna"), await world.agent("bert", departments=[sales])
    turns = world.services.storage.transactions.locks

    async with turns.lock(LockKey("user", bert.id), deadline=float("inf")):
        setting = asyncio.create_task(
            departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id], remove=[bert.id])
        )
        await world.visitor("who comes meanwhile")
        assert not setting.done()
        assert (await world.profile(bert)).department_ids == (sales.id,)
    await setting

    assert [(await world.profile(one)).department_ids for one in (anna, bert)] == [(sales.id,), ()]


async def test_a_refused_change_of_agents_changes_none(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    anna = await world.agent("anna")
    plain = await world.visitor("nobody")

    async with refused(world, NotFound, f'There is no user "{plain.id}".', key="add"):
        await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id, plain.id])
    async with refused(world, NotFound, 'There is no user "x".', key="remove"):
        await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id], remove=["x"])
    message = f'"{anna.id}" is in both add and remove.'
    async with refused(world, Invalid, message, key="remove"):
        await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id], remove=[anna.id])
    async with refused(world, Invalid, "add takes up to 100 values; these are 101.", key="add"):
        await departments.set_department_agents(world.context, department_id=sales.id, add=["x"] * 101)


async def test_user_that_is_not_an_agent_cannot_join_a_department(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    anna = await world.agent("anna")
    plain = await users.create_user(world.context, username="plain", type=UserType.USER)

    async with refused(world, NotAnAgent, 'The user "plain" is not an agent; call addAgent first.'):
        await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id, plain.id])


async def test_a_manager_manages_its_own_departments_only(world: World) -> None:
    own: Department = await world.department("Own", MANUAL)
    other = await world.department("Other", MANUAL)
    boss = world.logged_in(await world.agent("boss", departments=[own], roles=["livechat-manager"]))

    await departments.update_department(boss, department_id=own.id, enabled=False)

    message = "This changes a department to which you do not belong; you can change only your own departments."
    async with refused(world, Forbidden, message):
        await departments.update_department(boss, department_id=other.id, enabled=False)
    async with refused(world, Forbidden, message):
        await departments.set_department_agents(boss, department_id=other.id)


async def test_operations_on_departments_need_their_scopes(world: World) -> None:
    message = "This needs the scope {}, which this token does not have."
    async with refused(world, Forbidden, message.format("departments:write"), scope="departments:write"):
        await departments.create_department(scoped(world, "users:write"), name="Sales")
    async with refused(world, Forbidden, message.format("users:read"), scope="users:read"):
        await departments.list_departments(scoped(world, "departments:write"))
