"""Wrong room counts of agents are found and repaired, also while rooms change."""

import asyncio

from resolvers import rooms
from resolvers.routing import capacity_check
from storage.facts import AgentUpdated
from storage.records import RoomStatus, User
from tests.resolvers.world import World


async def break_count(world: World, agent: User, by: int) -> None:
    """Change the stored count without an operation."""
    users = world.services.storage.database["users"]
    await users.update_one({"_id": agent.id}, {"$inc": {"agent.openRoomCount": by, "version": 1}})


async def test_correct_counts_are_not_reported(world: World) -> None:
    anna = await world.agent("anna")
    await world.assigned(anna)
    await world.on_hold(anna)
    head = await world.head()

    assert await capacity_check.find_mismatches(world.context) == []
    assert await capacity_check.repair_mismatches(world.context) == []
    assert await world.head() == head


async def test_a_wrong_count_is_reported_with_the_correct_one_and_not_changed(world: World) -> None:
    anna = await world.agent("anna")
    await world.assigned(anna)
    await break_count(world, anna, 2)

    (drift,) = await capacity_check.find_mismatches(world.context)

    assert (drift.agent.username, drift.expected) == ("anna", 1)
    assert (await world.profile(anna)).open_room_count == 3


async def test_a_repair_corrects_the_count_records_a_fact_and_serves_the_queue(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    await break_count(world, anna, 1)
    users = world.services.storage.database["users"]
    await users.update_one({"_id": anna.id}, {"$set": {"routable": False}, "$inc": {"version": 1}})
    await world.services.agent_cache.load(world.context.reader)
    waiting = await world.start()
    assert waiting.status is RoomStatus.QUEUED

    await capacity_check.repair_mismatches(world.context)
    await world.await_routing()

    facts = [fact for fact in await world.facts() if isinstance(fact, AgentUpdated)]
    assert [fact.user.agent.open_room_count for fact in facts if fact.user.agent] == [0]
    assert await world.served_by(waiting) == "anna"
    assert await capacity_check.find_mismatches(world.context) == []


async def test_concurrent_changes_of_rooms_are_not_reported(world: World) -> None:
    for number in range(3):
        await world.agent(f"agent{number}", max_rooms=5)

    async def move() -> None:
        for _ in range(15):
            room = await world.start()
            await rooms.close_room(world.context, room_id=room.id)

    moving = asyncio.gather(*(move() for _ in range(4)))
    found = []
    while not moving.done():
        found += await capacity_check.repair_mismatches(world.context)
    await moving

    assert found == []
