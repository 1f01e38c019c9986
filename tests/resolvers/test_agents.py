from typing import Any

import pytest

from resolvers import agents, rooms, users
from storage.errors import Forbidden, Invalid, NotAnAgent, NotFound
from storage.facts import AgentAdded, AgentRemoved, AgentStatusChanged, AgentUnassigned, AgentUpdated
from storage.records import AgentStatus, Presence, RoomStatus, RoutingMethod, User, UserType
from tests.resolvers.refusals import kinds, refused, scoped
from tests.resolvers.world import World


async def user(world: World, username: str = "anna", **given: Any) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, **given)


# ---------------------------------------------------------------- add


async def test_a_user_becomes_an_agent_with_the_role_of_agents(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    before = await user(world, roles=["bot"])
    head = await world.head()

    added = await agents.add_agent(
        world.context,
        user_id=before.id,
        status=AgentStatus.NOT_AVAILABLE,
        max_rooms=3,
        department_ids=[sales.id, sales.id],
    )

    assert added.added
    profile = added.user.agent
    assert profile is not None
    assert (profile.status, profile.max_rooms, profile.department_ids) == (AgentStatus.NOT_AVAILABLE, 3, (sales.id,))
    assert (profile.open_room_count, profile.last_assigned_at) == (0, None)
    assert added.user.roles == ("bot", "livechat-agent")
    assert await world.user(before) == added.user
    facts = await world.facts(head)
    assert kinds(facts) == ["USER_ROLES_CHANGED", "AGENT_ADDED"]
    assert isinstance(facts[-1], AgentAdded)
    assert facts[-1].user == added.user


async def test_a_user_that_has_the_role_already_only_becomes_an_agent(world: World) -> None:
    before = await user(world, roles=["livechat-agent"])
    head = await world.head()

    await agents.add_agent(world.context, user_id=before.id)

    assert kinds(await world.facts(head)) == ["AGENT_ADDED"]


async def test_adding_an_agent_again_changes_nothing(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    head = await world.head()

    again = await agents.add_agent(world.context, user_id=anna.id, max_rooms=7, status=AgentStatus.NOT_AVAILABLE)

    assert (again.added, again.user) == (False, anna)
    assert await world.facts(head) == []


async def test_adding_an_agent_again_checks_the_arguments(world: World) -> None:
    anna = await world.agent("anna")

    async with refused(world, Invalid, "maxRooms must be 0 to 100000; it is -1.", key="maxRooms"):
        await agents.add_agent(world.context, user_id=anna.id, max_rooms=-1)
    async with refused(world, NotFound, 'There is no department "nowhere".', key="departmentIds"):
        await agents.add_agent(world.context, user_id=anna.id, department_ids=["nowhere"])


@pytest.mark.parametrize("limit", [-1, 100_001, 2**31])
async def test_max_rooms_has_bounds(world: World, limit: int) -> None:
    plain = await user(world, "plain")
    anna = await world.agent("anna")

    message = f"maxRooms must be 0 to 100000; it is {limit}."
    async with refused(world, Invalid, message, key="maxRooms"):
        await agents.add_agent(world.context, user_id=plain.id, max_rooms=limit)
    async with refused(world, Invalid, message, key="maxRooms"):
        await agents.update_agent(world.context, agent_id=anna.id, max_rooms=limit)


async def test_an_unknown_department_is_not_found(world: World) -> None:
    plain = await user(world, "plain")
    anna = await world.agent("anna")
    sales = await world.department("Sales", RoutingMethod.MANUAL)

    message = 'There is no department "nowhere".'
    async with refused(world, NotFound, message, key="departmentIds"):
        await agents.add_agent(world.context, user_id=plain.id, department_ids=[sales.id, "nowhere"])
    async with refused(world, NotFound, message, key="departmentIds"):
        await agents.update_agent(world.context, agent_id=anna.id, department_ids=[sales.id, "nowhere"])


# ---------------------------------------------------------------- change


async def test_an_update_changes_its_arguments_and_null_removes_the_limit(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    anna = await world.agent("anna", max_rooms=2, departments=[sales])
    head = await world.head()

    unlimited = await agents.update_agent(world.context, agent_id=anna.id, max_rooms=None)
    alone = await agents.update_agent(world.context, agent_id=anna.id, department_ids=None)

    assert unlimited.agent is not None
    assert alone.agent is not None
    assert (unlimited.agent.max_rooms, unlimited.agent.department_ids) == (None, (sales.id,))
    assert (alone.agent.max_rooms, alone.agent.department_ids) == (None, ())
    facts = await world.facts(head)
    assert kinds(facts) == ["AGENT_UPDATED", "AGENT_UPDATED"]
    assert isinstance(facts[-1], AgentUpdated)
    assert facts[-1].user == alone == await world.user(anna)


async def test_status_change_is_recorded(world: World) -> None:
    anna = await world.agent("anna")
    head = await world.head()

    after = await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)

    assert after.agent is not None
    assert after.agent.status is AgentStatus.NOT_AVAILABLE
    (fact,) = await world.facts(head)
    assert isinstance(fact, AgentStatusChanged)
    assert fact.user == after == await world.user(anna)


async def test_an_update_without_a_change_records_no_fact(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    anna = await world.agent("anna", max_rooms=2, departments=[sales])
    head = await world.head()

    await agents.update_agent(world.context, agent_id=anna.id)
    await agents.update_agent(world.context, agent_id=anna.id, max_rooms=2, department_ids=[sales.id])
    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.AVAILABLE)

    assert await world.user(anna) == anna
    assert await world.facts(head) == []


async def test_an_agent_keeps_its_rooms_when_its_limit_is_lowered(world: World) -> None:
    anna = await world.agent("anna", max_rooms=2)
    room = await world.assigned(anna)

    after = await agents.update_agent(world.context, agent_id=anna.id, max_rooms=0)

    assert after.agent is not None
    assert (after.agent.max_rooms, after.agent.open_room_count) == (0, 1)
    assert await world.served_by(room) == "anna"


# ---------------------------------------------------------------- remove


async def test_a_removed_agent_is_a_user_and_its_rooms_are_queued(world: World) -> None:
    anna = await world.agent("anna", roles=["bot"])
    room = await world.assigned(anna)
    head = await world.head()

    after = await agents.remove_agent(world.context, user_id=anna.id)

    assert (after.agent, after.roles) == (None, ("bot",))
    assert (await world.room(room)).status is RoomStatus.QUEUED
    facts = await world.facts(head)
    assert kinds(facts) == ["USER_ROLES_CHANGED", "AGENT_REMOVED", "AGENT_UNASSIGNED", "ROOM_QUEUED"]
    removed, unassigned = facts[1], facts[2]
    assert isinstance(removed, AgentRemoved)
    assert removed.user.agent is None
    assert isinstance(unassigned, AgentUnassigned)
    former = unassigned.room.former
    assert former is not None
    assert (former.version, former.agent, former.roles) == (after.version, None, ("bot",))
    assert after == await world.user(anna)
    assert await agents.find_agent(world.context, id=anna.id) is None


async def test_user_that_is_not_an_agent_is_refused(world: World) -> None:
    plain = await user(world, "plain")

    message = 'The user "plain" is not an agent; call addAgent first.'
    async with refused(world, NotAnAgent, message):
        await agents.remove_agent(world.context, user_id=plain.id)
    async with refused(world, NotAnAgent, message):
        await agents.set_agent_status(world.context, agent_id=plain.id, status=AgentStatus.AVAILABLE)
    async with refused(world, NotAnAgent, message):
        await agents.update_agent(world.context, agent_id=plain.id, max_rooms=1)


@pytest.mark.parametrize("id", ["", "nobody", "\0", "$gt", "x" * 5_000])
async def test_unknown_and_malformed_ids_are_not_found(world: World, id: str) -> None:
    shown = id.replace("\0", "\\u0000")
    message = f'There is no user "{shown if len(shown) <= 80 else shown[:79] + "…"}".'

    async with refused(world, NotFound, message, key="userId"):
        await agents.add_agent(world.context, user_id=id)
    async with refused(world, NotFound, message, key="userId"):
        await agents.remove_agent(world.context, user_id=id)
    async with refused(world, NotFound, message, key="agentId"):
        await agents.set_agent_status(world.context, agent_id=id, status=AgentStatus.AVAILABLE)
    async with refused(world, NotFound, message, key="agentId"):
        await agents.update_agent(world.context, agent_id=id)
    assert await agents.find_agent(world.context, id=id) is None


async def test_a_manager_changes_agents_of_its_own_departments_only(world: World) -> None:
    own = await world.department("Own", RoutingMethod.MANUAL)
    other = await world.department("Other", RoutingMethod.MANUAL)
    boss = await world.agent("boss", departments=[own], roles=["livechat-manager"])
    anna = await world.agent("anna", departments=[other])
    bert = await world.agent("bert", departments=[own])
    context = world.logged_in(boss)

    await agents.set_agent_status(context, agent_id=bert.id, status=AgentStatus.NOT_AVAILABLE)
    await agents.update_agent(context, agent_id=bert.id, max_rooms=3)

    message = "This changes a department to which you do not belong; you can change only your own departments."
    async with refused(world, Forbidden, message):
        await agents.update_agent(context, agent_id=anna.id, department_ids=[])
    async with refused(world, Forbidden, message):
        await agents.update_agent(context, agent_id=anna.id, max_rooms=0)
    async with refused(world, Forbidden, message):
        await agents.set_agent_status(context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)
    async with refused(world, Forbidden, message):
        await agents.remove_agent(context, user_id=anna.id)


async def test_agent_with_more_scopes_than_the_caller_cannot_be_changed(world: World) -> None:
    root = await world.agent("root", roles=["admin"])
    context = scoped(world, "agents:write")

    message = "Changing this agent needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await agents.set_agent_status(context, agent_id=root.id, status=AgentStatus.NOT_AVAILABLE)
    async with refused(world, Forbidden, message, scope="admin"):
        await agents.update_agent(context, agent_id=root.id, max_rooms=0)
    async with refused(world, Forbidden, message, scope="admin"):
        await agents.remove_agent(context, user_id=root.id)


async def test_user_with_more_scopes_than_the_caller_cannot_become_an_agent(world: World) -> None:
    admin = await user(world, roles=["admin"])

    message = "Making this user an agent needs scopes that this token does not have: admin."
    async with refused(world, Forbidden, message, scope="admin"):
        await agents.add_agent(scoped(world, "agents:write"), user_id=admin.id)


async def test_an_agent_sets_its_own_status_and_no_other(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    context = world.logged_in(anna)

    await agents.set_agent_status(context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)

    message = "This needs the scope agents:write, which this token does not have."
    async with refused(world, Forbidden, message, scope="agents:write"):
        await agents.set_agent_status(context, agent_id=bert.id, status=AgentStatus.NOT_AVAILABLE)


# ---------------------------------------------------------------- list


async def test_agents_are_listed_by_whether_they_are_routable(world: World) -> None:
    await user(world, "plain")
    ready = await world.agent("ready")
    bot = await world.agent("bot", presence=Presence.OFFLINE, roles=["bot"])
    away = await world.agent("away", presence=Presence.OFFLINE)
    full = await world.agent("full", max_rooms=1)
    await rooms.assign_agent(world.context, room_id=(await world.waiting()).id, agent_id=full.id)

    all_agents = await agents.list_agents(world.context)
    routable = await agents.list_agents(world.context, routable=True)
    others = await agents.list_agents(world.context, routable=False)

    assert [one.id for one in all_agents.items] == [ready.id, bot.id, away.id, full.id]
    assert [one.id for one in routable.items] == [ready.id, bot.id]
    assert [one.id for one in others.items] == [away.id, full.id]
