"""Signals: operations that send and subscribe to what happens in rooms at this moment, such as typing."""

import math
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import cast

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.rate_limiter import RateLimiter
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.messages import require_shown_to_sender, sender_of
from resolvers.operations import MutationContext, mutation, query
from resolvers.signal_hub import SignalHub, SignalSubscriber
from storage import messages, rooms
from storage.errors import Invalid, NotFound, RateLimited
from storage.filters.expressions import And, Expression
from storage.filters.predicates import matches, predicate
from storage.log.subscription_index import Key, room_subscription_keys
from storage.message_records import Audience
from storage.records import FieldTarget, Record
from storage.signals import Signal, SignalKind


class AcceptedSignal(Record, frozen=True):
    """The answer of `send_signal`, which is stored by clientMutationId."""

    sent_at: datetime


@mutation("messages:write", visitors=True)
async def send_signal(
    change: MutationContext,
    *,
    room_id: str,
    kind: SignalKind,
    as_user_id: str | None = None,
    as_visitor_token: str | None = None,
    message_id: str | None = None,
    data: object = None,
) -> AcceptedSignal:
    """Send a signal to the current subscribers that may see the room, but not to the caller.

    Nothing is stored but, under a clientMutationId, the answer. A signal is delivered at most once.
    """
    hub, text = change.context.services.signal_hub, None if data is None else validation.json_text(data, "data")
    if (message_id is None) == (kind is SignalKind.READ):
        raise Invalid(
            "messageId is required for a READ signal: the message up to which the room is read."
            if message_id is None
            else f"messageId is for READ signals only; this one is {kind}.",
            key="messageId",
        )
    _acquire(hub.callers, change.caller.id, "Too many signals; send fewer.")
    snapshot = await rooms.get_snapshot(change.tx, room_id)
    if not matches(access.visible_rooms(change.caller), snapshot.room):
        raise NotFound("room", room_id, key="roomId")
    sender = sender_of(change, snapshot, as_user_id, as_visitor_token)
    about_note = False
    if message_id is not None:
        message = (await messages.get_many(change.tx, [message_id])).get(message_id)
        shown = await require_shown_to_sender(change, snapshot, sender, message, message_id, "messageId")
        about_note = shown.audience is Audience.STAFF
    _acquire(hub.rooms, room_id, "Too many signals in this room; send fewer.")
    signal = Signal(
        kind=kind,
        room_id=room_id,
        sender=sender,
        sent_by_id=change.caller.id,
        message_id=message_id,
        data=text,
        about_note=about_note,
        sent_at=change.tx.now,
    )
    change.after_commit.append(partial(hub.send, signal, snapshot.room))
    return AcceptedSignal(sent_at=signal.sent_at)


def _acquire(limiter: RateLimiter, key: str, message: str) -> None:
    if wait := limiter.acquire(key):
        raise RateLimited(message, retry_after_seconds=math.ceil(wait))


@query("messages:read", visitors=True)
async def subscribe_signals(context: Context, *, where: Expression | None = None) -> AsyncGenerator[Signal, None]:
    """The signals of other callers in the rooms that match and that the caller may see, from now on.

    A subscriber that is slow gets the last signals of each sender. Signals are lost beyond the limits of its buffer.
    """
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    visible = access.visible_rooms(context.caller)
    test = predicate(And((expression, visible)), FieldTarget.ROOM)
    subscriber = SignalSubscriber(context.caller.id, test, sees_notes=access.sees_notes(context.caller))
    signals = _follow(context.services.signal_hub, subscriber, room_subscription_keys(expression, visible))
    # Closing a generator that was never started does not run its cleanup. So this starts it.
    await anext(signals)
    return cast(AsyncGenerator[Signal, None], signals)


async def _follow(
    hub: SignalHub, subscriber: SignalSubscriber, keys: frozenset[Key]
) -> AsyncGenerator[Signal | None, None]:
    """None first, and then the signals."""
    with hub.subscribed(subscriber, keys):
        yield None
        while True:
            yield await subscriber.buffer.take()
