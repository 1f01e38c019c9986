"""Explains why routing has not given a waiting room to an agent. Pure functions, which agree with policy.py."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resolvers.routing.capacity import not_routable_reason
from resolvers.routing.policy import AUTOMATIC, RoutingRule, decision_until, method_at, offer_key
from storage.filters.attributes import BOT_ROLE
from storage.filters.expressions import Expression
from storage.filters.predicates import matches
from storage.records import Candidate, RoutingMethod, User, WaitingRoom


class NotOffered(StrEnum):
    """The first reason why routing does not offer a room to an agent, in this order."""

    INACTIVE = "INACTIVE"
    NOT_AVAILABLE = "NOT_AVAILABLE"
    OFFLINE = "OFFLINE"
    AT_CAPACITY = "AT_CAPACITY"
    NOT_ACCEPTING = "NOT_ACCEPTING"
    PASSED_OVER = "PASSED_OVER"
    FILTERED_OUT = "FILTERED_OUT"


@dataclass(frozen=True, slots=True)
class AgentConsidered:
    """An agent, and the reason why routing does not offer it the room. None: there is no reason."""

    agent: User
    reason: NotOffered | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What routing does with a room, and why."""

    method: RoutingMethod
    #: The place of the room in the queue of its department, from 1. 0: the room does not wait.
    position: int
    #: In the order in which routing offers the room.
    considered: Sequence[AgentConsidered]
    #: When the routing of the room changes, if nobody changes anything.
    next_change_at: datetime | None
    summary: str


def ordering_of(room: WaitingRoom, rule: RoutingRule, now: datetime) -> RoutingMethod:
    """The automatic method in whose order agents are considered. Under EXTERNAL, that of the fallback."""
    method = method_at(room, rule, now)
    if method is RoutingMethod.EXTERNAL:
        method = rule.fallback
    return method if method in AUTOMATIC else RoutingMethod.LEAST_LOADED


def consider(
    room: WaitingRoom,
    users: Iterable[User],
    method: RoutingMethod,
    *,
    where: Expression | None = None,
    bots_first: bool,
) -> list[AgentConsidered]:
    """The agents in the order in which `method` offers them the room, with the first reason against each.

    `where`: the filter of the room that is in force.
    """

    def key(user: User) -> tuple[object, ...]:
        is_second = bots_first and BOT_ROLE not in user.roles
        return (is_second, *offer_key(Candidate.from_user(user), method))

    return [AgentConsidered(user, reason_against(user, room, where)) for user in sorted(users, key=key)]


def reason_against(user: User, room: WaitingRoom, where: Expression | None) -> NotOffered | None:
    """The first reason why routing does not offer the room to this agent of its department."""
    assert user.agent is not None
    if (reason := not_routable_reason(user)) is not None:
        return NotOffered(reason)
    if not user.agent.accepts_routing:
        return NotOffered.NOT_ACCEPTING
    if user.id == room.passed_over_id:
        return NotOffered.PASSED_OVER
    return None if where is None or matches(where, user) else NotOffered.FILTERED_OUT


def explain(
    room: WaitingRoom,
    rule: RoutingRule,
    considered: Sequence[AgentConsidered],
    *,
    position: int,
    next_agent: str | None,
    is_filtered: bool,
    now: datetime,
) -> Explanation:
    """The explanation of a waiting room.

    `next_agent`: the username of the agent that could take it. `is_filtered`: its filter is in force.
    """
    method = method_at(room, rule, now)
    filter_until = room.agent_filter_until if is_filtered else None
    changes = [time for time in (decision_until(room, rule), filter_until) if time is not None]
    return Explanation(
        method=method,
        position=position,
        considered=considered,
        next_change_at=min(changes, default=None),
        summary=_summary(room, rule, method, considered, position=position, next_agent=next_agent)
        + (f" At {filter_until:%H:%M:%S} UTC its agentFilter ends." if filter_until is not None else ""),
    )


def _summary(
    room: WaitingRoom,
    rule: RoutingRule,
    method: RoutingMethod,
    considered: Sequence[AgentConsidered],
    *,
    position: int,
    next_agent: str | None,
) -> str:
    if method is RoutingMethod.EXTERNAL:
        until = decision_until(room, rule)
        if until is None:
            return "The room waits, without a limit, for an app to decide who serves it (assignAgent, declineRouting)."
        return (
            f"The room waits for an app to decide who serves it (assignAgent, declineRouting). At {until:%H:%M:%S} UTC "
            f"its routing becomes {rule.fallback}."
        )
    if method is RoutingMethod.MANUAL:
        return "The routing is MANUAL: the room waits until an agent takes it (takeRoom) or is given it (assignAgent)."
    ahead = "" if position == 1 else f" Rooms ahead of it in its queue: {position - 1}."
    if next_agent is not None:
        return f"Routing can give the room to {next_agent} now.{ahead}"
    if not considered:
        return "No agent works in the department of the room." if room.department_id else "There are no agents."
    counts = Counter(one.reason for one in considered if one.reason is not None)
    reasons = ", ".join(f"{counts[reason]} {reason}" for reason in NotOffered if counts[reason])
    return f"No agent can be offered the room now: {reasons}.{ahead}"


def explain_not_waiting(status: str, rule: RoutingRule) -> Explanation:
    """The explanation of a room that does not wait."""
    return Explanation(rule.method, 0, (), None, f"The room is {status}, so it does not wait for an agent.")
