"""Converts messages of Rasa to replies, and trackers to the answers of their turns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from examples.bots.answers import Answer, Choice, HandOver, Reply
from examples.bots.payloads import attachment_of, hand_over_of, is_shown_url, split

#: Slots that Rasa keeps for itself.
OWN_SLOTS = ("session_started_metadata", "requested_slot")


class Intents:
    """The intents by which the app recognises a fallback and a request for a person."""

    def __init__(self, fallback: Iterable[str], hand_over: Iterable[str]) -> None:
        self.fallback = frozenset(fallback)
        self.hand_over = frozenset(hand_over)


class TrackerView:
    """The parts of a tracker of Rasa that the app reads."""

    def __init__(self, tracker: Mapping[str, Any]) -> None:
        latest = tracker.get("latest_message")
        latest = latest if isinstance(latest, dict) else {}
        intent = latest.get("intent")
        self.intent: str | None = intent.get("name") if isinstance(intent, dict) else None
        #: Rasa's id of the visitor's newest message.
        self.latest_message_id: str | None = latest.get("message_id")
        self.paused = tracker.get("paused") is True
        slots = tracker.get("slots")
        self.slots: dict[str, Any] = {
            key: value
            for key, value in (slots if isinstance(slots, dict) else {}).items()
            if value is not None and key not in OWN_SLOTS
        }
        events = tracker.get("events")
        self.events: list[dict[str, Any]] = [event for event in events or () if isinstance(event, dict)]

    def turn_after(self, message_id: str | None, text: str) -> "Turn | None":
        """The turn with this text after the message with that id of Rasa's (None: from the beginning)."""
        passed = message_id is None
        for index, event in enumerate(self.events):
            if event.get("event") != "user":
                continue
            if passed and event.get("text") == text:
                return Turn(event, self.events[index + 1 :])
            passed = passed or event.get("message_id") == message_id
        return None


class Turn:
    """One message of the visitor in a tracker, and what the bot said after it."""

    def __init__(self, user: Mapping[str, Any], later: Sequence[Mapping[str, Any]]) -> None:
        self.message_id: str | None = user.get("message_id")
        parsed = user.get("parse_data")
        intent = parsed.get("intent") if isinstance(parsed, dict) else None
        self.intent: str | None = intent.get("name") if isinstance(intent, dict) else None
        self.messages: list[dict[str, Any]] = []
        for event in later:
            if event.get("event") == "user":
                break
            if event.get("event") == "bot":
                self.messages.extend(rest_messages(event))


def rest_messages(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of the REST channel for one event `bot` of a tracker."""
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    parts = {kind: data[kind] for kind in ("buttons", "image", "attachment", "custom") if data.get(kind)}
    text = event.get("text")
    if not isinstance(text, str) or not text:
        return [parts] if parts else []
    if "buttons" in parts:
        return [{**parts, "text": text}]
    # Without buttons, Rasa's channels split a text at blank lines, and send the other parts as messages of their own.
    return [*({"text": part} for part in text.strip().split("\n\n")), *([parts] if parts else [])]


def reply_of(message: Mapping[str, Any]) -> Reply:
    """One message of Rasa's REST or callback channel. Parts of another shape than documented are left out."""
    buttons, text, custom = message.get("buttons"), message.get("text"), message.get("custom")
    choices = [choice for button in (buttons if isinstance(buttons, list) else ()) if (choice := _choice_of(button))]
    urls = [message[kind] for kind in ("image", "attachment") if is_shown_url(message.get(kind))]
    data = split(custom)[1] if isinstance(custom, dict) else None
    return Reply(text if isinstance(text, str) else "", tuple(choices), tuple(map(attachment_of, urls)), data or None)


def _choice_of(button: object) -> Choice | None:
    if not isinstance(button, dict) or not isinstance(button.get("title"), str):
        return None
    title, payload, url = button["title"], button.get("payload"), button.get("url")
    return Choice(title, payload if isinstance(payload, str) and payload else title, url if is_shown_url(url) else None)


def answer_of(
    messages: Sequence[Mapping[str, Any]],
    tracker: TrackerView,
    intents: Intents,
    *,
    intent: str | None,
    message_id: str | None,
) -> Answer:
    """The answer of the turn with this intent and this id of Rasa's, from its messages and the tracker after it."""
    controls: dict[str, Any] = {}
    for message in messages:
        if isinstance(custom := message.get("custom"), dict):
            controls.update(split(custom)[0])
    hand_over = hand_over_of(controls.get("handover"))
    if hand_over is None and (intent in intents.hand_over or tracker.paused):
        hand_over = HandOver()
    return Answer(
        tuple(reply for reply in map(reply_of, messages) if not reply.is_empty),
        fallback=bool(controls.get("fallback")) or intent in intents.fallback,
        hand_over=hand_over,
        close=bool(controls.get("close")),
        intent=intent,
        slots=tracker.slots,
        session={"lastMessageId": message_id},
    )
