"""The nouns of Switchboard as they are stored and passed between layers; what happens to them is in facts.py.

Every record is an immutable value. Identifiers are ULIDs: unique over the whole deployment and ordered by creation
time, so that the order of ids is the order of creation. Times are aware, in UTC, to the millisecond.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    FieldValue: TypeAlias = str | int | float | bool | datetime | list[str]
else:  # at run time msgspec takes the value as it is: definitions, not Python types, say what a field may hold
    FieldValue = Any


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An immutable value that crosses layers."""


class Entity(Record, frozen=True, kw_only=True):
    """A record with a life of its own: it is stored, changed by compare-and-set, and facts are told about it."""

    id: str
    #: Grows with every step of a change and with every write: no two different states have the same. A write names the
    #: version it read, and loses against one that came first.
    version: int = 0
    #: How many facts have been told about this entity; they are numbered 1, 2, 3, ... in the order they happened.
    fact_count: int = 0


# ---------------------------------------------------------------- who acts


class ActorType(StrEnum):
    APP = "APP"
    USER = "USER"
    VISITOR = "VISITOR"
    SYSTEM = "SYSTEM"


class Actor(Record, frozen=True):
    """Who caused something, with the name held at that time. SYSTEM (routing, time-outs) has neither id nor name."""

    type: ActorType
    id: str | None = None
    name: str | None = None


SYSTEM = Actor(type=ActorType.SYSTEM)


class App(Entity, frozen=True, kw_only=True):
    """An outside program with a token of its own and the scopes it was granted, in alphabetical order."""

    name: str
    scopes: tuple[str, ...]
    active: bool = True
    created_at: datetime
    #: To the minute: a token that is used all the time does not write all the time.
    last_used_at: datetime | None = None


class Token(Record, frozen=True, kw_only=True):
    """What is kept of a token: the hash of it, and whose it is."""

    #: The SHA-256 of the token, in hexadecimal.
    id: str
    #: APP or USER.
    holder_type: ActorType
    holder_id: str
    created_at: datetime
    #: None: until it is revoked.
    expires_at: datetime | None = None


# ---------------------------------------------------------------- custom fields


class FieldTarget(StrEnum):
    USER = "USER"
    VISITOR = "VISITOR"
    ROOM = "ROOM"


class FieldType(StrEnum):
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    DATETIME = "DATETIME"
    SELECT = "SELECT"
    MULTI_SELECT = "MULTI_SELECT"


class FieldDefinition(Entity, frozen=True, kw_only=True):
    """What a custom field of one target holds. Target, key and type never change."""

    target: FieldTarget
    key: str
    type: FieldType
    label: str
    required: bool = False
    unique: bool = False
    #: What SELECT and MULTI_SELECT may hold, in the order given.
    options: tuple[str, ...] = ()
    #: TEXT: an RE2 expression that the whole value matches.
    pattern: str | None = None


# ---------------------------------------------------------------- users, roles, agents, departments


class UserType(StrEnum):
    USER = "USER"
    BOT = "BOT"
    APP = "APP"


class Presence(StrEnum):
    ONLINE = "ONLINE"
    AWAY = "AWAY"
    BUSY = "BUSY"
    OFFLINE = "OFFLINE"


class AgentStatus(StrEnum):
    AVAILABLE = "AVAILABLE"
    NOT_AVAILABLE = "NOT_AVAILABLE"


class RoutingMethod(StrEnum):
    LEAST_LOADED = "LEAST_LOADED"
    ROUND_ROBIN = "ROUND_ROBIN"
    MANUAL = "MANUAL"
    EXTERNAL = "EXTERNAL"


class Role(Entity, frozen=True, kw_only=True):
    """A named set of permissions; users hold roles by name."""

    name: str
    description: str | None = None
    built_in: bool = False


class AgentProfile(Record, frozen=True, kw_only=True):
    """What makes a user an omnichannel agent, and what routing needs to know of it."""

    status: AgentStatus = AgentStatus.AVAILABLE
    #: False: the agent gets rooms by assignAgent, takeRoom and transferRoom alone.
    accepts_routing: bool = True
    #: None: no limit.
    max_rooms: int | None = None
    #: Rooms with status ASSIGNED that this agent serves; written in the transaction that moves the room.
    open_room_count: int = 0
    department_ids: tuple[str, ...] = ()
    last_assigned_at: datetime | None = None


class Leave(Record, frozen=True, kw_only=True):
    """What remains to be done of a removal or a deactivation: the rooms that the user still serves go back."""

    #: Who removed or deactivated it.
    actor: Actor
    #: Rooms with status ASSIGNED that it still serves, while it has no agent profile that counts them.
    open_room_count: int = 0
    #: Rooms assigned later stay: the user became an agent, or active, again then. None: no room stays.
    assigned_until: datetime | None = None


class User(Entity, frozen=True, kw_only=True):
    """A person, bot or app that can hold roles; an omnichannel agent if it has an agent profile."""

    username: str
    #: What no two users share who were named since it is stored: usernames with the same look are taken for each other.
    username_look: str | None = None
    name: str | None = None
    emails: tuple[str, ...] = ()
    type: UserType = UserType.USER
    active: bool = True
    presence: Presence = Presence.OFFLINE
    #: When the presence ends unless it is set again; None: when somebody sets it.
    presence_until: datetime | None = None
    #: When the last of the user's sessions ends, as far as is known; None unless the user itself set its presence.
    sessions_until: datetime | None = None
    #: Names of roles, in alphabetical order.
    roles: tuple[str, ...] = ()
    custom_fields: Mapping[str, FieldValue] = {}
    agent: AgentProfile | None = None
    #: Present while rooms of a user that was removed as an agent, or deactivated, go back to the queue.
    leave: Leave | None = None
    created_at: datetime
    updated_at: datetime


class Candidate(Record, frozen=True, kw_only=True):
    """What routing compares agents by."""

    id: str
    #: The username without case.
    username_key: str
    open_room_count: int
    max_rooms: int | None
    last_assigned_at: datetime | None

    @classmethod
    def from_user(cls, user: User) -> "Candidate":
        """An agent as routing sees it."""
        assert user.agent is not None
        return cls(
            id=user.id,
            username_key=user.username.casefold(),
            open_room_count=user.agent.open_room_count,
            max_rooms=user.agent.max_rooms,
            last_assigned_at=user.agent.last_assigned_at,
        )


class Department(Entity, frozen=True, kw_only=True):
    """A group of agents with a way of its own to route rooms to them."""

    name: str
    enabled: bool = True
    routing: RoutingMethod = RoutingMethod.LEAST_LOADED
    #: EXTERNAL: how long a room waits for an outside decision before fallback_routing takes over.
    external_timeout_seconds: int | None = None
    fallback_routing: RoutingMethod | None = None


# ---------------------------------------------------------------- visitors, rooms, messages


class RoomStatus(StrEnum):
    QUEUED = "QUEUED"
    ASSIGNED = "ASSIGNED"
    ON_HOLD = "ON_HOLD"
    CLOSED = "CLOSED"


class Visitor(Entity, frozen=True, kw_only=True):
    """Somebody who starts conversations, known by a token that the outside world chose."""

    token: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    custom_fields: Mapping[str, FieldValue] = {}
    created_at: datetime


class Room(Entity, frozen=True, kw_only=True):
    """A conversation between a visitor and whoever serves it."""

    status: RoomStatus
    #: 1 at start; one more with every fact about the room but MessageSent.
    revision: int
    visitor_id: str
    department_id: str | None = None
    #: Who serves it while ASSIGNED or ON_HOLD.
    served_by_id: str | None = None
    #: Who served it most recently; stays when the room is queued again or closed.
    last_served_by_id: str | None = None
    source: str = "api"
    subject: str | None = None
    #: Without repetition, in the order added.
    tags: tuple[str, ...] = ()
    priority: int = 0
    custom_fields: Mapping[str, FieldValue] = {}
    started_at: datetime
    #: Since when it has been waiting, while QUEUED.
    queued_at: datetime | None = None
    #: Until when an EXTERNAL decision is awaited, while QUEUED in such a department.
    external_until: datetime | None = None
    #: The agent that unassignAgent took the room from. Routing offers the room to others until one has served it.
    passed_over_id: str | None = None
    assigned_at: datetime | None = None
    closed_at: datetime | None = None
    close_comment: str | None = None
    #: The number of its newest message.
    message_count: int = 0


class Message(Record, frozen=True, kw_only=True):
    """One message in a room."""

    id: str
    room_id: str
    #: 1, 2, 3, ... in its room, in the order of the room's facts. 0 in facts from before messages were numbered.
    number: int = 0
    text: str
    sender: Actor
    sent_at: datetime


class WaitingRoom(Record, frozen=True, kw_only=True):
    """What routing needs to know of a room that waits, and compares such rooms by."""

    id: str
    department_id: str | None
    priority: int
    queued_at: datetime
    external_until: datetime | None = None
    passed_over_id: str | None = None

    @classmethod
    def from_room(cls, room: Room) -> "WaitingRoom":
        """A room with status QUEUED as routing sees it."""
        assert room.queued_at is not None
        return cls(
            id=room.id,
            department_id=room.department_id,
            priority=room.priority,
            queued_at=room.queued_at,
            external_until=room.external_until,
            passed_over_id=room.passed_over_id,
        )

    @property
    def queue_position(self) -> tuple[int, datetime, str]:
        """Where it stands in the queue, the least first: highest priority, then longest waiting."""
        return (-self.priority, self.queued_at, self.id)


class RoomSnapshot(Record, frozen=True, kw_only=True):
    """A room with everybody around it, as they all were at one moment."""

    room: Room
    visitor: Visitor
    department: Department | None = None
    served_by: User | None = None
    #: Present when it is somebody else than served_by.
    former: User | None = None

    @property
    def last_served_by(self) -> User | None:
        """Who served the room most recently, the one serving it now included."""
        return self.served_by or self.former


# ---------------------------------------------------------------- reading the log


class Consumer(Record, frozen=True, kw_only=True):
    """A named position in the log that an app keeps here, and the connection that reads for it now, if any."""

    name: str
    #: The app or user it belongs to; names are free for others to use.
    owner_id: str
    #: The sequence up to which every fact is acknowledged, or not for this consumer.
    acked: int
    #: The sequence that its first subscription named as `after`; None when it began with the next fact.
    begun_after: int | None = None
    #: What its last subscription asked for: tags of facts (None: all), and the filter of rooms as a stored expression.
    types: tuple[str, ...] | None = None
    where: Any = None
    #: The connection that holds the consumer, and until when without a sign of life.
    connection_id: str | None = None
    leased_until: datetime | None = None
    last_seen_at: datetime | None = None
