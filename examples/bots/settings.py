"""The settings that both bots have. Each is an environment variable."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import msgspec

from examples.bots.engine import Misconfigured

Choices = TypeVar("Choices", bound=Enum)


class WhenNobody(Enum):
    """What happens to a room that is to be handed over while no person is there."""

    #: The bot keeps the room, and says so.
    STAY = "stay"
    #: The room waits in the queue.
    QUEUE = "queue"
    #: The room is closed.
    CLOSE = "close"


class AfterWait(Enum):
    """What happens to a room that nobody has taken in time after it was handed over."""

    WAIT = "wait"
    #: The bot gets the room back, once.
    RETURN = "return"
    CLOSE = "close"


class WhenUnknown(Enum):
    """What happens to a message after an interruption, if the engine cannot tell whether it had received it."""

    #: The bot asks the visitor to send it again.
    REPEAT = "repeat"
    #: A person gets the room.
    HAND_OVER = "handover"


class Texts(msgspec.Struct, frozen=True):
    """What the app says by itself. An empty text is not sent."""

    hand_over: str
    queued: str
    nobody: str
    technical: str
    technical_nobody: str
    still_waiting: str
    returned: str
    repeat: str
    unreadable: str


DEFAULT_TEXTS = Texts(
    hand_over="I am passing you on to a colleague.",
    queued="Nobody is available right now. Your message is in the queue, and somebody will answer.",
    nobody="Nobody is available right now. I can go on helping you.",
    technical="I have a technical problem and am passing you on to a colleague.",
    technical_nobody="I have a technical problem, and nobody is available right now. Please try again later.",
    still_waiting="Thank you for waiting. Your conversation is still in the queue.",
    returned="Nobody could take your conversation yet. I can go on helping you.",
    repeat="I was interrupted. Please send your last message again.",
    unreadable="I can only read text.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSettings:
    """What both bots are told."""

    switchboard_url: str
    switchboard_token: str = field(repr=False)
    #: The username of the bot, which is created if needed.
    username: str
    display_name: str
    #: The names or ids of the departments that the bot serves. Empty: rooms without a department alone.
    departments: tuple[str, ...]
    max_rooms: int | None
    #: The name or id of the department to hand over to. None: the room goes back to its own queue, without the bot.
    hand_over_department: str | None
    #: After so many answers in a row that were fallbacks, a person gets the room. 0: never.
    max_fallbacks: int
    when_nobody: WhenNobody
    wait_seconds: int
    after_wait: AfterWait
    when_unknown: WhenUnknown
    #: The longest that the engine may take for an answer.
    turn_seconds: float
    #: After so many failures in a row, the bot gets no new rooms until the engine works again. 0: it always does.
    failures_until_down: int
    #: The pause between two checks of an engine that is down.
    check_seconds: float
    texts: Texts


class Environment:
    """Reads settings from environment variables. Raises Misconfigured with the name of the variable."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str | None = None) -> str:
        value = self._variables.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise Misconfigured(f"Set {name}.")
        return default

    def optional(self, name: str) -> str | None:
        return self._variables.get(name, "").strip() or None

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        """A list with commas."""
        return tuple(word for part in self._variables.get(name, default).split(",") if (word := part.strip()))

    def number(self, name: str, default: float, *, minimum: float = 0, maximum: float = 86_400) -> float:
        text = self._variables.get(name, "").strip()
        try:
            value = float(text) if text else default
        except ValueError:
            raise Misconfigured(f"{name} is {text!r}, which is not a number.") from None
        if not minimum <= value <= maximum:
            raise Misconfigured(f"{name} is {text or default}; it must be from {minimum:g} to {maximum:g}.")
        return value

    def choice(self, name: str, default: Choices) -> Choices:
        text = self._variables.get(name, "").strip().lower()
        if not text:
            return default
        try:
            return type(default)(text)
        except ValueError:
            allowed = ", ".join(str(option.value) for option in type(default))
            raise Misconfigured(f"{name} is {text!r}; it must be one of {allowed}.") from None

    def message(self, name: str, default: str) -> str:
        """A text for visitors. A variable that is set and empty turns the text off."""
        return self._variables.get(name, default)


def read_bot_settings(env: Environment, *, username: str, display_name: str) -> BotSettings:
    """The shared settings, with the names of this bot as defaults."""
    texts = Texts(
        **{
            name: env.message(f"BOT_TEXT_{name.upper()}", default)
            for name, default in msgspec.structs.asdict(DEFAULT_TEXTS).items()
        }
    )
    max_rooms = int(env.number("BOT_MAX_ROOMS", 0, maximum=1_000_000))
    return BotSettings(
        switchboard_url=env.text("SWITCHBOARD_URL", "http://127.0.0.1:8000/graphql"),
        switchboard_token=env.text("SWITCHBOARD_TOKEN"),
        username=env.text("BOT_USERNAME", username),
        display_name=env.text("BOT_NAME", display_name),
        departments=env.words("BOT_DEPARTMENTS"),
        max_rooms=max_rooms or None,
        hand_over_department=env.optional("BOT_HANDOVER_DEPARTMENT"),
        max_fallbacks=int(env.number("BOT_MAX_FALLBACKS", 3, maximum=1_000)),
        when_nobody=env.choice("BOT_WHEN_NOBODY", WhenNobody.STAY),
        wait_seconds=int(env.number("BOT_WAIT_SECONDS", 300)),
        after_wait=env.choice("BOT_AFTER_WAIT", AfterWait.WAIT),
        when_unknown=env.choice("BOT_WHEN_UNKNOWN", WhenUnknown.REPEAT),
        turn_seconds=env.number("BOT_TURN_SECONDS", 20, minimum=0.1, maximum=300),
        failures_until_down=int(env.number("BOT_FAILURES_UNTIL_DOWN", 3, maximum=1_000)),
        check_seconds=env.number("BOT_CHECK_SECONDS", 10, minimum=0.1),
        texts=texts,
    )
