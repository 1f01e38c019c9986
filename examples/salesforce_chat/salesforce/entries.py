"""Entries of a conversation: what the event stream and the list of entries contain, as typed values."""

import json
import logging
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class File:
    name: str
    mime_type: str
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that this client does not know more about. Every other class is an Entry too."""

    conversation_id: str
    identifier: str
    #: When Salesforce took it, in milliseconds since 1970.
    moment: int
    #: EndUser, Agent, Chatbot, System, Router or Supervisor.
    role: str
    sender_name: str


@dataclass(frozen=True, slots=True)
class Message(Entry):
    text: str
    choices: tuple[Choice, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Routed(Entry):
    """The result of routing. `failure` is empty if there is none."""

    failure: str


@dataclass(frozen=True, slots=True)
class Joined(Entry):
    name: str


@dataclass(frozen=True, slots=True)
class Left(Entry):
    name: str


@dataclass(frozen=True, slots=True)
class Ended(Entry):
    """The messaging session ended, or the conversation was closed."""


@dataclass(frozen=True, slots=True)
class Typing(Entry):
    started: bool


@dataclass(frozen=True, slots=True)
class Read(Entry):
    """Somebody read the message with this identifier."""

    message_id: str


def parse_event(data: str) -> list[Entry]:
    """The entries of an event of the stream. Raises ValueError if it has not the documented shape."""
    envelope = json.loads(data)
    try:
        entry = {**envelope["conversationEntry"]}
        entry["entryPayload"] = json.loads(entry["entryPayload"])
        return parse_entry(envelope["conversationId"], entry)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"unknown shape of an event: {error!r}") from error


def parse_entry(conversation_id: str, entry: JSON) -> list[Entry]:
    """One listed entry, as several values if several participants changed. Unknown types give an Entry.

    Raises ValueError if it has not the documented shape.
    """
    try:
        payload: JSON = entry["entryPayload"]
        sender = entry.get("sender") or {}
        name = str(entry.get("senderDisplayName") or "")
        base = (
            conversation_id,
            str(entry["identifier"]),
            int(entry["transcriptedTimestamp"]),
            sender.get("role") or "",
            name,
        )
        match entry["entryType"]:
            case "Message":
                return [_message(base, payload["abstractMessage"])]
            case "RoutingResult":
                failure = payload.get("failureType") or "None"
                return [Routed(*base, failure="" if failure == "None" else failure)]
            case "ParticipantChanged":
                return [_participant(base, number, change) for number, change in enumerate(payload["entries"])] or [
                    Entry(*base)
                ]
            case "SessionStatusChanged" if payload["sessionStatus"] in ("Ended", "Error"):
                return [Ended(*base)]
            case "CloseConversation":
                return [Ended(*base)]
            case "TypingStartedIndicator" | "TypingStoppedIndicator":
                return [Typing(*base, started=entry["entryType"] == "TypingStartedIndicator")]
            case "ReadAcknowledgement" if entry.get("relatedRecords"):
                return [Read(*base, message_id=str(entry["relatedRecords"][0]))]
        return [Entry(*base)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"unknown shape of an entry: {error!r}") from error


def parse_listed(conversation_id: str, entry: JSON) -> list[Entry]:
    """As parse_entry. An entry of an unknown shape has no meaning, and does not hide those that are listed with it."""
    try:
        return parse_entry(conversation_id, entry)
    except ValueError as error:
        identifier, moment = str(entry["identifier"]), int(entry["transcriptedTimestamp"])
        _log.warning("entry %s (%s) is left out: %s", identifier, entry.get("entryType"), error)
        return [Entry(conversation_id, identifier, moment, "", "")]


_Base = tuple[str, str, int, str, str]


def _message(base: _Base, message: JSON) -> Message:
    static: JSON = message.get("staticContent") or {}
    offered: JSON = message.get("choices") or {}
    files = tuple(
        File(str(file.get("name") or "file"), str(file.get("mimeType") or "application/octet-stream"), str(file["url"]))
        for file in static.get("attachments") or ()
    )
    choices = tuple(
        Choice(
            str(option.get("optionIdentifier") or number), str((option.get("titleItem") or {}).get("title") or number)
        )
        for number, option in enumerate(offered.get("optionItems") or (), start=1)
    )
    return Message(*base, text=str(static.get("text") or offered.get("text") or ""), choices=choices, files=files)


def _participant(base: _Base, number: int, change: JSON) -> Entry:
    if number > 0:  # each change has an identifier of its own
        base = (base[0], f"{base[1]}/{number}", *base[2:])
    participant: JSON = change.get("participant") or {}
    if participant.get("role") not in ("Agent", "Chatbot"):
        return Entry(*base)
    name = str(change.get("displayName") or participant["role"])
    return Joined(*base, name=name) if change["operation"] == "add" else Left(*base, name=name)
