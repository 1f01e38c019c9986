"""The content of messages beside their texts: choices, attachments, data, as types and as inputs."""

from datetime import datetime
from typing import Any, Self, TypedDict

import msgspec
import strawberry

from resolvers.messages import Option
from schema.actors import Actor
from schema.base import ids
from schema.base.fields import api_input, api_type, describe_enum, or_none
from schema.base.scalars import JSON, Long
from storage import message_records

describe_enum(
    message_records.Audience,
    "Who may see a message.",
    EVERYONE="Everyone who may see the room.",
    STAFF="A note: everyone who may see the room except visitors.",
)


@api_type
class Choice:
    """An answer that a message offers to its reader."""

    id: str
    """The id of the choice, unique in the message."""
    label: str
    """The text to show."""
    url: str | None
    """The address to open when the choice is chosen. `https`, or `http` on a loopback address."""

    @classmethod
    def from_record(cls, record: message_records.Choice) -> Self:
        return cls(id=record.id, label=record.label, url=record.url)


@api_type
class ChosenOption:
    """The choice of an earlier message that a message answers with."""

    message_id: strawberry.ID
    """The id of the message that offered the choice."""
    choice_id: str
    """The id of the choice in that message."""
    label: str
    """The label of the choice when the answer was sent."""

    @classmethod
    def from_record(cls, record: message_records.ChosenOption) -> Self:
        return cls(message_id=ids.MESSAGE.format(record.message_id), choice_id=record.choice_id, label=record.label)


@api_type
class Attachment:
    """A file that a message refers to. It is stored elsewhere."""

    name: str
    """The name of the file."""
    mime_type: str
    """The type of the file, such as `image/png`."""
    url: str
    """The address of the file. `https`, or `http` on a loopback address."""
    bytes: Long | None
    """The size of the file. Null if it is not known."""

    @classmethod
    def from_record(cls, record: message_records.Attachment) -> Self:
        size = None if record.bytes is None else Long(record.bytes)
        return cls(name=record.name, mime_type=record.mime_type, url=record.url, bytes=size)


class MessageValues(TypedDict):
    """The fields that a message has in every form."""

    number: int
    text: str
    sender: Actor
    sent_at: datetime
    audience: message_records.Audience
    choices: list[Choice]
    choice: ChosenOption | None
    attachments: list[Attachment]
    data: JSON | None
    edited_at: datetime | None
    redacted_at: datetime | None


def message_values(record: message_records.Message) -> MessageValues:
    return MessageValues(
        number=record.number,
        text=record.text,
        sender=Actor.from_record(record.sender),
        sent_at=record.sent_at,
        audience=record.audience,
        choices=[Choice.from_record(one) for one in record.choices],
        choice=None if record.choice is None else ChosenOption.from_record(record.choice),
        attachments=[Attachment.from_record(one) for one in record.attachments],
        data=None if record.data_json is None else msgspec.json.decode(record.data_json),
        edited_at=record.edited_at,
        redacted_at=record.redacted_at,
    )


# ---------------------------------------------------------------- inputs


@api_input
class ChoiceInput:
    """An answer to offer to the reader of a message."""

    id: str
    """The id of the choice, unique in the message: 1 to 128 characters."""
    label: str
    """The text to show: 1 to 256 characters."""
    url: str | None = None
    """The address to open when the choice is chosen: at most 2,048 bytes, `https`, or `http` on a loopback address."""


@api_input
class AttachmentInput:
    """A file that a message refers to."""

    name: str
    """The name of the file: 1 to 255 characters."""
    mime_type: str
    """The type of the file, such as `image/png`."""
    url: str
    """The address of the file: at most 2,048 bytes, `https`, or `http` on a loopback address."""
    bytes: Long | None = None
    """The size of the file, if it is known."""


@api_input
class ChosenOptionInput:
    """The choice of an earlier message of the same room."""

    message_id: strawberry.ID
    """The id of the message that offers the choice. `NOT_FOUND` if there is no such message that you may see,
    `INVALID_INPUT` if it is of another room."""
    choice_id: str
    """The id of the choice. `INVALID_INPUT` if the message does not offer it."""


def to_choices(choices: list[ChoiceInput] | None) -> Any:
    """The choices as records. Null and UNSET are returned unchanged."""
    return choices and [message_records.Choice(id=one.id, label=one.label, url=or_none(one.url)) for one in choices]


def to_attachments(attachments: list[AttachmentInput] | None) -> list[message_records.Attachment]:
    return [
        message_records.Attachment(name=one.name, mime_type=one.mime_type, url=one.url, bytes=or_none(one.bytes))
        for one in or_none(attachments) or ()
    ]


def to_option(choice: ChosenOptionInput | None) -> Option | None:
    if not choice:
        return None
    return Option(ids.MESSAGE.parse(choice.message_id, "choice.messageId"), choice.choice_id)
