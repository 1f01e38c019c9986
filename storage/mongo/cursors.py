"""Cursors: opaque strings for a position in the event log or in a connection."""

import base64
import binascii
from functools import lru_cache

import msgspec

from storage.errors import InvalidCursor

EVENT = "e"


@lru_cache(maxsize=256)  # an event and the result with it have the same cursor
def event_cursor(sequence: int) -> str:
    """The cursor after the fact with this sequence number. 0 is the beginning of the log."""
    return _encode([EVENT, sequence])


def event_sequence(cursor: str, *, key: str = "after") -> int:
    """The sequence number in an event cursor. Raises InvalidCursor for any other string."""
    match _decode(cursor, key):
        case [kind, int(sequence)] if kind == EVENT and 0 <= sequence < 2**53:
            return sequence
    raise InvalidCursor("This is not a cursor of the event log.", key=key)


def page_cursor(order: str, values: list[object]) -> str:
    """The cursor after the item with these values of the sort keys. `order` names the list and its sort order."""
    return _encode([order, *values])


def page_values(cursor: str, order: str, count: int, *, key: str = "after") -> list[object]:
    """The values in a page cursor. Raises InvalidCursor for any other string, and for a cursor of another order."""
    match _decode(cursor, key):
        case [kind, *values] if kind == order and len(values) == count:
            return values
    raise InvalidCursor("This is not a cursor of this list in this order.", key=key)


def _encode(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(parts)).decode().rstrip("=")


def _decode(cursor: str, key: str) -> list[object]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = msgspec.msgpack.decode(raw)
    except (binascii.Error, ValueError, msgspec.DecodeError, UnicodeEncodeError):
        raise InvalidCursor(key=key) from None
    if not isinstance(parts, list):
        raise InvalidCursor(key=key)
    return parts
