"""Checks of the content of messages: texts, choices, attachments, URLs, and the app's own data."""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from resolvers import validation
from storage.errors import Invalid, quoted
from storage.message_records import Attachment, Choice, Message
from storage.sizes import ENTITY_BYTES, size_of

MAX_TEXT_CHARACTERS = 20_000
MAX_CHOICES = 50
MAX_CHOICE_ID_CHARACTERS = 128
MAX_LABEL_CHARACTERS = 256
MAX_ATTACHMENTS = 20
MAX_FILE_NAME_CHARACTERS = 255
MAX_MIME_TYPE_CHARACTERS = 255
MAX_URL_BYTES = 2_048
MAX_LONG = 2**53 - 1

_MIME_NAME = r"[\w!#$&^.+-]+"
_MIME_TYPE = re.compile(rf"{_MIME_NAME}/{_MIME_NAME}( ?; ?{_MIME_NAME}=({_MIME_NAME}|\"[^\"\\]*\"))*", re.ASCII)
#: Characters that URL parsers treat differently, so that two parsers could see different hosts.
_UNSAFE_IN_URLS = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")


def text(value: str, *, has_other_content: bool) -> str:
    """The text of a message. It may be empty only if the message has other content."""
    if value == "" and has_other_content:
        return value
    return validation.text(value, "text", max_characters=MAX_TEXT_CHARACTERS)


def choices(values: Sequence[Choice] | None) -> tuple[Choice, ...]:
    """The choices, whose ids must differ."""
    values = values or ()
    _require_at_most(values, "choices", MAX_CHOICES)
    seen: set[str] = set()
    for index, choice in enumerate(values):
        key = f"choices.{index}"
        validation.text(choice.id, f"{key}.id", max_characters=MAX_CHOICE_ID_CHARACTERS)
        validation.text(choice.label, f"{key}.label", max_characters=MAX_LABEL_CHARACTERS)
        if choice.url is not None:
            url(choice.url, f"{key}.url")
        if choice.id in seen:
            raise Invalid(f"{key}.id must differ from the ids before it: {quoted(choice.id)}.", key=f"{key}.id")
        seen.add(choice.id)
    return tuple(values)


def attachments(values: Sequence[Attachment] | None) -> tuple[Attachment, ...]:
    """The attachments, with their names in NFC."""
    values = values or ()
    _require_at_most(values, "attachments", MAX_ATTACHMENTS)
    return tuple(_attachment(one, f"attachments.{index}") for index, one in enumerate(values))


def _attachment(value: Attachment, key: str) -> Attachment:
    name = validation.name(value.name, f"{key}.name", max_characters=MAX_FILE_NAME_CHARACTERS)
    validation.text(value.mime_type, f"{key}.mimeType", max_characters=MAX_MIME_TYPE_CHARACTERS)
    if not _MIME_TYPE.fullmatch(value.mime_type):
        raise Invalid(
            f"{key}.mimeType must look like image/png; {quoted(value.mime_type)} does not.", key=f"{key}.mimeType"
        )
    url(value.url, f"{key}.url")
    if value.bytes is not None:
        validation.number(value.bytes, f"{key}.bytes", minimum=0, maximum=MAX_LONG)
    return msgspec.structs.replace(value, name=name)


def _require_at_most(values: Sequence[object], key: str, limit: int) -> None:
    if len(values) > limit:
        raise Invalid(f"{key} takes up to {limit}; these are {len(values)}.", key=key)


def url(value: str, key: str) -> str:
    """An absolute URL: https, or http of a loopback address."""
    validation.text(value, key, max_characters=MAX_URL_BYTES)
    if (size := len(value.encode())) > MAX_URL_BYTES:
        raise Invalid(f"{key} takes {size:,} bytes; at most {MAX_URL_BYTES:,} are allowed.", key=key)
    if not _is_allowed(value):
        raise Invalid(
            f"{key} must be an absolute https URL without white space, such as https://example.org/a.png, or an http "
            f"URL of a loopback address; {quoted(value)} is not.",
            key=key,
        )
    return value


def _is_allowed(value: str) -> bool:
    if _UNSAFE_IN_URLS.search(value):
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "://" not in value:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def data(value: object) -> str | None:
    """The app's data as JSON text. None for null."""
    return None if value is None else validation.json_text(value, "data")


def require_storable(message: Message) -> None:
    """Raise Invalid if the message with all its content is too large."""
    size = size_of(message)
    if size > ENTITY_BYTES:
        raise Invalid(
            f"The message with all its content would take {size:,} bytes; at most {ENTITY_BYTES:,} are allowed. "
            "Offer fewer choices, or shorter ones.",
            key="choices",
        )
