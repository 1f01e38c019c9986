"""Messages: the type and the mutation. `Room.messages` in rooms.py lists them."""

from typing import Self

import strawberry

from resolvers import messages
from schema import rooms
from schema.base import ids
from schema.base.fields import api_input, api_one_of, api_type, as_awaitable, field, mutation_field, or_none, or_unset
from schema.base.lazy_types import MessageRef, RoomRef
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.base.scalars import JSON
from schema.entity_fields import MessageFields
from schema.execution.context import Info
from schema.message_content import (
    AttachmentInput,
    ChoiceInput,
    ChosenOptionInput,
    message_values,
    to_attachments,
    to_choices,
    to_option,
)
from storage import message_records


@api_type
class Message(Node, MessageFields):
    """A message in a room."""

    record: strawberry.Private[message_records.Message]
    known_room: strawberry.Private["rooms.Room | None"]

    @classmethod
    def from_record(cls, record: message_records.Message, *, room: "rooms.Room | None" = None) -> Self:
        return cls(id=ids.MESSAGE.format(record.id), record=record, known_room=room, **message_values(record))

    @field
    def room(self, info: Info) -> RoomRef:
        """The room of the message."""
        return self.known_room or as_awaitable(_room(info, self.record.room_id))

    @field
    def in_reply_to(self, info: Info) -> MessageRef | None:
        """The message that this one replies to. Null if it is no reply, or if you may not see that message."""
        replied_to = self.record.in_reply_to_id
        return None if replied_to is None else as_awaitable(_message(info, replied_to))


async def _message(info: Info, message_id: str) -> Message | None:
    record = await info.context.loaders.messages.load(message_id)
    return None if record is None else Message.from_record(record)


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
    """The text, 1 to 20,000 characters. It may be empty beside choices, attachments, data or a choice. An empty text
    with a choice becomes the label of the choice."""
    as_: MessageSenderInput | None = strawberry.field(name="as", default=None)
    """The sender of the message. You if null. An app may send as the agent who serves the room or as the room's
    visitor, `INVALID_INPUT` for others. `FORBIDDEN` for a user."""

    audience: message_records.Audience = message_records.Audience.EVERYONE
    """Who may see the message. `INVALID_INPUT` for STAFF if the sender is a visitor."""
    choices: list[ChoiceInput] | None = None
    """The answers to offer to the reader, at most 50."""
    choice: ChosenOptionInput | None = None
    """The choice of an earlier message that this message answers with."""
    attachments: list[AttachmentInput] | None = None
    """The files that the message refers to, at most 20."""
    data: JSON | None = None
    """The app's own structured content, at most 16 KiB as JSON."""
    in_reply_to: strawberry.ID | None = None
    """The id of the message of the same room to reply to. `NOT_FOUND` if there is no such message that you may see,
    `INVALID_INPUT` if it is of another room."""


@api_type
class SendMessagePayload(MutationPayload):
    """Result of `sendMessage`."""

    message: Message
    """The new message."""


@api_input
class EditMessageInput(MutationInput):
    """Input of `editMessage`."""

    message_id: strawberry.ID
    """The id of the message. `NOT_FOUND` if there is no such message that you may see."""
    text: str
    """The new text, as in `sendMessage`."""
    choices: list[ChoiceInput] | None = strawberry.UNSET
    """The new choices, at most 50. Null removes all. They stay if left out."""
    data: JSON | None = strawberry.UNSET
    """The new data, at most 16 KiB as JSON. Null removes them. They stay if left out."""


@api_type
class EditMessagePayload(MutationPayload):
    """Result of `editMessage`."""

    message: Message
    """The edited message."""


@api_input
class RedactMessageInput(MutationInput):
    """Input of `redactMessage`."""

    message_id: strawberry.ID
    """The id of the message. `NOT_FOUND` if there is no such message that you may see."""
    reason: str | None = None
    """Why, for the event: 1 to 1,000 characters."""


@api_type
class RedactMessagePayload(MutationPayload):
    """Result of `redactMessage`."""

    message: Message
    """The redacted message."""


@api_type
class MessageMutations:
    """Mutations of messages."""

    @mutation_field(messages.send_message, visitors=True)
    async def send_message(self, info: Info, input: Input[SendMessageInput]) -> SendMessagePayload | None:
        """Sends a message in a room that is not closed. Records `MessageSent`. The room's revision does not change."""
        sender = input.as_
        message = await messages.send_message(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            text=input.text,
            as_user_id=ids.USER.parse_optional(sender.user_id, "as.userId") if sender else None,
            as_visitor_token=or_none(sender.visitor_token) if sender else None,
            audience=input.audience,
            choices=or_none(to_choices(input.choices)),
            choice=to_option(input.choice),
            attachments=to_attachments(input.attachments),
            data=or_none(input.data),
            in_reply_to_id=ids.MESSAGE.parse_optional(input.in_reply_to, "inReplyTo"),
        )
        return SendMessagePayload(message=Message.from_record(message), client_mutation_id=input.client_mutation_id)

    @mutation_field(messages.edit_message, visitors=True)
    async def edit_message(self, info: Info, input: Input[EditMessageInput]) -> EditMessagePayload | None:
        """Replaces the content of a message, also in a closed room. Records `MessageEdited`, unless nothing changes.

        Only the sender can do this, and the app that sent the message in the name of its sender (`FORBIDDEN`).
        `INVALID_INPUT` once the message is redacted.
        """
        message = await messages.edit_message(
            info.context.mutation(input),
            message_id=ids.MESSAGE.parse(input.message_id, "messageId"),
            text=input.text,
            choices=or_unset(to_choices(input.choices)),
            data=or_unset(input.data),
        )
        return EditMessagePayload(message=Message.from_record(message), client_mutation_id=input.client_mutation_id)

    @mutation_field(messages.redact_message, visitors=True)
    async def redact_message(self, info: Info, input: Input[RedactMessageInput]) -> RedactMessagePayload | None:
        """Removes the content of a message, also in a closed room: text, choices, attachments and data. They are also
        removed from recorded events and from stored results of mutations. Records `MessageRedacted`.

        The sender can do this, the app that sent the message in the name of its sender, and whoever also has the scope
        `messages:moderate` (`FORBIDDEN`). `INVALID_INPUT` if the message is redacted already.
        """
        message = await messages.redact_message(
            info.context.mutation(input),
            message_id=ids.MESSAGE.parse(input.message_id, "messageId"),
            reason=or_none(input.reason),
        )
        return RedactMessagePayload(message=Message.from_record(message), client_mutation_id=input.client_mutation_id)
