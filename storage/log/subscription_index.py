"""The subscription index: finds the subscriptions that a fact may match by the values that their filters require.

A fact and a filter each have a set of keys. A fact that matches a filter has at least one of the filter's keys. The
reverse does not hold: the subscription still evaluates its filter. The cost of a fact depends on its keys, not on the
number of subscriptions.
"""

import asyncio
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from storage.facts import FACTS, AnyFact, Fact, RoomBefore, RoomFact, tag_of
from storage.filters.expressions import EVERYTHING, And, AttributeCondition, BoundCondition, Expression, Operator, Or
from storage.records import FieldType, Room

Key: TypeAlias = tuple[Hashable, ...]

ANY: Key = ("any",)
ALL_FACTS: frozenset[Key] = frozenset({ANY})
#: The attributes of rooms that are keys, each with its rank. Few facts are expected to have a key of a low rank.
_RANKS: Mapping[Hashable, int] = {
    "id": 0,
    "field": 1,
    "visitor": 1,
    "servedBy": 2,
    "lastServedBy": 2,
    "department": 3,
    "status": 4,
}


def fact_keys(fact: Fact) -> Iterator[Key]:
    """Yield the keys of a fact: its type and, for a fact about a room, the room's values before and after the fact."""
    yield ANY
    yield "type", tag_of(type(fact))
    if isinstance(fact, RoomFact):
        room = fact.room.room
        yield "id", room.id
        yield "visitor", room.visitor_id
        yield from _state_keys(room)
        if fact.before is not None:
            yield from _state_keys(fact.before)


def room_keys(room: Room) -> Iterator[Key]:
    """Yield the keys of a room as it is: ANY and its values."""
    yield ANY
    yield "id", room.id
    yield "visitor", room.visitor_id
    yield from _state_keys(room)


def _state_keys(state: Room | RoomBefore) -> Iterator[Key]:
    """Yield the keys of the values of a room that can change."""
    yield "status", state.status
    yield "department", state.department_id
    yield "servedBy", state.served_by_id
    yield "lastServedBy", state.last_served_by_id
    for name, value in state.custom_fields.items():
        if not isinstance(value, list):
            yield "field", name, value


def room_subscription_keys(where: Expression | None, visible: Expression) -> frozenset[Key]:
    """Return keys of which every room that matches both expressions has at least one."""
    parts = (visible,) if where is None else (where, visible)
    return _expression_keys(And(parts)) or ALL_FACTS


def subscription_keys(
    types: Collection[str], *, where: Expression | None, visible: Expression = EVERYTHING
) -> frozenset[Key]:
    """Return the keys of a subscription to facts of these types, about rooms that match both `where` and `visible`.

    Without `where`, the subscription also has facts that are not about rooms; `visible` does not apply to them.
    """
    of_rooms = _most_selective(
        keys for part in (where, visible) if part is not None and (keys := _expression_keys(part)) is not None
    )
    if of_rooms is None:
        return ALL_FACTS if len(types) == len(FACTS) else frozenset(("type", tag) for tag in types)
    if where is not None:
        return of_rooms
    return of_rooms | {("type", tag) for tag in types if not issubclass(FACTS[tag], RoomFact)}


def _expression_keys(expression: Expression) -> frozenset[Key] | None:
    """Return keys of which every matching room has at least one, or None if the expression implies none."""
    match expression:
        case AttributeCondition(name=name, operator=Operator.EQ, value=value) if name in _RANKS:
            return frozenset({(name, value)})
        case AttributeCondition(name=name, operator=Operator.IN, value=values) if name in _RANKS:
            return frozenset((name, value) for value in values)
        case AttributeCondition(name=name, operator=Operator.EXISTS, value=False) if name in _RANKS:
            return frozenset({(name, None)})
        case BoundCondition(definition=definition) if definition.type is FieldType.MULTI_SELECT:
            return None  # facts have no keys for lists
        case BoundCondition(definition=definition, operator=Operator.EQ, value=value):
            return frozenset({("field", definition.key, value)})
        case BoundCondition(definition=definition, operator=Operator.IN, value=values):
            return frozenset(("field", definition.key, value) for value in values)
        case And(parts=parts):
            return _most_selective(keys for part in parts if (keys := _expression_keys(part)) is not None)
        case Or(parts=parts):
            found = [_expression_keys(part) for part in parts]
            return None if None in found else frozenset[Key]().union(*(keys for keys in found if keys is not None))
    return None


def _most_selective(choices: Iterable[frozenset[Key]]) -> frozenset[Key] | None:
    """Return the set of keys that the fewest facts are expected to have; None if there is no set."""
    return min(choices, key=lambda keys: (max((_RANKS[key[0]] for key in keys), default=-1), len(keys)), default=None)


# ---------------------------------------------------------------- waiting


class Waiter:
    """A reader that waits at a position in the log for a fact with one of its keys."""

    __slots__ = ("after", "keys", "woken")

    def __init__(self, after: int, keys: frozenset[Key]) -> None:
        self.after = after
        self.keys = keys
        #: Resolves to the position just before that fact.
        self.woken: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class SubscriptionIndex:
    """The waiters of one process by key, in the order in which they began to wait."""

    def __init__(self) -> None:
        self._waiting: dict[Key, dict[Waiter, None]] = {}

    async def wait(self, waiter: Waiter) -> int:
        """Wait for a fact that has one of the waiter's keys, and return the position just before it."""
        for key in waiter.keys:
            self._waiting.setdefault(key, {})[waiter] = None
        try:
            return await waiter.woken
        finally:
            self._remove(waiter)

    def wake(self, facts: Sequence[AnyFact]) -> None:
        """Wake the waiters that share a key with one of these facts."""
        for fact in facts:
            if not self._waiting:
                return
            for key in fact_keys(fact):
                for waiter in tuple(self._waiting.get(key, ())):
                    # A reader that came from a process ahead of this one waits at a later position.
                    if fact.sequence > waiter.after:
                        self._wake_waiter(waiter, fact.sequence - 1)

    def wake_all(self) -> None:
        """Wake all waiters, each at its own position."""
        for waiters in tuple(self._waiting.values()):
            for waiter in tuple(waiters):
                self._wake_waiter(waiter, waiter.after)

    def _wake_waiter(self, waiter: Waiter, position: int) -> None:
        self._remove(waiter)
        if not waiter.woken.done():
            waiter.woken.set_result(position)

    def _remove(self, waiter: Waiter) -> None:
        for key in waiter.keys:
            waiters = self._waiting.get(key)
            if waiters is not None and waiter in waiters:
                del waiters[waiter]
                if not waiters:
                    del self._waiting[key]
