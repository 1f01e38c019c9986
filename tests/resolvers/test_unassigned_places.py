"""Where a room goes that unassignAgent takes from its agent: its place in the queue, and to which agents."""

from datetime import timedelta

from resolvers import rooms
from storage.records import RoomStatus, RoutingMethod
from tests.resolvers.world import World

EXTERNAL = RoutingMethod.EXTERNAL


async def test_room_begins_a_new_wait_by_default(world: World) -> None:
    room = await world.assigned(await world.agent("anna"))

    after = await rooms.unassign_agent(world.context, room_id=room.id)

    unassigned = (await world.facts_of(room))[-2]
    assert after.queued_at == unassigned.occurred_at


async def test_room_returns_to_its_place_if_it_keeps_it(world: World) -> None:
    waiting = await world.waiting()
    await world.start(
        (await world.services.storage.reference_data.departments([waiting.department_id or ""])).popitem()[1]
    )
    anna = await world.agent("anna")
    await rooms.assign_agent(world.context, room_id=waiting.id, agent_id=anna.id)

    after = await rooms.unassign_agent(world.context, room_id=waiting.id, keep_place=True)

    assert (after.status, after.queued_at) == (RoomStatus.QUEUED, waiting.queued_at)
    assert [fact.room.room.queued_at for fact in (await world.facts_of(waiting))[-2:]] == [waiting.queued_at] * 2


async def test_a_transfer_between_agents_does_not_change_the_place_that_is_kept(world: World) -> None:
    waiting, anna, bert = await world.waiting(), await world.agent("anna"), await world.agent("bert")
    await rooms.assign_agent(world.context, room_id=waiting.id, agent_id=anna.id)
    await rooms.transfer_room(world.context, room_id=waiting.id, to_agent_id=bert.id)

    after = await rooms.unassign_agent(world.context, room_id=waiting.id, keep_place=True)

    assert after.queued_at == waiting.queued_at


async def test_the_place_of_a_room_that_never_waited_is_its_start(world: World) -> None:
    await world.agent("anna")
    room = await world.start()
    assert room.status is RoomStatus.ASSIGNED

    after = await rooms.unassign_agent(world.context, room_id=room.id, keep_place=True)

    assert (after.status, after.queued_at) == (RoomStatus.QUEUED, room.started_at)


async def test_a_room_that_keeps_its_place_gets_a_new_decision(world: World) -> None:
    external = await world.department("External", EXTERNAL, external_timeout_seconds=60)
    await world.agent("anna", departments=[external])
    bert, room = await world.agent("bert"), await world.start(external)
    ago = room.started_at - timedelta(hours=1)
    change = {"$set": {"queuedAt": ago, "lastQueuedAt": ago}, "$inc": {"version": 1}}
    await world.services.storage.database["rooms"].update_one({"_id": room.id}, change)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=bert.id)

    after = await rooms.unassign_agent(world.context, room_id=room.id, keep_place=True)

    requested = (await world.facts_of(room))[-1]
    assert (after.status, after.queued_at) == (RoomStatus.QUEUED, ago)
    assert after.external_until == requested.occurred_at + timedelta(seconds=60)


async def test_the_same_agent_gets_the_room_again_if_that_is_allowed(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    room = await world.start()

    after = await rooms.unassign_agent(world.context, room_id=room.id, same_agent_again=True)

    assert (after.status, after.served_by_id, after.passed_over_id) == (RoomStatus.ASSIGNED, anna.id, None)
    assert (await world.summary(room))[2:] == [
        "AGENT_UNASSIGNED UNASSIGNED anna (-)",
        "AGENT_ASSIGNED ROUTED anna (anna)",
    ]
    assert (await world.profile(anna)).open_room_count == 1


async def test_same_agent_again_clears_the_agent_that_is_passed_over(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()
    await rooms.unassign_agent(world.context, room_id=room.id)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)

    after = await rooms.unassign_agent(world.context, room_id=room.id, same_agent_again=True)

    assert (after.served_by_id, after.passed_over_id) == (anna.id, None)
