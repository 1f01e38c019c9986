"""The interfaces of events and the enum of their types. The types themselves are in room_events.py and
entity_events.py."""

from datetime import datetime
from enum import StrEnum

import strawberry

from schema.actors import Actor
from schema.base.fields import api_enum, api_interface, field
from schema.base.node import Node
from schema.base.scalars import Cursor, Long
from schema.events.snapshots import RoomSnapshot
from storage import facts


@api_enum
class EventType(StrEnum):
    """The types of events. Each has an object type, such as `RoomStarted` for ROOM_STARTED."""

    ROOM_STARTED = "ROOM_STARTED"
    """A room was started. It is the first event of a room."""
    ROUTING_REQUESTED = "ROUTING_REQUESTED"
    """A room with EXTERNAL routing waits for the decision of an app."""
    ROUTING_DECLINED = "ROUTING_DECLINED"
    """No app decides who serves a room, so the fallback routes it."""
    AGENT_ASSIGNED = "AGENT_ASSIGNED"
    """A room got an agent."""
    AGENT_UNASSIGNED = "AGENT_UNASSIGNED"
    """A room lost its agent."""
    ROOM_QUEUED = "ROOM_QUEUED"
    """A room was queued."""
    ROOM_TRANSFERRED = "ROOM_TRANSFERRED"
    """A room was transferred to an agent or a department."""
    ROOM_HELD = "ROOM_HELD"
    """A room was put on hold."""
    ROOM_RESUMED = "ROOM_RESUMED"
    """A room on hold was resumed."""
    ROOM_UPDATED = "ROOM_UPDATED"
    """A room's subject, priority, tags or custom fields changed."""
    ROOM_CLOSED = "ROOM_CLOSED"
    """A room was closed. Edits and redactions of its messages may follow, and the erasure of its visitor."""
    MESSAGE_SENT = "MESSAGE_SENT"
    """A message was sent."""
    MESSAGE_EDITED = "MESSAGE_EDITED"
    """The content of a message was replaced."""
    MESSAGE_REDACTED = "MESSAGE_REDACTED"
    """The content of a message was removed."""
    TIMER_ELAPSED = "TIMER_ELAPSED"
    """A timer of a room was due."""
    VISITOR_SAVED = "VISITOR_SAVED"
    """A visitor was created or changed."""
    USER_CREATED = "USER_CREATED"
    """A user was created."""
    USER_UPDATED = "USER_UPDATED"
    """A user's names, email addresses, custom fields or password changed, or the user was activated or deactivated."""
    USER_ROLES_CHANGED = "USER_ROLES_CHANGED"
    """A user gained or lost roles."""
    USER_PRESENCE_CHANGED = "USER_PRESENCE_CHANGED"
    """A user's presence changed."""
    AGENT_ADDED = "AGENT_ADDED"
    """A user became an omnichannel agent."""
    AGENT_UPDATED = "AGENT_UPDATED"
    """Whether routing offers rooms to an agent, the agent's limit or its departments changed."""
    AGENT_REMOVED = "AGENT_REMOVED"
    """A user is no longer an omnichannel agent."""
    AGENT_STATUS_CHANGED = "AGENT_STATUS_CHANGED"
    """The status of an agent changed."""
    DEPARTMENT_SAVED = "DEPARTMENT_SAVED"
    """A department was created or changed."""
    ROLE_CREATED = "ROLE_CREATED"
    """A role was created."""
    ROLE_UPDATED = "ROLE_UPDATED"
    """The description or the scopes of a role changed."""
    CUSTOM_FIELD_DEFINED = "CUSTOM_FIELD_DEFINED"
    """A custom field was defined."""
    CUSTOM_FIELD_UPDATED = "CUSTOM_FIELD_UPDATED"
    """A custom field's label or constraints changed."""
    CUSTOM_FIELD_REMOVED = "CUSTOM_FIELD_REMOVED"
    """A custom field and all of its values were removed."""
    APP_CREATED = "APP_CREATED"
    """An app was created."""
    APP_TOKEN_ROTATED = "APP_TOKEN_ROTATED"  # noqa: S105
    """An app got a new token."""
    APP_REVOKED = "APP_REVOKED"
    """An app was revoked."""


@api_interface
class Event(Node):
    """A change that was made. An event is recorded if and only if its change is committed. It contains the changed
    object as it was just after the change."""

    cursor: Cursor
    """The position of the event in the log. A subscription or a list with this `after` continues after this event."""
    sequence: Long
    """The number of the event in the log: 1, 2, 3, ... without a gap."""
    type: EventType
    """The type of the event."""
    occurred_at: datetime
    """When the change was made."""
    actor: Actor
    """Who made the change. SYSTEM for routing, timeouts and expired leases."""
    client_mutation_id: str | None
    """The `clientMutationId` of the mutation that made the change, by which a client recognizes its own changes."""


@api_interface
class RoomEvent(Event):
    """A change of a room. The events of a room are in the order of its revisions."""

    fact: strawberry.Private[facts.RoomFact]
    room_revision: int
    """The room's `revision` just after the event."""

    @field
    def room(self) -> RoomSnapshot:
        """The room as it was just after the event, with its visitor, department and agents at that time."""
        return RoomSnapshot.from_record(self.fact.room)
