import asyncio
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from resolvers import messages, rooms
from storage.errors import Forbidden, Invalid, NotFound, RoomClosed
from storage.facts import MessageSent
from storage.mongo.clock import Clock
from storage.records import Actor, ActorType
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import APP, World


class Behind(Clock):
    """A clock that is behind, as after a failover to a primary whose clock is behind."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__()
        self._behind = timedelta(seconds=seconds)

    @override
    def now(self) -> datetime:
        return super().now() - self._behind


async def test_message_is_recorded_without_a_new_revision(world: World) -> None:
    room = await world.waiting()
    head = await world.head()

    message = await messages.send_message(world.context, room_id=room.id, text="Hello \0 \U0001f600")

    assert (message.text, message.sender, message.room_id) == ("Hello \0 \U0001f600", APP, room.id)
    assert (await messages.list_messages(world.context, [room.id]))[room.id].items == [message]
    (fact,) = await world.facts(head)
    assert isinstance(fact, MessageSent)
    assert (fact.message, fact.room.room.revision) == (message, room.revision)
    assert (await world.room(room)).revision == room.revision


async def test_messages_are_in_the_order_of_the_rooms_events_even_if_clocks_differ(world: World, other: World) -> None:
    room = await world.waiting()
    head = await world.head()
    database = other.services.storage.database
    right, database.clock = database.clock, Behind(seconds=30)
    try:
        for number in range(1, 7):
            context = (world if number % 2 else other).context
            await messages.send_message(context, room_id=room.id, text=f"{number}")
    finally:
        database.clock = right

    first = (await messages.list_messages(world.context, [room.id], first=3))[room.id]
    rest = (await messages.list_messages(world.context, [room.id], after=first.cursors[-1]))[room.id]
    facts = [fact for fact in await world.facts(head) if isinstance(fact, MessageSent)]

    assert [(one.number, one.text) for one in (*first.items, *rest.items)] == [(n, f"{n}") for n in range(1, 7)]
    assert [fact.message for fact in facts] == [*first.items, *rest.items]
    assert facts[1].message.id < facts[0].message.id


async def test_messages_sent_at_the_same_time_get_numbers_without_a_gap(world: World, other: World) -> None:
    room = await world.waiting()

    sent = await asyncio.gather(
        *(messages.send_message(one.context, room_id=room.id, text="Hi") for one in (world, other) * 5)
    )

    assert sorted(message.number for message in sent) == list(range(1, 11))


async def test_message_that_is_refused_takes_no_number(world: World) -> None:
    room = await world.waiting()
    async with refused(world, Invalid, "text must not be blank.", key="text"):
        await messages.send_message(world.context, room_id=room.id, text=" ")

    assert (await messages.send_message(world.context, room_id=room.id, text="Hi")).number == 1


async def test_an_app_sends_messages_as_the_agent_or_visitor_of_the_room(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    visitor = await world.visitor()

    of_agent = await messages.send_message(world.context, room_id=room.id, text="Hi", as_user_id=anna.id)
    of_visitor = await messages.send_message(world.context, room_id=room.id, text="Ho", as_visitor_token="v")

    assert of_agent.sender == Actor(type=ActorType.USER, id=anna.id, name="anna")
    assert of_visitor.sender == Actor(type=ActorType.VISITOR, id=visitor.id, name=None)


async def test_the_visitor_is_named_by_its_token_in_every_form_of_unicode(world: World) -> None:
    visitor = await world.visitor("caf\u00e9")
    room = await rooms.start_room(world.context, visitor_token="cafe\u0301")

    sent = await messages.send_message(world.context, room_id=room.id, text="Hi", as_visitor_token="cafe\u0301")

    assert sent.sender.id == visitor.id


async def test_an_agent_sends_messages_as_itself(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    context = world.logged_in(anna)

    plain = await messages.send_message(context, room_id=room.id, text="Hi")
    named = await messages.send_message(context, room_id=room.id, text="Ho", as_user_id=anna.id)

    assert plain.sender == named.sender == Actor(type=ActorType.USER, id=anna.id, name="anna")
    async with refused(world, Forbidden, "Only an app can send a message as another user or as a visitor."):
        await messages.send_message(context, room_id=room.id, text="Ha", as_visitor_token="v")


async def test_other_callers_cannot_send_messages_in_the_room(world: World) -> None:
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(anna)
    await world.visitor("w")

    async with refused(world, Invalid, "as.userId must be the id of the agent that serves the room.", key="as.userId"):
        await messages.send_message(world.context, room_id=room.id, text="Hi", as_user_id=bert.id)
    async with refused(
        world, Invalid, "as.visitorToken must be the token of the room's visitor.", key="as.visitorToken"
    ):
        await messages.send_message(world.context, room_id=room.id, text="Hi", as_visitor_token="w")
    async with refused(world, NotFound, f'There is no room "{room.id}".', key="roomId"):
        await messages.send_message(world.logged_in(bert), room_id=room.id, text="Hi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must have 1 to 20000 characters; this one is empty."),
        (" \n", "text must not be blank."),
        ("x" * 20_001, "text must have 1 to 20000 characters; this one has 20001."),
        ("\ud83d", "text contains half of a surrogate pair, which is not a character."),
    ],
)
async def test_an_empty_or_too_long_message_is_refused(world: World, text: str, message: str) -> None:
    room = await world.waiting()

    async with refused(world, Invalid, message, key="text"):
        await messages.send_message(world.context, room_id=room.id, text=text)


async def test_messages_in_closed_or_unknown_rooms_are_refused(world: World) -> None:
    room = await world.closed()

    async with refused(world, RoomClosed, "The room is closed and takes no messages; start another room."):
        await messages.send_message(world.context, room_id=room.id, text="Hi")
    async with refused(world, NotFound, 'There is no room "nowhere".', key="roomId"):
        await messages.send_message(world.context, room_id="nowhere", text="Hi")


async def test_operations_on_messages_need_their_scopes(world: World) -> None:
    room = await world.waiting()

    message = "This needs the scope {}, which this token does not have."
    async with refused(world, Forbidden, message.format("messages:write"), scope="messages:write"):
        await messages.send_message(scoped(world, "messages:read"), room_id=room.id, text="Hi")
    async with refused(world, Forbidden, message.format("messages:read"), scope="messages:read"):
        await messages.list_messages(scoped(world, "messages:write"), [room.id])
