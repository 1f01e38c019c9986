"""The entries of conversations: how each kind is written, and how the streams get to know of it."""

import asyncio
import time
import uuid
from collections.abc import Sequence

from examples.salesforce_chat.stand_in.store import JSON, Conversation, Store

END_USER, AGENT, SYSTEM = "EndUser", "Agent", "System"


class EntryLog:
    """Adds entries to conversations."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._appended = asyncio.Event()
        #: How often all streams were cut.
        self.cuts = 0

    @property
    def appended(self) -> asyncio.Event:
        """Is set at the next entry of any conversation, and when all streams are cut."""
        return self._appended

    def cut(self) -> None:
        """Let all streams end."""
        self.cuts += 1
        self._wake()

    def _wake(self) -> None:
        self._appended.set()
        self._appended = asyncio.Event()

    # ------------------------------------------------------------ entries

    def say(
        self, at: Conversation, message_id: str, role: str, name: str, content: JSON, reply_to: str | None = None
    ) -> None:
        message: JSON = {"id": message_id, "inReplyToMessageId": reply_to, "references": []}
        if content["formatType"] in ("Text", "Attachments"):
            message |= {"messageType": "StaticContentMessage", "staticContent": content}
        else:
            message |= {"messageType": "ChoicesMessage", "choices": content}
        payload = {"id": message_id, "abstractMessage": message, "messageReason": None}
        self._append(at, "CONVERSATION_MESSAGE", "Message", role, payload, message_id, name)

    def routed(self, at: Conversation, kind: str, failure: str | None) -> None:
        payload = {
            "failureType": failure or "None",
            "failureReason": "No agents are available." if failure else None,
            "routingType": kind,
            "reasonForNotRouting": None,
        }
        self._append(at, "CONVERSATION_ROUTING_RESULT", "RoutingResult", "Router", payload)

    def participant(self, at: Conversation, operation: str, agent: str) -> None:
        participant = {"role": AGENT, "appType": "agent", "subject": f"agent:{agent}", "clientIdentifier": "opaque"}
        change = {"operation": operation, "participant": participant, "displayName": agent, "menuMetadata": None}
        payload = {"entries": [change]}
        self._append(at, "CONVERSATION_PARTICIPANT_CHANGED", "ParticipantChanged", SYSTEM, payload)

    def session(self, at: Conversation, status: str, before: str, role: str) -> None:
        payload = {"sessionStatus": status, "sessionStatusPrev": before, "sessionEndedByRole": None}
        if status == "Ended":
            payload["sessionEndedByRole"] = role
        self._append(at, "CONVERSATION_SESSION_STATUS_CHANGED", "SessionStatusChanged", SYSTEM, payload)

    def closed(self, at: Conversation) -> None:
        self._append(at, "CONVERSATION_CLOSE_CONVERSATION", "CloseConversation", END_USER, {})

    def typing(self, at: Conversation, role: str, name: str, *, started: bool) -> None:
        word = "Started" if started else "Stopped"
        event = f"CONVERSATION_TYPING_{word.upper()}_INDICATOR"
        self._append(at, event, f"Typing{word}Indicator", role, {}, None, name, listed=False)

    def acknowledge(self, at: Conversation, role: str, kind: str, message_id: str) -> None:
        payload = {"acknowledgedConversationEntryIdentifier": message_id, "acknowledgementTimestamp": time.time_ns()}
        event = f"CONVERSATION_{kind.upper()}_ACKNOWLEDGEMENT"
        entry_type = f"{kind}Acknowledgement"
        self._append(at, event, entry_type, role, payload, None, "", listed=False, related=[message_id])

    def _append(
        self,
        at: Conversation,
        event: str,
        entry_type: str,
        role: str,
        payload: JSON,
        identifier: str | None = None,
        name: str = "",
        *,
        listed: bool = True,
        related: Sequence[str] = (),
    ) -> None:
        entry = {
            "senderDisplayName": name,
            "identifier": identifier or str(uuid.uuid4()),
            "entryType": entry_type,
            "entryPayload": {"entryType": entry_type, **payload},
            "sender": {
                "role": role,
                "appType": "custom" if role == END_USER else "agent",
                "subject": at.subject if role == END_USER else f"{role}:{name}",
                "clientIdentifier": "opaque",
            },
            "contextParamMap": {},
            "visibilityStrategy": None,
            "clientDuration": 0,
            "relatedRecords": list(related),
        }
        self._store.append(at, event, entry, listed=listed)
        self._wake()
