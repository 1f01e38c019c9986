"""What the bridge sends into rooms: messages, notes for the staff, and signals.

A repeated call changes nothing more.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from switchboard_client import Api, ApiError, ConnectionLost
from switchboard_client.errors import IdempotencyMismatch, InvalidInput, NotFound, RoomClosed
from switchboard_client.types import Audience, SignalKind

_log = logging.getLogger(__name__)
JSON = dict[str, Any]
#: The longest text of a message.
TEXT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    mime_type: str
    url: str


@dataclass(frozen=True, slots=True)
class ChoiceOffer:
    id: str
    label: str


class Messages:
    """Sends as the bridge's agent."""

    def __init__(self, api: Api, agent_user_id: str) -> None:
        self._api = api
        self._agent_user_id = agent_user_id

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
        as_agent: JSON = {"as_": {"userId": self._agent_user_id}}
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
            await self._api.send_signal(room_id=room_id, kind=kind, as_={"userId": self._agent_user_id}, **extra)
        except (ApiError, ConnectionLost) as error:
            _log.info("room %s: no signal %s: %s", room_id, kind, error)


def _lines(given: JSON) -> list[str]:
    """Choices and attachments as lines of a text."""
    choices = [f"- {choice['label']}" for choice in given.get("choices", ())]
    return [*choices, *(f"{file['name']}: {file['url']}" for file in given.get("attachments", ()))]
