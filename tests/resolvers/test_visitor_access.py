"""What a visitor's token cannot reach: rooms of others, and notes."""

import asyncio
from typing import Any

import pytest

from resolvers import messages, rooms, signals, visitors
from schema.base import ids
from storage.records import Room
from storage.signals import SignalKind
from tests.resolvers.refusals import stored_state
from tests.resolvers.visitor_client import message_id, mutation, next_data, note, page_of, room_id, room_of, said
from tests.resolvers.world import World
from tests.storage.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE = "query($id: ID!) { node(id: $id) { id } }"
ROOM = "query($id: ID!) { room(by: {id: $id}) { id } }"
COUNTED = "query($where: RoomFilter) { rooms(where: $where) { totalCount nodes { id } pageInfo { hasNextPage } } }"
NONE = {"rooms": {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False}}}


# ---------------------------------------------------------------- rooms of others

#: Operations that name a room, each with its input.
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
async def test_a_room_of_another_visitor_looks_like_an_unknown_room(world: World, document: str) -> None:
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
    named.append(str(ids.MESSAGE.format(own.id)))
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
    named.append(str(ids.MESSAGE.format(own.id)))

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
    of_other = str(ids.VISITOR.format(foreign.visitor_id))

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
    hidden = [message_id(message), str(ids.EVENT.format(event.id)), str(ids.VISITOR.format(foreign.visitor_id))]

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
        await until_waiting(world, keys=3)
        await said(world, foreign, "theirs")
        await note(world, own, "hush")
        await rooms.update_room(world.context, room_id=own.id, subject="changed")
        await visitors.save_visitor(world.context, token="v", name="Vera")
        await said(world, own, "ours")

        for result in await asyncio.wait_for(asyncio.gather(*waiting), 60):
            assert result.data == {"events": {"type": "MESSAGE_SENT", "room": {"roomId": room_id(own)}}}


async def until_waiting(world: World, *, keys: int) -> None:
    """Wait until subscriptions wait for a fact, with this many keys together."""

    async def waiting() -> bool:
        index = world.services.storage.feed._waiters._waiting
        return sum(map(len, index.values())) >= keys

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


def unknown(room: Room) -> str:
    """An id of a room that does not exist."""
    return room_id(room)[:-1] + ("0" if room.id[-1] != "0" else "1")


def not_found(noun: str, named: str, key: str) -> dict[str, Any]:
    return {"message": f'There is no {noun} "{named}".', "code": "NOT_FOUND", "key": key}
