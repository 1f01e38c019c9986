"""What a visitor's token cannot reach: rooms of others, notes, and what it may not give or ask."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from strawberry.types import ExecutionResult

from resolvers import messages, rooms, signals, visitors
from schema.base import ids
from storage.facts import Fact
from storage.records import Room, RoutingMethod, SignalKind
from tests.resolvers.refusals import stored_state
from tests.resolvers.visitor_client import Page, message_id, mutation, note, room_id, said
from tests.resolvers.world import World
from tests.storage.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE = "query($id: ID!) { node(id: $id) { id } }"
ROOM = "query($id: ID!) { room(by: {id: $id}) { id } }"
COUNTED = "query($where: RoomFilter) { rooms(where: $where) { totalCount nodes { id } pageInfo { hasNextPage } } }"
NONE = {"rooms": {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False}}}


async def page_of(world: World, token: str = "v") -> Page:
    return Page(world, await world.visitor(token))


async def room_of(world: World, token: str) -> Room:
    await world.visitor(token)
    return await world.start(await world.department(f"For {token}", RoutingMethod.MANUAL), visitor_token=token)


# ---------------------------------------------------------------- rooms of others

#: Operations that name a room, each with its input beside it.
ROOM_CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("closeRoom", "clientMutationId", {}),
    ("sendMessage", "clientMutationId", {"text": "Hi"}),
    ("sendSignal", "clientMutationId", {"kind": "TYPING"}),
]
#: Operations that name a message.
MESSAGE_CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("editMessage", "messageId", {"text": "Hi"}),
    ("redactMessage", "messageId", {}),
]


@pytest.mark.parametrize("document", [NODE, ROOM])
async def test_a_room_of_another_visitor_is_what_no_room_is(world: World, document: str) -> None:
    page, foreign = await page_of(world), await room_of(world, "w")

    assert await page.ask(document, id=room_id(foreign)) == await page.ask(document, id=unknown(foreign))


@pytest.mark.parametrize(("name", "selection", "given"), ROOM_CHANGES)
async def test_a_change_of_a_room_of_another_visitor_is_refused_like_one_of_no_room(
    world: World, name: str, selection: str, given: dict[str, Any]
) -> None:
    page, foreign = await page_of(world), await room_of(world, "w")
    before = await stored_state(world)

    refusals = [
        await page.refusal(mutation(name, selection), input={"roomId": one, **given})
        for one in (room_id(foreign), unknown(foreign))
    ]

    assert refusals == [not_found("room", room_id(foreign), "roomId"), not_found("room", unknown(foreign), "roomId")]
    assert await stored_state(world) == before


@pytest.mark.parametrize(("name", "key", "given"), MESSAGE_CHANGES)
async def test_messages_of_others_and_notes_cannot_be_changed_and_look_unknown(
    world: World, name: str, key: str, given: dict[str, Any]
) -> None:
    page, foreign, own = await page_of(world), await room_of(world, "w"), await room_of(world, "v")
    named = [message_id(await said(world, foreign, "theirs")), message_id(await note(world, own, "hush"))]
    named.append(str(ids.MESSAGE.add(own.id)))
    before = await stored_state(world)

    refusals = [await page.refusal(mutation(name, "clientMutationId"), input={key: one, **given}) for one in named]

    assert refusals == [not_found("message", one, key) for one in named]
    assert await stored_state(world) == before


async def test_a_message_of_staff_cannot_be_changed(world: World) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    message = message_id(await said(world, own, "Hello"))
    before = await stored_state(world)

    for name, key, given in MESSAGE_CHANGES:
        refusal = await page.refusal(mutation(name, "clientMutationId"), input={key: message, **given})
        assert refusal["code"] == "FORBIDDEN"

    assert await stored_state(world) == before


@pytest.mark.parametrize("argument", ["inReplyTo", "choice", "messageId"])
async def test_a_message_that_the_visitor_does_not_see_cannot_be_referred_to(world: World, argument: str) -> None:
    page, foreign, own = await page_of(world), await room_of(world, "w"), await room_of(world, "v")
    named = [message_id(await said(world, foreign, "theirs")), message_id(await note(world, own, "hush"))]
    named.append(str(ids.MESSAGE.add(own.id)))

    for one in named:
        if argument == "messageId":
            given: dict[str, Any] = {"roomId": room_id(own), "kind": "READ", "messageId": one}
            refusal = await page.refusal(mutation("sendSignal", "sentAt"), input=given)
        else:
            value: Any = one if argument == "inReplyTo" else {"messageId": one, "choiceId": "a"}
            given = {"roomId": room_id(own), "text": "Hi", argument: value}
            refusal = await page.refusal(mutation("sendMessage", "clientMutationId"), input=given)
        key = {"choice": "choice.messageId"}.get(argument, argument)
        assert refusal == not_found("message", one, key)


async def test_lists_and_totals_have_the_rooms_of_the_visitor_alone(world: World) -> None:
    page, foreign, own = await page_of(world), await room_of(world, "w"), await room_of(world, "v")
    of_other = str(ids.VISITOR.add(foreign.visitor_id))

    found = (await page.ask(COUNTED))["rooms"]

    assert (found["totalCount"], found["nodes"]) == (1, [{"id": room_id(own)}])
    hidden: list[dict[str, Any]] = [{"ids": [room_id(foreign)]}, {"visitorId": of_other}]
    for where in (*hidden, {"not": {"ids": [room_id(own)]}}):
        assert await page.ask(COUNTED, where=where) == NONE
    shown: list[dict[str, Any]] = [{"or": [*hidden, {"ids": [room_id(own)]}]}, {"not": {"visitorId": of_other}}]
    for where in shown:
        assert (await page.ask(COUNTED, where=where))["rooms"]["nodes"] == [{"id": room_id(own)}]


async def test_a_cursor_of_another_list_shows_nothing_of_it(world: World) -> None:
    page, other = await page_of(world), await page_of(world, "w")
    foreign, own = await room_of(world, "w"), await room_of(world, "v")
    document = "query($after: Cursor, $before: Cursor) { rooms(after: $after, before: $before) { nodes { id } } }"
    cursor = (await other.ask("{ rooms { pageInfo { startCursor } } }"))["rooms"]["pageInfo"]["startCursor"]

    assert (await page.ask(document, after=cursor))["rooms"]["nodes"] == [{"id": room_id(own)}]
    assert (await page.ask(document, before=cursor))["rooms"]["nodes"] == []
    assert room_id(foreign) != room_id(own)


async def test_node_finds_nothing_of_others(world: World) -> None:
    page, foreign = await page_of(world), await room_of(world, "w")
    message = await said(world, foreign, "theirs")
    (event, *_) = await world.facts_of(foreign)
    hidden = [message_id(message), str(ids.EVENT.add(event.id)), str(ids.VISITOR.add(foreign.visitor_id))]

    assert [await page.ask(NODE, id=one) for one in hidden] == [{"node": None}] * 3


@pytest.mark.parametrize("prefix", ["usr", "agt", "rol", "dep", "fld", "app"])
async def test_node_is_forbidden_for_other_kinds_whether_or_not_they_exist(world: World, prefix: str) -> None:
    page, agent = await page_of(world), await world.agent("anna")

    for stored in (agent.id, "01M8KG8Q2K9HCCWK94HEMRERAN"):
        refusal = await page.refusal(NODE, id=f"{prefix}_{stored}")
        assert (refusal["code"], refusal["message"]) == ("FORBIDDEN", "This is not open to a visitor's token.")


async def test_events_of_other_rooms_and_types_do_not_reach_the_visitor(world: World) -> None:
    page, foreign, own = await page_of(world), await room_of(world, "w"), await room_of(world, "v")
    document = (
        "subscription($where: RoomFilter) { events(where: $where) { type ... on RoomEvent { room { roomId } } } }"
    )
    either = {"or": [{"ids": [room_id(foreign)]}, {"ids": [room_id(own)]}]}

    async with page.following(document) as every, page.following(document, where=either) as named:
        waiting = [asyncio.ensure_future(anext(one)) for one in (every, named)]
        await until_followed(world, 2)
        await said(world, foreign, "theirs")
        await note(world, own, "hush")
        await rooms.update_room(world.context, room_id=own.id, subject="changed")
        await visitors.save_visitor(world.context, token="v", name="Vera")
        await said(world, own, "ours")

        for result in await asyncio.wait_for(asyncio.gather(*waiting), 60):
            assert result.data == {"events": {"type": "MESSAGE_SENT", "room": {"roomId": room_id(own)}}}


async def until_followed(world: World, count: int) -> None:
    """Wait until this many subscriptions wait for a fact."""

    async def waiting() -> bool:
        index = world.services.storage.feed._waiters._waiting
        return sum(map(len, index.values())) >= count

    await until(waiting)


# ---------------------------------------------------------------- notes


async def test_notes_are_in_no_list_total_or_time(world: World) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    document = """query($id: ID!) { room(by: {id: $id}) { lastMessageAt lastMessage { text }
        messages(last: 1) { totalCount nodes { text number } pageInfo { hasPreviousPage hasNextPage } }
        events { totalCount nodes { type } } } }"""
    await note(world, own, "hush")
    empty = (await page.ask(document, id=room_id(own)))["room"]
    shown = await said(world, own, "Hello")
    await note(world, own, "hush")

    assert empty == {
        "lastMessageAt": None,
        "lastMessage": None,
        "messages": {"totalCount": 0, "nodes": [], "pageInfo": {"hasPreviousPage": False, "hasNextPage": False}},
        "events": {"totalCount": 2, "nodes": [{"type": "ROOM_STARTED"}, {"type": "ROOM_QUEUED"}]},
    }
    found = (await page.ask(document, id=room_id(own)))["room"]
    assert found["lastMessage"] == {"text": "Hello"}
    assert found["lastMessageAt"] == shown.sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert found["messages"] == {
        "totalCount": 1,
        "nodes": [{"text": "Hello", "number": 2}],
        "pageInfo": {"hasPreviousPage": False, "hasNextPage": False},
    }
    assert found["events"]["totalCount"] == 3


async def test_events_of_notes_do_not_reach_the_visitor(world: World) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    head = (await page.ask("{ eventCursor }"))["eventCursor"]
    hidden = await note(world, own, "hush")
    await messages.edit_message(world.context, message_id=hidden.id, text="still")
    await messages.redact_message(world.context, message_id=hidden.id)
    await said(world, own, "Hello")

    async with page.following(
        "subscription($after: Cursor) { events(after: $after) { ... on MessageSent { message { text } } } }", after=head
    ) as results:
        assert (await next_data(results)) == {"events": {"message": {"text": "Hello"}}}


async def next_data(results: AsyncIterator[ExecutionResult]) -> Any:
    async with asyncio.timeout(60):
        result = await anext(results)
    assert not result.errors, result.errors
    return result.data


async def test_read_marks_on_notes_do_not_reach_the_visitor(world: World) -> None:
    page, own = await page_of(world), await room_of(world, "v")
    shown, hidden = await said(world, own, "Hello"), await note(world, own, "hush")

    async with page.following("subscription { signals { kind messageId sender { type name } } }") as results:
        first = asyncio.ensure_future(next_data(results))

        async def subscribed() -> bool:
            return bool(world.services.signal_hub._subscribers)

        await until(subscribed)
        for message in (shown, hidden):
            await signals.send_signal(world.context, room_id=own.id, kind=SignalKind.READ, message_id=message.id)
        await signals.send_signal(world.context, room_id=own.id, kind=SignalKind.CUSTOM)

        sender = {"type": "APP", "name": None}
        assert (await first)["signals"] == {"kind": "READ", "messageId": message_id(shown), "sender": sender}
        assert (await next_data(results))["signals"] == {"kind": "CUSTOM", "messageId": None, "sender": sender}


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
        ("closeRoom", {"tags": ["x"]}, "tags"),
        ("closeRoom", {"customFields": [{"key": "k", "value": 1}]}, "customFields"),
        ("sendMessage", {"text": "Hi", "as": {"visitorToken": "v"}}, "as"),
        ("sendMessage", {"text": "Hi", "as": {"userId": "usr_x"}}, "as"),
        ("sendSignal", {"kind": "TYPING", "as": {"visitorToken": "v"}}, "as"),
    ],
)
async def test_arguments_of_changes_that_are_not_open_are_forbidden(
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


async def test_an_unknown_custom_field_does_not_show_which_there_are(world: World) -> None:
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

    own = str(ids.VISITOR.add(page.visitor.id))
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
    await messages.send_message(world.context.mutation("crm-4711"), room_id=ids.ROOM.take(room, "roomId"), text="Hello")

    events = await page.ask(
        "query($id: ID!) { room(by: {id: $id}) { events { nodes { type clientMutationId } } } }", id=room
    )

    found = {one["type"]: one["clientMutationId"] for one in events["room"]["events"]["nodes"]}
    assert found == {"ROOM_STARTED": "mine", "ROOM_QUEUED": None, "MESSAGE_SENT": None}


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


async def test_starting_a_room_changes_the_visitor_in_nothing_that_is_told(world: World) -> None:
    page, head = await page_of(world), await world.head()
    await page.change("startRoom", "room { id }")

    told: list[type[Fact]] = [type(fact) for fact in await world.facts(head)]

    assert [kind.__name__ for kind in told] == ["RoomStarted", "RoomQueued"]
    assert (await world.visitor()).created_at == page.visitor.created_at


def unknown(room: Room) -> str:
    """An id of a room that does not exist."""
    return room_id(room)[:-1] + ("0" if room.id[-1] != "0" else "1")


def not_found(noun: str, named: str, key: str) -> dict[str, Any]:
    return {"message": f'There is no {noun} "{named}".', "code": "NOT_FOUND", "key": key}
