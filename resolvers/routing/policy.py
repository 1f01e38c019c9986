"""The routing policy: which agent gets a room. Pure functions, which assignment.py and queue.py apply."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from storage.records import Candidate, Department, RoutingMethod, WaitingRoom

AUTOMATIC = frozenset({RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def method_for(
    room: WaitingRoom, department: Department | None, *, default: RoutingMethod, now: datetime
) -> RoutingMethod:
    """The method that routes the room at the time `now`. `default` is for rooms without a department."""
    if department is None:
        return default
    if department.routing is RoutingMethod.EXTERNAL:
        until = overdue_at(room, department)
        return fallback_of(department) if until is not None and until <= now else RoutingMethod.EXTERNAL
    return department.routing


def fallback_of(department: Department) -> RoutingMethod:
    """The method for rooms of an EXTERNAL department whose timeout has passed."""
    return department.fallback_routing or RoutingMethod.LEAST_LOADED


def external_until(department: Department | None, now: datetime) -> datetime | None:
    """When the external timeout of a room that is queued now ends. None if the department has no such timeout."""
    if department is None or department.routing is not RoutingMethod.EXTERNAL:
        return None
    if department.external_timeout_seconds is None:
        return None
    return now + timedelta(seconds=department.external_timeout_seconds)


def overdue_at(room: WaitingRoom, department: Department) -> datetime | None:
    """When the external timeout of a room in an EXTERNAL department ends. None: never.

    A room that was queued before the department became EXTERNAL has no stored time. Its timeout starts at `queued_at`.
    """
    return room.external_until or external_until(department, room.queued_at)


def choose(
    candidates: Sequence[Candidate], method: RoutingMethod, *, reservations: Callable[[str], int] = lambda _: 0
) -> Candidate | None:
    """The candidate that gets the next room, or None if none has capacity.

    LEAST_LOADED orders by open rooms, then by the time of the last assignment, then by username. ROUND_ROBIN orders by
    the time of the last assignment, then by username. `reservations` gives the number of rooms that running mutations
    assign to an agent.
    """

    def load(candidate: Candidate) -> int:
        return candidate.open_room_count + reservations(candidate.id)

    def key(candidate: Candidate) -> tuple[int, int, datetime, str]:
        first = load(candidate) if method is RoutingMethod.LEAST_LOADED else 0
        return (first, reservations(candidate.id), candidate.last_assigned_at or _NEVER, candidate.username_key)

    available = [
        candidate for candidate in candidates if candidate.max_rooms is None or load(candidate) < candidate.max_rooms
    ]
    return min(available, key=key, default=None)


def choose_for(
    room: WaitingRoom,
    tiers: Sequence[Sequence[Candidate]],
    method: RoutingMethod,
    *,
    reservations: Callable[[str], int] = lambda _: 0,
) -> Candidate | None:
    """The agent for this room, from the first tier that has one. Skips the agent in `passed_over_id`."""
    for tier in tiers:
        allowed = [candidate for candidate in tier if candidate.id != room.passed_over_id]
        chosen = choose(allowed, method, reservations=reservations)
        if chosen is not None:
            return chosen
    return None


def plan_assignments(
    waiting: Sequence[WaitingRoom],
    tiers: Mapping[str | None, Sequence[Sequence[Candidate]]],
    method_of: Callable[[WaitingRoom], RoutingMethod],
) -> list[tuple[WaitingRoom, Candidate | None]]:
    """The agent for each waiting room, in queue order. None for a room that no agent can take.

    Each choice counts as load for the next one. `tiers` are the routable agents of each department (None: of all), in
    tiers of which the first takes precedence.
    """
    reservations: Counter[str] = Counter()
    planned: list[tuple[WaitingRoom, Candidate | None]] = []
    for room in waiting:
        chosen = choose_for(
            room, tiers.get(room.department_id, ()), method_of(room), reservations=reservations.__getitem__
        )
        if chosen is not None:
            reservations[chosen.id] += 1
        planned.append((room, chosen))
    return planned
