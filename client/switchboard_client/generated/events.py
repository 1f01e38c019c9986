"""The events of the API. Every class is immutable."""

from datetime import datetime
from typing import Any

from typing_extensions import override

from switchboard_client.generated import enums
from switchboard_client.generated.types import (
    Actor,
    AgentSnapshot,
    AppSnapshot,
    Change,
    DepartmentSnapshot,
    FieldDefinitionSnapshot,
    MessageSnapshot,
    RoleSnapshot,
    RoomSnapshot,
    UserSnapshot,
    VisitorSnapshot,
)
from switchboard_client.records import EventRecord


class Event(EventRecord, frozen=True, kw_only=True):
    """An event."""

    id: str
    """The id, unique over all types. It never changes."""
    cursor: str
    """The position of the event in the log. A subscription or a list with this `after` continues after this event."""
    sequence: int
    """The number of the event in the log: 1, 2, 3, ... without a gap."""
    type: enums.EventType
    """The type of the event."""
    occurred_at: datetime
    """When the change was made."""
    actor: Actor
    """Who made the change. SYSTEM for routing, timeouts and expired leases."""
    client_mutation_id: str | None
    """The `clientMutationId` of the mutation that made the change, by which a client recognizes its own changes."""


class RoomEvent(Event, frozen=True, kw_only=True):
    """An event of a room."""

    room_revision: int
    """The room's `revision` just after the event."""
    room: RoomSnapshot
    """The room as it was just after the event, with its visitor, department and agents at that time."""

    @property
    @override
    def subject_id(self) -> str:
        return self.room.room_id


class RoomStarted(RoomEvent, frozen=True, kw_only=True):
    """A room was started. It is the first event of the room, and precedes its routing."""


class RoutingRequested(RoomEvent, frozen=True, kw_only=True):
    """A room waits for an app to decide who serves it, because its routing is EXTERNAL. The app answers with `assignAgent`, or with `declineRouting`. It is recorded each time the room is queued under EXTERNAL."""

    until: datetime | None
    """When the fallback takes over. Null: the room waits without a limit."""
    attempt: int
    """The number of the request among those of the room: 1, 2, ..."""


class RoutingDeclined(RoomEvent, frozen=True, kw_only=True):
    """No app decides who serves a room: an app declined, or its time is over (by SYSTEM). An `AgentAssigned` or a `RoomQueued` of the fallback follows."""

    reason: str | None
    """The `reason` of `declineRouting`."""


class AgentAssigned(RoomEvent, frozen=True, kw_only=True):
    """A room got an agent. An `AgentUnassigned` precedes the next `AgentAssigned` of the room."""

    cause: enums.AssignmentCause
    """Why the agent got the room."""
    agent: AgentSnapshot
    """The agent after the event."""
    previous_agent: AgentSnapshot | None
    """The room's last agent before this one. Null if it had none."""


class AgentUnassigned(RoomEvent, frozen=True, kw_only=True):
    """A room lost its agent. It is recorded also if the room is closed or the agent is removed."""

    cause: enums.AssignmentCause
    """Why the agent lost the room."""
    comment: str | None
    """The comment of `unassignAgent`."""
    agent: AgentSnapshot
    """The agent after the event, who no longer serves the room."""
    next_agent: AgentSnapshot | None
    """The next agent if the room is transferred to an agent, null otherwise."""


class RoomQueued(RoomEvent, frozen=True, kw_only=True):
    """A room was queued, because no agent can take it now, or because its routing is MANUAL or EXTERNAL. Under EXTERNAL, a `RoutingRequested` follows."""


class RoomTransferred(RoomEvent, frozen=True, kw_only=True):
    """A room was transferred. An `AgentAssigned` or a `RoomQueued` follows."""

    comment: str | None
    """The comment of `transferRoom`."""
    from_agent: AgentSnapshot | None
    """The agent before the transfer. Null if there was none."""
    to_agent: AgentSnapshot | None
    """The new agent. Null if the room was transferred to a department."""
    from_department: DepartmentSnapshot | None
    """The department before the transfer. Null if there was none."""
    to_department: DepartmentSnapshot | None
    """The new department. Null if the room was transferred to an agent."""


class RoomHeld(RoomEvent, frozen=True, kw_only=True):
    """A room was put on hold. It keeps its agent, and no longer counts towards the agent's limit."""

    comment: str | None
    """The comment of `holdRoom`."""


class RoomResumed(RoomEvent, frozen=True, kw_only=True):
    """A room on hold was resumed."""


class RoomUpdated(RoomEvent, frozen=True, kw_only=True):
    """The subject, priority, tags or custom fields of a room changed."""

    changes: tuple[Change, ...]
    """The changes of `subject`, `priority`, `tags` and `customFields.KEY`, in this order."""


class RoomClosed(RoomEvent, frozen=True, kw_only=True):
    """A room was closed. It has its final tags and custom fields.

    Only edits and redactions of its messages follow, and a `RoomUpdated` if its visitor is erased.
    """

    closed_by: Actor
    """The actor who closed the room."""
    comment: str | None
    """The comment of `closeRoom`."""


class MessageSent(RoomEvent, frozen=True, kw_only=True):
    """A message was sent in a room. Events of messages do not increase the room's revision."""

    message: MessageSnapshot
    """The message, without its content once it is redacted."""


class MessageEdited(RoomEvent, frozen=True, kw_only=True):
    """The text, the choices or the data of a message were replaced. The room may be closed."""

    message: MessageSnapshot
    """The message after the edit, without its content once it is redacted."""
    previous_text: str
    """The text before the edit. Empty once the message is redacted."""


class MessageRedacted(RoomEvent, frozen=True, kw_only=True):
    """The content of a message was removed, also from earlier events. The room may be closed."""

    message: MessageSnapshot
    """The message, without its text, choices, attachments and data."""
    reason: str | None
    """The `reason` of the redaction."""


class TimerElapsed(RoomEvent, frozen=True, kw_only=True):
    """A timer of a room was due (`setTimer`), and is deleted. The event does not increase the room's revision."""

    name: str
    """The name of the timer."""
    data: Any
    """The data of the timer. Null if it had none."""
    set_by: Actor
    """The app or user who set the timer."""


class VisitorSaved(Event, frozen=True, kw_only=True):
    """A visitor was created or changed."""

    visitor: VisitorSnapshot
    """The visitor after the event."""
    created: bool
    """Whether the visitor was created."""
    changes: tuple[Change, ...]
    """The changes of `name`, `email`, `phone` and `customFields.KEY`, in this order. Empty if it was created."""

    @property
    @override
    def subject_id(self) -> str:
        return self.visitor.visitor_id


class UserCreated(Event, frozen=True, kw_only=True):
    """A user was created."""

    user: UserSnapshot
    """The user after the event."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class UserUpdated(Event, frozen=True, kw_only=True):
    """A user's username, name, email addresses, custom fields or password changed, or the user was activated or deactivated."""

    user: UserSnapshot
    """The user after the event."""
    changes: tuple[Change, ...]
    """The changes of `username`, `name`, `emails`, `active` and `customFields.KEY`, in this order, without a change of the password."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class UserRolesChanged(Event, frozen=True, kw_only=True):
    """A user gained or lost roles."""

    user: UserSnapshot
    """The user after the event."""
    changes: tuple[Change, ...]
    """The change of `roles`, whose values are the names of the roles in alphabetical order."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class UserPresenceChanged(Event, frozen=True, kw_only=True):
    """A user's presence changed."""

    user: UserSnapshot
    """The user after the event."""
    changes: tuple[Change, ...]
    """The change of `presence`."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class AgentAdded(Event, frozen=True, kw_only=True):
    """A user became an omnichannel agent."""

    user: UserSnapshot
    """The user after the event, with its agent."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class AgentUpdated(Event, frozen=True, kw_only=True):
    """Whether routing offers rooms to an agent, the agent's limit or its departments changed."""

    user: UserSnapshot
    """The user after the event, with its agent."""
    changes: tuple[Change, ...]
    """The changes of `agent.acceptsRouting`, `agent.maxRooms` and `agent.departmentIds`, in this order."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class AgentRemoved(Event, frozen=True, kw_only=True):
    """A user is no longer an omnichannel agent. The events of the rooms that return to the queue follow."""

    user: UserSnapshot
    """The user after the event, without an agent."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class AgentStatusChanged(Event, frozen=True, kw_only=True):
    """The status of an agent changed."""

    user: UserSnapshot
    """The user after the event, with its agent."""
    changes: tuple[Change, ...]
    """The change of `agent.status`."""

    @property
    @override
    def subject_id(self) -> str:
        return self.user.user_id


class DepartmentSaved(Event, frozen=True, kw_only=True):
    """A department was created or changed."""

    department: DepartmentSnapshot
    """The department after the event."""
    created: bool
    """Whether the department was created."""
    changes: tuple[Change, ...]
    """The changes of `name`, `enabled`, `routing`, `externalTimeoutSeconds`, `fallbackRouting`, `whenAgentGone` and `agentGoneAfterSeconds`, in this order. Empty if it was created."""

    @property
    @override
    def subject_id(self) -> str:
        return self.department.department_id


class RoleCreated(Event, frozen=True, kw_only=True):
    """A role was created."""

    role: RoleSnapshot
    """The role after the event."""

    @property
    @override
    def subject_id(self) -> str:
        return self.role.role_id


class RoleUpdated(Event, frozen=True, kw_only=True):
    """The description or the scopes of a role changed."""

    role: RoleSnapshot
    """The role after the event."""
    changes: tuple[Change, ...]
    """The changes of `description` and `scopes`, in this order."""

    @property
    @override
    def subject_id(self) -> str:
        return self.role.role_id


class CustomFieldDefined(Event, frozen=True, kw_only=True):
    """A custom field was defined."""

    definition: FieldDefinitionSnapshot
    """The definition after the event."""

    @property
    @override
    def subject_id(self) -> str:
        return self.definition.definition_id


class CustomFieldUpdated(Event, frozen=True, kw_only=True):
    """A custom field's label or constraints changed."""

    definition: FieldDefinitionSnapshot
    """The definition after the event."""
    changes: tuple[Change, ...]
    """The changes of `label`, `required`, `unique`, `options` and `pattern`, in this order."""

    @property
    @override
    def subject_id(self) -> str:
        return self.definition.definition_id


class CustomFieldRemoved(Event, frozen=True, kw_only=True):
    """A custom field and all of its values were removed."""

    definition: FieldDefinitionSnapshot
    """The definition before its removal."""

    @property
    @override
    def subject_id(self) -> str:
        return self.definition.definition_id


class AppCreated(Event, frozen=True, kw_only=True):
    """An app was created."""

    app: AppSnapshot
    """The app after the event."""

    @property
    @override
    def subject_id(self) -> str:
        return self.app.app_id


class AppTokenRotated(Event, frozen=True, kw_only=True):
    """An app got a new token. The event does not contain the token."""

    app: AppSnapshot
    """The app after the event."""

    @property
    @override
    def subject_id(self) -> str:
        return self.app.app_id


class AppRevoked(Event, frozen=True, kw_only=True):
    """An app was revoked: its tokens are no longer valid."""

    app: AppSnapshot
    """The app after the event, which is no longer active."""

    @property
    @override
    def subject_id(self) -> str:
        return self.app.app_id


EVENTS: tuple[type[Event], ...] = (
    RoomStarted,
    RoutingRequested,
    RoutingDeclined,
    AgentAssigned,
    AgentUnassigned,
    RoomQueued,
    RoomTransferred,
    RoomHeld,
    RoomResumed,
    RoomUpdated,
    RoomClosed,
    MessageSent,
    MessageEdited,
    MessageRedacted,
    TimerElapsed,
    VisitorSaved,
    UserCreated,
    UserUpdated,
    UserRolesChanged,
    UserPresenceChanged,
    AgentAdded,
    AgentUpdated,
    AgentRemoved,
    AgentStatusChanged,
    DepartmentSaved,
    RoleCreated,
    RoleUpdated,
    CustomFieldDefined,
    CustomFieldUpdated,
    CustomFieldRemoved,
    AppCreated,
    AppTokenRotated,
    AppRevoked,
)
"""All classes of events."""

COMMON = "id cursor sequence type occurredAt actor { type id name } clientMutationId"
"""The selection of every event."""

OF_ROOMS = "roomRevision room { status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment roomId visitor { token name email phone createdAt erasedAt visitorId customFields { key value } } department { name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds departmentId } servedBy { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } lastServedBy { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } }"
"""The further selection of every event of a room."""

OWN: dict[type[Event], str] = {
    RoomStarted: "",
    RoutingRequested: "until attempt",
    RoutingDeclined: "reason",
    AgentAssigned: "cause agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } previousAgent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } }",
    AgentUnassigned: "cause comment agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } nextAgent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } }",
    RoomQueued: "",
    RoomTransferred: "comment fromAgent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } toAgent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } fromDepartment { name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds departmentId } toDepartment { name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds departmentId }",
    RoomHeld: "comment",
    RoomResumed: "",
    RoomUpdated: "changes { field before after }",
    RoomClosed: "closedBy { type id name } comment",
    MessageSent: "message { number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt messageId inReplyToId }",
    MessageEdited: "message { number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt messageId inReplyToId } previousText",
    MessageRedacted: "message { number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt messageId inReplyToId } reason",
    TimerElapsed: "name data setBy { type id name }",
    VisitorSaved: "visitor { token name email phone createdAt erasedAt visitorId customFields { key value } } created changes { field before after }",
    UserCreated: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } }",
    UserUpdated: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } } changes { field before after }",
    UserRolesChanged: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } } changes { field before after }",
    UserPresenceChanged: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } } changes { field before after }",
    AgentAdded: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } }",
    AgentUpdated: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } } changes { field before after }",
    AgentRemoved: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } }",
    AgentStatusChanged: "user { username name emails type active presence createdAt updatedAt userId roles agent { status acceptsRouting maxRooms openRoomCount lastAssignedAt agentId userId departmentIds user { username name emails type active presence createdAt updatedAt userId roles customFields { key value } } } customFields { key value } } changes { field before after }",
    DepartmentSaved: "department { name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds departmentId } created changes { field before after }",
    RoleCreated: "role { roleId name description scopes }",
    RoleUpdated: "role { roleId name description scopes } changes { field before after }",
    CustomFieldDefined: "definition { definitionId target key type label required unique options pattern }",
    CustomFieldUpdated: "definition { definitionId target key type label required unique options pattern } changes { field before after }",
    CustomFieldRemoved: "definition { definitionId target key type label required unique options pattern }",
    AppCreated: "app { appId name scopes active }",
    AppTokenRotated: "app { appId name scopes active }",
    AppRevoked: "app { appId name scopes active }",
}
"""The further selection of each event."""
