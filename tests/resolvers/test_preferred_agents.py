"""The agent whom startRoom asks first."""

from typing import Any

import pytest

from resolvers import users
from storage.errors import NotAnAgent, NotFound
from storage.records import AgentStatus, Presence, RoomStatus, RoutingMethod
from tests.resolvers.world import World


@pytest.mark.parametrize("method", list(RoutingMethod))
async def test_the_preferred_agent_gets_the_room_under_every_method(world: World, method: RoutingMethod) -> None:
    sales = await world.department("Sales", method)
    await world.agent("anna", departments=[sales])
    bert = await world.agent("bert", departments=[sales], accepts_routing=False)

    room = await world.start(sales, preferred_agent_id=bert.id)

    assert (room.status, room.served_by_id) == (RoomStatus.ASSIGNED, bert.id)
    assert await world.summary(room) == ["ROOM_STARTED", "AGENT_ASSIGNED ROUTED bert (-)"]
    assert (await world.profile(bert)).open_room_count == 1


@pytest.mark.parametrize(
    "agent",
    [
        {"max_rooms": 0},
        {"presence": Presence.OFFLINE},
        {"status": AgentStatus.NOT_AVAILABLE},
    ],
)
async def test_another_gets_the_room_if_the_preferred_agent_is_not_routable(
    world: World, agent: dict[str, Any]
) -> None:
    bert = await world.agent("bert", **agent)
    await world.agent("anna")

    room = await world.start(preferred_agent_id=bert.id)

    assert await world.served_by(room) == "anna"


async def test_another_gets_the_room_if_the_preferred_agent_works_elsewhere(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    bert = await world.agent("bert")
    await world.agent("anna", departments=[sales])

    room = await world.start(sales, preferred_agent_id=bert.id)

    assert await world.served_by(room) == "anna"


async def test_a_decision_is_requested_if_the_preferred_agent_is_not_routable(world: World) -> None:
    external = await world.department("External", RoutingMethod.EXTERNAL)
    bert = await world.agent("bert", departments=[external], max_rooms=0)

    room = await world.start(external, preferred_agent_id=bert.id)

    assert await world.summary(room) == ["ROOM_STARTED", "ROOM_QUEUED", "ROUTING_REQUESTED"]


async def test_a_preferred_agent_that_does_not_exist_is_refused(world: World) -> None:
    head = await world.head()

    with pytest.raises(NotFound) as refused:
        await world.start(preferred_agent_id="nobody")

    assert refused.value.data["key"] == "preferredAgentId"
    assert await world.head() == head


async def test_a_preferred_user_that_is_no_agent_is_refused(world: World) -> None:
    plain = await users.create_user(world.context, username="plain")
    head = await world.head()

    with pytest.raises(NotAnAgent):
        await world.start(preferred_agent_id=plain.id)

    assert await world.head() == head
