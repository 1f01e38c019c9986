"""The routing policy: which agent gets a room. Pure functions, which assignment.py and queue.py apply."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from resolvers.context import RoutingSettings
from resolvers.routing.shares import ALL, Share
from storage.records import Candidate, Department, RoutingMethod, WaitingRoom

AUTOMATIC = frozenset({RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN})
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """How rooms of one department, or rooms without a department, are routed."""

    method: RoutingMethod
    #: EXTERNAL: how long a room waits for the decision of an app. None: without limit.
    external_timeout_seconds: int | None = None
    #: EXTERNAL: the method for rooms without a decision.
    fallback: RoutingMethod = RoutingMethod.LEAST_LOADED

    @property
    def is_external(self) -> bool:
        return self.method is RoutingMethod.EXTERNAL

    def external_until(self, now: datetime) -> datetime | None:
        """When the time of the decision about a room that is queued now ends. None: never, or no app decides."""
        if not self.is_external or self.external_timeout_seconds is None:
            return None
        return now + timedelta(seconds=self.external_timeout_seconds)


def rule_for(department: Department | None, settings: RoutingSettings) -> RoutingRule:
    """The rule of a department. `settings` have that of rooms without a department."""
    if department is None:
        return RoutingRule(settings.method, settings.external_timeout_seconds, settings.fallback)
    return RoutingRule(
        department.routing,
        department.external_timeout_seconds,
        department.fallback_routing or RoutingMethod.LEAST_LOADED,
    )


def method_for(room: WaitingRoom, rule: RoutingRule) -> RoutingMethod:
    """The method that routes the room, until the time of a decision is over."""
    return rule.fallback if rule.is_external and room.declined else rule.method


def method_at(room: WaitingRoom, rule: RoutingRule, now: datetime) -> RoutingMethod:
    """The method that routes a room of the queue at the time `now`."""
    return rule.fallback if is_overdue(room, rule, now=now) else method_for(room, rule)


def is_overdue(room: WaitingRoom, rule: RoutingRule, *, now: datetime) -> bool:
    """Whether the time in which an app decides about the room is over, and nobody has recorded that."""
    until = decision_until(room, rule)
    return until is not None and until <= now


def decision_until(room: WaitingRoom, rule: RoutingRule) -> datetime | None:
    """When the time in which an app decides about the room ends. None: never, or no app decides.

    A room that was queued under another method has no stored time. Its time starts at `queued_at`.
    """
    if not rule.is_external or room.declined:
        return None
    return room.external_until or rule.external_until(room.queued_at)


def offer_key(candidate: Candidate, method: RoutingMethod, *, reserved: int = 0) -> tuple[int, int, datetime, str]:
    """The sort key of an agent in the order in which a method offers rooms. `reserved`: rooms on their way to it."""
    load = candidate.open_room_count + reserved if method is RoutingMethod.LEAST_LOADED else 0
    return (load, reserved, candidate.last_assigned_at or _NEVER, candidate.username_key)


def choose(
    candidates: Sequence[Candidate],
    method: RoutingMethod,
    *,
    reservations: Callable[[str], int] = lambda _: 0,
    share: Share = ALL,
) -> Candidate | None:
    """The candidate that gets the next room, or None if none has capacity.

    LEAST_LOADED orders by open rooms, then by the time of the last assignment, then by username. ROUND_ROBIN orders by
    the time of the last assignment, then by username. `reservations` gives the number of rooms that running mutations
    assign to an agent. Of agents with equally many rooms, LEAST_LOADED prefers those of `share`.
    """

    def load(candidate: Candidate) -> int:
        return candidate.open_room_count + reservations(candidate.id)

    def key(candidate: Candidate) -> tuple[int, int, bool, datetime, str]:
        rooms, reserved, assigned_at, name = offer_key(candidate, method, reserved=reservations(candidate.id))
        is_of_others = method is RoutingMethod.LEAST_LOADED and not share.contains(candidate.id)
        return (rooms, reserved, is_of_others, assigned_at, name)

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
    share: Share = ALL,
) -> Candidate | None:
    """The agent for this room, from the first tier that has one. Skips the agent in `passed_over_id`."""
    for tier in tiers:
        allowed = [candidate for candidate in tier if candidate.id != room.passed_over_id]
        chosen = choose(allowed, method, reservations=reservations, share=share)
        if chosen is not None:
            return chosen
    return None


def plan_assignments(
    waiting: Sequence[WaitingRoom],
    tiers_of: Callable[[WaitingRoom], Sequence[Sequence[Candidate]]],
    method_of: Callable[[WaitingRoom], RoutingMethod],
) -> list[tuple[WaitingRoom, Candidate | None]]:
    """The agent for each waiting room, in queue order. None for a room that no agent can take.

    Each choice counts as load for the next one. `tiers_of` returns the routable agents of the room's department that
    match its filter, in tiers of which the first takes precedence.
    """
    reservations: Counter[str] = Counter()
    planned: list[tuple[WaitingRoom, Candidate | None]] = []
    for room in waiting:
        chosen = choose_for(room, tiers_of(room), method_of(room), reservations=reservations.__getitem__)
        if chosen is not None:
            reservations[chosen.id] += 1
        planned.append((room, chosen))
    return planned
