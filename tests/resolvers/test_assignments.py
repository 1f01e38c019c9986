"""The assignments of rooms: what the facts tell about who served a room, kept without the log."""

from datetime import timedelta

import pytest

from resolvers import agents, room_routing, rooms, users
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from storage import maintenance
from storage.assignments import Assignment
from storage.errors import InvalidCursor, RoomClosed
from storage.facts import AgentAssigned, AgentUnassigned
from storage.records import SYSTEM, FieldTarget, FieldType, Room, RoutingMethod
from tests.resolvers.world import APP, World


async def assignments_of(world: World, room: Room) -> list[Assignment]:
    pages = await room_routing.list_assignments(world.context, [room.id])
    return list(pages[room.id].items)


async def lines(world: World, room: Room) -> list[str]:
    """Each assignment as "anna ASSIGNED App - UNASSIGNED: comment"."""
    return [
        f"{one.agent.username} {one.cause} {one.by.name or one.by.type} - {one.end_cause or ''}: {one.comment or ''}"
        for one in await assignments_of(world, room)
    ]


async def test_a_room_without_an_agent_has_no_assignment(world: World) -> None:
    assert await assignments_of(world, await world.waiting()) == []


async def test_an_assignment_lasts_until_the_agent_is_unassigned(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    (begun,) = await assignments_of(world, room)
    assert (begun.since, begun.until, begun.end_cause, begun.by) == (room.assigned_at, None, None, APP)
    assert begun.agent == await world.user(anna)

    await rooms.hold_room(world.context, room_id=room.id)
    await rooms.unassign_agent(world.context, room_id=room.id, comment="lunch")

    (ended,) = await assignments_of(world, room)
    unassigned = (await world.facts_of(room))[-2]
    assert ended.until == unassigned.occurred_at
    assert (ended.since, ended.agent) == (begun.since, begun.agent)
    assert await lines(world, room) == ["anna ASSIGNED App - UNASSIGNED: lunch"]


async def test_every_way_to_get_and_lose_a_room_is_recorded(world: World) -> None:
    sales = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    anna, bert = (
        await world.agent("anna", departments=[sales]),
        await world.agent("bert", departments=[sales], accepts_routing=False),
    )
    room = await world.start(sales)
    await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id, comment="yours")
    await rooms.transfer_room(world.context, room_id=room.id, to_department_id=sales.id, comment="theirs")
    await rooms.unassign_agent(world.context, room_id=room.id)
    await rooms.take_room(world.logged_in(bert), room_id=room.id)
    await agents.remove_agent(world.context, user_id=bert.id)
    await world.await_routing()
    await rooms.close_room(world.context, room_id=room.id, comment="solved")

    assert await lines(world, room) == [
        "anna ROUTED SYSTEM - TRANSFERRED: yours",
        "bert TRANSFERRED App - TRANSFERRED: theirs",
        "anna ROUTED SYSTEM - UNASSIGNED: ",
        "bert TAKEN bert - AGENT_REMOVED: ",
        "anna ROUTED SYSTEM - CLOSED: solved",
    ]
    assert [one.number for one in await assignments_of(world, room)] == [1, 2, 3, 4, 5]
    assert (await world.user(anna)).id == anna.id


async def test_assignments_of_the_queue_and_the_facts_agree(world: World) -> None:
    waiting = [await world.start(subject=str(number)) for number in range(3)]
    anna = await world.agent("anna", max_rooms=2)
    await world.await_routing()
    await users.set_user_active(world.context, user_id=anna.id, active=False)

    for room in waiting:
        facts = await world.facts_of(room)
        begun = [(fact.room.served_by, fact.cause, fact.actor) for fact in facts if isinstance(fact, AgentAssigned)]
        ended = [(fact.occurred_at, fact.cause) for fact in facts if isinstance(fact, AgentUnassigned)]
        kept = await assignments_of(world, room)
        assert [(one.agent, one.cause, one.by) for one in kept] == begun
        assert [(one.until, one.end_cause) for one in kept] == ended
        assert all(one.by == SYSTEM for one in kept)


async def test_a_refused_change_leaves_the_assignments(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    await rooms.close_room(world.context, room_id=room.id)
    before = await assignments_of(world, room)

    with pytest.raises(RoomClosed):
        await rooms.unassign_agent(world.context, room_id=room.id)

    assert await assignments_of(world, room) == before


async def test_assignments_are_kept_however_short_the_log_is(world: World) -> None:
    room = await world.assigned(await world.agent("anna"))
    await rooms.close_room(world.context, room_id=room.id)

    await maintenance.trim_log(world.context.reader, world.services.storage.log, keep=timedelta(seconds=-60))

    assert await lines(world, room) == ["anna ASSIGNED App - CLOSED: "]


async def test_pages_of_assignments_follow_each_other_in_both_directions(world: World) -> None:
    room, names = await world.waiting(), ["anna", "bert", "carl"]
    for name in names:
        agent = await world.agent(name)
        await rooms.assign_agent(world.context, room_id=room.id, agent_id=agent.id)
        await rooms.unassign_agent(world.context, room_id=room.id)

    first = (await room_routing.list_assignments(world.context, [room.id], first=2))[room.id]
    rest = (await room_routing.list_assignments(world.context, [room.id], first=2, after=first.cursors[-1]))[room.id]
    newest = (await room_routing.list_assignments(world.context, [room.id], last=1))[room.id]

    assert [one.agent.username for one in (*first.items, *rest.items)] == names
    assert [one.agent.username for one in newest.items] == ["carl"]
    assert (first.has_next, rest.has_next, await first.total()) == (True, False, 3)
    with pytest.raises(InvalidCursor):
        await room_routing.list_assignments(world.context, [room.id], after="nonsense")


async def test_a_room_assigned_by_an_earlier_version_lists_its_later_assignments(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(anna)
    database = world.services.storage.database
    await database["rooms"].update_one({"_id": room.id}, {"$unset": {"assignmentCount": ""}, "$inc": {"version": 1}})
    await database["assignments"].delete_many({})

    await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id)

    assert await lines(world, room) == ["bert TRANSFERRED App - : "]


async def test_values_of_removed_custom_fields_are_not_in_assignments(world: World) -> None:
    field = await definitions.define_custom_field(
        world.context, target=FieldTarget.USER, key="ext", type=FieldType.TEXT
    )
    anna = await world.agent("anna")
    await users.update_user(world.context, user_id=anna.id, custom_fields=[FieldAssignment("ext", "E-1")])
    room = await world.assigned(anna)
    (before,) = await assignments_of(world, room)
    assert before.agent.custom_fields == {"ext": "E-1"}

    await definitions.remove_custom_field(world.context, id=field.id)

    (after,) = await assignments_of(world, room)
    assert after.agent.custom_fields == {}
    storage = world.services.storage
    while await maintenance.purge_removed_fields(storage.reader, storage.process):
        pass
    document = await storage.database["assignments"].find_one({})
    assert document is not None
    assert document["agent"]["fields"] == {}
