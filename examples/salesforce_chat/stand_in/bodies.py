"""The request bodies of the API. A property that is not named here is refused, as the real service does."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Id = Annotated[str, Meta(pattern=_UUID)]
Text = Annotated[str, Meta(min_length=1, max_length=32_000)]
Word = Annotated[str, Meta(min_length=1, max_length=255)]


def is_id(text: str) -> bool:
    return re.fullmatch(_UUID, text) is not None


class Body(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class ClientContext(Body, frozen=True):
    app_name: Word
    client_version: Word


class GuestTokenRequest(Body, frozen=True):
    org_id: Word
    es_developer_name: Word
    capabilities_version: Literal["1"]
    platform: Literal["Web"]
    context: ClientContext | None = None
    device_id: str | None = None
    captcha_token: str | None = None


class VerifiedTokenRequest(Body, frozen=True):
    org_id: Word
    es_developer_name: Word
    capabilities_version: Literal["1"]
    platform: Literal["Web"]
    authorization_type: Literal["JWT"]
    customer_identity_token: Text
    context: ClientContext | None = None
    device_id: str | None = None


class NewConversation(Body, frozen=True):
    conversation_id: Id
    es_developer_name: Word
    routing_attributes: dict[str, str] = {}
    language: str | None = None


class StaticContent(Body, frozen=True):
    format_type: Literal["Text"]
    text: Text


class OutgoingMessage(Body, frozen=True):
    id: Id
    message_type: Literal["StaticContentMessage"]
    static_content: StaticContent
    in_reply_to_message_id: Id | None = None


class NewMessage(Body, frozen=True):
    message: OutgoingMessage
    es_developer_name: Word
    is_new_messaging_session: bool = False
    routing_attributes: dict[str, str] = {}
    language: str | None = None


class TypingEntry(Body, frozen=True):
    id: Id
    entry_type: Literal["TypingStartedIndicator", "TypingStoppedIndicator"]


class Acknowledgement(Body, frozen=True):
    id: Id
    entry_type: Literal["Delivery", "Read"]
    conversation_entry_id: Id


class Acknowledgements(Body, frozen=True):
    acks: Annotated[list[Acknowledgement], Meta(min_length=1, max_length=100)]
