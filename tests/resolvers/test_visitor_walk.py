"""A visitor selects all that it may, wherever it can, and sees nothing that is not in the table."""

import json
from typing import Any

import pytest
from graphql import GraphQLNamedType

from resolvers import agents, app_data, messages, rooms, timers, users
from resolvers.custom_fields.definitions import define_custom_field
from resolvers.custom_fields.values import FieldAssignment
from schema.base import ids
from schema.base.visitor_table import FIELDS, HIDDEN_VALUES
from schema.execution.selection_compiler import CompiledSelections
from schema.visitor_values import VALUES
from storage.app_data import DataOwner
from storage.message_records import Choice
from storage.records import FieldTarget, FieldType, Room, RoutingMethod
from tests.resolvers.agent_filters import named
from tests.resolvers.visitor_client import Page, message_id, note, room_id, said
from tests.resolvers.world import World
from tests.schema.visitor_paths import API, everything

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Part of every text that the visitor must not see.
SECRET = "hush"


async def busy_room(world: World) -> Room:
    """A room of the visitor "v" with everything that a room can have, closed in the end."""
    await define_custom_field(world.context, target=FieldTarget.ROOM, key=f"{SECRET}-key", type=FieldType.TEXT)
    for target in (FieldTarget.VISITOR, FieldTarget.USER):
        await define_custom_field(world.context, target=target, key=f"{SECRET}-key", type=FieldType.TEXT)
    department = await world.department("Help", RoutingMethod.MANUAL)
    fields = [FieldAssignment(f"{SECRET}-key", SECRET)]
    agent = await world.agent(f"{SECRET}-login", departments=[department])
    await users.update_user(
        world.context, user_id=agent.id, name="Nina", emails=[f"{SECRET}@example.org"], custom_fields=fields
    )
    await agents.update_agent(world.context, agent_id=agent.id, max_rooms=77)
    room = await world.start(
        department,
        tags=[SECRET],
        priority=7,
        custom_fields=fields,
        agent_filter=named(f"{SECRET}-login"),
        subject="Help",
    )
    for owner, owner_id in (
        (DataOwner.ROOM, room.id),
        (DataOwner.VISITOR, room.visitor_id),
        (DataOwner.USER, agent.id),
        (DataOwner.APP, world.context.caller.id),
    ):
        await app_data.set_app_data(world.context, owner=owner, owner_id=owner_id, key="x", value=SECRET)
    await timers.set_timer(world.context, room_id=room.id, name=SECRET, seconds=3600)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=agent.id)
    hidden = await note(world, room, SECRET, choices=[Choice(id="a", label="A")])
    shown = await said(world, room, "Hello", choices=[Choice(id="yes", label="Yes")], in_reply_to_id=hidden.id)
    await said(world, room, "", choice=messages.Option(hidden.id, "a"), as_user_id=agent.id)
    await said(world, room, "", choice=messages.Option(shown.id, "yes"), as_visitor_token="v", data={"any": 1})
    await messages.edit_message(world.context, message_id=shown.id, text="Hello there")
    redacted = await said(world, room, "Away")
    await messages.redact_message(world.context, message_id=redacted.id, reason=SECRET)
    await rooms.hold_room(world.context, room_id=room.id, comment=SECRET)
    await rooms.resume_room(world.context, room_id=room.id)
    await rooms.unassign_agent(world.context, room_id=room.id, comment=SECRET)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=agent.id)
    return await rooms.close_room(world.context, room_id=room.id, comment=SECRET, tags=[f"{SECRET}-2"])


def require_only_what_is_open(value: Any) -> None:
    """Assert that every object in an answer has its open fields alone; others are empty."""
    if isinstance(value, list):
        for one in value:
            require_only_what_is_open(one)
    if not isinstance(value, dict):
        return
    kind = value.get("__typename")
    for key, inner in value.items():
        name = key.removeprefix(f"{kind}_")
        if kind is not None and name != "__typename" and name not in FIELDS[kind]:
            assert inner in ([], None) or f"{kind}.{name}" in HIDDEN_VALUES, (kind, name, inner)
        require_only_what_is_open(inner)


def kind(name: str) -> GraphQLNamedType:
    return API.type_map[name]


def documents(room: Room, nodes: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Every way to read, each selecting all that it may."""
    selected = everything(kind("Room"), 4)
    connection = everything(kind("EventConnection"), 4)
    return [
        (f"query($id: ID!) {{ room(by: {{id: $id}}) {selected} }}", {"id": room_id(room)}),
        (f"query($id: ID!) {{ room(by: {{id: $id}}) {{ events(first: 50) {connection} }} }}", {"id": room_id(room)}),
        (f"{{ rooms(first: 5) {everything(kind('RoomConnection'), 4)} }}", {}),
        (f"{{ viewer {everything(kind('Viewer'), 3)} errorCodes {everything(kind('ErrorCodeInfo'), 1)} }}", {}),
        *((f"query($id: ID!) {{ node(id: $id) {everything(kind('Node'), 3)} }}", {"id": one}) for one in nodes),
    ]


async def test_a_visitor_that_selects_everything_sees_what_is_in_the_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(world, await world.visitor())
    room = await busy_room(world)
    shown = await page.ask(
        "query($id: ID!) { room(by: {id: $id}) { messages { nodes { id } } events { nodes { id } } } }",
        id=room_id(room),
    )
    nodes = [one["id"] for part in ("messages", "events") for one in shown["room"][part]["nodes"]]
    asked = documents(room, [*nodes, room_id(room), str(ids.VISITOR.format(page.visitor.id))])

    compiled = [await page.ask(document, **variables) for document, variables in asked]
    monkeypatch.setattr(CompiledSelections, "for_type", lambda *_: None)
    executed = [await page.ask(document, **variables) for document, variables in asked]

    assert compiled == executed
    require_only_what_is_open(compiled)
    assert SECRET not in json.dumps(compiled)
    assert all(one["node"] is not None for one in compiled[4:])
    found = compiled[0]["room"]
    assert (found["priority"], found["tags"], found["customFields"], found["closeComment"]) == (0, [], [], None)
    assert found["lastServedBy"]["user"]["name"] == "Nina"


async def test_a_subscription_that_selects_everything_shows_what_is_in_the_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = (await Page(world, await world.visitor()).ask("{ eventCursor }"))["eventCursor"]
    page = Page(world, await world.visitor())
    room = await busy_room(world)
    document = f"subscription($after: Cursor) {{ events(after: $after) {everything(kind('Event'), 4)} }}"

    compiled = await delivered(page, document, head)
    monkeypatch.setattr(CompiledSelections, "serializer", CompiledSelections._object)
    monkeypatch.setattr(CompiledSelections, "for_type", lambda *_: None)
    executed = await delivered(page, document, head)

    assert compiled == executed
    require_only_what_is_open(compiled)
    assert SECRET not in json.dumps(compiled)
    assert {of_event(one, "room")["roomId"] for one in compiled} == {room_id(room)}
    assert [of_event(one, "type") for one in compiled] == [
        *("ROOM_STARTED", "ROOM_QUEUED", "AGENT_ASSIGNED", "MESSAGE_SENT", "MESSAGE_SENT", "MESSAGE_SENT"),
        *("MESSAGE_EDITED", "MESSAGE_SENT", "MESSAGE_REDACTED", "ROOM_HELD", "ROOM_RESUMED", "AGENT_UNASSIGNED"),
        *("ROOM_QUEUED", "AGENT_ASSIGNED", "AGENT_UNASSIGNED", "ROOM_CLOSED"),
    ]


def of_event(data: Any, name: str) -> Any:
    """A field of the event of a delivery."""
    event = data["events"]
    return event[f"{event['__typename']}_{name}"]


async def delivered(page: Page, document: str, after: str) -> list[Any]:
    """The events after the cursor, up to the closing of the room."""
    found = []
    async with page.following(document, after=after) as results:
        async for result in results:
            assert not result.errors, result.errors
            found.append(result.data)
            if of_event(result.data, "type") == "ROOM_CLOSED":
                break
    return found


async def test_parts_of_fields_are_shown_as_the_visitor_may_see_them(world: World) -> None:
    page = Page(world, await world.visitor())
    room = await busy_room(world)

    found = (
        await page.ask(
            """query($id: ID!) { room(by: {id: $id}) { lastMessageAt lastMessage { sentAt }
                messages { totalCount nodes { id text sender { type name } inReplyTo { id } choice { label } } } } }""",
            id=room_id(room),
        )
    )["room"]

    rows = [(one["text"], one["inReplyTo"], one["choice"]) for one in found["messages"]["nodes"]]
    assert rows == [("Hello there", None, None), ("A", None, None), ("Yes", None, {"label": "Yes"}), ("", None, None)]
    assert found["messages"]["totalCount"] == 4
    assert found["lastMessageAt"] == found["lastMessage"]["sentAt"]
    assert {one["sender"]["name"] for one in found["messages"]["nodes"]} == {None}
    assert sorted(VALUES)[0] == "Actor.name"


async def test_a_field_that_cannot_be_hidden_is_refused_also_while_the_operation_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(world, await world.visitor())
    room = await busy_room(world)
    monkeypatch.setattr("schema.execution.documents.find_refusals", lambda *_: {})

    answer = await page.answer(
        "query($id: ID!) { room(by: {id: $id}) { id lastServedBy { status } } }", id=room_id(room)
    )

    assert answer.data == {"room": {"id": room_id(room), "lastServedBy": None}}
    (error,) = answer.errors or []
    assert error.extensions == {"code": "FORBIDDEN", "key": "Agent.status"}


async def test_staff_and_visitors_with_the_same_document_get_their_own_results(world: World) -> None:
    page = Page(world, await world.visitor())
    room = await busy_room(world)
    document = "query($id: ID!) { room(by: {id: $id}) { tags priority lastServedBy { id maxRooms } } }"
    staff = Page(world, page.visitor)
    staff.context = world.context

    seen = [(await one.ask(document, id=room_id(room)))["room"] for one in (staff, page, staff, page)]

    agent = seen[0]["lastServedBy"]["id"]
    open_to_staff = {
        "tags": [SECRET, f"{SECRET}-2"],
        "priority": 7,
        "lastServedBy": {"id": agent, "maxRooms": 77},
    }
    open_to_visitor = {"tags": [], "priority": 0, "lastServedBy": {"id": agent, "maxRooms": None}}
    assert seen == [open_to_staff, open_to_visitor, open_to_staff, open_to_visitor]


async def test_message_ids_of_notes_name_nothing(world: World) -> None:
    page = Page(world, await world.visitor())
    room = await world.waiting()
    hidden = await note(world, room, SECRET)

    assert await page.ask("query($id: ID!) { node(id: $id) { id } }", id=message_id(hidden)) == {"node": None}
