"""Facts: one class for each kind of change. The API calls them events.

A fact is committed in the transaction of its change (transactions/transaction.py), and gets its sequence when it is
appended to the log (log/outbox.py). It contains the room, users, ... as they were after the change, so that a reader
needs no other data.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, get_args

import msgspec

from storage.changes import CUSTOM_FIELDS, Change
from storage.message_records import Message
from storage.records import (
    Actor,
    App,
    Department,
    FieldDefinition,
    FieldValue,
    Record,
    Role,
    RoomSnapshot,
    RoomStatus,
    User,
    Visitor,
)


class AssignmentCause(StrEnum):
    ROUTED = "ROUTED"
    TAKEN = "TAKEN"
    ASSIGNED = "ASSIGNED"
    TRANSFERRED = "TRANSFERRED"
    UNASSIGNED = "UNASSIGNED"
    AGENT_REMOVED = "AGENT_REMOVED"
    AGENT_GONE = "AGENT_GONE"
    CLOSED = "CLOSED"


class Fact(Record, frozen=True, kw_only=True, tag_field="type"):
    """A change of one entity, its subject."""

    #: The subject's id and the number of the fact among those about the subject, joined by "-". Unique in the log.
    id: str
    occurred_at: datetime
    actor: Actor
    client_mutation_id: str | None = None
    #: The position in the log: 1, 2, 3, ...; 0 until it is appended.
    sequence: int = 0

    @property
    def subject_id(self) -> str:
        """The id of the entity that the fact is about. The log has its facts in the order of their numbers."""
        return self.id.rpartition("-")[0]

    @property
    def subject_number(self) -> int:
        """The number of the fact among those about its subject, from 1."""
        return int(self.id.rpartition("-")[2])


#: The changes of a fact that names them. Facts of 0.1.0 have none: their "changes", if any, were names alone.
CHANGES: Any = msgspec.field(default=(), name="changedFields")


# ---------------------------------------------------------------- rooms


class RoomBefore(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The values of a room before a fact that filters and orders can read."""

    status: RoomStatus
    department_id: str | None = None
    served_by_id: str | None = None
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, FieldValue] = {}
    #: Facts of version 0.1.0 lack the following values. The priority was then the same as after the fact, and the room
    #: did not have the others.
    last_served_by_id: str | None = None
    subject: str | None = None
    priority: int | None = None
    queued_at: datetime | None = None
    last_message_at: datetime | None = None


class RoomFact(Fact, frozen=True, kw_only=True):
    """A fact about a room, with the room after the change."""

    #: Whether the fact increases the room's revision.
    increases_revision: ClassVar[bool] = True
    room: RoomSnapshot
    #: None if the fact is about the start of the room.
    before: RoomBefore | None = None


class RoomStarted(RoomFact, frozen=True, tag="ROOM_STARTED"):
    """A room was started. It is the first fact about the room."""


class AgentAssigned(RoomFact, frozen=True, kw_only=True, tag="AGENT_ASSIGNED"):
    """The room got an agent: room.served_by."""

    cause: AssignmentCause
    previous_agent: User | None = None


class AgentUnassigned(RoomFact, frozen=True, kw_only=True, tag="AGENT_UNASSIGNED"):
    """The room lost its agent: room.former."""

    cause: AssignmentCause
    next_agent: User | None = None
    comment: str | None = None


class RoutingRequested(RoomFact, frozen=True, tag="ROUTING_REQUESTED"):
    """The room waits for the decision of an app, up to room.external_until. It is the request room.routing_attempts."""


class RoutingDeclined(RoomFact, frozen=True, kw_only=True, tag="ROUTING_DECLINED"):
    """No app decides who serves the room: an app declined, or its time is over. The fallback routes the room."""

    reason: str | None = None


class RoomQueued(RoomFact, frozen=True, tag="ROOM_QUEUED"):
    """The room was queued."""


class RoomTransferred(RoomFact, frozen=True, kw_only=True, tag="ROOM_TRANSFERRED"):
    """The room was transferred to an agent or a department."""

    from_agent: User | None = None
    to_agent: User | None = None
    from_department: Department | None = None
    to_department: Department | None = None
    comment: str | None = None


class RoomHeld(RoomFact, frozen=True, kw_only=True, tag="ROOM_HELD"):
    """The room was put on hold. It keeps its agent, and does not count towards the agent's limit."""

    comment: str | None = None


class RoomResumed(RoomFact, frozen=True, tag="ROOM_RESUMED"):
    """The room on hold was resumed."""


class RoomUpdated(RoomFact, frozen=True, kw_only=True, tag="ROOM_UPDATED"):
    """Subject, priority, tags, custom fields or the filter of agents changed."""

    fields: ClassVar = ("subject", "priority", "tags", "agentFilter", "agentFilterUntil", CUSTOM_FIELDS)
    changes: tuple[Change, ...] = CHANGES


class RoomClosed(RoomFact, frozen=True, kw_only=True, tag="ROOM_CLOSED"):
    """The room was closed. Only edits and redactions of its messages follow, and the erasure of its visitor."""

    comment: str | None = None


class MessageFact(RoomFact, frozen=True, kw_only=True):
    """A fact about a message, with the message after the change. It does not increase the room's revision.

    The log has it without the content of the message once the message is redacted (log/redactions.py).
    """

    increases_revision: ClassVar = False
    message: Message


class MessageSent(MessageFact, frozen=True, tag="MESSAGE_SENT"):
    """A message was sent."""


class MessageEdited(MessageFact, frozen=True, kw_only=True, tag="MESSAGE_EDITED"):
    """The content of a message was replaced."""

    previous_text: str


class MessageRedacted(MessageFact, frozen=True, kw_only=True, tag="MESSAGE_REDACTED"):
    """The content of a message was removed."""

    reason: str | None = None


class TimerElapsed(RoomFact, frozen=True, kw_only=True, tag="TIMER_ELAPSED"):
    """A timer of the room was due. It does not increase the room's revision."""

    increases_revision: ClassVar = False
    name: str
    #: The data of the timer, as JSON text.
    data_json: str | None = None
    set_by: Actor


# ---------------------------------------------------------------- people and configuration


class UserFact(Fact, frozen=True, kw_only=True):
    """A fact about a user, with the user after the change."""

    user: User


class UserCreated(UserFact, frozen=True, tag="USER_CREATED"):
    """A user was created."""


class UserChanged(UserFact, frozen=True, kw_only=True):
    """A fact about a change of a user, with the values before it."""

    #: The fields of the API whose changes the fact names.
    fields: ClassVar[tuple[str, ...]]
    changes: tuple[Change, ...] = CHANGES


class UserUpdated(UserChanged, frozen=True, tag="USER_UPDATED"):
    """A user's names, addresses, custom fields or password changed, or the user was activated or deactivated.

    `changes` does not contain the password.
    """

    fields: ClassVar = ("username", "name", "emails", "active", CUSTOM_FIELDS)


class UserRolesChanged(UserChanged, frozen=True, tag="USER_ROLES_CHANGED"):
    """A user gained or lost roles."""

    fields: ClassVar = ("roles",)


class UserPresenceChanged(UserChanged, frozen=True, tag="USER_PRESENCE_CHANGED"):
    """A user's presence changed."""

    fields: ClassVar = ("presence",)


class AgentAdded(UserFact, frozen=True, tag="AGENT_ADDED"):
    """A user became an omnichannel agent."""


class AgentUpdated(UserChanged, frozen=True, tag="AGENT_UPDATED"):
    """Whether routing offers rooms to an agent, the agent's limit or its departments changed."""

    fields: ClassVar = ("agent.acceptsRouting", "agent.maxRooms", "agent.departmentIds")


class AgentRemoved(UserFact, frozen=True, tag="AGENT_REMOVED"):
    """A user is no longer an omnichannel agent."""


class AgentStatusChanged(UserChanged, frozen=True, tag="AGENT_STATUS_CHANGED"):
    """An agent became available or not available."""

    fields: ClassVar = ("agent.status",)


class VisitorSaved(Fact, frozen=True, kw_only=True, tag="VISITOR_SAVED"):
    """A visitor was created or changed. A creation has no changes."""

    fields: ClassVar = ("name", "email", "phone", CUSTOM_FIELDS)
    visitor: Visitor
    changes: tuple[Change, ...] = CHANGES


class DepartmentSaved(Fact, frozen=True, kw_only=True, tag="DEPARTMENT_SAVED"):
    """A department was created or changed. A creation has no changes."""

    fields: ClassVar = (
        "name",
        "enabled",
        "routing",
        "externalTimeoutSeconds",
        "fallbackRouting",
        "whenAgentGone",
        "agentGoneAfterSeconds",
    )
    department: Department
    changes: tuple[Change, ...] = CHANGES


class RoleCreated(Fact, frozen=True, kw_only=True, tag="ROLE_CREATED"):
    """A role was created."""

    role: Role


class RoleUpdated(Fact, frozen=True, kw_only=True, tag="ROLE_UPDATED"):
    """The description or the scopes of a role changed."""

    fields: ClassVar = ("description", "scopes")
    role: Role
    changes: tuple[Change, ...] = CHANGES


class FieldFact(Fact, frozen=True, kw_only=True):
    """A fact about a custom field's definition, with the definition after the change (or before its removal)."""

    definition: FieldDefinition


class CustomFieldDefined(FieldFact, frozen=True, tag="CUSTOM_FIELD_DEFINED"):
    """A custom field was defined."""


class CustomFieldUpdated(FieldFact, frozen=True, kw_only=True, tag="CUSTOM_FIELD_UPDATED"):
    """A custom field's label or constraints changed."""

    fields: ClassVar = ("label", "required", "unique", "options", "pattern")
    changes: tuple[Change, ...] = CHANGES


class CustomFieldRemoved(FieldFact, frozen=True, tag="CUSTOM_FIELD_REMOVED"):
    """A custom field and all of its values were removed."""


class AppFact(Fact, frozen=True, kw_only=True):
    """A fact about an app. It never contains a token."""

    app: App


class AppCreated(AppFact, frozen=True, tag="APP_CREATED"):
    """An app was created."""


class AppTokenRotated(AppFact, frozen=True, tag="APP_TOKEN_ROTATED"):
    """An app got a new token."""


class AppRevoked(AppFact, frozen=True, tag="APP_REVOKED"):
    """An app was revoked: its tokens are no longer valid."""


AnyRoomFact: TypeAlias = (
    RoomStarted
    | RoutingRequested
    | RoutingDeclined
    | AgentAssigned
    | AgentUnassigned
    | RoomQueued
    | RoomTransferred
    | RoomHeld
    | RoomResumed
    | RoomUpdated
    | RoomClosed
    | MessageSent
    | MessageEdited
    | MessageRedacted
    | TimerElapsed
)
AnyUserFact: TypeAlias = (
    UserCreated
    | UserUpdated
    | UserRolesChanged
    | UserPresenceChanged
    | AgentAdded
    | AgentUpdated
    | AgentRemoved
    | AgentStatusChanged
)
AnyOtherFact: TypeAlias = (
    VisitorSaved
    | DepartmentSaved
    | RoleCreated
    | RoleUpdated
    | CustomFieldDefined
    | CustomFieldUpdated
    | CustomFieldRemoved
    | AppCreated
    | AppTokenRotated
    | AppRevoked
)
AnyFact: TypeAlias = AnyRoomFact | AnyUserFact | AnyOtherFact


def tag_of(kind: type[Fact]) -> str:
    """Return the name of a kind of fact in documents and in the API."""
    return str(kind.__struct_config__.tag)


#: Every kind of fact by its tag.
FACTS: Mapping[str, type[Fact]] = MappingProxyType({tag_of(kind): kind for kind in get_args(AnyFact)})


def kinds_of(*kinds: type[Fact]) -> frozenset[type[Fact]]:
    """The kinds of facts that are of one of these classes. Facts of other kinds are none of their instances."""
    return frozenset(kind for kind in FACTS.values() if issubclass(kind, kinds))
