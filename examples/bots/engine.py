"""What the shared code requires of a bot engine."""

from typing import Any, Protocol

import msgspec

from examples.bots.answers import Answer


class EngineFailed(Exception):
    """The engine is unavailable, failed, or did not answer in time. Whether it received the message is unknown."""


class Misconfigured(Exception):
    """The engine cannot work with these settings. The message says what to change."""


class Said(msgspec.Struct, frozen=True):
    """What the engine is asked about: a text or the payload of a choice, or an event such as the start of a room."""

    room_id: str
    #: The id of the turn: of the visitor's message, or of the event.
    turn_id: str
    text: str
    #: Whether `text` is the name of an event instead of something that the visitor said.
    is_event: bool = False
    #: The state of the engine's session before the turn.
    session: dict[str, Any] | None = None


class Engine(Protocol):
    """A bot engine with one session for each room."""

    #: What the app calls the engine in logs and notes.
    name: str

    async def check(self) -> None:
        """Raise EngineFailed if the engine is unavailable, and Misconfigured if the settings do not fit."""

    async def ask(self, said: Said) -> Answer:
        """The answer to one message. The engine receives the message at most once.

        Raises EngineFailed.
        """

    async def recover(self, said: Said) -> Answer | None:
        """What became of a message that an interrupted process may have sent.

        None: the engine has not received it, or its session was set back, so that it may be sent. An answer with
        `unknown` if the engine cannot tell. Raises EngineFailed.
        """

    async def begin(self, room_id: str) -> None:
        """Prepare the session for a room that the bot was given. Raises EngineFailed."""

    async def aclose(self) -> None:
        """Close the connections."""
