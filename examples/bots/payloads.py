"""What bots put into structured payloads: instructions for the app, addresses and buttons."""

import mimetypes
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from examples.bots.answers import Attachment, HandOver

#: Keys of a custom payload that are instructions for the app. The rest of the payload goes into the message's data.
CONTROLS = ("handover", "close", "fallback")


def split(payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The instructions for the app, and the rest."""
    controls = {key: payload[key] for key in CONTROLS if key in payload}
    return controls, {key: value for key, value in payload.items() if key not in CONTROLS}


def hand_over_of(value: object) -> HandOver | None:
    """`handover: true`, `handover: "Billing"` or `handover: {department: "Billing", note: "..."}`."""
    if isinstance(value, str) and value:
        return HandOver(department=value)
    if isinstance(value, Mapping):
        department, note = value.get("department"), value.get("note")
        return HandOver(department if isinstance(department, str) else None, note if isinstance(note, str) else None)
    return HandOver() if value is True else None


def is_shown_url(url: object) -> bool:
    """Whether Switchboard accepts the address in a message."""
    if not isinstance(url, str) or len(url.encode()) > 2_048:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and loopback))


def attachment_of(url: str, name: str = "") -> Attachment:
    """The file at an address, with the media type that its path suggests."""
    file = urlsplit(url).path.rpartition("/")[2]
    media_type = mimetypes.guess_type(file)[0] or "application/octet-stream"
    return Attachment((name or file or "file")[:128], media_type, url)
