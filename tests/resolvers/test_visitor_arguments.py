"""What a visitor may give and do, and the limit of its open rooms."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from resolvers import messages, rooms
from resolvers.custom_fields.definitions import define_custom_field
from resolvers.custom_fields.values import FieldAssignment
from schema.base import ids
from schema.execution.cohorts import Cohorts
from storage.facts import Fact
from storage.records import FieldTarget, FieldType
from tests.resolvers.refusals import stored_state
from tests.resolvers.visitor_client import Page, mutation, next_data, page_of, room_id, room_of
from tests.resolvers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ('{ room(by: {customField: {key: "k", value: "x"}}) { id } }', "by.customField"),
        ("{ rooms(where: {priority: {gt: 1}}) { nodes { id } } }", "where.priority"),
        ('{ rooms(where: {hasTags: ["x"]}) { nodes { id } } }', "where.hasTags"),
        ('{ rooms(where: {hasAnyTags: ["x"]}) { nodes { id } } }', "where.hasAnyTags"),
        (
            '{ rooms(where: {and: [{}, {not: {or: [{customFields: [{key: "k", eq: "x"}]}]}}]}) { nodes { id } } }',
            "where.and.1.not.or.0.customFields",
        ),
        ("{ rooms(orderBy: {field: PRIORITY}) { nodes { id } } }", "orderBy.field"),
        ("{ rooms(orderBy: {field: QUEUE}) { nodes { id } } }", "orderBy.field"),
        ("{ rooms(orderBy: {field: LAST_MESSAGE_AT}) { nodes { id } } }", "orderBy.field"),
        ('{ rooms(orderBy: {field: CUSTOM_FIELD, customField: "k"}) { nodes { id } } }', "orderBy.field"),
        ('subscription { events(consumer: "mine") { id } }', "consumer"),
        ('subscription { events(where: {hasTags: ["x"]}) { id } }', "where.hasTags"),
        ('subscription { messageSent(where: {customFields: [{key: "k"}]}) { id } }', "where.customFields"),
        ("subscription { signals(where: {priority: {eq: 0}}) { kind } }", "where.priority"),
    ],
)
async def test_filters_orders_and_consumers_that_are_hidden_are_forbidden(
    world: World, document: str, key: str
) -> None:
    page = await page_of(world)

    if document.startswith("subscription"):
        async with page.following(document) as results:
            (error,) = (await anext(results)).errors or []
    else:
        answer = await page.answer(document)
        (error,) = answer.errors or []

    assert error.extensions == {"code": "FORBIDDEN", "key": key}
    assert error.message.startswith(f"A visitor's token cannot set {key}")


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("startRoom", {"visitorToken": "v"}, "visitorToken"),
        ("startRoom", {"visitorToken": "w"}, "visitorToken"),
        ("startRoom", {"priority": 1}, "priority"),
        ("startRoom", {"tags": []}, "tags"),
        ("startRoom", {"ack": {"consumer": "c", "cursor": "kqFlAQ"}}, "ack"),
        ("closeRoom", {"ack": {"consumer": "c", "cursor": "kqFlAQ"}}, "ack"),
        ("sendMessage", {"text": "Hi", "ack": {"consumer": "c", "cursor": "kqFlAQ"}}, "ack"),
        ("closeRoom", {"tags": ["x"]}, "tags"),
        ("closeRoom", {"customFields": [{"key": "k", "value": 1}]}, "customFields"),
        ("sendMessage", {"text": "Hi", "as": {"visitorToken": "v"}}, "as"),
        ("sendMessage", {"text": "Hi", "as": {"userId": "usr_x"}}, "as"),
        ("sendSignal", {"kind": "TYPING", "as": {"visitorToken": "v"}}, "as"),
    ],
)
async def test_arguments_that_visitors_may_not_give_are_forbidden(
    world: World, name: str, given: dict[str, Any], key: str
) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    await world.visitor("w")
    named = {} if name == "startRoom" else {"roomId": room_id(own)}
    before = await stored_state(world)

    refusal = await page.refusal(mutation(name, "clientMutationId"), input={**named, **given})

    assert refusal == {"message": f"A visitor's token cannot set {key}.", "code": "FORBIDDEN", "key": key}
    assert await stored_state(world) == before


async def test_a_visitor_sends_no_note(world: World) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    before = await stored_state(world)

    given = {"roomId": room_id(own), "text": "Hi", "audience": "STAFF"}
    refusal = await page.refusal(mutation("sendMessage", "clientMutationId"), input=given)

    assert (refusal["code"], refusal["key"]) == ("INVALID_INPUT", "audience")
    assert await stored_state(world) == before


async def test_refusal_of_an_unknown_custom_field_does_not_list_the_defined_fields(world: World) -> None:
    page = await page_of(world)

    given = {"customFields": [{"key": "guess", "value": "x"}]}
    refusal = await page.refusal(mutation("startRoom", "clientMutationId"), input=given)

    assert refusal == {"message": 'There is no custom field "guess".', "code": "UNKNOWN_FIELD", "key": "guess"}


async def test_a_mutation_of_a_visitor_makes_one_change(world: World) -> None:
    page = await page_of(world)
    before = await stored_state(world)

    refusal = await page.refusal(
        "mutation { a: startRoom(input: {}) { room { id } } ...B } fragment B on Mutation { "
        "b: startRoom(input: {}) { room { id } } }"
    )

    assert refusal["code"] == "QUERY_TOO_COMPLEX"
    assert await stored_state(world) == before


# ---------------------------------------------------------------- what a visitor does


async def test_a_visitor_starts_a_room_talks_and_closes_it(world: World) -> None:
    page = await page_of(world)

    given = {"subject": "Help", "source": "page", "clientMutationId": "start-1"}
    room = (await page.change("startRoom", "room { id subject source priority visitor { token } }", **given))["room"]
    own = {"id": room["id"], "subject": "Help", "source": "page", "priority": 0, "visitor": {"token": "v"}}
    assert room == own
    assert (await page.change("startRoom", "room { id }", **given))["room"] == {"id": room["id"]}
    sent = await page.change("sendMessage", "message { id number sender { type name } }", roomId=room["id"], text="Hi")
    assert sent["message"]["sender"] == {"type": "VISITOR", "name": None}
    edited = await page.change("editMessage", "message { text }", messageId=sent["message"]["id"], text="Hello")
    assert edited == {"message": {"text": "Hello"}}
    redacted = await page.change("redactMessage", "message { text }", messageId=sent["message"]["id"])
    assert redacted == {"message": {"text": ""}}
    closed = await page.change("closeRoom", "room { status closeComment }", roomId=room["id"], comment="Thanks")
    assert closed == {"room": {"status": "CLOSED", "closeComment": None}}


async def test_viewer_shows_the_visitor(world: World) -> None:
    page = await page_of(world)

    found = await page.ask("{ viewer { type id name scopes roles user { id } app { id } visitor { id token } } }")

    own = str(ids.VISITOR.format(page.visitor.id))
    assert found["viewer"] == {
        **{"type": "VISITOR", "id": own, "name": None, "scopes": [], "roles": [], "user": None, "app": None},
        "visitor": {"id": own, "token": "v"},
    }


async def test_apps_name_the_visitor_of_a_room(world: World) -> None:
    staff = await page_of(world)
    staff.context = world.context

    refusal = await staff.refusal(mutation("startRoom", "clientMutationId"), input={})

    assert (refusal["code"], refusal["key"]) == ("INVALID_INPUT", "visitorToken")


async def test_only_its_own_client_mutation_ids_are_shown_to_a_visitor(world: World) -> None:
    page = await page_of(world)
    room = (await page.change("startRoom", "room { id }", clientMutationId="mine"))["room"]["id"]
    await messages.send_message(
        world.context.mutation("crm-4711"), room_id=ids.ROOM.parse(room, "roomId"), text="Hello"
    )

    events = await page.ask(
        "query($id: ID!) { room(by: {id: $id}) { events { nodes { type clientMutationId } } } }", id=room
    )

    found = {one["type"]: one["clientMutationId"] for one in events["room"]["events"]["nodes"]}
    assert found == {"ROOM_STARTED": "mine", "ROOM_QUEUED": None, "MESSAGE_SENT": None}


async def test_a_value_that_a_room_of_another_visitor_has_is_refused_without_that_room(world: World) -> None:
    await define_custom_field(world.context, target=FieldTarget.ROOM, key="case", type=FieldType.TEXT, unique=True)
    page, _ = await page_of(world), await world.visitor("w")
    fields = [FieldAssignment("case", "4711")]
    await rooms.start_room(world.context, visitor_token="w", custom_fields=fields)

    given = {"customFields": [{"key": "case", "value": "4711"}]}
    refusal = await page.refusal(mutation("startRoom", "clientMutationId"), input=given)

    assert (refusal["code"], refusal["key"], "holder" in refusal) == ("DUPLICATE_VALUE", "case", False)


async def test_results_of_subscriptions_are_not_shared_between_a_visitor_and_others(world: World) -> None:
    cohorts, visitor = Cohorts(), await world.visitor()
    own = await room_of(world, "v")
    pages = [Page(world, visitor, cohorts) for _ in range(4)]
    for staff in pages[:2]:
        staff.context = world.context
    head = (await pages[0].ask("{ eventCursor }"))["eventCursor"]
    selected = "{ clientMutationId message { sender { name } } room { priority tags } }"
    await rooms.update_room(world.context, room_id=own.id, priority=7, tags=["hush"])
    named = replace(world.context, client_mutation_id="crm-1")

    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(
                one.following(f"subscription($after: Cursor) {{ messageSent(after: $after) {selected} }}", after=head)
            )
            for one in pages
        ]
        await messages.send_message(named, room_id=own.id, text="Hello")
        found = [(await next_data(stream))["messageSent"] for stream in streams]

    open_to_staff = {
        "clientMutationId": "crm-1",
        "message": {"sender": {"name": "App"}},
        "room": {"priority": 7, "tags": ["hush"]},
    }
    open_to_visitor = {
        "clientMutationId": None,
        "message": {"sender": {"name": None}},
        "room": {"priority": 0, "tags": []},
    }
    assert found == [open_to_staff, open_to_staff, open_to_visitor, open_to_visitor]


# ---------------------------------------------------------------- open rooms


async def test_a_visitor_has_three_open_rooms(world: World) -> None:
    page = await page_of(world)
    started = [(await page.change("startRoom", "room { id }"))["room"]["id"] for _ in range(3)]
    before = await stored_state(world)

    refusal = await page.refusal(mutation("startRoom", "clientMutationId"), input={})

    assert (refusal["code"], refusal["retryAfterSeconds"]) == ("RATE_LIMITED", 1)
    assert await stored_state(world) == before
    await page.change("closeRoom", "clientMutationId", roomId=started[1])
    await page.change("startRoom", "room { id }")


async def test_rooms_that_start_at_once_in_two_processes_are_counted_exactly(world: World, other: World) -> None:
    page, elsewhere = await page_of(world), await page_of(other)

    answers = await asyncio.gather(
        *(one.answer(mutation("startRoom", "room { id }"), input={}) for one in (page, elsewhere) * 4)
    )

    codes = [(error.extensions or {}).get("code") for answer in answers for error in answer.errors or []]
    assert codes == ["RATE_LIMITED"] * 5
    assert (await page.ask("{ rooms { totalCount } }"))["rooms"]["totalCount"] == 3


async def test_starting_a_room_records_no_change_of_the_visitor(world: World) -> None:
    page, head = await page_of(world), await world.head()
    await page.change("startRoom", "room { id }")

    kinds: list[type[Fact]] = [type(fact) for fact in await world.facts(head)]

    assert [kind.__name__ for kind in kinds] == ["RoomStarted", "RoomQueued"]
    assert (await world.visitor()).created_at == page.visitor.created_at
