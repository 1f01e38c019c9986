"""What the bridge reads of a room in Switchboard."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

from examples.salesforce_chat import queries
from examples.salesforce_chat.state import Remembered, RoomNow
from switchboard_client import Api

#: The most of what was said before, as the first message at Salesforce.
HISTORY_CHARACTERS = 8_000


class Rooms:
    """The rooms, and their messages."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def room(self, room_id: str) -> RoomNow | None:
        """The room as it is now, with what the bridge remembers of it."""
        room: queries.RoomShape | None = await self._api.query(
            queries.ROOM, {"id": room_id}, type=queries.RoomShape | None
        )
        if room is None:
            return None
        return RoomNow(
            room_id=room.id,
            revision=room.revision,
            open=room.status != "CLOSED",
            served_by=None if room.served_by is None else room.served_by.user_id,
            assignment=moment_text(room.assigned_at),
            last_message_at=room.last_message_at,
            values=_values(room),
            remembered=Remembered.from_json(
                *(None if datum is None else datum.value for datum in (room.conversation, room.sent, room.received))
            ),
        )

    async def served_by(self, agent_id: str) -> AsyncIterator[str]:
        """The ids of the rooms that this agent serves."""
        async for room in self._api.all_rooms(where={"servedById": agent_id}):
            if room.served_by is not None:
                yield room.id

    async def _messages(self, room_id: str) -> list[queries.MessageShape]:
        found: queries.RoomMessages | None = await self._api.query(
            queries.MESSAGES, {"id": room_id}, type=queries.RoomMessages | None
        )
        return [] if found is None else found.messages.nodes

    async def last_number(self, room_id: str) -> int:
        """The number of the room's newest message, or 0."""
        return max((message.number for message in await self._messages(room_id)), default=0)

    async def history(self, room_id: str, through: int) -> str:
        """What was said up to this message, for the agents at Salesforce. Empty if nothing was.

        Of more than HISTORY_CHARACTERS, the newest.
        """
        lines: list[str] = []
        left = HISTORY_CHARACTERS
        for message in reversed(await self._messages(room_id)):
            text = text_with_files(message.text, message.attachments)
            if message.number > through or message.audience != "EVERYONE" or not text:
                continue
            data = message.data if isinstance(message.data, dict) else {}
            if "event" in data:
                continue
            name = data.get("agentName") or message.sender.name or message.sender.type.capitalize()
            line = f"{name}: {text}"
            if len(line) > left:  # the beginning of the earliest message that has any room
                lines.append(f"{line[: left - 1]}…")
                break
            lines.append(line)
            left -= len(line) + 1
            if left < 2:
                break
        return "\n".join(reversed(lines))

    async def has_visitor_message(self, room_id: str, after: int) -> bool:
        """Whether the visitor wrote after the message of this number."""
        messages = await self._messages(room_id)
        return any(message.sender.type == "VISITOR" and message.number > after for message in messages)

    async def relayed(self, room_id: str, conversation_id: str) -> set[str]:
        """The entries of a conversation that are among the newest messages of the room."""
        found = [message.data for message in await self._messages(room_id) if isinstance(message.data, dict)]
        return {str(data["salesforceEntry"]) for data in found if data.get("salesforceConversation") == conversation_id}

    async def entry_of(self, message_id: str) -> str | None:
        """The entry at Salesforce that a message of the room is."""
        found: queries.MessageData | None = await self._api.query(
            queries.MESSAGE, {"id": message_id}, type=queries.MessageData | None
        )
        data = None if found is None else found.data
        return str(data["salesforceEntry"]) if isinstance(data, dict) and "salesforceEntry" in data else None


class File(Protocol):
    """A file that a message refers to."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...


def text_with_files(text: str, files: Sequence[File]) -> str:
    """A message as a text: Salesforce gets the addresses of files as lines."""
    return "\n".join(filter(None, (text, *(f"{file.name}: {file.url}" for file in files))))


def moment_text(moment: datetime | None) -> str | None:
    """A time as it is compared and stored."""
    return None if moment is None else moment.isoformat()


def _values(room: queries.RoomShape) -> dict[str, str]:
    """The values for routing attributes, by their source (settings.py)."""
    visitor = room.visitor
    values = {
        "room.id": room.id,
        "room.subject": room.subject,
        "room.source": room.source,
        "visitor.id": visitor.id,
        "visitor.name": visitor.name,
        "visitor.email": visitor.email,
        "visitor.phone": visitor.phone,
    }
    found = {source: value for source, value in values.items() if value}
    for owner, fields in (("room", room.custom_fields), ("visitor", visitor.custom_fields)):
        for field in fields:
            found[f"{owner}.customFields.{field.key}"] = _text_of(field.value)
    return found


def _text_of(value: Any) -> str:
    """A value of a custom field as a text: routing attributes are texts."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ";".join(map(str, value))
        case float() if value.is_integer():
            return str(int(value))
    return str(value)
