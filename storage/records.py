"""The records that are stored and passed between layers: users, rooms, ... facts.py has the facts about them.

Every record is immutable. Ids are ULIDs: unique in the deployment, and ordered by creation time. Times are aware
datetimes in UTC, with milliseconds.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    FieldValue: TypeAlias = str | int | float | bool | datetime | list[str]
else:  # msgspec does not check these values: the definitions of custom fields do
    FieldValue = Any


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An immutable value that is passed between layers."""


class Entity(Record, frozen=True, kw_only=True):
    """A record with an id that is stored, replaced by compare-and-set, and the subject of facts."""

    id: str
    #: Increases with every change, so that two states never have the same version. A write fails unless the stored
    #: version is the one that was read.
    version: int = 0
    #: The number of facts about this entity. The facts are numbered 1, 2, 3, ... in order.
    fact_count: int = 0


# ---------------------------------------------------------------- actors


class ActorType(StrEnum):
    APP = "APP"
    USER = "USER"
    VISITOR = "VISITOR"
    SYSTEM = "SYSTEM"


class Actor(Record, frozen=True):
    """The cause of a change, with its name at that time. SYSTEM (routing, time-outs) has no id and no name."""

    type: ActorType
    id: str | None = None
    name: str | None = None


SYSTEM = Actor(type=ActorType.SYSTEM)


class App(Entity, frozen=True, kw_only=True):
    """A client program with its own token."""

    name: str
    #: In alphabetical order.
    scopes: tuple[str, ...]
    active: bool = True
    created_at: datetime
    #: Accurate to a minute, so that not every request writes it.
    last_used_at: datetime | None = None


class Token(Record, frozen=True, kw_only=True):
    """A stored token: its hash and its holder."""

    #: The SHA-256 of the token, in hexadecimal.
    id: str
    #: APP, USER or VISITOR.
    holder_type: ActorType
    holder_id: str
    created_at: datetime
    #: None: never.
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
    """The definition of a custom field of one target. Target, key and type never change."""

    target: FieldTarget
    key: str
    type: FieldType
    label: str
    required: bool = False
    unique: bool = False
    #: SELECT, MULTI_SELECT: the allowed values, in the order of the client.
    options: tuple[str, ...] = ()
    #: TEXT: an RE2 expression that the whole value must match.
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


class AgentGoneAction(StrEnum):
    KEEP = "KEEP"
    REQUEUE = "REQUEUE"


class Role(Entity, frozen=True, kw_only=True):
    """A named set of scopes. Users refer to roles by name."""

    name: str
    description: str | None = None
    built_in: bool = False
    #: In alphabetical order. Built-in roles have those of storage/roles.py, whatever is stored.
    scopes: tuple[str, ...] = ()


class AgentProfile(Record, frozen=True, kw_only=True):
    """The data of an omnichannel agent. A user with a profile is an agent."""

    status: AgentStatus = AgentStatus.AVAILABLE
    #: False: the agent gets rooms only by assignAgent, takeRoom and transferRoom.
    accepts_routing: bool = True
    #: None: no limit.
    max_rooms: int | None = None
    #: The number of rooms with status ASSIGNED that the agent serves. Written in the transaction that assigns a room.
    open_room_count: int = 0
    department_ids: tuple[str, ...] = ()
    last_assigned_at: datetime | None = None


class Leave(Record, frozen=True, kw_only=True):
    """The rest of the work after a user was deactivated or removed as an agent: its rooms are moved to the queue."""

    #: The actor that removed or deactivated the user.
    actor: Actor
    #: Rooms with status ASSIGNED that the user still serves, if it has no agent profile with this number.
    open_room_count: int = 0
    #: When the user became an agent or active again: rooms assigned later are not moved. None: all rooms are moved.
    assigned_until: datetime | None = None


class User(Entity, frozen=True, kw_only=True):
    """A person, bot or app with roles. It is an omnichannel agent if it has an agent profile."""

    username: str
    #: Equal for usernames that look the same, and unique. None if the username is older than this field.
    username_look: str | None = None
    name: str | None = None
    emails: tuple[str, ...] = ()
    type: UserType = UserType.USER
    active: bool = True
    presence: Presence = Presence.OFFLINE
    #: When the presence becomes OFFLINE if it is not set again; None: never.
    presence_until: datetime | None = None
    #: Since when the presence is OFFLINE. None if it is not, and for users of version 0.1.0 whose presence was not set
    #: since then.
    offline_since: datetime | None = None
    #: When the user's last session expires. Only if the user itself set its presence; otherwise None.
    sessions_until: datetime | None = None
    #: Names of roles, in alphabetical order.
    roles: tuple[str, ...] = ()
    custom_fields: Mapping[str, FieldValue] = {}
    agent: AgentProfile | None = None
    #: Present until all rooms of a deactivated user or removed agent are moved to the queue.
    leave: Leave | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def gone_since(self) -> datetime | None:
        """Since when the user is OFFLINE, at the latest. None if it is not."""
        return self.offline_since or self.updated_at if self.presence is Presence.OFFLINE else None


class Candidate(Record, frozen=True, kw_only=True):
    """The values of an agent by which routing chooses."""

    id: str
    #: The case-folded username.
    username_key: str
    open_room_count: int
    max_rooms: int | None
    last_assigned_at: datetime | None

    @classmethod
    def from_user(cls, user: User) -> "Candidate":
        """Return the candidate for a user that is an agent."""
        assert user.agent is not None
        return cls(
            id=user.id,
            username_key=user.username.casefold(),
            open_room_count=user.agent.open_room_count,
            max_rooms=user.agent.max_rooms,
            last_assigned_at=user.agent.last_assigned_at,
        )


class Department(Entity, frozen=True, kw_only=True):
    """A group of agents with its own routing method."""

    name: str
    enabled: bool = True
    routing: RoutingMethod = RoutingMethod.LEAST_LOADED
    #: EXTERNAL: how long a room waits for the decision of an app before fallback_routing applies. None: without limit.
    external_timeout_seconds: int | None = None
    fallback_routing: RoutingMethod | None = None
    #: What happens to the ASSIGNED rooms of an agent that has been OFFLINE for agent_gone_after_seconds.
    when_agent_gone: AgentGoneAction = AgentGoneAction.KEEP
    agent_gone_after_seconds: int = 300


# ---------------------------------------------------------------- visitors, rooms


class RoomStatus(StrEnum):
    QUEUED = "QUEUED"
    ASSIGNED = "ASSIGNED"
    ON_HOLD = "ON_HOLD"
    CLOSED = "CLOSED"


class Visitor(Entity, frozen=True, kw_only=True):
    """A person who starts conversations. An app identifies the visitor by a token that it chooses."""

    token: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    custom_fields: Mapping[str, FieldValue] = {}
    created_at: datetime
    #: When the visitor was erased (erased.py).
    erased_at: datetime | None = None


class TimerMark(Record, frozen=True, kw_only=True):
    """The newest fact of one type about a room."""

    #: The number of the fact among those about the room.
    number: int
    at: datetime


class Room(Entity, frozen=True, kw_only=True):
    """A conversation between a visitor and agents."""

    status: RoomStatus
    #: 1 at the start. Increases by one with every fact about the room except those about messages and timers.
    revision: int
    visitor_id: str
    department_id: str | None = None
    #: The agent that serves the room while it is ASSIGNED or ON_HOLD.
    served_by_id: str | None = None
    #: The agent that served the room most recently. It remains when the room is queued again or closed.
    last_served_by_id: str | None = None
    source: str = "api"
    subject: str | None = None
    #: Without duplicates, in the order in which they were added.
    tags: tuple[str, ...] = ()
    priority: int = 0
    custom_fields: Mapping[str, FieldValue] = {}
    started_at: datetime
    #: When the room was queued, while it is QUEUED.
    queued_at: datetime | None = None
    #: Deadline of the external decision, while it is QUEUED in a department with routing EXTERNAL.
    external_until: datetime | None = None
    #: The `queued_at` of its newest wait. It remains while an agent serves the room, so that the room can return to its
    #: place in the queue. None in rooms from before it was recorded.
    last_queued_at: datetime | None = None
    #: How many times an agent was assigned. Assignments from before they were recorded do not count (assignments.py).
    assignment_count: int = 0
    #: How many decisions of apps were requested for the room (RoutingRequested).
    routing_attempts: int = 0
    #: No app decides who serves the room while it waits this time: an app declined, or its time was over.
    declined: bool = False
    #: The agent from whom unassignAgent removed the room. Routing offers the room to others until one has served it.
    passed_over_id: str | None = None
    #: The filter of the users to whom routing may offer the room, as JSON text as it was given.
    agent_filter: str | None = None
    #: The same filter with its custom fields by id (agent_filters.py).
    agent_filter_expression: str | None = None
    #: When the filter ends. None: never.
    agent_filter_until: datetime | None = None
    assigned_at: datetime | None = None
    closed_at: datetime | None = None
    close_comment: str | None = None
    #: The number of messages, which is the number of the newest one.
    message_count: int = 0
    #: When its newest message was sent. None in facts from before it was recorded.
    last_message_at: datetime | None = None
    #: The number of its timers (timers.py), and for each type of facts that restarts or cancels one, the newest fact.
    timer_count: int = 0
    timer_marks: Mapping[str, TimerMark] = {}
    #: When the content of the room was erased, with its visitor.
    erased_at: datetime | None = None


class WaitingRoom(Record, frozen=True, kw_only=True):
    """The values of a waiting room that routing needs."""

    id: str
    department_id: str | None
    priority: int
    queued_at: datetime
    external_until: datetime | None = None
    declined: bool = False
    passed_over_id: str | None = None
    agent_filter_expression: str | None = None
    agent_filter_until: datetime | None = None

    @classmethod
    def from_room(cls, room: Room) -> "WaitingRoom":
        """Return the waiting room for a room with status QUEUED."""
        assert room.queued_at is not None
        return cls(
            id=room.id,
            department_id=room.department_id,
            priority=room.priority,
            queued_at=room.queued_at,
            external_until=room.external_until,
            declined=room.declined,
            passed_over_id=room.passed_over_id,
            agent_filter_expression=room.agent_filter_expression,
            agent_filter_until=room.agent_filter_until,
        )

    @property
    def queue_position(self) -> tuple[int, datetime, str]:
        """The sort key in the queue: highest priority first, then longest waiting."""
        return (-self.priority, self.queued_at, self.id)


class RoomSnapshot(Record, frozen=True, kw_only=True):
    """A room with its visitor, department and agents, all at the same time."""

    room: Room
    visitor: Visitor
    department: Department | None = None
    served_by: User | None = None
    #: The agent that served the room before; None if it is served_by.
    former: User | None = None

    @property
    def last_served_by(self) -> User | None:
        """The agent that serves the room now, or else the one that served it most recently."""
        return self.served_by or self.former
