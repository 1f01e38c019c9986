"""The events of rooms. All other events are in entity_events.py."""

from schema.actors import Actor
from schema.base.fields import api_type, describe_enum
from schema.events.changes import Change
from schema.events.event_types import RoomEvent
from schema.events.snapshots import AgentSnapshot, DepartmentSnapshot, MessageSnapshot
from storage import facts

describe_enum(
    facts.AssignmentCause,
    "Why a room got or lost its agent.",
    ROUTED="Routing chose the agent.",
    TAKEN="The agent took the room (`takeRoom`).",
    ASSIGNED="An app or a user assigned the room (`assignAgent`).",
    TRANSFERRED="The room was transferred (`transferRoom`).",
    UNASSIGNED="The agent was unassigned (`unassignAgent`).",
    AGENT_REMOVED="The user is no longer an agent, or was deactivated.",
    CLOSED="The room was closed.",
)


@api_type
class RoomStarted(RoomEvent):
    """A room was started. It is the first event of the room, and precedes its routing."""


@api_type
class AgentAssigned(RoomEvent):
    """A room got an agent. An `AgentUnassigned` precedes the next `AgentAssigned` of the room."""

    agent: AgentSnapshot
    """Who serves it now, as it was just after."""
    previous_agent: AgentSnapshot | None
    """Who served it most recently before, if anybody did."""
    cause: facts.AssignmentCause
    """Why the agent got the room."""


@api_type
class AgentUnassigned(RoomEvent):
    """A room lost its agent. It is recorded also if the room is closed or the agent is removed."""

    agent: AgentSnapshot
    """Who served it until now, as it was just after."""
    next_agent: AgentSnapshot | None
    """Who will serve it, when it was transferred to an agent."""
    cause: facts.AssignmentCause
    """Why the agent lost the room."""
    comment: str | None
    """The comment of `unassignAgent`."""


@api_type
class RoomQueued(RoomEvent):
    """A room was queued, because no agent can take it now, or because its routing is MANUAL or EXTERNAL."""


@api_type
class RoomTransferred(RoomEvent):
    """A room was transferred. An `AgentAssigned` or a `RoomQueued` follows."""

    from_agent: AgentSnapshot | None
    """Who served it, if anybody did."""
    to_agent: AgentSnapshot | None
    """The agent it was passed on to; null when it was a department."""
    from_department: DepartmentSnapshot | None
    """The department it belonged to, if any."""
    to_department: DepartmentSnapshot | None
    """The department it was passed on to; null when it was an agent."""
    comment: str | None
    """The comment of `transferRoom`."""


@api_type
class RoomHeld(RoomEvent):
    """A room was put on hold. It keeps its agent, and no longer counts towards the agent's limit."""

    comment: str | None
    """The comment of `holdRoom`."""


@api_type
class RoomResumed(RoomEvent):
    """A room on hold was resumed."""


@api_type
class RoomUpdated(RoomEvent):
    """The subject, priority, tags or custom fields of a room changed."""

    changes: list[Change]
    """The changes of `subject`, `priority`, `tags` and `customFields.KEY`, in this order."""


@api_type
class RoomClosed(RoomEvent):
    """A conversation ended. The room has its final tags and custom fields. Only edits and redactions of its messages
    follow."""

    closed_by: Actor
    """The actor who closed the room."""
    comment: str | None
    """The comment of `closeRoom`."""


@api_type
class MessageSent(RoomEvent):
    """A message was sent in a room. Events of messages leave the room's revision as it is."""

    message: MessageSnapshot
    """The message, without its content once it is redacted."""


@api_type
class MessageEdited(RoomEvent):
    """The text, the choices or the data of a message were replaced. Also in a closed room."""

    message: MessageSnapshot
    """The message after the edit, without its content once it is redacted."""
    previous_text: str
    """The text before the edit. Empty once the message is redacted."""


@api_type
class MessageRedacted(RoomEvent):
    """The content of a message was removed, from the events that were recorded before too. Also in a closed room."""

    message: MessageSnapshot
    """The message, of which text, choices, attachments and data are gone."""
    reason: str | None
    """The `reason` of the redaction."""
