"""The state machine of a room: each step changes the room and records a fact. No input and no output.

    QUEUED --assigned--> ASSIGNED --held--> ON_HOLD --resumed--> ASSIGNED
    ASSIGNED, ON_HOLD --unassigned--> QUEUED
    every status --closed--> CLOSED

rooms.py decides which steps an operation takes, and whether it may take them. This module keeps status, revision, times
and snapshots consistent in every sequence of steps.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import msgspec

from storage.changes import Change, changes_between
from storage.erased import erased_room
from storage.facts import (
    AgentAssigned,
    AgentUnassigned,
    AssignmentCause,
    MessageEdited,
    MessageRedacted,
    MessageSent,
    RoomBefore,
    RoomClosed,
    RoomFact,
    RoomHeld,
    RoomQueued,
    RoomResumed,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
    RoutingDeclined,
    RoutingRequested,
    TimerElapsed,
    tag_of,
)
from storage.message_records import Message
from storage.records import SYSTEM, Actor, Department, FieldValue, Room, RoomSnapshot, RoomStatus, TimerMark, User
from storage.timers import Timer, with_timers
from storage.transactions.transaction import Transaction

replace = msgspec.structs.replace

#: What a snapshot of a room has in addition to the room, and changes with it.
_RELATED = ("department", "served_by", "former")


class RoomTransition:
    """The steps of one room in one transaction: the room before them, the room after them, and their facts."""

    def __init__(self, tx: Transaction, snapshot: RoomSnapshot) -> None:
        self._now: datetime = tx.now
        self._actor: Actor = tx.actor
        self._client_mutation_id = tx.client_mutation_id
        self.before = snapshot.room
        self.now = snapshot
        self.facts: list[RoomFact] = []
        self._last_recorded: Room | None = snapshot.room

    @classmethod
    def start(cls, tx: Transaction, snapshot: RoomSnapshot) -> Self:
        """Start a room that is not stored yet. Its revision is 0 before the first step."""
        transition = cls(tx, snapshot)
        transition._last_recorded = None
        transition._record(RoomStarted)
        return transition

    @property
    def room(self) -> Room:
        return self.now.room

    def update_serving_agent(self, agent: User) -> None:
        """Replace the agent in the snapshot by a newer version of it."""
        self._apply(served_by=agent)

    # ------------------------------------------------------------ assignment

    def assign(self, agent: User, cause: AssignmentCause) -> None:
        """Assign the room. `agent` already counts this room."""
        previous = self.now.last_served_by
        self._apply(
            served_by=agent,
            former=None,
            status=RoomStatus.ASSIGNED,
            served_by_id=agent.id,
            last_served_by_id=agent.id,
            assigned_at=self._now,
            assignment_count=self.room.assignment_count + 1,
            queued_at=None,
            external_until=None,
            declined=False,
            passed_over_id=agent.id if agent.id == self.room.passed_over_id else None,
        )
        actor = SYSTEM if cause is AssignmentCause.ROUTED else self._actor
        self._record(AgentAssigned, cause=cause, previous_agent=previous, actor=actor)

    def unassign(
        self,
        agent: User,
        cause: AssignmentCause,
        *,
        next_agent: User | None = None,
        comment: str | None = None,
        keep_place: bool = False,
    ) -> None:
        """Take the room from its agent and queue it. `agent` no longer counts this room.

        `keep_place`: in the place that it had in the queue before it was assigned.
        """
        place = self.room.last_queued_at or self.room.started_at
        self._apply(
            served_by=None,
            former=agent,
            status=RoomStatus.QUEUED,
            served_by_id=None,
            queued_at=place if keep_place else self._now,
        )
        self._record(AgentUnassigned, cause=cause, next_agent=next_agent, comment=comment)

    def queue(self, *, external: bool = False, until: datetime | None = None) -> None:
        """Record that the room waits.

        `external`: for the decision of an app, unless it was declined. `until`: when the time of the decision ends.
        """
        requested = external and not self.room.declined
        queued_at = self.room.queued_at or self._now
        self._apply(
            status=RoomStatus.QUEUED,
            queued_at=queued_at,
            last_queued_at=queued_at,
            external_until=until if requested else None,
        )
        self._record(RoomQueued, actor=SYSTEM)
        if requested:
            self._apply(routing_attempts=self.room.routing_attempts + 1)
            self._record(RoutingRequested, actor=SYSTEM)

    def decline(self, *, reason: str | None = None, actor: Actor | None = None) -> None:
        """Record that no app decides who serves the waiting room. By the actor of the transaction by default."""
        self._apply(external_until=None, declined=True)
        self._record(RoutingDeclined, reason=reason, actor=actor)

    def skip_agent(self, agent: User | None) -> None:
        """Exclude an agent from routing of this room until another agent has served it. None: exclude nobody."""
        self._apply(passed_over_id=None if agent is None else agent.id)

    def transfer(
        self,
        *,
        from_agent: User | None,
        to_agent: User | None = None,
        to_department: Department | None = None,
        comment: str | None,
    ) -> None:
        from_department = self.now.department
        if to_department is not None:
            # A decision of an app about the room in the previous department does not apply in this one.
            self._apply(department=to_department, department_id=to_department.id, external_until=None, declined=False)
        self._record(
            RoomTransferred,
            from_agent=from_agent,
            to_agent=to_agent,
            from_department=from_department,
            to_department=to_department,
            comment=comment,
        )

    # ------------------------------------------------------------ other steps

    def hold(self, agent: User, *, comment: str | None) -> None:
        self._apply(served_by=agent, status=RoomStatus.ON_HOLD)
        self._record(RoomHeld, comment=comment)

    def resume(self, agent: User) -> None:
        self._apply(served_by=agent, status=RoomStatus.ASSIGNED)
        self._record(RoomResumed)

    def update(self, **changes: Any) -> None:
        """Change subject, priority, tags, custom_fields or the agent filter. Without a change, no fact is recorded."""
        if changed := changes_between(self.room, replace(self.room, **changes), RoomUpdated.fields):
            self._apply(**changes)
            self._record(RoomUpdated, changes=changed)

    def forget_agent_filter(self) -> None:
        """Remove a filter that is not in force any more. The next fact records the room without it."""
        self._apply(agent_filter=None, agent_filter_expression=None, agent_filter_until=None)

    def erase(self) -> None:
        """Remove the content of the room, whose visitor was erased. The fact names what changed, without values."""
        after = erased_room(self.room, self._now)
        changed = changes_between(self.room, after, RoomUpdated.fields)
        self.now = replace(self.now, room=after)
        self._last_recorded = after
        self._record(RoomUpdated, changes=tuple(Change(change.field) for change in changed))

    def close(self, *, comment: str | None, tags: tuple[str, ...], custom_fields: Mapping[str, FieldValue]) -> None:
        self._apply(
            status=RoomStatus.CLOSED,
            closed_at=self._now,
            close_comment=comment,
            tags=tags,
            custom_fields=custom_fields,
            queued_at=None,
            external_until=None,
            declined=False,
            passed_over_id=None,
            timer_count=0,
            timer_marks={},
        )
        self._record(RoomClosed, comment=comment)

    # ------------------------------------------------------------ messages

    def send(self, message: Message) -> None:
        self._apply(message_count=message.number, last_message_at=message.sent_at)
        self._record(MessageSent, message=message)

    def edit(self, message: Message, *, previous_text: str) -> None:
        self._record(MessageEdited, message=message, previous_text=previous_text)

    def redact(self, message: Message, *, reason: str | None) -> None:
        self._record(MessageRedacted, message=message, reason=reason)

    # ------------------------------------------------------------ timers

    def elapse(self, timer: Timer, *, remaining: Sequence[Timer]) -> None:
        """Record that a timer, which has its data, was due. The room keeps the remaining ones."""
        self.now = replace(self.now, room=with_timers(self.room, remaining, self._now))
        self._record(TimerElapsed, name=timer.name, data_json=timer.data_json, set_by=timer.set_by, actor=SYSTEM)

    # ------------------------------------------------------------ changes and facts

    def _apply(self, **changes: Any) -> None:
        """Change the room and the related objects in the snapshot. The next `_record` records the change."""
        related = {name: changes.pop(name) for name in _RELATED if name in changes}
        self.now = replace(self.now, room=replace(self.now.room, **changes), **related)

    def _record(self, kind: type[RoomFact], *, actor: Actor | None = None, **data: Any) -> None:
        """Record a fact about the changes of the room since the last fact."""
        before, room = self._last_recorded, self.now.room
        number = self.before.fact_count + len(self.facts) + 1
        marks = room.timer_marks
        if marks and (tag := tag_of(kind)) in marks:
            marks = {**marks, tag: TimerMark(number=number, at=self._now)}
        room = replace(
            room, version=room.version + 1, revision=room.revision + kind.increases_revision, timer_marks=marks
        )
        self.now = replace(self.now, room=room)
        self.facts.append(
            kind(
                id=f"{room.id}-{number}",
                occurred_at=self._now,
                actor=actor or self._actor,
                client_mutation_id=self._client_mutation_id,
                room=self.now,
                before=None if before is None else _filterable(before),
                **data,
            )
        )
        self._last_recorded = room


def _filterable(room: Room) -> RoomBefore:
    """The attributes of a room that filters and orders can name and that facts can change."""
    return RoomBefore(
        status=room.status,
        department_id=room.department_id,
        served_by_id=room.served_by_id,
        tags=room.tags,
        custom_fields=dict(room.custom_fields),
        last_served_by_id=room.last_served_by_id,
        subject=room.subject,
        priority=room.priority,
        queued_at=room.queued_at,
        last_message_at=room.last_message_at,
    )
