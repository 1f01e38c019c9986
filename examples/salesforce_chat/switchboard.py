"""What the bridge does in Switchboard. Every call may be repeated: a repeated one changes nothing more."""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from examples.salesforce_chat import queries
from examples.salesforce_chat.state import (
    CONVERSATION,
    RECEIVED,
    SENT,
    Conversation,
    Received,
    Remembered,
    RoomNow,
    Sent,
)
from switchboard_client import Api, ApiError, ConnectionLost
from switchboard_client.errors import (
    DepartmentDisabled,
    IdempotencyMismatch,
    InvalidInput,
    NotFound,
    RoomClosed,
    RoomNotAssigned,
    StaleRevision,
)
from switchboard_client.events import Event
from switchboard_client.types import Audience, EventType, SignalKind

_log = logging.getLogger(__name__)
Ack = Event
JSON = dict[str, Any]
#: The longest text of a message, and of a comment.
TEXT_CHARACTERS, COMMENT_CHARACTERS = 20_000, 500
#: The most of what was said before, as the first message at Salesforce.
HISTORY_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    mime_type: str
    url: str


@dataclass(frozen=True, slots=True)
class ChoiceOffer:
    id: str
    label: str


class Switchboard:
    """The bridge's agent, and the rooms that it serves."""

    def __init__(self, api: Api, agent_user_id: str, agent_id: str, fallback_department_id: str | None) -> None:
        self._api = api
        self.agent_user_id = agent_user_id
        self.agent_id = agent_id
        self._fallback_department_id = fallback_department_id

    # ------------------------------------------------------------ reading

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

    async def served_rooms(self) -> AsyncIterator[str]:
        """The ids of the rooms that the bridge's agent serves."""
        async for room in self._api.all_rooms(where={"servedById": self.agent_id}):
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

    # ------------------------------------------------------------ the state

    async def save_conversation(self, room_id: str, value: Conversation, ack: Ack | None = None) -> None:
        await self._save(room_id, CONVERSATION, value.to_json(), ack)

    async def save_sent(self, room_id: str, value: Sent, ack: Ack | None) -> None:
        await self._save(room_id, SENT, value.to_json(), ack)

    async def save_received(self, room_id: str, value: Received) -> None:
        await self._save(room_id, RECEIVED, value.to_json(), None)

    async def _save(self, room_id: str, key: str, value: JSON, ack: Ack | None) -> None:
        await self._api.set_app_data(of={"roomId": room_id}, key=key, value=value, ack=ack)

    # ------------------------------------------------------------ messages and signals

    async def say(
        self,
        room_id: str,
        text: str,
        key: str,
        *,
        data: JSON | None = None,
        choices: Sequence[ChoiceOffer] = (),
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Send a message as the bridge's agent, once for each key.

        If the agent does not serve the room any more, the message is the app's. In a closed room, it is not sent.
        """
        parts = [text[start : start + TEXT_CHARACTERS] for start in range(0, len(text), TEXT_CHARACTERS)]
        parts = [part for part in parts if part.strip()] or [""]
        extras: JSON = {
            "choices": [{"id": choice.id, "label": choice.label} for choice in choices],
            "attachments": [{"name": file.name, "mimeType": file.mime_type, "url": file.url} for file in attachments],
        }
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            given = {name: value for name, value in extras.items() if value and last}
            given |= {} if data is None else {"data": data}
            await self._send(room_id, part, f"{key}:{number}" if number else key, given)

    async def _send(self, room_id: str, text: str, key: str, given: JSON) -> None:
        as_agent: JSON = {"as_": {"userId": self.agent_user_id}}
        while True:
            try:
                await self._api.send_message(room_id=room_id, text=text, client_mutation_id=key, **as_agent, **given)
            except IdempotencyMismatch:
                pass  # it was sent before, in other words
            except (RoomClosed, NotFound):
                _log.warning("room %s is closed: the message %s is not shown to the visitor", room_id, key)
            except InvalidInput as error:
                where = str(error.extensions.get("key", ""))
                if where.startswith("as") and as_agent:
                    as_agent = {}
                elif "choices" in given or "attachments" in given:
                    text = "\n".join(filter(None, (text, *_lines(given))))[:TEXT_CHARACTERS]
                    given = {name: value for name, value in given.items() if name == "data"}
                else:  # another attempt has the same end, and would hold up what comes after it
                    _log.error("room %s: the message %s is left out: %s", room_id, key, error)
                    return
                continue
            return

    async def note(self, room_id: str, text: str, key: str) -> None:
        """Tell the staff something, once for each key."""
        try:
            await self._api.send_message(
                room_id=room_id, text=text[:TEXT_CHARACTERS], audience=Audience.STAFF, client_mutation_id=key
            )
        except (RoomClosed, NotFound, IdempotencyMismatch):
            _log.info("room %s: the note %s is not needed", room_id, key)

    async def signal(self, room_id: str, kind: SignalKind, message_id: str | None = None) -> None:
        """Signal as the agent. Nothing depends on it."""
        extra: JSON = {} if message_id is None else {"message_id": message_id}
        try:
            await self._api.send_signal(room_id=room_id, kind=kind, as_={"userId": self.agent_user_id}, **extra)
        except (ApiError, ConnectionLost) as error:
            _log.info("room %s: no signal %s: %s", room_id, kind, error)

    # ------------------------------------------------------------ timers

    async def set_timer(self, room_id: str, name: str, seconds: int, data: JSON, *, restart: bool = False) -> None:
        """Set or replace a timer. It ends with the assignment; with `restart`, every message starts it anew."""
        restart_on = [EventType.MESSAGE_SENT] if restart else []
        try:
            await self._api.set_timer(
                room_id=room_id,
                name=name,
                seconds=seconds,
                restart_on=restart_on,
                cancel_on=[EventType.AGENT_UNASSIGNED],
                data=data,
            )
        except (RoomClosed, NotFound):
            _log.info("room %s is closed: no timer %s", room_id, name)

    async def cancel_timer(self, room_id: str, name: str) -> None:
        try:
            await self._api.cancel_timer(room_id=room_id, name=name)
        except NotFound:
            _log.debug("room %s has no timer %s", room_id, name)

    # ------------------------------------------------------------ ends

    async def give_back(self, room_id: str, assignment: str, reason: str, ack: Ack | None) -> None:
        """Give the room of this assignment to the fallback department, or else back to the queue."""
        comment = reason[:COMMENT_CHARACTERS]
        target = self._fallback_department_id
        while (room := await self._mine(room_id, assignment)) is not None:
            try:
                if target is None:
                    await self._api.unassign_agent(
                        room_id=room_id, comment=comment, keep_place=True, if_revision=room.revision, ack=ack
                    )
                else:
                    await self._api.transfer_room(
                        room_id=room_id,
                        to={"departmentId": target},
                        comment=comment,
                        if_revision=room.revision,
                        ack=ack,
                    )
            except StaleRevision:
                continue
            except DepartmentDisabled:
                target = None
                continue
            except (RoomClosed, RoomNotAssigned):
                _log.info("room %s is not assigned any more", room_id)
            return

    async def close(self, room_id: str, assignment: str, comment: str, ack: Ack | None = None) -> None:
        """Close the room of this assignment."""
        while (room := await self._mine(room_id, assignment)) is not None:
            try:
                await self._api.close_room(room_id=room_id, comment=comment, if_revision=room.revision, ack=ack)
            except StaleRevision:
                continue
            except RoomClosed:
                _log.info("room %s is closed already", room_id)
            return

    async def _mine(self, room_id: str, assignment: str) -> RoomNow | None:
        """The room, if it is in this assignment of the bridge's agent now."""
        room = await self.room(room_id)
        mine = room is not None and room.open and (room.served_by, room.assignment) == (self.agent_user_id, assignment)
        return room if mine else None


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


def _lines(given: JSON) -> list[str]:
    """Choices and attachments as lines of a text."""
    choices = [f"- {choice['label']}" for choice in given.get("choices", ())]
    return [*choices, *(f"{file['name']}: {file['url']}" for file in given.get("attachments", ()))]
