"""Messages: the type, and how one is sent; they are listed by room (rooms.py)."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import messages
from schema import rooms
from schema.actors import Actor
from schema.base import ids
from schema.base.fields import api_input, api_one_of, api_type, as_awaitable, field, mutation_field, or_none
from schema.base.lazy_types import RoomRef
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.execution.context import Info
from storage import records


@api_type
class Message(Node):
    """Something that was said in a room. Messages never change."""

    number: int
    """1, 2, 3, ... in its room, in the order of the room's events, whichever server took the messages. Lists of the
    room's messages are in this order."""
    text: str
    """What was said."""
    sender: Actor
    """Who said it, with the name they had then."""
    sent_at: datetime
    """When it was said."""
    record: strawberry.Private[records.Message]
    known_room: strawberry.Private["rooms.Room | None"]

    @classmethod
    def from_record(cls, record: records.Message, *, room: "rooms.Room | None" = None) -> Self:
        return cls(
            id=ids.MESSAGE.add(record.id),
            number=record.number,
            text=record.text,
            sender=Actor.from_record(record.sender),
            sent_at=record.sent_at,
            record=record,
            known_room=room,
        )

    @field
    def room(self, info: Info) -> RoomRef:
        """The room it was said in. In an event, the room as it was then."""
        return self.known_room or as_awaitable(_room(info, self.record.room_id))


async def _room(info: Info, room_id: str) -> "rooms.Room":
    return rooms.Room.from_record(await info.context.loaders.rooms.load(room_id))


# ---------------------------------------------------------------- sending


@api_one_of
class MessageSenderInput:
    """In whose name an app speaks."""

    user_id: strawberry.ID | None = strawberry.UNSET
    """The agent who serves the room."""
    visitor_token: str | None = strawberry.UNSET
    """The visitor of the room, by token."""


@api_input
class SendMessageInput(MutationInput):
    """Something to say in a room."""

    room_id: strawberry.ID
    """The room: `NOT_FOUND` when there is none that you may see, `ROOM_CLOSED` when it is over."""
    text: str
    """What to say: 1 to 20,000 characters."""
    as_: MessageSenderInput | None = strawberry.field(name="as", default=None)
    """Whose words they are: the caller's own when null. Apps may speak as the agent who serves the room or as its
    visitor, but for no other (`INVALID_INPUT`); others only for themselves (`FORBIDDEN`)."""


@api_type
class SendMessagePayload(MutationPayload):
    """The message that was sent."""

    message: Message
    """The new message."""


@api_type
class MessageMutations:
    """Sending messages."""

    @mutation_field(messages.send_message)
    async def send_message(self, info: Info, input: Input[SendMessageInput]) -> SendMessagePayload | None:
        """Says something in a room that is not closed. Recorded as `MessageSent`, which leaves the room's revision as
        it is."""
        sender = input.as_
        message = await messages.send_message(
            info.context.mutation(input.client_mutation_id),
            room_id=ids.ROOM.take(input.room_id, "roomId"),
            text=input.text,
            as_user_id=ids.USER.take_optional(sender.user_id, "as.userId") if sender else None,
            as_visitor_token=or_none(sender.visitor_token) if sender else None,
        )
        return SendMessagePayload(message=Message.from_record(message), client_mutation_id=input.client_mutation_id)
