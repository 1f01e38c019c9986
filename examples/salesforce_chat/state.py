"""What the bridge remembers of a room, in the room's app data.

Three values, because three flows write them: the conversation (start and end), what was sent to Salesforce, and what
was received from it. Each names its conversation, so that a value of an earlier conversation is not taken for one of
this.
"""

import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Self

JSON = dict[str, Any]

CONVERSATION, SENT, RECEIVED = "salesforce.conversation", "salesforce.sent", "salesforce.received"
STARTING, OPEN, OVER = "STARTING", "OPEN", "OVER"
#: The identifiers of so many entries are remembered.
REMEMBERED = 64
_NAMESPACE = uuid.UUID("6f0a6c6e-6f1e-4a58-9d9a-2f5e2a4f0b6c")


def derive_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, parts))))


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation at Salesforce of one assignment of a room."""

    id: str
    #: When the room was assigned: the assignment that this is for.
    assignment: str
    #: The room's revision when it started. The end of an earlier assignment has a lower one.
    revision: int
    #: 0, and one more for every conversation that replaced this assignment's earlier one.
    generation: int
    phase: str
    #: The end user at Salesforce.
    subject: str
    attributes: dict[str, str]
    #: Messages of the room up to this number are in the history that the conversation began with.
    history_through: int
    #: The token of a guest, who cannot get another one. Null for a verified user.
    token: str | None = field(default=None, repr=False)
    first_event_id: str = ""
    #: The conversation that this one replaced, and its token, until it is closed.
    replaced: tuple[str, str | None] | None = field(default=None, repr=False)

    def to_json(self) -> JSON:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JSON) -> Self:
        replaced = value.get("replaced")
        return cls(**{**value, "replaced": None if replaced is None else tuple(replaced)})


@dataclass(frozen=True, slots=True)
class Sent:
    """How far the room's messages are at Salesforce."""

    conversation: str
    #: The number of the last message that is there, or needs not to be.
    number: int
    #: The id of the last message that is there.
    last_id: str | None = None
    #: How many sessions were started anew in the conversation, each because the one before had ended.
    reopened: int = 0
    #: The number of the message that started the last of them.
    reopened_for: int = 0

    def to_json(self) -> JSON:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JSON) -> Self:
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Received:
    """How far the conversation's entries are in the room."""

    conversation: str
    event_id: str
    #: The highest time of a handled entry, in milliseconds.
    moment: int = 0
    #: The identifiers and times of the last handled entries, oldest first.
    seen: tuple[tuple[str, int], ...] = ()
    #: Entries up to this time are handled, also if `seen` does not have them any more.
    floor: int = 0
    #: Who serves at Salesforce. Null: nobody yet, or nobody any more.
    agent: str | None = None
    #: How many ends of sessions were passed over, because another session followed.
    ends_passed: int = 0

    def has(self, identifier: str, moment: int) -> bool:
        """Whether this entry was handled."""
        return moment <= self.floor or any(identifier == one for one, _ in self.seen)

    def with_agent(self, name: str | None) -> Self:
        return replace(self, agent=name)

    def with_end_passed(self) -> Self:
        return replace(self, ends_passed=self.ends_passed + 1)

    def passed(self, moment: int, event_id: str | None) -> Self:
        """After an entry that needs no handling."""
        return replace(self, moment=max(self.moment, moment), event_id=event_id or self.event_id)

    def handled(self, identifier: str, moment: int, event_id: str | None) -> Self:
        """After this entry was handled."""
        seen = (*self.seen, (identifier, moment))
        floor = max([self.floor, *(at for _, at in seen[:-REMEMBERED])])
        return replace(self.passed(moment, event_id), seen=seen[-REMEMBERED:], floor=floor)

    def to_json(self) -> JSON:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JSON) -> Self:
        return cls(**{**value, "seen": tuple((identifier, moment) for identifier, moment in value["seen"])})


@dataclass(frozen=True, slots=True)
class Remembered:
    """The three values of a room."""

    conversation: Conversation | None = None
    sent: Sent | None = None
    received: Received | None = None

    @classmethod
    def from_json(cls, conversation: JSON | None, sent: JSON | None, received: JSON | None) -> Self:
        """Values of other conversations than the room's are left out."""
        if conversation is None:
            return cls()
        current = Conversation.from_json(conversation)
        same_sent = sent is not None and sent["conversation"] == current.id
        same_received = received is not None and received["conversation"] == current.id
        return cls(
            current,
            Sent.from_json(sent) if sent is not None and same_sent else None,
            Received.from_json(received) if received is not None and same_received else None,
        )


@dataclass(frozen=True, slots=True)
class RoomNow:
    """A room as it is now, as far as the bridge is concerned."""

    room_id: str
    revision: int
    open: bool
    #: The user who serves it, and since when. Null if nobody serves it.
    served_by: str | None
    assignment: str | None
    last_message_at: datetime | None
    #: The values that the routing attributes are taken from, by their source.
    values: dict[str, str]
    remembered: Remembered = field(default_factory=Remembered)
