"""What must hold of every history of facts about rooms, whatever happened, in however many processes."""

from collections.abc import Sequence
from typing import assert_never

from storage.facts import (
    AgentAssigned,
    AgentUnassigned,
    AnyFact,
    MessageEdited,
    MessageFact,
    MessageRedacted,
    RoomClosed,
    RoomFact,
    RoomHeld,
    RoomQueued,
    RoomResumed,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
)
from storage.records import RoomStatus, User


def verify_history(facts: Sequence[AnyFact], *, first: int = 1) -> None:
    """Facts are numbered densely from `first` on, and those of each room tell a whole and legal life.

    All facts about every room that they tell of are needed.
    """
    assert [fact.sequence for fact in facts] == list(range(first, first + len(facts)))
    rooms: dict[str, list[RoomFact]] = {}
    for fact in facts:
        if isinstance(fact, RoomFact):
            rooms.setdefault(fact.subject_id, []).append(fact)
    for told in rooms.values():
        verify_life(told)


def verify_life(told: Sequence[RoomFact]) -> None:
    """The facts of one room: numbered and with revisions without a gap, assignments and unassignments in pairs."""
    assert isinstance(told[0], RoomStarted)
    assert [fact.subject_number for fact in told] == list(range(1, len(told) + 1))
    revision, status = 0, RoomStatus.QUEUED
    serving: str | None = None
    last: str | None = None
    for index, fact in enumerate(told):
        room = fact.room.room
        revision += not isinstance(fact, MessageFact)
        assert room.revision == revision
        match fact:
            case RoomStarted():
                assert index == 0
            case AgentAssigned():
                assert serving is None, "unassigned comes before the next assigned"
                assert (fact.previous_agent.id if fact.previous_agent else None) == last
                serving = last = room.served_by_id
                status = RoomStatus.ASSIGNED
            case AgentUnassigned():
                assert fact.room.former is not None
                assert fact.room.former.id == serving, "unassigned names who was assigned"
                serving, status = None, RoomStatus.QUEUED
            case RoomHeld():
                assert status is RoomStatus.ASSIGNED
                status = RoomStatus.ON_HOLD
            case RoomResumed():
                assert status is RoomStatus.ON_HOLD
                status = RoomStatus.ASSIGNED
            case RoomClosed():
                assert serving is None, "unassigned comes before closed"
                later = told[index + 1 :]
                assert all(isinstance(one, MessageEdited | MessageRedacted) for one in later), "closed is the end"
                status = RoomStatus.CLOSED
            case RoomQueued() | RoomTransferred():
                assert serving is None
            case RoomUpdated() | MessageFact():
                pass
            case _:
                assert_never(fact)  # type: ignore[arg-type]
        assert (room.status, room.served_by_id, room.last_served_by_id) == (status, serving, last)
        assert (fact.room.served_by.id if fact.room.served_by else None) == serving
        if isinstance(fact, AgentAssigned | RoomResumed):
            verify_limit(fact.room.served_by)
    assert status is not RoomStatus.QUEUED or isinstance(last_move(told), RoomQueued), "who waits was queued"


def last_move(told: Sequence[RoomFact]) -> RoomFact:
    """The newest fact that is more than talk and notes."""
    return next(fact for fact in reversed(told) if not isinstance(fact, MessageFact | RoomUpdated))


def verify_limit(user: User | None) -> None:
    """Whoever just got a room has no more rooms than it may have."""
    assert user is not None
    assert user.agent is not None
    assert user.agent.open_room_count >= 1
    assert user.agent.max_rooms is None or user.agent.open_room_count <= user.agent.max_rooms
