"""What becomes of the rooms of agents who leave, for a while or for good."""

import pytest

from resolvers import agents, users
from storage.facts import AgentUnassigned
from storage.records import AgentStatus, Presence, RoomStatus, RoutingMethod
from tests.resolvers.worlds import World, heard_by

LEAST_LOADED = RoutingMethod.LEAST_LOADED


async def test_an_agent_that_is_not_available_keeps_its_rooms_and_gets_no_new_ones(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()

    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)

    assert await world.served_by(room) == "anna"
    assert (await world.start()).status is RoomStatus.QUEUED


async def test_an_agent_that_goes_offline_keeps_its_rooms_and_gets_no_new_ones(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()

    await users.set_presence(world.context, user_id=anna.id, presence=Presence.OFFLINE)

    assert await world.served_by(room) == "anna"
    assert (await world.start()).status is RoomStatus.QUEUED


@pytest.mark.parametrize("way", ["removeAgent", "setUserActive"])
async def test_the_rooms_of_an_agent_that_leaves_for_good_go_back_to_the_queue(world: World, way: str) -> None:
    anna = await world.agent("anna")
    served, held = await world.assigned(anna), await world.held(anna)
    also_served = await world.assigned(anna)

    if way == "removeAgent":
        left = await agents.remove_agent(world.context, user_id=anna.id)
    else:
        left = await users.set_user_active(world.context, user_id=anna.id, active=False)

    for room in (served, held, also_served):
        assert (await world.story(room))[-2:] == ["AGENT_UNASSIGNED AGENT_REMOVED anna (-)", "ROOM_QUEUED"]
        assert (await world.room(room)).last_served_by_id == anna.id
    unassigned = [fact.room.former for fact in await world.facts() if isinstance(fact, AgentUnassigned)]
    counts = [user.agent.open_room_count for user in unassigned if user is not None and user.agent is not None]
    assert counts == [1, 1, 0]
    assert (
        (left.agent is None) if way == "removeAgent" else (left.agent is not None and left.agent.open_room_count == 0)
    )
    assert (await world.facts())[-1].__struct_config__.tag == (
        "AGENT_REMOVED" if way == "removeAgent" else "USER_UPDATED"
    )


@pytest.mark.parametrize("way", ["removeAgent", "setUserActive"])
async def test_whoever_heard_only_of_its_rooms_does_not_give_another_to_an_agent_that_left(
    world: World, other: World, way: str
) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])
    for _ in range(2):
        await world.assigned(anna)
    if way == "removeAgent":
        await agents.remove_agent(world.context, user_id=anna.id)
    else:
        await users.set_user_active(world.context, user_id=anna.id, active=False)
    left = await world.user(anna)
    told = [fact for fact in await world.facts() if isinstance(fact, AgentUnassigned)]

    await heard_by(other, told[:1])
    started = await other.start(sales)

    assert started.status is RoomStatus.QUEUED
    assert await world.user(anna) == left
    versions = [fact.room.former.version for fact in told if fact.room.former is not None]
    assert versions == sorted({*versions, left.version})[:-1]


async def test_the_rooms_of_an_agent_that_leaves_go_to_the_others(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()
    await world.agent("bert")

    await agents.remove_agent(world.context, user_id=anna.id)
    await world.settle()

    assert (await world.story(room))[2:] == [
        "AGENT_UNASSIGNED AGENT_REMOVED anna (-)",
        "ROOM_QUEUED",
        "AGENT_ASSIGNED ROUTED bert (anna)",
    ]
