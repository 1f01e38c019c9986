"""Assignment of rooms: every legal transition, with its events in the order of the contract.

Hold, update and close are in test_rooms_hold_and_resume.py, refusals in test_rooms_refusals.py, and the queue in
routing/test_queue.py.
"""

import asyncio

import pytest

from resolvers import rooms
from storage.records import AgentStatus, Presence, RoomStatus, RoutingMethod
from storage.transactions.keyed_locks import LockKey
from tests.resolvers.world import APP, World

LEAST_LOADED, ROUND_ROBIN = RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN
MANUAL, EXTERNAL = RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


# ---------------------------------------------------------------- start


async def test_a_new_room_is_assigned_immediately(world: World) -> None:
    anna = await world.agent("anna")

    room = await world.start(source="widget", subject="S", priority=3, tags=["a", "b", "a"])

    assert (room.status, room.served_by_id, room.revision) == (RoomStatus.ASSIGNED, anna.id, 2)
    assert (room.source, room.subject, room.priority, room.tags) == ("widget", "S", 3, ("a", "b"))
    assert await world.room(room) == room
    assert await world.summary(room) == ["ROOM_STARTED", "AGENT_ASSIGNED ROUTED anna (-)"]
    profile = await world.profile(anna)
    assert (profile.open_room_count, profile.last_assigned_at) == (1, room.assigned_at)


async def test_new_room_waits_without_a_routable_agent(world: World) -> None:
    room = await world.start()

    assert (room.status, room.served_by_id, room.revision) == (RoomStatus.QUEUED, None, 2)
    assert await world.summary(room) == ["ROOM_STARTED", "ROOM_QUEUED"]


@pytest.mark.parametrize("method", [MANUAL, EXTERNAL])
async def test_a_new_room_waits_in_manual_and_external_departments(world: World, method: RoutingMethod) -> None:
    department = await world.department("D", method)
    await world.agent("anna", departments=[department])

    room = await world.start(department)
    await world.await_routing()

    assert (await world.room(room)).status is RoomStatus.QUEUED
    requested = ["ROUTING_REQUESTED"] if method is EXTERNAL else []
    assert await world.summary(room) == ["ROOM_STARTED", "ROOM_QUEUED", *requested]


async def test_a_room_of_a_department_goes_to_its_agents_only(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    await world.agent("anna")
    bert = await world.agent("bert", departments=[sales])
    await world.assigned(bert)

    room = await world.start(sales)

    assert room.served_by_id == bert.id


async def test_room_without_department_goes_to_any_agent(world: World) -> None:
    sales = await world.department("Sales", LEAST_LOADED)
    anna = await world.agent("anna", departments=[sales])

    room = await world.start()

    assert room.served_by_id == anna.id


async def test_least_loaded_counts_rooms_and_round_robin_alternates(world: World) -> None:
    least, turns = await world.department("Least", LEAST_LOADED), await world.department("Turns", ROUND_ROBIN)
    anna = await world.agent("anna", departments=[least, turns])
    await world.agent("bert", departments=[least, turns])
    await world.assigned(anna)
    await world.assigned(anna)

    by_load = [await world.served_by(await world.start(least)) for _ in range(3)]
    by_turn = [await world.served_by(await world.start(turns)) for _ in range(4)]

    assert by_load[:2] == ["bert", "bert"]
    assert by_turn in (["anna", "bert", "anna", "bert"], ["bert", "anna", "bert", "anna"])


async def test_bots_first_prefers_bots_until_they_are_at_capacity(world: World) -> None:
    world.routing(bots_first=True)
    await world.agent("anna")
    await world.agent("robot", presence=Presence.OFFLINE, roles=["bot"], max_rooms=2)

    served = [await world.served_by(await world.start()) for _ in range(3)]

    assert served == ["robot", "robot", "anna"]


async def test_bots_are_not_preferred_by_default(world: World) -> None:
    await world.agent("anna")
    await world.agent("robot", presence=Presence.OFFLINE, roles=["bot"])

    assert await world.served_by(await world.start()) == "anna"


@pytest.mark.parametrize(
    ("presence", "roles", "status", "served"),
    [
        (Presence.ONLINE, [], AgentStatus.AVAILABLE, True),
        (Presence.AWAY, [], AgentStatus.AVAILABLE, True),
        (Presence.BUSY, [], AgentStatus.AVAILABLE, True),
        (Presence.OFFLINE, [], AgentStatus.AVAILABLE, False),
        (Presence.OFFLINE, ["bot"], AgentStatus.AVAILABLE, True),
        (Presence.ONLINE, [], AgentStatus.NOT_AVAILABLE, False),
        (Presence.OFFLINE, ["bot"], AgentStatus.NOT_AVAILABLE, False),
    ],
)
async def test_only_routable_agents_get_rooms(
    world: World, presence: Presence, roles: list[str], status: AgentStatus, served: bool
) -> None:
    await world.agent("anna", presence=presence, roles=roles, status=status)

    room = await world.start()

    assert (room.status is RoomStatus.ASSIGNED) is served


async def test_an_agent_with_a_concurrent_change_is_still_a_candidate(world: World) -> None:
    anna = await world.agent("anna", max_rooms=1)
    turns = world.services.storage.transactions.locks

    async with turns.lock(LockKey("user", anna.id), deadline=float("inf")):
        starting = asyncio.create_task(world.start())
        await world.visitor("who comes meanwhile")  # more round trips than the search for an agent takes

    assert (await starting).served_by_id == anna.id


# ---------------------------------------------------------------- assign and take


async def test_an_app_assigns_a_waiting_room_to_an_agent_of_any_department(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    room, anna = await world.start(sales), await world.agent("anna")

    assigned = await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id, if_revision=room.revision)

    assert (assigned.status, assigned.served_by_id) == (RoomStatus.ASSIGNED, anna.id)
    assert (await world.summary(room))[2:] == ["AGENT_ASSIGNED ASSIGNED anna (-)"]
    assert (await world.facts_of(room))[-1].actor == APP
    assert (await world.profile(anna)).open_room_count == 1


async def test_a_logged_in_agent_takes_a_waiting_room(world: World) -> None:
    sales = await world.department("Sales", MANUAL)
    anna = await world.agent("anna", departments=[sales])
    room = await world.start(sales)

    await rooms.take_room(world.logged_in(anna), room_id=room.id)

    assert (await world.summary(room))[2:] == ["AGENT_ASSIGNED TAKEN anna (-)"]
    assert (await world.facts_of(room))[-1].actor.id == anna.id


# ---------------------------------------------------------------- unassign


async def test_an_unassigned_room_goes_to_another_agent_at_once(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.start()

    after = await rooms.unassign_agent(world.context, room_id=room.id)

    assert after.served_by_id == bert.id
    assert (await world.summary(room))[2:] == [
        "AGENT_UNASSIGNED UNASSIGNED anna (-)",
        "AGENT_ASSIGNED ROUTED bert (anna)",
    ]
    assert (await world.profile(anna)).open_room_count == 0
    assert (await world.profile(bert)).open_room_count == 1


async def test_room_on_hold_can_be_unassigned_and_does_not_count(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.on_hold(anna)

    after = await rooms.unassign_agent(world.context, room_id=room.id, comment="enough")

    assert after.status is RoomStatus.QUEUED
    assert (await world.summary(room))[-2:] == ["AGENT_UNASSIGNED UNASSIGNED anna (-)", "ROOM_QUEUED"]
    assert (await world.profile(anna)).open_room_count == 0
