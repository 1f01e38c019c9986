"""The bot of the stand-in, and the tracker of one of its conversations. check/ is the same bot for a real Rasa."""

import copy
import time
from collections.abc import Iterable
from typing import Any, TypeAlias

JSON: TypeAlias = dict[str, Any]

EXAMPLES = {
    "greet": ("/greet", "hello", "hi"),
    "track": ("/track", "track a parcel", "where is my parcel"),
    "give_number": ("4711", "4712"),
    "request_human": ("/request_human", "talk to a person", "i want a human"),
    "billing": ("billing", "my invoice is wrong"),
    "photo": ("show me a photo",),
    "silence": ("say nothing",),
    "pause": ("stop talking",),
    "crash": ("crash",),
    "goodbye": ("bye", "goodbye"),
}


def intent_of(text: str) -> str:
    folded = text.strip().lower().rstrip(".!?")
    return next((intent for intent, examples in EXAMPLES.items() if folded in examples), "nlu_fallback")


class Conversation:
    """The tracker of one sender."""

    def __init__(self) -> None:
        self.events: list[JSON] = []
        self.slots: JSON = {"parcel": None, "session_started_metadata": None}
        self.paused = False
        self._awaits_number = False

    def copy(self) -> "Conversation":
        return copy.deepcopy(self)

    def start_session(self) -> None:
        if not self.events:
            self.add({"event": "action", "name": "action_session_start"})
            self.add({"event": "session_started"})
            self.add({"event": "action", "name": "action_listen"})

    def add(self, event: JSON) -> None:
        self.events.append({"timestamp": time.time(), **event})

    def add_bot(self, message: JSON) -> None:
        data = {key: message.get(key) for key in ("elements", "buttons", "attachment", "image", "custom")}
        data["quick_replies"] = None
        self.add({"event": "bot", "text": message.get("text"), "data": data, "metadata": {}})

    def append(self, events: JSON | Iterable[JSON]) -> None:
        for event in [events] if isinstance(events, dict) else events:
            self.paused = {"pause": True, "resume": False}.get(str(event.get("event")), self.paused)
            self.add(event)

    def tracker(self, sender: str, include_events: str) -> JSON:
        users = [event for event in self.events if event["event"] == "user"]
        return {
            "sender_id": sender,
            "slots": self.slots,
            "latest_message": users[-1]["parse_data"] if users else {"intent": {}, "entities": [], "text": ""},
            "latest_event_time": self.events[-1]["timestamp"] if self.events else None,
            "paused": self.paused,
            "events": None if include_events == "NONE" else self.events,
            "latest_action_name": "action_listen",
        }

    def reply(self, intent: str, text: str, billing: str = "Billing") -> list[JSON]:
        """What the bot says. It changes the slots."""
        if self.paused:
            return []
        if intent == "give_number" and not self._awaits_number:
            intent = "nlu_fallback"
        self._awaits_number = intent == "track" or (self._awaits_number and intent == "nlu_fallback")
        match intent:
            case "greet":
                return [{"text": "Hello! What can I do for you?", "buttons": MENU}]
            case "track":
                return [{"text": "I can look that up.\n\nWhat is the number of your parcel?"}]
            case "give_number":
                self.slots["parcel"] = text.strip()
                return [{"text": f"Parcel {text.strip()} arrives tomorrow."}]
            case "request_human":
                return [{"text": "I will get a colleague for you."}]
            case "billing":
                target = {"department": billing, "note": "The customer asks about an invoice."}
                return [{"text": "That is for my colleagues of Billing.", "custom": {"handover": target}}]
            case "photo":
                return [{"text": "Here it is:", "image": "https://example.com/parcel.png"}]
            case "pause":
                self.paused = True
                return []
            case "silence":
                return []
            case "crash":
                return [{"raise": True}]
            case "goodbye":
                return [{"text": "Goodbye!", "custom": {"close": True}}]
        return [{"text": "Sorry, I did not understand that."}]


MENU = [
    {"title": "Track a parcel", "payload": "/track"},
    {"title": "Talk to a person", "payload": "/request_human"},
]
