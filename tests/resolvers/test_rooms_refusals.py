"""Every illegal transition of a room: its code, and that nothing was written and no fact recorded."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from resolvers import agents, departments, rooms, users
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from storage.errors import AgentNotRoutable, NotFound, RoomAlreadyAssigned, StaleRevision, SwitchboardError
from storage.records import AgentStatus, Presence, Room, RoomStatus, RoutingMethod, User, UserType
from tests.resolvers.refusals import stored, stored_state
from tests.resolvers.world import World

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
Move = Callable[[World, Room, User], Awaitable[Any]]

MOVES: dict[str, Move] = {
    "assignAgent": lambda world, room, other: rooms.assign_agent(world.context, room_id=room.id, agent_id=other.id),
    "takeRoom": lambda world, room, other: rooms.take_room(world.logged_in(other, "admin"), room_id=room.id),
    "unassignAgent": lambda world, room, other: rooms.unassign_agent(world.context, room_id=room.id),
    "transferRoom to an agent": lambda world, room, other: rooms.transfer_room(
        world.context, room_id=room.id, to_agent_id=other.id
    ),
    "transferRoom to its own agent": lambda world, room, other: rooms.transfer_room(
        world.context, room_id=room.id, to_agent_id=str(room.served_by_id)
    ),
    "transferRoom to a department": lambda world, room, other: rooms.transfer_room(
        world.context, room_id=room.id, to_department_id=str(room.department_id)
    ),
    "holdRoom": lambda world, room, other: rooms.hold_room(world.context, room_id=room.id),
    "resumeRoom": lambda world, room, other: rooms.resume_room(world.context, room_id=room.id),
    "updateRoom": lambda world, room, other: rooms.update_room(world.context, room_id=room.id, subject="S"),
    "closeRoom": lambda world, room, other: rooms.close_room(world.context, room_id=room.id),
}

QUEUED, ASSIGNED, ON_HOLD, CLOSED = RoomStatus
#: The illegal transitions of each status, with their codes. test_rooms.py tests the legal ones.
ILLEGAL = [
    ("unassignAgent", QUEUED, "ROOM_NOT_ASSIGNED"),
    ("holdRoom", QUEUED, "ROOM_NOT_ASSIGNED"),
    ("resumeRoom", QUEUED, "ROOM_NOT_ON_HOLD"),
    ("assignAgent", ASSIGNED, "ROOM_ALREADY_ASSIGNED"),
    ("takeRoom", ASSIGNED, "ROOM_ALREADY_ASSIGNED"),
    ("transferRoom to its own agent", ASSIGNED, "ROOM_ALREADY_ASSIGNED"),
    ("resumeRoom", ASSIGNED, "ROOM_NOT_ON_HOLD"),
    ("assignAgent", ON_HOLD, "ROOM_ALREADY_ASSIGNED"),
    ("takeRoom", ON_HOLD, "ROOM_ALREADY_ASSIGNED"),
    ("transferRoom to its own agent", ON_HOLD, "ROOM_ALREADY_ASSIGNED"),
    ("holdRoom", ON_HOLD, "ROOM_ON_HOLD"),
    *((name, CLOSED, "ROOM_CLOSED") for name in MOVES),
]


async def refused(world: World, move: Awaitable[object]) -> SwitchboardError:
    """The error of the transition. Asserts that nothing stored has changed."""
    before = await stored_state(world)

    with pytest.raises(SwitchboardError) as refusal:
        await move

    assert await stored_state(world) == before
    return refusal.value


async def room_in(world: World, status: RoomStatus) -> Room:
    match status:
        case RoomStatus.QUEUED:
            return await world.waiting()
        case RoomStatus.ASSIGNED:
            return await world.assigned(await world.agent("anna"))
        case RoomStatus.ON_HOLD:
            return await world.on_hold(await world.agent("anna"))
        case RoomStatus.CLOSED:
            return await world.closed()


@pytest.mark.parametrize(("name", "status", "code"), ILLEGAL)
async def test_an_illegal_transition_is_refused(world: World, name: str, status: RoomStatus, code: str) -> None:
    room, other = await room_in(world, status), await world.agent("bert")

    refusal = await refused(world, MOVES[name](world, room, other))

    assert refusal.code == code
    if isinstance(refusal, RoomAlreadyAssigned):
        assert stored(refusal.data) == {
            "servedBy": {"id": room.served_by_id, "userId": room.served_by_id, "username": "anna"}
        }


async def test_every_mutation_refuses_a_stale_revision(world: World) -> None:
    anna = await world.agent("anna")
    room, context = await world.assigned(anna), world.context
    stale: dict[str, Any] = {"room_id": room.id, "if_revision": room.revision - 1}
    moves: list[Awaitable[Room]] = [
        rooms.assign_agent(context, agent_id=anna.id, **stale),
        rooms.take_room(world.logged_in(anna), **stale),
        rooms.unassign_agent(context, **stale),
        rooms.transfer_room(context, to_agent_id=anna.id, **stale),
        rooms.hold_room(context, **stale),
        rooms.resume_room(context, **stale),
        rooms.update_room(context, subject="S", **stale),
        rooms.close_room(context, **stale),
    ]

    for move in moves:
        refusal = await refused(world, move)

        assert isinstance(refusal, StaleRevision)
        assert refusal.data == {"revision": room.revision}


async def test_a_stale_revision_is_reported_before_a_closed_room(world: World) -> None:
    room = await world.closed()

    refusal = await refused(world, rooms.close_room(world.context, room_id=room.id, if_revision=1))

    assert refusal.code == "STALE_REVISION"


@pytest.mark.parametrize("name", MOVES)
async def test_an_unknown_room_is_not_found(world: World, name: str) -> None:
    anna = await world.agent("anna")
    room = await world.closed()
    ghost = Room(id=UNKNOWN, status=QUEUED, revision=1, visitor_id="v", started_at=room.started_at)

    refusal = await refused(world, MOVES[name](world, ghost, anna))

    assert (refusal.code, refusal.data) == ("NOT_FOUND", {"key": "roomId"})


# ---------------------------------------------------------------- agents


async def leave(world: World, agent: User, reason: str) -> None:
    match reason:
        case "INACTIVE":
            await users.set_user_active(world.context, user_id=agent.id, active=False)
        case "NOT_AVAILABLE":
            await agents.set_agent_status(world.context, agent_id=agent.id, status=AgentStatus.NOT_AVAILABLE)
        case "OFFLINE":
            await users.set_presence(world.context, user_id=agent.id, presence=Presence.OFFLINE)
        case "AT_CAPACITY":
            await agents.update_agent(world.context, agent_id=agent.id, max_rooms=0)


@pytest.mark.parametrize("reason", ["INACTIVE", "NOT_AVAILABLE", "OFFLINE", "AT_CAPACITY"])
@pytest.mark.parametrize("name", ["assignAgent", "takeRoom", "transferRoom to an agent"])
async def test_an_agent_that_is_not_routable_gets_no_room(world: World, name: str, reason: str) -> None:
    room, anna = await world.waiting(), await world.agent("anna")
    await leave(world, anna, reason)

    refusal = await refused(world, MOVES[name](world, room, anna))

    assert isinstance(refusal, AgentNotRoutable)
    assert refusal.data == {"reason": reason}


@pytest.mark.parametrize("name", ["assignAgent", "takeRoom", "transferRoom to an agent"])
async def test_a_room_cannot_be_assigned_to_a_user_that_is_not_an_agent(world: World, name: str) -> None:
    room = await world.waiting()
    plain = await users.create_user(world.context, username="plain")

    refusal = await refused(world, MOVES[name](world, room, plain))

    assert refusal.code == "NOT_AN_AGENT"


@pytest.mark.parametrize(("name", "key"), [("assignAgent", "agentId"), ("transferRoom to an agent", "to.agentId")])
async def test_an_unknown_agent_is_not_found(world: World, name: str, key: str) -> None:
    room, anna = await world.waiting(), await world.agent("anna")

    refusal = await refused(world, MOVES[name](world, room, replace(anna, id=UNKNOWN)))

    assert (refusal.code, refusal.data) == ("NOT_FOUND", {"key": key})


async def test_an_id_of_a_room_as_agent_id_is_not_found(world: World) -> None:
    room, other = await world.waiting(), await world.waiting()

    async with asyncio.timeout(60):
        refusal = await refused(world, rooms.assign_agent(world.context, room_id=room.id, agent_id=room.id))
        crossed = await asyncio.gather(
            rooms.assign_agent(world.context, room_id=room.id, agent_id=other.id),
            rooms.assign_agent(world.context, room_id=other.id, agent_id=room.id),
            return_exceptions=True,
        )
        closed = await rooms.close_room(world.context, room_id=room.id)

    assert (type(refusal), refusal.data) == (NotFound, {"key": "agentId"})
    assert [type(one) for one in crossed] == [NotFound, NotFound]
    assert closed.status is RoomStatus.CLOSED


async def test_an_app_cannot_take_rooms(world: World) -> None:
    room = await world.waiting()

    refusal = await refused(world, rooms.take_room(world.context, room_id=room.id))

    assert refusal.code == "FORBIDDEN"


async def test_a_user_that_is_not_an_agent_cannot_take_rooms(world: World) -> None:
    room = await world.waiting()
    anna = await users.create_user(world.context, username="anna", type=UserType.USER)

    for room_id in (room.id, UNKNOWN):
        refusal = await refused(world, rooms.take_room(world.logged_in(anna), room_id=room_id))

        assert refusal.code == "NOT_AN_AGENT"


async def test_agent_that_loses_a_race_gets_the_winner_though_it_cannot_see_the_room(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.MANUAL)
    anna, bert = await world.agent("anna", departments=[sales]), await world.agent("bert", departments=[sales])
    room = await world.start(sales)
    await rooms.take_room(world.logged_in(anna), room_id=room.id)

    refusal = await refused(world, rooms.take_room(world.logged_in(bert), room_id=room.id))

    assert isinstance(refusal, RoomAlreadyAssigned)
    assert stored(refusal.data) == {"servedBy": {"id": anna.id, "userId": anna.id, "username": "anna"}}


# ---------------------------------------------------------------- departments, visitors, values


async def test_disabled_department_takes_no_new_rooms_and_keeps_its_rooms(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    waiting, other = await world.start(sales), await world.waiting()
    await departments.update_department(world.context, department_id=sales.id, enabled=False)

    started = await refused(world, world.start(sales))
    moved = await refused(world, rooms.transfer_room(world.context, room_id=other.id, to_department_id=sales.id))

    assert (started.code, moved.code) == ("DEPARTMENT_DISABLED", "DEPARTMENT_DISABLED")
    await world.agent("anna", departments=[sales])
    await world.await_routing()
    assert await world.served_by(waiting) == "anna"


@pytest.mark.parametrize(
    ("given", "code", "data"),
    [
        ({"visitor_token": "nobody"}, "NOT_FOUND", {"key": "visitorToken"}),
        ({"department_id": UNKNOWN}, "NOT_FOUND", {"key": "departmentId"}),
        ({"source": ""}, "INVALID_INPUT", {"key": "source"}),
        ({"subject": "x" * 1_001}, "INVALID_INPUT", {"key": "subject"}),
        ({"priority": 2**31}, "INVALID_INPUT", {"key": "priority"}),
        ({"tags": [""]}, "INVALID_INPUT", {"key": "tags"}),
        ({"custom_fields": [FieldAssignment("nothing", 1)]}, "UNKNOWN_FIELD", {"key": "nothing"}),
    ],
)
async def test_a_room_with_wrong_values_does_not_start(
    world: World, given: dict[str, Any], code: str, data: dict[str, str]
) -> None:
    await world.agent("anna")

    refusal = await refused(world, rooms.start_room(world.context, **{"visitor_token": "v", **given}))

    assert (refusal.code, refusal.data) == (code, data)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"subject": "x" * 1_001}, "INVALID_INPUT"),
        ({"tags": ["x" * 129]}, "INVALID_INPUT"),
        ({"custom_fields": [FieldAssignment("nothing", 1)]}, "UNKNOWN_FIELD"),
        ({"increment": [FieldIncrement("nothing", 1)]}, "UNKNOWN_FIELD"),
    ],
)
async def test_an_update_with_wrong_values_changes_nothing(world: World, given: dict[str, Any], code: str) -> None:
    room = await world.waiting()

    refusal = await refused(world, rooms.update_room(world.context, room_id=room.id, **given))

    assert refusal.code == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"comment": "x" * 1_001}, "INVALID_INPUT"),
        ({"tags": [""]}, "INVALID_INPUT"),
        ({"custom_fields": [FieldAssignment("nothing", 1)]}, "UNKNOWN_FIELD"),
    ],
)
async def test_closing_with_wrong_values_closes_nothing(world: World, given: dict[str, Any], code: str) -> None:
    room = await world.assigned(await world.agent("anna"))

    refusal = await refused(world, rooms.close_room(world.context, room_id=room.id, **given))

    assert refusal.code == code
