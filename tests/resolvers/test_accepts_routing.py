"""acceptsRouting: routing assigns rooms only to agents that accept them. Mutations that name an agent ignore it."""

import pytest

from resolvers import agents, departments, rooms
from resolvers.custom_fields.definitions import FieldRef, define_custom_field
from storage.errors import Invalid
from storage.facts import AgentUpdated
from storage.records import FieldTarget, FieldType, Presence, RoomStatus, RoutingMethod
from tests.resolvers.refusals import kinds, refused
from tests.resolvers.world import World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
EXTERNAL = RoutingMethod.EXTERNAL


@pytest.mark.parametrize("method", [LEAST_LOADED, ROUND_ROBIN])
@pytest.mark.parametrize("bots_first", [False, True])
async def test_routing_offers_no_room_to_an_agent_that_does_not_accept_routing(
    world: World, method: RoutingMethod, bots_first: bool
) -> None:
    world.routing(method=method, bots_first=bots_first)
    await world.agent("robot", roles=["bot"], accepts_routing=False)

    waiting = await world.start()
    await world.await_routing()
    assert await world.served_by(waiting) is None

    await world.agent("anna")
    await world.await_routing()
    assert [await world.served_by(waiting), await world.served_by(await world.start())] == ["anna", "anna"]


@pytest.mark.parametrize("way", ["assignAgent", "takeRoom", "transferRoom"])
async def test_an_agent_that_does_not_accept_routing_can_be_assigned_by_name(world: World, way: str) -> None:
    robot = await world.agent("robot", accepts_routing=False)
    room = await world.start()
    match way:
        case "assignAgent":
            after = await rooms.assign_agent(world.context, room_id=room.id, agent_id=robot.id)
        case "takeRoom":
            after = await rooms.take_room(world.logged_in(robot), room_id=room.id)
        case _:
            after = await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=robot.id)

    assert (after.status, after.served_by_id) == (RoomStatus.ASSIGNED, robot.id)


async def test_an_agent_that_begins_to_accept_routing_gets_waiting_rooms(world: World) -> None:
    anna = await world.agent("anna", accepts_routing=False)
    room = await world.start()
    head = await world.head()

    after = await agents.update_agent(world.context, agent_id=anna.id, accepts_routing=True)
    await world.await_routing()

    assert after.agent is not None
    assert after.agent.accepts_routing
    assert await world.served_by(room) == "anna"
    first = (await world.facts(head))[0]
    assert isinstance(first, AgentUpdated)


async def test_agent_that_stops_accepting_routing_keeps_its_rooms_and_gets_no_others(world: World) -> None:
    anna = await world.agent("anna")
    served = await world.start()

    await agents.update_agent(world.context, agent_id=anna.id, accepts_routing=False)
    waiting = await world.start()
    await world.await_routing()

    assert (await world.served_by(served), await world.served_by(waiting)) == ("anna", None)


async def test_another_process_offers_no_room_to_an_agent_that_does_not_accept_routing(
    world: World, other: World
) -> None:
    await world.agent("anna", accepts_routing=False)

    room = await other.start()
    await other.await_routing()

    assert await world.served_by(room) is None


async def test_acceptance_of_routing_is_never_null(world: World) -> None:
    anna = await world.agent("anna")

    message = "acceptsRouting cannot be null; leave it out to keep it as it is."
    async with refused(world, Invalid, message, key="acceptsRouting"):
        await agents.update_agent(world.context, agent_id=anna.id, accepts_routing=None)


async def test_ensure_agent_sets_accepts_routing_only_if_given(
    world: World,
) -> None:
    await define_custom_field(
        world.context, target=FieldTarget.USER, key="externalId", type=FieldType.TEXT, unique=True
    )
    by = FieldRef("externalId", "E-1")

    created = await agents.ensure_agent(world.context, by=by, username="anna", accepts_routing=False)
    head = await world.head()
    found = await agents.ensure_agent(world.context, by=by, username="anna")
    assert kinds(await world.facts(head)) == []
    changed = await agents.ensure_agent(world.context, by=by, username="anna", accepts_routing=True)

    profiles = [one.user.agent for one in (created, found, changed)]
    assert [profile is not None and profile.accepts_routing for profile in profiles] == [False, False, True]
    assert kinds(await world.facts(head)) == ["AGENT_UPDATED"]


async def test_an_agent_that_an_earlier_version_stored_accepts_routing(world: World, other: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales], presence=Presence.OFFLINE, roles=["bot"])
    await world.services.storage.database["users"].update_one(
        {"_id": anna.id}, {"$unset": {"agent.acceptsRouting": True}}
    )
    await other.services.agent_cache.load(other.context.reader)

    assert await other.served_by(await other.start(sales)) == "anna"
    manual = await world.department("Manual", EXTERNAL)
    waiting = await world.start(manual)
    await world.services.storage.database["users"].update_one(
        {"_id": anna.id}, {"$unset": {"agent.acceptsRouting": True}}
    )
    await departments.update_department(world.context, department_id=manual.id, routing=ROUND_ROBIN)
    await agents.update_agent(world.context, agent_id=anna.id, department_ids=[manual.id])
    await world.await_routing()

    assert await world.served_by(waiting) == "anna"
    assert (await world.profile(anna)).accepts_routing
