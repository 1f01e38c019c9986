"""Invariants of the facts in the log."""

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
    RoutingDeclined,
    RoutingRequested,
    TimerElapsed,
)
from storage.records import RoomStatus, User


def verify_history(facts: Sequence[AnyFact], *, first: int = 1) -> None:
    """Assert that sequences have no gaps from `first` on, and that the facts of each room follow the rules of rooms.

    `facts` must have all facts of each of their rooms.
    """
    assert [fact.sequence for fact in facts] == list(range(first, first + len(facts)))
    facts_by_room: dict[str, list[RoomFact]] = {}
    for fact in facts:
        if isinstance(fact, RoomFact):
            facts_by_room.setdefault(fact.subject_id, []).append(fact)
    for facts_of_room in facts_by_room.values():
        verify_room(facts_of_room)


def verify_room(facts: Sequence[RoomFact]) -> None:
    """Assert that the numbers and revisions of a room's facts have no gaps, and that each move was legal."""
    assert isinstance(facts[0], RoomStarted)
    assert [fact.subject_number for fact in facts] == list(range(1, len(facts) + 1))
    revision, status = 0, RoomStatus.QUEUED
    serving: str | None = None
    last: str | None = None
    attempts, declined = 0, False
    for index, fact in enumerate(facts):
        room = fact.room.room
        revision += fact.increases_revision
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
                later = facts[index + 1 :]
                assert all(isinstance(one, MessageEdited | MessageRedacted) for one in later), (
                    "only edits and redactions follow closed"
                )
                status = RoomStatus.CLOSED
            case RoutingRequested():
                assert isinstance(facts[index - 1], RoomQueued), "a decision is requested when the room is queued"
                attempts += 1
                declined = False
                assert room.routing_attempts == attempts
            case RoutingDeclined():
                assert status is RoomStatus.QUEUED
                assert not declined, "a decision is declined once"
                declined = True
                assert isinstance(facts[index + 1], AgentAssigned | RoomQueued), "the fallback routes at once"
            case RoomQueued() | RoomTransferred():
                assert serving is None
            case RoomUpdated() | MessageFact() | TimerElapsed():
                pass
            case _:
                assert_never(fact)  # type: ignore[arg-type]
        assert (room.status, room.served_by_id, room.last_served_by_id) == (status, serving, last)
        assert (fact.room.served_by.id if fact.room.served_by else None) == serving
        if isinstance(fact, AgentAssigned | RoomResumed):
            verify_limit(fact.room.served_by)
    assert status is not RoomStatus.QUEUED or isinstance(last_status_change(facts), RoomQueued | RoutingRequested), (
        "a waiting room was queued"
    )


def last_status_change(facts: Sequence[RoomFact]) -> RoomFact:
    """The newest fact that is not about a message, a timer or an update."""
    return next(fact for fact in reversed(facts) if fact.increases_revision and not isinstance(fact, RoomUpdated))


def verify_limit(user: User | None) -> None:
    """Assert that an agent that just got a room is within its limit."""
    assert user is not None
    assert user.agent is not None
    assert user.agent.open_room_count >= 1
    assert user.agent.max_rooms is None or user.agent.open_room_count <= user.agent.max_rooms
