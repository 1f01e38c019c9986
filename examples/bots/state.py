"""What the app remembers of a room, in the app data of the room. It survives the app, and only the app sees it."""

from enum import Enum
from typing import Any

import msgspec

from examples.bots.answers import Answer

#: The key of the app data.
KEY = "bot"


class Phase(Enum):
    """How far a turn is."""

    #: The engine is being asked, or was when the process was interrupted.
    ASKED = "asked"
    #: The engine has answered. The answer is being carried out.
    ANSWERED = "answered"
    DONE = "done"


class Outcome(Enum):
    """How a hand-over ends, decided once."""

    TRANSFER = "transfer"
    UNASSIGN = "unassign"
    STAY = "stay"
    CLOSE = "close"


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decision about a hand-over."""

    reason: str
    outcome: Outcome
    department_id: str | None = None
    #: Whether a person is there.
    attended: bool = True


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the visitor, or one event, that the bot reacts to."""

    #: The id of the message or of the event.
    id: str
    phase: Phase
    answer: Answer | None = None
    decision: Decision | None = None


class RoomState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of the app data."""

    turn: Turn | None = None
    #: The number of the newest message of the visitor that the bot has reacted to.
    number: int = 0
    #: The state of the engine's session after the last turn. None: unknown.
    session: dict[str, Any] | None = {}
    greeted: bool = False
    #: How often the app has given the room back to the bot because nobody took it.
    returns: int = 0
    #: The event of the last of them.
    return_event: str | None = None
    #: Whether the app has restricted the room to people, and the filter that the room had before.
    restricted: bool = False
    filter_before: dict[str, Any] | None = None

    def is_handled(self, turn_id: str, number: int) -> bool:
        """Whether the bot has reacted to this message or event completely."""
        if self.turn is not None and self.turn.id == turn_id:
            return self.turn.phase is Phase.DONE
        return 0 < number <= self.number


def encode(state: RoomState) -> Any:
    return msgspec.to_builtins(state)


def decode(value: Any) -> RoomState:
    return msgspec.convert(value, RoomState)
