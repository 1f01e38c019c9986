"""Which facts a caller reads: the scopes of each type, the caller's rooms, and a filter on the room."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from resolvers.auth import access
from resolvers.auth.access import Caller
from storage.facts import FACTS, Fact, MessageFact, RoomFact
from storage.filters.expressions import EVERYTHING, Expression
from storage.filters.predicates import predicate
from storage.log.feed import Feed
from storage.log.subscription_index import Key
from storage.message_records import Audience
from storage.records import FieldTarget, Room, RoomStatus

Predicate: TypeAlias = Callable[[Fact], bool]

#: The scopes that are needed to read a fact, by the first part of its tag.
_READABLE_WITH = {
    "MESSAGE": ("rooms:read", "messages:read"),
    "VISITOR": ("visitors:read",),
    "CUSTOM": (),
    "APP": ("apps:write",),
    "USER": ("users:read",),
    "DEPARTMENT": ("users:read",),
    "ROLE": ("users:read",),
}

#: The facts about its own rooms that a visitor may read. Those about messages only if they are for EVERYONE.
VISITOR_TYPES = frozenset(
    {
        "ROOM_STARTED",
        "ROOM_QUEUED",
        "AGENT_ASSIGNED",
        "AGENT_UNASSIGNED",
        "ROOM_HELD",
        "ROOM_RESUMED",
        "ROOM_CLOSED",
        "MESSAGE_SENT",
        "MESSAGE_EDITED",
        "MESSAGE_REDACTED",
    }
)


@dataclass(frozen=True, slots=True)
class FactFilter:
    """Which facts a subscription has. Subscriptions with equal filters have the same facts."""

    keys: frozenset[Key]
    types: frozenset[str]
    where: Expression | None
    visible: Expression
    sees_notes: bool
    not_by: str | None
    passes: Predicate = field(compare=False)


class Follower(Protocol):
    """Reads the facts of a subscription in place of its resolver."""

    def begin(self, feed: Feed, position: int, of: FactFilter) -> None:
        """The subscription has the facts after this position that pass the filter."""


def readable_types(caller: Caller, types: Iterable[str] | None) -> frozenset[str]:
    """The requested tags (None: all) of facts whose subjects the caller may read."""
    if caller.visitor is not None:
        return VISITOR_TYPES if types is None else VISITOR_TYPES.intersection(types)
    return frozenset(
        tag
        for tag in (FACTS if types is None else types)
        if all(caller.has_scope(scope) for scope in required_read_scopes(tag))
    )


def required_read_scopes(tag: str) -> tuple[str, ...]:
    """The scopes that are needed to read facts with this tag, in addition to events:read."""
    first = tag.partition("_")[0]
    if issubclass(FACTS[tag], RoomFact) and first != "MESSAGE":
        return ("rooms:read",)
    return ("users:read",) if first == "AGENT" else _READABLE_WITH[first]


def compile_filter(
    caller: Caller, wanted: frozenset[str], where: Expression | None, *, not_by_caller: bool = False
) -> Predicate:
    """A test whether a fact has a wanted type, and its room matches and is visible to the caller, as is its message.

    `not_by_caller` leaves out the facts that the caller caused.
    """
    return compile_fact_test(
        wanted,
        where,
        visible=access.visible_rooms(caller),
        sees_notes=access.sees_notes(caller),
        not_by=caller.id if not_by_caller else None,
    )


def compile_fact_test(
    wanted: frozenset[str],
    where: Expression | None,
    *,
    visible: Expression,
    sees_notes: bool = True,
    not_by: str | None = None,
) -> Predicate:
    """A test as `compile_filter` returns it, for a caller who sees these rooms. `not_by` is the id of an actor."""
    # None of these classes has subclasses. isinstance would compare with one class after the other.
    kinds = frozenset(FACTS[tag] for tag in wanted)
    sees = None if visible == EVERYTHING else before_or_after(visible)
    matches = None if where is None else before_or_after(where)

    def passes(fact: Fact) -> bool:
        if type(fact) not in kinds or (not_by is not None and fact.actor.id == not_by):
            return False
        if isinstance(fact, MessageFact) and fact.message.audience is Audience.STAFF and not sees_notes:
            return False
        if isinstance(fact, RoomFact):
            return (sees is None or sees(fact)) and (matches is None or matches(fact))
        return matches is None

    return passes


def before_or_after(expression: Expression) -> Callable[[RoomFact], bool]:
    """A test whether the room matches after a fact or matched before it."""
    test = predicate(expression, FieldTarget.ROOM)
    return lambda fact: test(fact.room.room) or test(room_before(fact))


def room_before(fact: RoomFact) -> Room:
    """The room before a fact, with the attributes that filters can name. For RoomStarted, the room after it."""
    before = fact.before
    if before is None:
        return fact.room.room
    return msgspec.structs.replace(
        fact.room.room,
        status=before.status,
        department_id=before.department_id,
        served_by_id=before.served_by_id,
        tags=before.tags,
        custom_fields=before.custom_fields,
        last_served_by_id=before.last_served_by_id,
        subject=before.subject,
        priority=fact.room.room.priority if before.priority is None else before.priority,
        queued_at=before.queued_at,
        last_message_at=before.last_message_at,
        # Only facts about messages and an erasure follow the closing of a room, and they do not change closed_at.
        closed_at=fact.room.room.closed_at if before.status is RoomStatus.CLOSED else None,
    )
