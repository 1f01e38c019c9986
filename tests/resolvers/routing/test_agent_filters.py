"""The filter of a room: routing offers the room only to agents that match it, until it ends."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from resolvers import agents, room_routing, rooms, users
from resolvers.agent_filters import GivenFilter
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from resolvers.routing.explanation import NotOffered
from storage.errors import Invalid, SwitchboardError, UnknownField
from storage.facts import RoomUpdated
from storage.filters.expressions import (
    And,
    FieldCondition,
    Operator,
)
from storage.records import AgentStatus, FieldDefinition, FieldTarget, FieldType, Room, RoomStatus, RoutingMethod, User
from tests.resolvers.agent_filters import named
from tests.resolvers.world import World

LEAST_LOADED, MANUAL, EXTERNAL = RoutingMethod.LEAST_LOADED, RoutingMethod.MANUAL, RoutingMethod.EXTERNAL


def speaks(language: str) -> GivenFilter:
    condition = {"key": "languages", "contains": language}
    return GivenFilter({"customFields": [condition]}, And((FieldCondition("languages", Operator.CONTAINS, language),)))


async def define_languages(world: World) -> FieldDefinition:
    return await definitions.define_custom_field(
        world.context,
        target=FieldTarget.USER,
        key="languages",
        type=FieldType.MULTI_SELECT,
        options=["en", "es", "fr"],
    )


async def teach(world: World, user: User, *languages: str) -> None:
    await users.update_user(
        world.context, user_id=user.id, custom_fields=[FieldAssignment("languages", list(languages))]
    )


async def end_filter(world: World, room: Room) -> None:
    """Let the filter's time be over, as if it had been given earlier."""
    database = world.services.storage.database
    past = database.now() - timedelta(seconds=1)
    await database["rooms"].update_one({"_id": room.id}, {"$set": {"agentFilterUntil": past}, "$inc": {"version": 1}})
    await world.services.agent_cache.load(world.context.reader)


# ---------------------------------------------------------------- routing of a room that starts


async def test_only_agents_that_match_are_offered_the_room(world: World) -> None:
    await world.agent("anna")
    await world.agent("bert")

    started = [await world.start(agent_filter=named("bert")) for _ in range(3)]

    assert [await world.served_by(room) for room in started] == ["bert"] * 3


async def test_the_least_loaded_of_those_that_match_is_offered_the_room(world: World) -> None:
    for name in ("anna", "bert", "carl"):
        await world.agent(name)
    await world.start(agent_filter=named("bert"))

    room = await world.start(agent_filter=named("bert", "carl"))

    assert await world.served_by(room) == "carl"


async def test_a_room_that_no_agent_matches_waits_and_others_do_not(world: World) -> None:
    await world.agent("anna")

    filtered, other = await world.start(priority=9, agent_filter=named("zoe")), await world.start()
    await world.await_routing()

    assert (await world.room(filtered)).status is RoomStatus.QUEUED
    assert await world.served_by(other) == "anna"


async def test_custom_fields_route_by_skill(world: World) -> None:
    await define_languages(world)
    await teach(world, await world.agent("anna"), "en")
    await teach(world, await world.agent("bert"), "en", "es")

    room = await world.start(agent_filter=speaks("es"))

    assert await world.served_by(room) == "bert"


async def test_the_filter_does_not_bind_people(world: World) -> None:
    anna = await world.agent("anna")
    given_to, transferred = await world.start(agent_filter=named("zoe")), await world.start(agent_filter=named("zoe"))
    preferred = await world.start(agent_filter=named("zoe"), preferred_agent_id=anna.id)

    await rooms.assign_agent(world.context, room_id=given_to.id, agent_id=anna.id)
    await rooms.transfer_room(world.context, room_id=transferred.id, to_agent_id=anna.id)

    assert [await world.served_by(room) for room in (given_to, transferred, preferred)] == ["anna"] * 3


async def test_a_room_returns_to_the_queue_with_its_filter(world: World) -> None:
    await world.agent("anna")
    await world.agent("bert")
    room = await world.start(agent_filter=named("bert"))

    await rooms.unassign_agent(world.context, room_id=room.id)
    await world.await_routing()

    assert (await world.room(room)).status is RoomStatus.QUEUED  # bert is passed over, and anna does not match


# ---------------------------------------------------------------- the queue


async def test_a_waiting_room_is_assigned_when_an_agent_comes_to_match(world: World) -> None:
    await define_languages(world)
    anna = await world.agent("anna")
    room = await world.start(agent_filter=speaks("fr"))
    assert room.status is RoomStatus.QUEUED

    await teach(world, anna, "fr")
    await world.await_routing()

    assert await world.served_by(room) == "anna"


async def test_an_agent_that_no_longer_matches_is_not_offered_the_room(world: World) -> None:
    await define_languages(world)
    anna = await world.agent("anna", max_rooms=0)
    await teach(world, anna, "fr")
    room = await world.start(agent_filter=speaks("fr"))

    await teach(world, anna, "en")
    await agents.update_agent(world.context, agent_id=anna.id, max_rooms=None)
    await world.await_routing()

    assert (await world.room(room)).status is RoomStatus.QUEUED


async def test_rooms_with_and_without_filters_are_served_in_one_order(world: World) -> None:
    anna = await world.agent("anna", max_rooms=0)
    started = [
        await world.start(subject="1"),
        await world.start(subject="2", agent_filter=named("anna")),
        await world.start(subject="3"),
        await world.start(subject="0", agent_filter=named("anna"), priority=1),
    ]
    for limit in (1, 2, 3):
        await agents.update_agent(world.context, agent_id=anna.id, max_rooms=limit)
        await world.await_routing()

    served = [room.subject for room in started if await world.served_by(room)]
    assert served == ["1", "2", "0"]


async def test_a_room_that_starts_does_not_overtake_a_waiting_room_with_a_filter(world: World) -> None:
    await world.agent("anna", max_rooms=1)
    first = await world.start()
    waiting = await world.start(agent_filter=named("anna"))
    await rooms.close_room(world.context, room_id=first.id)

    later = await world.start()
    await world.await_routing()

    assert await world.served_by(waiting) == "anna"
    assert await world.served_by(later) is None


async def test_rooms_of_a_fallback_obey_their_filters(world: World) -> None:
    external = await world.department("External", EXTERNAL, fallback_routing=LEAST_LOADED)
    for name in ("anna", "bert"):
        await world.agent(name, departments=[external])
    first = await world.start(external, agent_filter=named("bert"))
    second = await world.start(external, agent_filter=named("zoe"))

    for room in (first, second):
        await room_routing.decline_routing(world.context, room_id=room.id)
    await world.await_routing()

    assert (await world.served_by(first), await world.served_by(second)) == ("bert", None)


async def test_bots_come_first_among_those_that_match(world: World) -> None:
    world.routing(bots_first=True)
    anna = await world.agent("anna", max_rooms=0)
    bot = await world.agent("bot", roles=["bot"], max_rooms=0)
    await world.agent("other", roles=["bot"], max_rooms=0)
    started = [await world.start(agent_filter=named("anna", "bot")) for _ in range(2)]

    for agent in (anna, bot):
        await agents.set_agent_status(world.context, agent_id=agent.id, status=AgentStatus.NOT_AVAILABLE)
        await agents.update_agent(world.context, agent_id=agent.id, max_rooms=None)
    for agent in (bot, anna):
        await agents.set_agent_status(world.context, agent_id=agent.id, status=AgentStatus.AVAILABLE)
    await world.await_routing()

    assert [await world.served_by(room) for room in started] == ["bot", "bot"]


async def test_an_agent_that_another_process_changes_gets_the_room(world: World, other: World) -> None:
    await define_languages(world)
    await other.services.storage.definition_cache.refresh()
    anna = await world.agent("anna")
    room = await world.start(agent_filter=speaks("fr"))

    await teach(other, anna, "fr")
    async with asyncio.timeout(60):
        while await world.served_by(room) is None:
            await world.await_routing()

    assert await world.served_by(room) == "anna"


# ---------------------------------------------------------------- the end of a filter


async def test_after_its_time_the_filter_does_not_count(world: World) -> None:
    await world.agent("anna")
    room = await world.start(agent_filter=named("zoe"), agent_filter_seconds=60)
    assert room.agent_filter_until == room.started_at + timedelta(seconds=60)

    await end_filter(world, room)
    await world.await_routing()

    assert await world.served_by(room) == "anna"


async def test_the_queue_wakes_at_the_end_of_a_filter(world: World) -> None:
    await world.agent("anna")
    room = await world.start(agent_filter=named("zoe"), agent_filter_seconds=1)
    assert room.status is RoomStatus.QUEUED

    async with asyncio.timeout(60):
        while await world.served_by(room) is None:
            await world.await_routing()

    assert await world.served_by(room) == "anna"


async def test_a_filter_ends_with_its_custom_field(world: World) -> None:
    languages = await define_languages(world)
    await world.agent("anna")
    room = await world.start(agent_filter=speaks("es"))
    assert room.status is RoomStatus.QUEUED

    await definitions.remove_custom_field(world.context, id=languages.id)
    await world.await_routing()

    assert await world.served_by(room) == "anna"


async def test_a_filter_has_ended_also_for_a_cache_that_loads_later(world: World) -> None:
    languages = await define_languages(world)
    room = await world.start(agent_filter=speaks("es"))
    await definitions.remove_custom_field(world.context, id=languages.id)
    await define_languages(world)  # another field with the same key

    await world.services.agent_cache.load(world.context.reader)
    await world.agent("anna")
    await world.await_routing()

    assert await world.served_by(room) == "anna"


# ---------------------------------------------------------------- updateRoom


async def test_a_filter_can_be_given_replaced_and_removed(world: World) -> None:
    await world.agent("anna")
    room = await world.start(agent_filter=named("zoe"))

    replaced = await rooms.update_room(
        world.context, room_id=room.id, agent_filter=named("yves"), agent_filter_seconds=60
    )
    assert replaced.agent_filter == '{"username":{"in":["yves"]}}'
    assert replaced.agent_filter_until is not None
    removed = await rooms.update_room(world.context, room_id=room.id, agent_filter=None)
    assert (removed.agent_filter, removed.agent_filter_expression, removed.agent_filter_until) == (None, None, None)
    await world.await_routing()

    assert await world.served_by(room) == "anna"
    changes = [fact.changes for fact in await world.facts_of(room) if isinstance(fact, RoomUpdated)]
    assert [[change.field for change in one] for one in changes] == [["agentFilter", "agentFilterUntil"]] * 2


async def test_the_end_alone_can_be_changed(world: World) -> None:
    room = await world.start(agent_filter=named("zoe"), agent_filter_seconds=60)

    longer = await rooms.update_room(world.context, room_id=room.id, agent_filter_seconds=600)
    never = await rooms.update_room(world.context, room_id=room.id, agent_filter_seconds=None)

    assert longer.agent_filter == room.agent_filter
    assert longer.agent_filter_until is not None
    assert room.agent_filter_until is not None
    assert longer.agent_filter_until > room.agent_filter_until
    assert (never.agent_filter, never.agent_filter_until) == (room.agent_filter, None)


async def test_the_same_filter_again_records_nothing(world: World) -> None:
    room = await world.start(agent_filter=named("zoe"))

    again = await rooms.update_room(world.context, room_id=room.id, agent_filter=named("zoe"))

    assert again.revision == room.revision


async def test_a_filter_that_ended_can_be_given_again(world: World) -> None:
    room = await world.start(await world.department("Manual", MANUAL), agent_filter=named("zoe"))
    await end_filter(world, room)

    again = await rooms.update_room(world.context, room_id=room.id, agent_filter=named("zoe"))

    assert again.agent_filter_until is None
    (fact,) = [fact for fact in await world.facts_of(room) if isinstance(fact, RoomUpdated)]
    assert [(change.field, change.before) for change in fact.changes] == [("agentFilter", None)]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "error", "key"),
    [
        ({"agent_filter": speaks("es")}, UnknownField, "languages"),
        ({"agent_filter_seconds": 60}, Invalid, "agentFilterSeconds"),
        ({"agent_filter": named("a"), "agent_filter_seconds": 0}, Invalid, "agentFilterSeconds"),
        ({"agent_filter": named("a"), "agent_filter_seconds": 31_536_001}, Invalid, "agentFilterSeconds"),
        ({"agent_filter": named(*("a" * 100 + str(number) for number in range(400)))}, Invalid, "agentFilter"),
    ],
)
async def test_a_bad_filter_is_refused(
    world: World, arguments: dict[str, Any], error: type[SwitchboardError], key: str
) -> None:
    room = await world.waiting()
    head = await world.head()

    with pytest.raises(error) as started:
        await world.start(**arguments)
    with pytest.raises(error) as updated:
        await rooms.update_room(world.context, room_id=room.id, **arguments)

    assert (started.value.data["key"], updated.value.data["key"]) == (key, key)
    assert await world.head() == head


# ---------------------------------------------------------------- explanations


async def test_agents_that_do_not_match_are_explained(world: World) -> None:
    await world.agent("anna")
    await world.agent("bert", max_rooms=0)
    room = await world.start(agent_filter=named("bert"), agent_filter_seconds=60)

    found = await room_routing.explain_routing(world.context, room_id=room.id)

    assert found is not None
    assert {one.agent.username: one.reason for one in found.considered} == {
        "anna": NotOffered.FILTERED_OUT,
        "bert": NotOffered.AT_CAPACITY,
    }
    assert found.next_change_at == room.agent_filter_until
    assert found.summary.startswith("No agent can be offered the room now: 1 AT_CAPACITY, 1 FILTERED_OUT. At ")


async def test_a_filter_that_ended_is_not_explained(world: World) -> None:
    anna = await world.agent("anna", max_rooms=0)
    room = await world.start(agent_filter=named("zoe"), agent_filter_seconds=60)
    await end_filter(world, room)

    found = await room_routing.explain_routing(world.context, room_id=room.id)

    assert found is not None
    assert [(one.agent.id, one.reason) for one in found.considered] == [(anna.id, NotOffered.AT_CAPACITY)]
    assert found.next_change_at is None
