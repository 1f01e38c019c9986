"""The definition of a list of rooms, and earlier states of the list, computed from its window and later facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from resolvers.event_filters import room_before
from resolvers.live.orders import ListOrder
from resolvers.live.positions import ListName, ListPosition
from resolvers.live.window import ListChange, Window, changes
from storage.facts import MessageFact, RoomFact
from storage.filters.expressions import And, Expression
from storage.filters.predicates import Predicate, predicate
from storage.records import FieldTarget, Room


@dataclass(frozen=True)
class ListSpec:
    """The definition of a list: its rooms, its order and its size."""

    where: Expression
    visible: Expression
    order: ListOrder
    #: The keys of the custom fields of the order, by the ids of their definitions.
    sorted_by: Mapping[str, str]
    size: int
    #: Whether a new message changes its room.
    with_messages: bool
    name: ListName

    @cached_property
    def matches(self) -> Predicate:
        """Whether a room matches the filter and is visible."""
        return predicate(And((self.where, self.visible)), FieldTarget.ROOM)


def is_change(spec: ListSpec, fact: RoomFact) -> bool:
    """Whether the fact changes its room in the list."""
    return fact.increases_revision or (spec.with_messages and isinstance(fact, MessageFact))


def changed_by(spec: ListSpec, facts: Sequence[RoomFact]) -> set[str]:
    """The ids of the rooms that the facts change."""
    return {fact.room.room.id for fact in facts if is_change(spec, fact)}


def differs(spec: ListSpec, before: Room, after: Room) -> bool:
    """Whether a fact that changes the room lies between its two states."""
    if before.revision != after.revision:
        return True
    # Every fact about a room increases its version. So do its timers, and then the room is shown again as it was.
    return spec.with_messages and before.version != after.version


def changes_since(
    spec: ListSpec, window: Window, after: ListPosition, facts: Sequence[RoomFact]
) -> list[tuple[ListChange, str]] | None:
    """The changes from a client's list to the current one, or None if they cannot be computed.

    `facts` are those since `after.start`.
    """
    target = _shown_at(spec, window, after.sequence, facts)
    base = [] if not after.base else _shown_at(spec, window, after.base, facts)
    if target is None or base is None:
        return None
    client_list, missing = target, set[str]()
    if after.base is not None:
        between = [fact for fact in facts if fact.sequence <= after.sequence] if after.base else []
        client_list, missing = _partly_updated(changes(base, target, changed_by(spec, between)), after.count, base)
    changed = missing | changed_by(spec, [fact for fact in facts if fact.sequence > after.sequence])
    return changes(client_list, [room.id for room in window.visible], changed)


def _partly_updated(
    steps: Sequence[tuple[ListChange, str]], count: int, base: Sequence[str]
) -> tuple[list[str], set[str]]:
    """The list of a client with the first `count` of the changes from `base`, and the rooms of the others."""
    applied, missing = steps[:count], steps[count:]
    left = {room_id for change, room_id in applied if change is ListChange.LEFT}
    entered = [room_id for change, room_id in applied if change is ListChange.ENTERED]
    client_list = [*(room_id for room_id in base if room_id not in left), *entered]
    return client_list, {room_id for _, room_id in missing}


def _shown_at(spec: ListSpec, window: Window, sequence: int, facts: Sequence[RoomFact]) -> list[str] | None:
    """The ids that were shown as of a fact, or None if they cannot be computed."""
    first: dict[str, RoomFact] = {}
    for fact in facts:
        if fact.sequence > sequence:
            first.setdefault(fact.room.room.id, fact)
    restored = []
    for fact in first.values():
        if not spec.order.has_key_before(fact):
            return None
        if fact.before is not None and spec.matches(room := room_before(fact)):
            restored.append((spec.order.key(room), room.id))
    return window.visible_before(first.keys(), restored)
