"""After unassignAgent, routing does not assign the room to the same agent until another agent has served it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from resolvers import agents, departments, rooms
from storage.records import AgentStatus, Room, RoomStatus, RoutingMethod, User
from tests.resolvers.world import World

LEAST_LOADED, MANUAL, EXTERNAL = RoutingMethod.LEAST_LOADED, RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


async def given_up(world: World, **given: Any) -> Room:
    """A room that was unassigned from its agent."""
    room = await world.start(**given)
    return await rooms.unassign_agent(world.context, room_id=room.id)


async def test_room_waits_if_it_was_unassigned_from_the_only_agent(world: World) -> None:
    anna = await world.agent("anna")
    room = await given_up(world)
    await world.await_routing()

    assert (room.status, room.passed_over_id) == (RoomStatus.QUEUED, anna.id)
    assert await world.served_by(room) is None
    assert (await world.summary(room))[2:] == ["AGENT_UNASSIGNED UNASSIGNED anna (-)", "ROOM_QUEUED"]


async def comes_back(world: World, anna: User) -> None:
    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.NOT_AVAILABLE)
    await agents.set_agent_status(world.context, agent_id=anna.id, status=AgentStatus.AVAILABLE)


async def is_added_again(world: World, anna: User) -> None:
    await agents.remove_agent(world.context, user_id=anna.id)
    await agents.add_agent(world.context, user_id=anna.id)


async def changes_its_department(world: World, anna: User) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    await departments.set_department_agents(world.context, department_id=sales.id, add=[anna.id])


LATER: dict[str, Callable[[World, User], Awaitable[object]]] = {
    "the agent comes back": comes_back,
    "the agent is added again": is_added_again,
    "a department is created": lambda world, anna: world.department("Sales", MANUAL),
    "the agent joins a department": changes_its_department,
    "another agent is added": lambda world, anna: world.agent("bert", status=AgentStatus.NOT_AVAILABLE),
    "another room is served": lambda world, anna: world.start(),
}


@pytest.mark.parametrize("later", LATER)
async def test_no_run_of_the_queue_assigns_it_to_the_same_agent(world: World, later: str) -> None:
    anna = await world.agent("anna")
    room = await given_up(world)

    await LATER[later](world, anna)
    await world.await_routing()

    assert await world.served_by(room) is None
    assert (await world.room(room)).passed_over_id == anna.id


async def test_no_other_process_assigns_it_to_the_same_agent(world: World, other: World) -> None:
    await world.agent("anna")
    room = await given_up(world)

    await other.department("Sales", MANUAL)
    await other.await_routing()

    assert await world.served_by(room) is None


async def test_another_agent_that_becomes_available_gets_it(world: World) -> None:
    await world.agent("anna")
    room = await given_up(world)

    await world.agent("bert")
    await world.await_routing()

    assert await world.served_by(room) == "bert"
    assert (await world.room(room)).passed_over_id is None


async def test_the_agent_is_a_candidate_again_after_another_served_the_room(world: World) -> None:
    await world.agent("anna")
    room = await given_up(world)
    bert = await world.agent("bert")
    await world.await_routing()

    after = await rooms.unassign_agent(world.context, room_id=room.id)

    assert await world.served_by(room) == "anna"
    assert after.passed_over_id is None
    assert (await world.user(bert)).agent is not None


@pytest.mark.parametrize("way", ["assignAgent", "takeRoom", "transferRoom"])
async def test_the_agent_can_still_be_assigned_and_is_passed_over_after_another_unassignment(
    world: World, way: str
) -> None:
    anna = await world.agent("anna")
    room = await given_up(world)
    match way:
        case "assignAgent":
            await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
        case "takeRoom":
            await rooms.take_room(world.logged_in(anna), room_id=room.id)
        case _:
            await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=anna.id)
    assert await world.served_by(room) == "anna"
    assert (await world.room(room)).passed_over_id == anna.id  # no other agent has served it

    await rooms.unassign_agent(world.context, room_id=room.id)
    await world.await_routing()

    assert await world.served_by(room) is None


async def test_a_transfer_to_a_department_does_not_assign_it_to_the_same_agent(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])
    room = await given_up(world)

    moved = await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id)
    await world.await_routing()

    assert (moved.status, moved.passed_over_id) == (RoomStatus.QUEUED, anna.id)
    assert await world.served_by(room) is None


@pytest.mark.parametrize("method", [MANUAL, EXTERNAL])
async def test_the_fallback_of_an_external_department_passes_over_the_agent(
    world: World, method: RoutingMethod
) -> None:
    sales = await world.department("Sales", method)
    anna = await world.agent("anna", departments=[sales])
    room = await world.start(sales)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await rooms.unassign_agent(world.context, room_id=room.id)

    await departments.update_department(world.context, department_id=sales.id, routing=LEAST_LOADED)
    await world.await_routing()

    assert await world.served_by(room) is None


async def test_closed_room_passes_over_no_agent(world: World) -> None:
    await world.agent("anna")
    room = await given_up(world)

    closed = await rooms.close_room(world.context, room_id=room.id)

    assert closed.passed_over_id is None


async def test_rooms_that_pass_over_the_only_agent_do_not_block_later_rooms(world: World) -> None:
    await world.agent("anna")
    for number in range(60):  # more than a batch of the queue
        await given_up(world, subject=str(number), priority=1)
    manual = await world.department("Manual", MANUAL)
    behind = await world.start(manual)

    await departments.update_department(world.context, department_id=manual.id, routing=LEAST_LOADED)
    await agents.update_agent(
        world.context,
        agent_id=(await agents.list_agents(world.context)).items[0].id,
        department_ids=[manual.id],
    )
    await world.await_routing()
    assert await world.served_by(behind) == "anna"

    new = await world.start()
    assert await world.served_by(new) == "anna"


async def test_a_new_room_does_not_overtake_one_that_the_agent_could_serve(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    await given_up(world, priority=1)
    served = await world.start()
    waiting = await world.start()

    await rooms.close_room(world.context, room_id=served.id)
    await world.await_routing()

    assert await world.served_by(waiting) == "anna"
    assert (await world.profile(anna)).open_room_count == 1
