import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from resolvers import messages, rooms
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context
from resolvers.signal_hub import SignalHub
from resolvers.signals import send_signal, subscribe_signals
from storage.errors import Forbidden, IdempotencyMismatch, Invalid, NotFound, RateLimited
from storage.filters.expressions import AttributeCondition, Operator
from storage.message_records import Audience
from storage.records import Actor, ActorType, Room
from storage.signals import Signal, SignalKind
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import APP, World
from tests.storage.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TYPING, CUSTOM, READ = SignalKind.TYPING, SignalKind.CUSTOM, SignalKind.READ
LISTENER = Actor(type=ActorType.APP, id="listener", name="Listener")


def listener(world: World, *scopes: str) -> Context:
    """The context of another app with these scopes, or all scopes by default."""
    return replace(world.context, caller=Caller(LISTENER, frozenset(scopes or {ADMIN})))


@asynccontextmanager
async def subscribed(context: Context, **arguments: Any) -> AsyncIterator[AsyncGenerator[Signal, None]]:
    async with aclosing(await subscribe_signals(context, **arguments)) as signals:
        yield signals


async def received(signals: AsyncGenerator[Signal, None]) -> Signal:
    async with asyncio.timeout(30):
        return await anext(signals)


async def typing(context: Context, room: Room, **arguments: Any) -> None:
    await send_signal(context, room_id=room.id, kind=TYPING, **arguments)


# ---------------------------------------------------------------- delivery


async def test_signal_reaches_subscribers_and_is_not_recorded(world: World) -> None:
    room = await world.waiting()
    head = await world.head()
    async with subscribed(listener(world)) as signals:
        sent = await send_signal(world.context, room_id=room.id, kind=CUSTOM, data={"cursor": [1, None]})

        assert await received(signals) == Signal(
            kind=CUSTOM,
            room_id=room.id,
            sender=APP,
            sent_by_id="app",
            data='{"cursor":[1,null]}',
            sent_at=sent.sent_at,
        )
    assert await world.facts(head) == []
    assert await world.room(room) == room


async def test_caller_does_not_get_its_own_signals(world: World) -> None:
    room = await world.waiting()
    async with subscribed(world.context) as signals:
        await typing(world.context, room)
        await typing(listener(world), room)

        assert (await received(signals)).sender == LISTENER


async def test_signal_reaches_another_process(world: World, other: World) -> None:
    room = await world.waiting()

    async def watching() -> bool:
        return other.services.storage.signals.watching

    await until(watching)
    async with subscribed(listener(other)) as signals:
        await typing(world.context, room)

        assert (await received(signals)).room_id == room.id


async def test_subscription_gets_the_signals_of_rooms_that_match(world: World) -> None:
    first, second = await world.waiting(), await world.start()
    for where in (
        AttributeCondition("id", Operator.EQ, second.id),
        AttributeCondition("department", Operator.EXISTS, False),
    ):
        async with subscribed(listener(world), where=where) as signals:
            await typing(world.context, first)
            await typing(world.context, second)

            assert (await received(signals)).room_id == second.id


async def test_user_gets_signals_of_rooms_that_are_visible_when_they_are_sent(world: World) -> None:
    anna, ben = await world.agent("anna"), await world.agent("ben")
    hidden, mine, later = await world.waiting(), await world.assigned(anna), await world.assigned(anna)
    async with subscribed(world.logged_in(anna)) as signals:
        await typing(world.context, hidden)
        await typing(world.context, mine)
        assert (await received(signals)).room_id == mine.id

        await rooms.transfer_room(world.context, room_id=mine.id, to_agent_id=ben.id)
        await typing(world.context, mine)
        await typing(world.context, later)
        assert (await received(signals)).room_id == later.id


async def test_slow_subscriber_gets_the_last_signal_of_each_sender(world: World) -> None:
    room = await world.waiting()
    async with subscribed(listener(world)) as signals:
        for kind in (TYPING, SignalKind.STOPPED_TYPING, TYPING, SignalKind.STOPPED_TYPING):
            await send_signal(world.context, room_id=room.id, kind=kind)
        await send_signal(world.context, room_id=room.id, kind=CUSTOM)

        assert [(await received(signals)).kind for _ in range(2)] == [SignalKind.STOPPED_TYPING, CUSTOM]


async def test_subscription_that_ends_leaves_nothing_behind(world: World) -> None:
    async with subscribed(listener(world)):
        assert world.services.signal_hub._subscribers

    assert world.services.signal_hub._subscribers == {}


async def test_signals_of_another_process_are_dropped_while_nobody_is_subscribed(world: World) -> None:
    room = await world.waiting()
    hub = SignalHub(world.services.storage)
    signal = Signal(kind=TYPING, room_id=room.id, sender=APP, sent_by_id="app", sent_at=room.started_at)

    hub._receive([signal])

    assert len(hub._incoming) == 0


# ---------------------------------------------------------------- senders


async def test_app_sends_signals_as_the_agent_or_visitor_of_the_room(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    async with subscribed(listener(world)) as signals:
        await typing(world.context, room, as_user_id=anna.id)
        await typing(world.context, room, as_visitor_token="v")

        senders = [(await received(signals)).sender for _ in range(2)]

    visitor = Actor(type=ActorType.VISITOR, id=room.visitor_id)
    assert senders == [Actor(type=ActorType.USER, id=anna.id, name="anna"), visitor]


async def test_user_sends_signals_only_as_itself(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.assigned(anna)
    async with subscribed(listener(world)) as signals:
        await typing(world.logged_in(anna), room)
        assert (await received(signals)).sender.name == "anna"

    message = "Only an app can send a message as another user or as a visitor."
    async with refused(world, Forbidden, message):
        await typing(world.logged_in(anna), room, as_visitor_token="v")


# ---------------------------------------------------------------- refusals


@asynccontextmanager
async def nothing_sent(world: World, room: Room) -> AsyncIterator[None]:
    """Assert that the block sends no signal."""
    async with subscribed(listener(world)) as signals:
        yield
        await send_signal(world.context, room_id=room.id, kind=CUSTOM, data="after")
        assert (await received(signals)).data == '"after"'


async def test_sending_and_subscribing_need_scopes(world: World) -> None:
    room = await world.waiting()
    for scope, call in (
        ("messages:write", lambda context: typing(context, room)),
        ("messages:read", lambda context: subscribe_signals(context)),
    ):
        message = f"This needs the scope {scope}, which this token does not have."
        async with nothing_sent(world, room), refused(world, Forbidden, message, scope=scope):
            await call(scoped(world, "rooms:read"))


async def test_signal_in_an_invisible_room_is_refused(world: World) -> None:
    anna = await world.agent("anna", max_rooms=0)
    hidden = await world.waiting()
    async with nothing_sent(world, hidden):
        for room_id, context in (("none", world.context), (hidden.id, world.logged_in(anna))):
            with pytest.raises(NotFound) as refusal:
                await send_signal(context, room_id=room_id, kind=TYPING)
            assert refusal.value.data["key"] == "roomId"


async def test_read_names_a_message_of_the_room(world: World) -> None:
    room, elsewhere = await world.waiting(), await world.start()
    message = await messages.send_message(world.context, room_id=room.id, text="Hi")
    foreign = await messages.send_message(world.context, room_id=elsewhere.id, text="Hi")
    async with subscribed(listener(world)) as signals:
        await send_signal(world.context, room_id=room.id, kind=READ, message_id=message.id)
        assert (await received(signals)).message_id == message.id

    async with nothing_sent(world, room):
        with pytest.raises(NotFound) as unknown:
            await send_signal(world.context, room_id=room.id, kind=READ, message_id="none")
        with pytest.raises(Invalid) as other_room:
            await send_signal(world.context, room_id=room.id, kind=READ, message_id=foreign.id)
    assert (unknown.value.data["key"], other_room.value.data["key"]) == ("messageId", "messageId")


async def test_visitor_cannot_mark_a_note_as_read(world: World) -> None:
    room = await world.waiting()
    note = await messages.send_message(world.context, room_id=room.id, text="Hi", audience=Audience.STAFF)
    async with nothing_sent(world, room):
        with pytest.raises(Invalid) as refusal:
            await send_signal(world.context, room_id=room.id, kind=READ, message_id=note.id, as_visitor_token="v")
    assert refusal.value.data["key"] == "messageId"


async def test_room_that_cannot_be_decoded_does_not_stop_signals_of_other_rooms(world: World, other: World) -> None:
    room, newer = await world.waiting(), await world.start()

    async def watching() -> bool:
        return other.services.storage.signals.watching

    await until(watching)
    stored = world.services.storage.database["rooms"]
    await stored.update_one({"_id": newer.id}, {"$set": {"status": "OF_A_NEWER_VERSION"}})
    try:
        async with subscribed(listener(other)) as signals:
            for room_id in (newer.id, room.id):
                world.services.storage.signals.publish(
                    Signal(kind=TYPING, room_id=room_id, sender=APP, sent_by_id="app", sent_at=room.started_at)
                )

            assert (await received(signals)).room_id == room.id
    finally:
        await stored.update_one({"_id": newer.id}, {"$set": {"status": newer.status.value}})


async def test_only_read_signals_have_a_message(world: World) -> None:
    room = await world.waiting()
    required = "messageId is required for a READ signal: the message up to which the room is read."
    async with nothing_sent(world, room), refused(world, Invalid, required, key="messageId"):
        await send_signal(world.context, room_id=room.id, kind=READ)
    superfluous = "messageId is for READ signals only; this one is TYPING."
    async with nothing_sent(world, room), refused(world, Invalid, superfluous, key="messageId"):
        await typing(world.context, room, message_id="m")


async def test_data_takes_at_most_16_kib(world: World) -> None:
    room = await world.waiting()
    message = "data takes 16,385 bytes as JSON; at most 16,384 are allowed."
    async with nothing_sent(world, room), refused(world, Invalid, message, key="data"):
        await send_signal(world.context, room_id=room.id, kind=CUSTOM, data="a" * 16_383)


async def test_signals_of_one_caller_and_of_one_room_are_limited(world: World) -> None:
    first, second = await world.waiting(), await world.start()
    hub = world.services.signal_hub
    try:
        for rates, message in (
            ({"room_rate": 0.1}, "Too many signals in this room; send fewer."),
            ({"caller_rate": 0.1}, "Too many signals; send fewer."),
        ):
            world.services.signal_hub = SignalHub(world.services.storage, **rates)
            await typing(world.context, first)
            async with refused(world, RateLimited, message, retryAfterSeconds=10):
                await typing(world.context, first)
            if "room_rate" in rates:
                await typing(world.context, second)
    finally:
        world.services.signal_hub = hub


# ---------------------------------------------------------------- retries


async def test_repeated_signal_gets_the_first_answer_and_is_not_sent_again(world: World) -> None:
    room = await world.waiting()
    context = world.context.mutation("once")
    async with subscribed(listener(world)) as signals:
        first = await send_signal(context, room_id=room.id, kind=CUSTOM, data="secret")
        assert (await received(signals)).data == '"secret"'

    async with nothing_sent(world, room):
        assert await send_signal(context, room_id=room.id, kind=CUSTOM, data="secret") == first
        with pytest.raises(IdempotencyMismatch):
            await send_signal(context, room_id=room.id, kind=CUSTOM, data="other")

    (stored,) = await world.services.storage.database["idempotency"].find({}).to_list(None)
    assert "secret" not in repr(stored)
