"""What all events have in common, and the kinds of events there are; the events themselves are in room_events.py,
..."""

from datetime import datetime
from enum import StrEnum

from schema.actors import Actor
from schema.base.fields import api_enum, api_interface
from schema.base.lazy_types import RoomRef
from schema.base.node import Node
from schema.base.scalars import Cursor, Long


@api_enum
class EventType(StrEnum):
    """The kinds of events. Each is a type of its own, such as `RoomStarted` for ROOM_STARTED."""

    ROOM_STARTED = "ROOM_STARTED"
    """A conversation began. Always the first event of a room."""
    AGENT_ASSIGNED = "AGENT_ASSIGNED"
    """An agent now serves a room."""
    AGENT_UNASSIGNED = "AGENT_UNASSIGNED"
    """An agent no longer serves a room."""
    ROOM_QUEUED = "ROOM_QUEUED"
    """A room waits for an agent."""
    ROOM_TRANSFERRED = "ROOM_TRANSFERRED"
    """A room was passed on to an agent or a department."""
    ROOM_HELD = "ROOM_HELD"
    """A room was put on hold."""
    ROOM_RESUMED = "ROOM_RESUMED"
    """A room was taken up again after being on hold."""
    ROOM_UPDATED = "ROOM_UPDATED"
    """A room's subject, priority, tags or custom fields changed."""
    ROOM_CLOSED = "ROOM_CLOSED"
    """A conversation ended. Always the last event of a room."""
    MESSAGE_SENT = "MESSAGE_SENT"
    """Something was said in a room."""
    VISITOR_SAVED = "VISITOR_SAVED"
    """A visitor came to be or changed."""
    USER_CREATED = "USER_CREATED"
    """A user came to be."""
    USER_UPDATED = "USER_UPDATED"
    """A user's names, addresses, custom fields, password or activity changed."""
    USER_ROLES_CHANGED = "USER_ROLES_CHANGED"
    """A user gained or lost roles."""
    USER_PRESENCE_CHANGED = "USER_PRESENCE_CHANGED"
    """A user came, left, or changed otherwise in being there."""
    AGENT_ADDED = "AGENT_ADDED"
    """A user became an omnichannel agent."""
    AGENT_UPDATED = "AGENT_UPDATED"
    """An agent's limit or departments changed."""
    AGENT_REMOVED = "AGENT_REMOVED"
    """A user is no longer an omnichannel agent."""
    AGENT_STATUS_CHANGED = "AGENT_STATUS_CHANGED"
    """An agent takes new rooms now, or no longer does."""
    DEPARTMENT_SAVED = "DEPARTMENT_SAVED"
    """A department came to be or changed."""
    ROLE_CREATED = "ROLE_CREATED"
    """A role came to be."""
    CUSTOM_FIELD_DEFINED = "CUSTOM_FIELD_DEFINED"
    """A custom field came to be."""
    CUSTOM_FIELD_UPDATED = "CUSTOM_FIELD_UPDATED"
    """A custom field's label or rules changed."""
    CUSTOM_FIELD_REMOVED = "CUSTOM_FIELD_REMOVED"
    """A custom field is gone, and all its values with it."""
    APP_CREATED = "APP_CREATED"
    """An app came to be."""
    APP_TOKEN_ROTATED = "APP_TOKEN_ROTATED"  # noqa: S105
    """An app got a new token."""
    APP_REVOKED = "APP_REVOKED"
    """An app was shut out."""


@api_interface
class Event(Node):
    """Something that happened. It is recorded if and only if the change it tells of is, and carries what it tells of as
    it was just after."""

    cursor: Cursor
    """Its position in the log: give it as `after` to go on with what came after this event."""
    sequence: Long
    """Its number: 1, 2, 3, ... over the whole log, in order and without a gap."""
    type: EventType
    """What kind of event it is."""
    occurred_at: datetime
    """When it happened."""
    actor: Actor
    """Who caused it: SYSTEM for routing and what happens by the passing of time."""
    client_mutation_id: str | None
    """The `clientMutationId` of the mutation that caused it, so that you know your own echo."""


@api_interface
class RoomEvent(Event):
    """Something that happened to a room. Events of one room come in the order of its revisions."""

    room: RoomRef
    """The room just after the event, with its visitor, department and agents as they were then."""
    room_revision: int
    """The room's `revision` just after the event."""
