"""Messages: the type and the mutation. `Room.messages` in rooms.py lists them."""

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
from schema.entity_fields import MessageFields
from schema.execution.context import Info
from storage import message_records


@api_type
class Message(Node, MessageFields):
    """A message in a room."""

    record: strawberry.Private[message_records.Message]
    known_room: strawberry.Private["rooms.Room | None"]

    @classmethod
    def from_record(cls, record: message_records.Message, *, room: "rooms.Room | None" = None) -> Self:
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
        """The room of the message."""
        return self.known_room or as_awaitable(_room(info, self.record.room_id))


async def _room(info: Info, room_id: str) -> "rooms.Room":
    return rooms.Room.from_record(await info.context.loaders.rooms.load(room_id))


# ---------------------------------------------------------------- sending


@api_one_of
class MessageSenderInput:
    """The user or the visitor in whose name an app sends a message."""

    user_id: strawberry.ID | None = strawberry.UNSET
    """The id of the agent who serves the room, or of the agent's user."""
    visitor_token: str | None = strawberry.UNSET
    """The token of the room's visitor."""


@api_input
class SendMessageInput(MutationInput):
    """Input of `sendMessage`."""

    room_id: strawberry.ID
    """The id of the room. `NOT_FOUND` if there is no such room that you may read, `ROOM_CLOSED` if it is closed."""
    text: str
    """The text, 1 to 20,000 characters."""
    as_: MessageSenderInput | None = strawberry.field(name="as", default=None)
    """The sender of the message. You if null. An app may send as the agent who serves the room or as the room's
    visitor, `INVALID_INPUT` for others. `FORBIDDEN` for a user."""


@api_type
class SendMessagePayload(MutationPayload):
    """Result of `sendMessage`."""

    message: Message
    """The new message."""


@api_type
class MessageMutations:
    """Mutations of messages."""

    @mutation_field(messages.send_message)
    async def send_message(self, info: Info, input: Input[SendMessageInput]) -> SendMessagePayload | None:
        """Sends a message in a room that is not closed. Records `MessageSent`. The room's revision does not change."""
        sender = input.as_
        message = await messages.send_message(
            info.context.mutation(input.client_mutation_id),
            room_id=ids.ROOM.take(input.room_id, "roomId"),
            text=input.text,
            as_user_id=ids.USER.take_optional(sender.user_id, "as.userId") if sender else None,
            as_visitor_token=or_none(sender.visitor_token) if sender else None,
        )
        return SendMessagePayload(message=Message.from_record(message), client_mutation_id=input.client_mutation_id)
