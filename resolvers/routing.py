"""Choosing who serves a room: a pure decision. Claiming the chosen agent, and the queue, are in queue.py."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from storage.records import Candidate, Department, Room, RoutingMethod

AUTOMATIC = frozenset({RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def method_for(room: Room, department: Department | None, *, default: RoutingMethod, moment: datetime) -> RoutingMethod:
    """How the room is routed at that moment. `default` is for rooms without a department."""
    if department is None:
        return default
    timed_out = room.external_until is not None and room.external_until <= moment
    if department.routing is RoutingMethod.EXTERNAL and timed_out:
        return fallback_of(department)
    return department.routing


def fallback_of(department: Department) -> RoutingMethod:
    """Who takes over when an outside decision does not come in time."""
    return department.fallback_routing or RoutingMethod.LEAST_LOADED


def external_until(department: Department | None, moment: datetime) -> datetime | None:
    """Until when a room that begins to wait at that moment waits for an outside decision; None: not, or for ever."""
    if department is None or department.routing is not RoutingMethod.EXTERNAL:
        return None
    if department.external_timeout_seconds is None:
        return None
    return moment + timedelta(seconds=department.external_timeout_seconds)


def passes_over(room: Room, candidate: Candidate) -> bool:
    """Whether the room was just taken from this agent, which has not gained capacity since."""
    taken = room.passed_over
    return taken is not None and taken.agent_id == candidate.id and taken.capacity_epoch == candidate.capacity_epoch


def choose(
    candidates: Sequence[Candidate], method: RoutingMethod, *, claims: Callable[[str], int] = lambda _: 0
) -> Candidate | None:
    """The routable agent to give a room to, or None when there is none.

    LEAST_LOADED: fewest open rooms, then longest since assigned, then username; ROUND_ROBIN: longest since assigned,
    then username. `claims` counts the rooms that are on their way to an agent and not on it yet.
    """

    def load(candidate: Candidate) -> int:
        return candidate.open_room_count + claims(candidate.id)

    def key(candidate: Candidate) -> tuple[int, int, datetime, str]:
        first = load(candidate) if method is RoutingMethod.LEAST_LOADED else 0
        return (first, claims(candidate.id), candidate.last_assigned_at or _NEVER, candidate.username_key)

    free = [one for one in candidates if one.max_rooms is None or load(one) < one.max_rooms]
    return min(free, key=key, default=None)
