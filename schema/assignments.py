"""The assignments of a room: which agents served it."""

from datetime import datetime
from typing import Self

from schema.actors import Actor
from schema.base.fields import api_type
from schema.base.lazy_types import AgentSnapshotRef
from schema.events import snapshots
from storage import assignments, facts


@api_type
class Assignment:
    """The time in which one agent served a room. Assignments are stored as long as the room."""

    agent: AgentSnapshotRef
    """The agent as it was just after the assignment."""
    since: datetime
    """When the agent was assigned."""
    until: datetime | None
    """When the agent was unassigned. Null while the agent serves the room."""
    cause: facts.AssignmentCause
    """Why the agent got the room."""
    end_cause: facts.AssignmentCause | None
    """Why the agent lost the room. Null while the agent serves the room."""
    by: Actor
    """Who assigned the room. SYSTEM for routing."""
    comment: str | None
    """The comment of the `unassignAgent`, `transferRoom` or `closeRoom` that ended the assignment."""

    @classmethod
    def from_record(cls, record: assignments.Assignment) -> Self:
        return cls(
            agent=snapshots.AgentSnapshot.from_record(record.agent, room_id=record.room_id),
            since=record.since,
            until=record.until,
            cause=record.cause,
            end_cause=record.end_cause,
            by=Actor.from_record(record.by),
            comment=record.comment,
        )
