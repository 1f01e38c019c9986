"""Choosing who serves a room: pure decisions. What is done about them is in assignment.py and queue.py."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from storage.records import Candidate, Department, RoutingMethod, WaitingRoom

AUTOMATIC = frozenset({RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def method_for(
    room: WaitingRoom, department: Department | None, *, default: RoutingMethod, moment: datetime
) -> RoutingMethod:
    """How the room is routed at that moment. `default` is for rooms without a department."""
    if department is None:
        return default
    if department.routing is RoutingMethod.EXTERNAL:
        until = overdue_at(room, department)
        return fallback_of(department) if until is not None and until <= moment else RoutingMethod.EXTERNAL
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


def overdue_at(room: WaitingRoom, department: Department) -> datetime | None:
    """When a room of an EXTERNAL department has waited long enough; None: never.

    A room that waited before the department became EXTERNAL has no time of its own: it counts from its first moment.
    """
    return room.external_until or external_until(department, room.queued_at)


def choose(
    candidates: Sequence[Candidate], method: RoutingMethod, *, reservations: Callable[[str], int] = lambda _: 0
) -> Candidate | None:
    """The routable agent to give a room to, or None when there is none.

    LEAST_LOADED: fewest open rooms, then longest since assigned, then username; ROUND_ROBIN: longest since assigned,
    then username. `claims` counts the rooms that are on their way to an agent and not on it yet.
    """

    def load(candidate: Candidate) -> int:
        return candidate.open_room_count + reservations(candidate.id)

    def key(candidate: Candidate) -> tuple[int, int, datetime, str]:
        first = load(candidate) if method is RoutingMethod.LEAST_LOADED else 0
        return (first, reservations(candidate.id), candidate.last_assigned_at or _NEVER, candidate.username_key)

    free = [one for one in candidates if one.max_rooms is None or load(one) < one.max_rooms]
    return min(free, key=key, default=None)


def choose_for(
    room: WaitingRoom,
    tiers: Sequence[Sequence[Candidate]],
    method: RoutingMethod,
    *,
    reservations: Callable[[str], int] = lambda _: 0,
) -> Candidate | None:
    """The agent for this room, of the first tier that has one whom it does not pass over."""
    for tier in tiers:
        chosen = choose([one for one in tier if one.id != room.passed_over_id], method, reservations=reservations)
        if chosen is not None:
            return chosen
    return None


def plan_assignments(
    waiting: Sequence[WaitingRoom],
    tiers: Mapping[str | None, Sequence[Sequence[Candidate]]],
    method_of: Callable[[WaitingRoom], RoutingMethod],
) -> list[tuple[WaitingRoom, Candidate | None]]:
    """Whom each waiting room gets, in the order in which they wait, if each choice counts for the next; None: nobody.

    `tiers` are the routable agents of each department (None: of all), those who come first before the others.
    """
    claims: Counter[str] = Counter()
    planned: list[tuple[WaitingRoom, Candidate | None]] = []
    for room in waiting:
        chosen = choose_for(room, tiers.get(room.department_id, ()), method_of(room), reservations=claims.__getitem__)
        if chosen is not None:
            claims[chosen.id] += 1
        planned.append((room, chosen))
    return planned
