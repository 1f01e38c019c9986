"""`current` of a snapshot reads the entity as it is now, if the caller may see it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from graphql import ExecutionResult, execute, parse
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override

from resolvers import agents, messages, rooms, users, visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, Services
from resolvers.custom_fields import definitions
from resolvers.services import create_services
from schema.base import ids
from schema.execution.context import RequestContext
from schema.execution.executor import Executor
from schema.schema import schema
from storage.records import Actor, ActorType, FieldTarget, FieldType, RoutingMethod
from storage.runtime import Storage
from tests.commands import StartedCommands
from tests.resolvers.world import APP, World
from tests.storage.support import until


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


def caller(*scopes: str) -> Caller:
    return Caller(actor=APP, scopes=frozenset(scopes))


async def ask(context: Context, text: str, **variables: Any) -> dict[str, Any]:
    result = await schema.execute(text, variable_values=variables, context_value=RequestContext(context))
    assert result.errors is None
    data: dict[str, Any] | None = result.data
    assert data is not None
    return data


async def history(context: Context, selection: str, types: Sequence[str]) -> list[dict[str, Any]]:
    text = f"query ($types: [EventType!]) {{ events(types: $types, first: 200) {{ nodes {{ {selection} }} }} }}"
    nodes: list[dict[str, Any]] = (await ask(context, text, types=list(types)))["events"]["nodes"]
    return nodes


async def test_snapshot_stays_and_current_follows_later_changes(world: World) -> None:
    room = await world.start(subject="before")
    await rooms.update_room(world.context, room_id=room.id, subject="after")
    await visitors.save_visitor(world.context, token="v", name="Vi")

    selection = """... on RoomEvent { room { roomId subject current { id subject }
        visitor { name current { id name } } } }"""
    (event,) = await history(world.context, selection, ["ROOM_STARTED"])

    assert event["room"] == {
        "roomId": ids.ROOM.format(room.id),
        "subject": "before",
        "current": {"id": ids.ROOM.format(room.id), "subject": "after"},
        "visitor": {"name": None, "current": {"id": ids.VISITOR.format(room.visitor_id), "name": "Vi"}},
    }


async def test_snapshots_share_no_id_with_the_room(world: World) -> None:
    room = await world.start()
    await rooms.close_room(world.context, room_id=room.id)
    text = """query ($id: ID!) { room(by: {id: $id}) { __typename id status events { nodes {
        ... on RoomEvent { room { __typename roomId status visitor { __typename visitorId } } } } } } }"""

    live = (await ask(world.context, text, id=ids.ROOM.format(room.id)))["room"]

    shown = [node["room"] for node in live["events"]["nodes"]]
    assert (live["__typename"], live["id"], live["status"]) == ("Room", ids.ROOM.format(room.id), "CLOSED")
    assert [one["status"] for one in shown] == ["QUEUED", "QUEUED", "CLOSED"]
    assert {(one["__typename"], "id" in one, "id" in one["visitor"]) for one in shown} == {
        ("RoomSnapshot", False, False)
    }


async def test_current_is_null_after_removal(world: World) -> None:
    anna = await world.agent("anna")
    field = await definitions.define_custom_field(world.context, target=FieldTarget.USER, key="k", type=FieldType.TEXT)
    await definitions.remove_custom_field(world.context, id=field.id)
    await agents.remove_agent(world.context, user_id=anna.id)

    defined = await history(
        world.context, "... on CustomFieldDefined { definition { key current { id } } }", ["CUSTOM_FIELD_DEFINED"]
    )
    (added,) = await history(
        world.context,
        "... on AgentAdded { user { current { id } agent { status current { id } } } }",
        ["AGENT_ADDED"],
    )

    assert [one for one in defined if one["definition"]["key"] == "k"] == [
        {"definition": {"key": "k", "current": None}}
    ]
    assert added["user"] == {
        "current": {"id": ids.USER.format(anna.id)},
        "agent": {"status": "AVAILABLE", "current": None},
    }


async def test_current_is_null_if_the_caller_may_no_longer_see_the_entity(world: World) -> None:
    """Both agents see a queued room. Only the agent who serves a room sees it after its assignment."""
    department = await world.department("Sales", RoutingMethod.MANUAL)
    anna = await world.agent("anna", departments=[department])
    bert = await world.agent("bert", departments=[department])
    room = await world.start(department)
    await messages.send_message(world.context, room_id=room.id, text="hi")
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    selection = """... on RoomEvent { room { current { id } visitor { current { id } } } }
        ... on MessageSent { message { text current { id } } }"""

    seen = {}
    for user in (anna, bert):
        current = await users.get_many(world.context, [user.id])
        # A role of its own may open rooms without visitors and users.
        limited = Caller(
            Actor(type=ActorType.USER, id=user.id, name=user.username),
            frozenset({"rooms:read", "messages:read", "events:read"}),
            current[user.id],
        )
        context = replace(world.context, caller=limited)
        seen[user.username] = (await history(context, selection, ["MESSAGE_SENT"]))[0]

    visitor = {"id": ids.VISITOR.format(room.visitor_id)}
    assert seen["anna"]["room"] == {"current": {"id": ids.ROOM.format(room.id)}, "visitor": {"current": visitor}}
    assert seen["anna"]["message"]["current"] is not None
    assert seen["bert"]["room"] == {"current": None, "visitor": {"current": None}}
    assert seen["bert"]["message"] == {"text": "hi", "current": None}


async def test_current_visitor_of_a_room_does_not_need_the_scope_for_visitors(world: World) -> None:
    room = await world.start()
    context = replace(world.context, caller=caller("rooms:read", "events:read"))

    (event,) = await history(context, "... on RoomEvent { room { visitor { current { id } } } }", ["ROOM_STARTED"])

    assert event["room"]["visitor"]["current"] == {"id": ids.VISITOR.format(room.visitor_id)}


async def test_current_of_former_agents_needs_the_room_to_be_visible_or_the_scope_for_users(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.MANUAL)
    anna = await world.agent("anna", departments=[department])
    bert = await world.agent("bert", departments=[department])
    carl = await world.agent("carl", departments=[department])
    room = await world.start(department)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await rooms.unassign_agent(world.context, room_id=room.id)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=bert.id)
    sees_no_room = await users.get_many(world.context, [carl.id])
    selection = "... on AgentAssigned { previousAgent { userId current { user { username emails } } } }"

    shown = {}
    for name, scopes, user in (
        ("app", {"rooms:read", "events:read"}, None),
        ("carl", {"rooms:read", "events:read"}, sees_no_room[carl.id]),
        ("carl with users:read", {"rooms:read", "events:read", "users:read"}, sees_no_room[carl.id]),
    ):
        actor = Actor(type=ActorType.APP if user is None else ActorType.USER, id=carl.id, name=name)
        context = replace(world.context, caller=Caller(actor, frozenset(scopes), user))
        events = await history(context, selection, ["AGENT_ASSIGNED"])
        shown[name] = [event["previousAgent"] for event in events if event["previousAgent"]]

    before = {"userId": ids.USER.format(anna.id)}
    current = {"user": {"username": "anna", "emails": []}}
    assert shown["app"] == [before | {"current": current}]
    assert shown["carl"] == [before | {"current": None}]
    assert shown["carl with users:read"] == [before | {"current": current}]


NESTED = """query { events(first: 200) { nodes { __typename ...shown } } }
fragment shown on RoomEvent {
  room {
    a: current { ...fields ... on RoomFields { revision } visitor { id } servedBy { id ...agent } }
    b: current @include(if: true) { id events(first: 2) { nodes { ... on RoomEvent { room { current { id } } } } } }
    c: current @skip(if: true) { id }
    ...fields
    servedBy { ...agent current { id ...agent user { id } } user { current { id agent { id } } } }
    department { current { id ... on DepartmentFields { name } } }
  }
}
fragment fields on RoomFields { status subject priority }
fragment agent on AgentFields { status openRoomCount }
"""


async def test_nested_current_and_fragments_are_as_by_graphql_core(world: World) -> None:
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    await world.agent("anna", departments=[department])
    for subject in ("first", "second"):
        await world.start(department, subject=subject)
    answers = []
    for executor in (Executor, None):
        context = RequestContext(world.context)
        result: Any = execute(schema._schema, parse(NESTED), None, context, executor_class=executor)
        answers.append(result if isinstance(result, ExecutionResult) else await result)

    assert answers[0].errors is None
    assert answers[0] == answers[1]


# ---------------------------------------------------------------- reads


class Reads(StartedCommands):
    """The collections of entities that were read, one for each command."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        name = event.command.get("find") or event.command.get("aggregate")
        if name in {"users", "rooms", "visitors", "departments", "messages"}:
            self.names.append(name)


@pytest.fixture
async def reading(mongodb_uri: str, services: Services, world: World) -> AsyncIterator[tuple[Context, Reads]]:
    """Another process on the database of `world`, which only reads."""
    reads = Reads()
    async with Storage.open(mongodb_uri, services.storage.database.raw.name, listeners=[reads]) as storage:
        yield Context(create_services(storage), caller(ADMIN)), reads


@pytest.mark.parametrize("count", [2, 20])
async def test_page_of_events_reads_each_kind_of_entity_once(
    world: World, reading: tuple[Context, Reads], count: int
) -> None:
    context, reads = reading
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    await world.agent("anna", departments=[department])
    await world.agent("bert", departments=[department])
    for _ in range(count):
        await world.start(department)
    end = await world.context.storage.log.head()

    async def has_read_the_log() -> bool:
        return context.storage.feed.head >= end

    await until(has_read_the_log)
    reads.names.clear()

    selection = """... on AgentAssigned { agent { current { id } } room { current { id } visitor { current { id } }
        department { current { id } } servedBy { current { id } user { current { id } } } } }"""
    events = await history(context, selection, ["AGENT_ASSIGNED"])

    assert len(events) == count
    assert all(event["room"]["current"] and event["agent"]["current"] for event in events)
    assert sorted(reads.names) == ["departments", "rooms", "users", "visitors"]
