"""What can happen to a room, as it is told to clients; all other events are in entity_events.py."""

from schema.actors import Actor
from schema.base.fields import api_type, describe_enum
from schema.events.changes import Change
from schema.events.event_types import RoomEvent
from schema.events.snapshots import AgentSnapshot, DepartmentSnapshot, MessageSnapshot
from storage import facts

describe_enum(
    facts.AssignmentCause,
    "Why an agent got a room, or lost it.",
    ROUTED="Routing chose the agent.",
    TAKEN="The agent took it.",
    ASSIGNED="Somebody, such as an app, assigned it.",
    TRANSFERRED="It was passed on.",
    UNASSIGNED="Somebody took it from the agent.",
    AGENT_REMOVED="The agent ceased to be one, or its user was deactivated.",
    CLOSED="The room was closed.",
)


@api_type
class RoomStarted(RoomEvent):
    """A conversation began. Always the first event of a room, before routing looks for an agent."""


@api_type
class AgentAssigned(RoomEvent):
    """An agent now serves a room. An `AgentUnassigned` comes before the next one of the same room."""

    agent: AgentSnapshot
    """Who serves it now, as it was just after."""
    previous_agent: AgentSnapshot | None
    """Who served it most recently before, if anybody did."""
    cause: facts.AssignmentCause
    """Why the agent got it."""


@api_type
class AgentUnassigned(RoomEvent):
    """An agent no longer serves a room; on its being closed and on the agent's removal too."""

    agent: AgentSnapshot
    """Who served it until now, as it was just after."""
    next_agent: AgentSnapshot | None
    """Who will serve it, when it was transferred to an agent."""
    cause: facts.AssignmentCause
    """Why the agent lost it."""
    comment: str | None
    """What whoever took the room from the agent had to say: the comment of `unassignAgent`."""


@api_type
class RoomQueued(RoomEvent):
    """A room waits for an agent: nobody could be found at once, or nobody is to be looked for."""


@api_type
class RoomTransferred(RoomEvent):
    """A room was passed on. What came of it follows as `AgentAssigned` or `RoomQueued`."""

    from_agent: AgentSnapshot | None
    """Who served it, if anybody did."""
    to_agent: AgentSnapshot | None
    """The agent it was passed on to; null when it was a department."""
    from_department: DepartmentSnapshot | None
    """The department it belonged to, if any."""
    to_department: DepartmentSnapshot | None
    """The department it was passed on to; null when it was an agent."""
    comment: str | None
    """What whoever gets it should know."""


@api_type
class RoomHeld(RoomEvent):
    """A room was put on hold. Its agent keeps it, and it does not count against the agent's limit."""

    comment: str | None
    """Why."""


@api_type
class RoomResumed(RoomEvent):
    """A room that was on hold is served again."""


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
    """Who closed it."""
    comment: str | None
    """What there was to say at the end."""


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
