"""What the documents of Rocket.Chat become. No input and no output.

Documents are as old as the server that wrote them, so every value is checked before it is used.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from storage.records import FieldTarget, FieldType, RoutingMethod, UserType

Source = Mapping[str, Any]

#: The types of messages that tell what happened to a room. The events of the import say so.
ROUTING: Mapping[str, RoutingMethod] = {
    "Auto_Selection": RoutingMethod.ROUND_ROBIN,
    "Load_Balancing": RoutingMethod.LEAST_LOADED,
    "Load_Rotation": RoutingMethod.ROUND_ROBIN,
    "Manual_Selection": RoutingMethod.MANUAL,
}
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
AGENT_ROLE = "livechat-agent"


def text(value: object, *, most: int) -> str | None:
    """The text without surrounding space, up to so many characters. None for anything else."""
    return (value.strip()[:most].strip() or None) if isinstance(value, str) else None


def time(value: object) -> datetime | None:
    """The time with milliseconds. Some versions stored it as `{"$date": milliseconds}`."""
    if isinstance(value, Mapping) and isinstance(milliseconds := value.get("$date"), int | float):
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    return value if isinstance(value, datetime) else None


def first_time(document: Source, *names: str) -> datetime | None:
    return next((found for name in names if (found := time(document.get(name)))), None)


def strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def addresses(document: Source, list_name: str, key: str) -> list[str]:
    """The values of a list of objects, such as `emails[].address`."""
    found = document.get(list_name)
    objects = found if isinstance(found, list) else []
    values = [text(one.get(key), most=254) for one in objects if isinstance(one, Mapping)]
    return list(dict.fromkeys(value for value in values if value))


def user_type(document: Source) -> UserType:
    if document.get("type") == "bot" or "bot" in strings(document.get("roles")):
        return UserType.BOT
    return UserType.APP if document.get("type") == "app" else UserType.USER


def field_values(document: Source, *names: str) -> dict[str, str]:
    """The custom fields in these objects of a document, as texts. Objects and lists have no counterpart."""
    values: dict[str, str] = {}
    for name in names:
        found = document.get(name)
        for key, value in (found if isinstance(found, Mapping) else {}).items():
            plain = str(value).lower() if isinstance(value, bool) else str(value)
            if isinstance(value, str | int | float) and (short := text(plain, most=1_000)):
                values[key] = short
    return values


def field_definition(document: Source) -> dict[str, Any] | None:
    """The arguments that define a custom field. None if its key or its options cannot be used."""
    key = document.get("_id")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return None
    target = FieldTarget.ROOM if document.get("scope") == "room" else FieldTarget.VISITOR
    options = [one.strip() for one in str(document.get("options") or "").split(",") if one.strip()]
    label = text(document.get("label"), most=128)
    # Values that are stored need not be among the options, nor match the expression: so the type is TEXT.
    return {"target": target, "key": key, "type": FieldType.TEXT, "label": label, "unmapped": bool(options)}


class Join(NamedTuple):
    """A user who began to serve a room."""

    time: datetime
    user_id: str


def joins(room: Source, messages: Sequence[Source], started: datetime) -> list[Join]:
    """Who began to serve a room, in order: by the messages that say that a user has joined, and by `servedBy`.

    The messages may be missing, because servers can be set to leave them out.
    """
    found = [
        Join(first_time(message, "ts", "_updatedAt") or started, str(message["u"].get("_id")))
        for message in messages
        if isinstance(message.get("u"), Mapping)
    ]
    served_by = room.get("servedBy")
    if isinstance(served_by, Mapping) and (not found or found[-1].user_id != str(served_by.get("_id"))):
        last = max([started, *(join.time for join in found)])
        found.append(Join(max(first_time(served_by, "ts") or last, last), str(served_by.get("_id"))))
    return found


def is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None
