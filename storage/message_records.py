"""Messages as they are stored and passed between layers."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from storage.records import Actor, Record


class Audience(StrEnum):
    EVERYONE = "EVERYONE"
    #: A note, which visitors never see.
    STAFF = "STAFF"


class Choice(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that a message offers to its reader."""

    #: Unique in the message.
    id: str
    label: str
    url: str | None = None


class ChosenOption(Record, frozen=True, kw_only=True):
    """The choice of an earlier message that a message answers with, as it was offered then."""

    message_id: str
    choice_id: str
    label: str


class Attachment(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a message refers to. It is stored elsewhere."""

    name: str
    mime_type: str
    url: str
    bytes: int | None = None


class Message(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One message in a room."""

    id: str
    room_id: str
    #: Increases with every change. A write fails unless the stored version is the one that was read.
    version: int = 0
    #: 1, 2, 3, ... in the room, in the order of its facts. 0 in facts of versions that did not number messages.
    number: int = 0
    text: str
    sender: Actor
    #: The app that sent it in the name of its sender; None if the sender sent it.
    sent_by_app_id: str | None = None
    sent_at: datetime
    audience: Audience = Audience.EVERYONE
    choices: tuple[Choice, ...] = ()
    choice: ChosenOption | None = None
    attachments: tuple[Attachment, ...] = ()
    #: The app's own content, as JSON text.
    data_json: str | None = None
    in_reply_to_id: str | None = None
    edited_at: datetime | None = None
    #: The number of edits that changed it. `version` also counts writes without a change.
    edit_count: int = 0
    redacted_at: datetime | None = None

    def without_content(self, redacted_at: datetime) -> "Message":
        """The message as it is once redacted. The choice that it answers with stays, which another message offered."""
        return msgspec.structs.replace(self, **REDACTED, redacted_at=redacted_at)


#: The content of a message, with the values that it has once the message is redacted.
REDACTED: dict[str, Any] = {"text": "", "choices": (), "attachments": (), "data_json": None}


def redaction_update(prefix: str, redacted_at: datetime) -> dict[str, dict[str, Any]]:
    """The MongoDB update that applies `without_content` to a stored message.

    `prefix` is the path of the message, with a dot at its end.
    """
    stored = {field.name: field.encode_name for field in msgspec.structs.fields(Message)}
    lists = {f"{prefix}{stored[name]}": "" for name in REDACTED if name != "text"}
    return {"$set": {f"{prefix}text": "", f"{prefix}redactedAt": redacted_at}, "$unset": lists}
