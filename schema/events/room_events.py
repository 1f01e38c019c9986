"""The events of rooms. All other events are in entity_events.py."""

from datetime import datetime

import strawberry

from schema.actors import Actor
from schema.base.fields import api_type, describe_enum, field
from schema.base.scalars import JSON
from schema.events.changes import Change
from schema.events.event_types import RoomEvent
from schema.events.snapshots import AgentSnapshot, DepartmentSnapshot, MessageSnapshot
from storage import facts, records

describe_enum(
    facts.AssignmentCause,
    "Why a room got or lost its agent.",
    ROUTED="Routing chose the agent.",
    TAKEN="The agent took the room (`takeRoom`).",
    ASSIGNED="An app or a user assigned the room (`assignAgent`).",
    TRANSFERRED="The room was transferred (`transferRoom`).",
    UNASSIGNED="The agent was unassigned (`unassignAgent`).",
    AGENT_REMOVED="The user is no longer an agent, or was deactivated.",
    AGENT_GONE="The agent was OFFLINE for so long that its rooms returned to the queue (`Department.whenAgentGone`).",
    CLOSED="The room was closed.",
)


@api_type
class RoomStarted(RoomEvent):
    """A room was started. It is the first event of the room, and precedes its routing."""


@api_type
class RoutingRequested(RoomEvent):
    """A room waits for an app to decide who serves it, because its routing is EXTERNAL. The app answers with
    `assignAgent`, or with `declineRouting`. It is recorded each time the room is queued under EXTERNAL."""

    until: datetime | None
    """When the fallback takes over. Null: the room waits without a limit."""
    attempt: int
    """The number of the request among those of the room: 1, 2, ..."""


@api_type
class RoutingDeclined(RoomEvent):
    """No app decides who serves a room: an app declined, or its time is over (by SYSTEM). An `AgentAssigned` or a
    `RoomQueued` of the fallback follows."""

    reason: str | None
    """The `reason` of `declineRouting`."""


@api_type
class AgentAssigned(RoomEvent):
    """A room got an agent. An `AgentUnassigned` precedes the next `AgentAssigned` of the room."""

    fact: strawberry.Private[facts.AgentAssigned]
    cause: facts.AssignmentCause
    """Why the agent got the room."""

    @field
    def agent(self) -> AgentSnapshot:
        """The agent after the event."""
        return _agent(self.fact, self.fact.room.served_by)

    @field
    def previous_agent(self) -> AgentSnapshot | None:
        """The room's last agent before this one. Null if it had none."""
        return _agent_or_none(self.fact, self.fact.previous_agent)


@api_type
class AgentUnassigned(RoomEvent):
    """A room lost its agent. It is recorded also if the room is closed or the agent is removed."""

    fact: strawberry.Private[facts.AgentUnassigned]
    cause: facts.AssignmentCause
    """Why the agent lost the room."""
    comment: str | None
    """The comment of `unassignAgent`."""

    @field
    def agent(self) -> AgentSnapshot:
        """The agent after the event, who no longer serves the room."""
        return _agent(self.fact, self.fact.room.former)

    @field
    def next_agent(self) -> AgentSnapshot | None:
        """The next agent if the room is transferred to an agent, null otherwise."""
        return _agent_or_none(self.fact, self.fact.next_agent)


@api_type
class RoomQueued(RoomEvent):
    """A room was queued, because no agent can take it now, or because its routing is MANUAL or EXTERNAL. Under
    EXTERNAL, a `RoutingRequested` follows."""


@api_type
class RoomTransferred(RoomEvent):
    """A room was transferred. An `AgentAssigned` or a `RoomQueued` follows."""

    fact: strawberry.Private[facts.RoomTransferred]
    comment: str | None
    """The comment of `transferRoom`."""

    @field
    def from_agent(self) -> AgentSnapshot | None:
        """The agent before the transfer. Null if there was none."""
        return _agent_or_none(self.fact, self.fact.from_agent)

    @field
    def to_agent(self) -> AgentSnapshot | None:
        """The new agent. Null if the room was transferred to a department."""
        return _agent_or_none(self.fact, self.fact.to_agent)

    @field
    def from_department(self) -> DepartmentSnapshot | None:
        """The department before the transfer. Null if there was none."""
        return _department_or_none(self.fact, self.fact.from_department)

    @field
    def to_department(self) -> DepartmentSnapshot | None:
        """The new department. Null if the room was transferred to an agent."""
        return _department_or_none(self.fact, self.fact.to_department)


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
    """A room was closed. It has its final tags and custom fields.

    Only edits and redactions of its messages follow, and a `RoomUpdated` if its visitor is erased.
    """

    closed_by: Actor
    """The actor who closed the room."""
    comment: str | None
    """The comment of `closeRoom`."""


@api_type
class MessageSent(RoomEvent):
    """A message was sent in a room. Events of messages do not increase the room's revision."""

    message: MessageSnapshot
    """The message, without its content once it is redacted."""


@api_type
class MessageEdited(RoomEvent):
    """The text, the choices or the data of a message were replaced. The room may be closed."""

    message: MessageSnapshot
    """The message after the edit, without its content once it is redacted."""
    previous_text: str
    """The text before the edit. Empty once the message is redacted."""


@api_type
class MessageRedacted(RoomEvent):
    """The content of a message was removed, also from earlier events. The room may be closed."""

    message: MessageSnapshot
    """The message, without its text, choices, attachments and data."""
    reason: str | None
    """The `reason` of the redaction."""


@api_type
class TimerElapsed(RoomEvent):
    """A timer of a room was due (`setTimer`), and is deleted. The event does not increase the room's revision."""

    name: str
    """The name of the timer."""
    data: JSON | None
    """The data of the timer. Null if it had none."""
    set_by: Actor
    """The app or user who set the timer."""


def _agent(fact: facts.RoomFact, user: records.User | None) -> AgentSnapshot:
    assert user is not None, "a fact about an assignment has the agent"
    return AgentSnapshot.from_record(user, room_id=fact.room.room.id)


def _agent_or_none(fact: facts.RoomFact, user: records.User | None) -> AgentSnapshot | None:
    return None if user is None else AgentSnapshot.from_record(user, room_id=fact.room.room.id)


def _department_or_none(fact: facts.RoomFact, department: records.Department | None) -> DepartmentSnapshot | None:
    return None if department is None else DepartmentSnapshot.from_record(department, room_id=fact.room.room.id)
