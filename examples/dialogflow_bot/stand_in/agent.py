"""The agent of the stand-in: one small conversation, and its state for each session."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

JSON: TypeAlias = dict[str, Any]

EXAMPLES = {
    "Welcome": ("hello", "hi"),
    "Track a parcel": ("track a parcel", "where is my parcel"),
    "Give the number": ("4711", "4712"),
    "Talk to a person": ("talk to a person", "i want a human"),
    "Billing": ("billing", "my invoice is wrong"),
    "Menu": ("menu",),
    "Goodbye": ("bye", "goodbye"),
}
FALLBACK = "Default Fallback Intent"
AWAITING_NUMBER = "awaiting_number"
LIFESPAN = 2
MENU = ("Track a parcel", "Talk to a person")
RICH = {
    "richContent": [
        [
            {"type": "info", "title": "What we do", "subtitle": "All about parcels"},
            {
                "type": "chips",
                "options": [{"text": "Track a parcel"}, {"text": "Terms", "link": "https://example.com"}],
            },
        ]
    ]
}


@dataclass(frozen=True)
class Matched:
    """The result of one message."""

    intent: str
    texts: tuple[str, ...] = ()
    menu: tuple[str, ...] = ()
    payload: JSON | None = None
    parameters: JSON = field(default_factory=dict)
    hand_over: bool = False
    end: bool = False


class Session:
    """The state of a session: the names of its contexts, each with the number of turns that it still lasts."""

    def __init__(self) -> None:
        self.contexts: dict[str, int] = {}
        self.parameters: JSON = {}
        #: The texts and events that the agent has processed. For tests.
        self.processed: list[str] = []

    def process(self, text: str, *, is_event: bool) -> Matched:
        self.processed.append(text)
        intent = _intent_of(text, is_event=is_event)
        if intent == "Give the number" and AWAITING_NUMBER not in self.contexts:
            intent = FALLBACK
        # Every turn takes one from the lifespan of a context.
        self.contexts = {name: turns - 1 for name, turns in self.contexts.items() if turns > 1}
        return self._reply(intent, text.strip())

    def _reply(self, intent: str, text: str) -> Matched:
        match intent:
            case "Welcome":
                return Matched(intent, ("Hello! What can I do for you?",), MENU)
            case "Track a parcel":
                self.contexts[AWAITING_NUMBER] = LIFESPAN
                return Matched(intent, ("What is the number of your parcel?",))
            case "Give the number":
                self.contexts.pop(AWAITING_NUMBER, None)
                self.parameters = {"parcel": text}
                return Matched(intent, (f"Parcel {text} arrives tomorrow.",), parameters={"parcel": text})
            case "Talk to a person":
                return Matched(intent, ("I will get a colleague for you.",), hand_over=True)
            case "Billing":
                target = {"department": "Billing", "note": "The customer asks about an invoice."}
                return Matched(intent, ("That is for my colleagues of Billing.",), payload={"handover": target})
            case "Menu":
                return Matched(intent, payload=RICH)
            case "Goodbye":
                return Matched(intent, ("Goodbye!",), end=True)
        return Matched(FALLBACK, ("Sorry, I did not understand that.",))


def _intent_of(text: str, *, is_event: bool) -> str:
    if is_event:
        return "Welcome" if text == "WELCOME" else FALLBACK
    folded = text.strip().lower().rstrip(".!?")
    return next((intent for intent, examples in EXAMPLES.items() if folded in examples), FALLBACK)
