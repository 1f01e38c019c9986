"""Signals: what happens in a room at this moment and is not recorded, such as typing."""

import json
from collections.abc import AsyncGenerator
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Self, cast

import msgspec
import strawberry

from resolvers import signals
from schema.actors import Actor
from schema.base import ids
from schema.base.fields import api_input, api_type, describe_enum, mutation_field, or_none, subscription_field
from schema.base.filters import RoomFilter, optional
from schema.base.mutation_types import Input, MutationInputWithoutAck, MutationPayload
from schema.base.scalars import JSON
from schema.execution.context import Info
from schema.messages import MessageSenderInput
from storage import records
from storage.records import SignalKind

describe_enum(
    SignalKind,
    "What a signal says.",
    TYPING="The sender is typing. Send it again every few seconds: it says nothing about how long it holds.",
    STOPPED_TYPING="The sender has stopped typing without sending a message.",
    READ="The sender has read the room up to the message `messageId`.",
    CUSTOM="Anything else, which `data` describes.",
)


@api_type
class Signal:
    """Something that happens in a room at this moment. Signals are not stored, and are delivered at most once."""

    kind: SignalKind
    """What the signal says."""
    room_id: strawberry.ID
    """The id of the room."""
    sender: Actor
    """Who does it, with the name they had when the signal was sent."""
    message_id: strawberry.ID | None
    """The id of the message up to which the sender has read; null unless the kind is `READ`."""
    data: JSON | None
    """The data that was sent along; null without."""
    sent_at: datetime
    """When the signal was sent."""

    @classmethod
    def from_record(cls, record: records.Signal) -> Self:
        return cls(
            kind=record.kind,
            room_id=ids.ROOM.add(record.room_id),
            sender=Actor.from_record(record.sender),
            message_id=ids.MESSAGE.add_optional(record.message_id),
            data=None if record.data is None else json.loads(record.data),
            sent_at=record.sent_at,
        )


class SignalSource:
    """A signal, of which one result of a subscription is made."""

    message_id = None
    #: A subscription to signals cannot resume.
    cursor = None

    def __init__(self, signal: records.Signal) -> None:
        # Cohorts cache keys with results, and count no memory for keys.
        self.key = blake2b(msgspec.json.encode(signal), digest_size=16).digest()
        self._signal = signal

    def root(self) -> Signal:
        return Signal.from_record(self._signal)


@api_input
class SendSignalInput(MutationInputWithoutAck):
    """A signal to send."""

    room_id: strawberry.ID
    """The room: `NOT_FOUND` when there is none that you may see. It may be closed."""
    kind: SignalKind
    """What the signal says."""
    as_: MessageSenderInput | None = strawberry.field(name="as", default=None)
    """Whose signal it is: the caller's own when null. Apps may speak as the agent who serves the room or as its
    visitor, but for no other (`INVALID_INPUT`); others only for themselves (`FORBIDDEN`)."""
    message_id: strawberry.ID | None = None
    """The message up to which the room is read, for `READ` and no other kind (`INVALID_INPUT`). `NOT_FOUND` when it is
    not a message of the room."""
    data: JSON | None = None
    """Anything of your own, at most 16 KiB as JSON (`INVALID_INPUT`)."""


@api_type
class SendSignalPayload(MutationPayload):
    """The signal was passed on."""

    sent_at: datetime
    """When it was sent."""


@api_type
class SignalMutations:
    """Sending signals."""

    @mutation_field(signals.send_signal, visitors=True)
    async def send_signal(self, info: Info, input: Input[SendSignalInput]) -> SendSignalPayload | None:
        """Sends a signal to everybody who sees the room and is subscribed to `signals` now, but not to the caller.

        The signal is not stored, and is no event. It is lost if nobody is subscribed, and it may be lost when a server
        or a client is overloaded. `RATE_LIMITED`, with `retryAfterSeconds`, beyond the rates for one caller and for
        one room.
        """
        sender = input.as_
        accepted = await signals.send_signal(
            info.context.mutation(input),
            room_id=ids.ROOM.take(input.room_id, "roomId"),
            kind=input.kind,
            as_user_id=ids.USER.take_optional(sender.user_id, "as.userId") if sender else None,
            as_visitor_token=or_none(sender.visitor_token) if sender else None,
            message_id=ids.MESSAGE.take_optional(input.message_id, "messageId"),
            data=or_none(input.data),
        )
        return SendSignalPayload(sent_at=accepted.sent_at, client_mutation_id=input.client_mutation_id)


@api_type
class SignalSubscriptions:
    """Signals as they are sent."""

    @subscription_field(signals.subscribe_signals, visitors=True)
    async def signals(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None,
            strawberry.argument(description="Only signals in rooms that match; in all that you may see when null."),
        ] = None,
    ) -> AsyncGenerator[Signal, None]:
        """What is signalled in rooms from now on, except by the caller itself.

        Nothing is stored: signals before the subscription, or between two connections, are lost. A subscriber that
        reads slowly gets the last signal of each sender.
        """
        found = await signals.subscribe_signals(info.context.resolver_context, where=optional(where))
        return cast(AsyncGenerator[Signal, None], _sources(found))


async def _sources(found: AsyncGenerator[records.Signal, None]) -> AsyncGenerator[SignalSource, None]:
    try:
        async for one in found:
            yield SignalSource(one)
    finally:
        await found.aclose()
