"""Signals: short-lived notices about a room, such as typing. They are not stored."""

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
from storage import signals as signal_records
from storage.signals import SignalKind

describe_enum(
    SignalKind,
    "The kinds of signals.",
    TYPING="The sender is typing. Send it again every few seconds: a receiver shows it for a few seconds only.",
    STOPPED_TYPING="The sender has stopped typing without sending a message.",
    READ="The sender has read the room up to the message `messageId`.",
    CUSTOM="Another notice, which `data` describes.",
)


@api_type
class Signal:
    """A short-lived notice about a room, such as that its sender is typing. Signals are not stored, and are delivered
    at most once."""

    kind: SignalKind
    """The kind of the signal."""
    room_id: strawberry.ID
    """The id of the room."""
    sender: Actor
    """The user, visitor or app who sends the signal, with the name at that time."""
    message_id: strawberry.ID | None
    """The id of the message up to which the sender has read. Null unless the kind is READ."""
    data: JSON | None
    """The data of the sender. Null if there is none."""
    sent_at: datetime
    """When the signal was sent."""

    @classmethod
    def from_record(cls, record: signal_records.Signal) -> Self:
        return cls(
            kind=record.kind,
            room_id=ids.ROOM.format(record.room_id),
            sender=Actor.from_record(record.sender),
            message_id=ids.MESSAGE.format_optional(record.message_id),
            data=None if record.data is None else json.loads(record.data),
            sent_at=record.sent_at,
        )


class SignalSource:
    """A signal to be delivered to subscribers (schema/events/deliveries.py)."""

    message_id = None
    #: A subscription to signals cannot resume.
    cursor = None

    def __init__(self, signal: signal_records.Signal) -> None:
        # Cohorts cache keys with results, and count no memory for keys.
        self.key = blake2b(msgspec.json.encode(signal), digest_size=16).digest()
        self._signal = signal

    def root(self) -> Signal:
        return Signal.from_record(self._signal)


@api_input
class SendSignalInput(MutationInputWithoutAck):
    """Input of `sendSignal`."""

    room_id: strawberry.ID
    """The id of the room, which may be closed. `NOT_FOUND` if there is no such room that you may read."""
    kind: SignalKind
    """The kind of the signal."""
    as_: MessageSenderInput | None = strawberry.field(name="as", default=None)
    """The sender of the signal. You if null. An app may send as the agent who serves the room or as the room's visitor,
    `INVALID_INPUT` for another one. `FORBIDDEN` if the caller is not an app and is not this sender."""
    message_id: strawberry.ID | None = None
    """The id of the message up to which the sender has read. `INVALID_INPUT` if it is given for another kind than
    READ or missing for READ. `NOT_FOUND` if the room has no such message that you may see."""
    data: JSON | None = None
    """Any JSON value of at most 16 KiB. `INVALID_INPUT` if it is larger."""


@api_type
class SendSignalPayload(MutationPayload):
    """Result of `sendSignal`."""

    sent_at: datetime
    """When the signal was sent."""


@api_type
class SignalMutations:
    """Mutations of signals."""

    @mutation_field(signals.send_signal, visitors=True)
    async def send_signal(self, info: Info, input: Input[SendSignalInput]) -> SendSignalPayload | None:
        """Sends a signal to the subscribers of `signals` that may see the room, except those of the caller.

        The signal is not stored and records no event. It is lost for clients that are not subscribed, and may be lost
        if a server or a client is overloaded. `RATE_LIMITED`, with `retryAfterSeconds`, if the caller or the room
        exceeds its rate.
        """
        sender = input.as_
        accepted = await signals.send_signal(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            kind=input.kind,
            as_user_id=ids.USER.parse_optional(sender.user_id, "as.userId") if sender else None,
            as_visitor_token=or_none(sender.visitor_token) if sender else None,
            message_id=ids.MESSAGE.parse_optional(input.message_id, "messageId"),
            data=or_none(input.data),
        )
        return SendSignalPayload(sent_at=accepted.sent_at, client_mutation_id=input.client_mutation_id)


@api_type
class SignalSubscriptions:
    """Subscriptions to signals."""

    @subscription_field(signals.subscribe_signals, visitors=True)
    async def signals(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None,
            strawberry.argument(description="Returns only signals of rooms that match this filter. All rooms if null."),
        ] = None,
    ) -> AsyncGenerator[Signal, None]:
        """The signals of rooms that you may see, from now on, except your own.

        Signals that are sent before the subscription or between two connections are lost. A subscriber that is too slow
        gets only the last signal of each sender.
        """
        found = await signals.subscribe_signals(info.context.resolver_context, where=optional(where))
        return cast(AsyncGenerator[Signal, None], _sources(found))


async def _sources(found: AsyncGenerator[signal_records.Signal, None]) -> AsyncGenerator[SignalSource, None]:
    try:
        async for one in found:
            yield SignalSource(one)
    finally:
        await found.aclose()
