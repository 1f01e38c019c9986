"""How a watch begins with a snapshot of the data and goes on by the log."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from storage.errors import CursorExpired, SwitchboardError, Unavailable, UnknownField, quoted
from storage.facts import FACTS, AnyFact, CustomFieldRemoved, RoomFact
from storage.filters.expressions import EVERYTHING, And, BoundCondition, Expression, Not, Or
from storage.filters.predicates import predicate
from storage.log.log_state import LogState
from storage.log.subscription_index import Key, Waiter, subscription_keys
from storage.records import FieldTarget
from storage.runtime import Storage

ROOM_TYPES = frozenset(tag for tag, kind in FACTS.items() if issubclass(kind, RoomFact))
#: Facts that a watch takes in before other tasks run.
BATCH = 64
_REMOVED: Key = ("type", "CUSTOM_FIELD_REMOVED")


class FollowingWatch(ABC):
    """Something that is computed from the rooms, read once, and kept up to date by facts."""

    name = "watch"

    def __init__(self, storage: Storage, *, where: Expression, visible: Expression) -> None:
        self.error: SwitchboardError | None = None
        self._feed = storage.feed
        self._reader = storage.reader
        self._named = _fields_of(where)
        self._keys = subscription_keys(ROOM_TYPES, where=None if where == EVERYTHING else where, visible=visible)
        if self._named:
            self._keys |= {_REMOVED}
        #: The rooms that are watched.
        self._expression = And((where, visible))
        self._matches = predicate(self._expression, FieldTarget.ROOM)
        self._waiter: Waiter | None = None
        self._event = asyncio.Event()
        self._news = asyncio.Event()
        #: The sequence of the last fact that was taken in.
        self._position = 0
        self._ready = False

    @property
    def current(self) -> int:
        """The position in the log that the state is as of."""
        idle = self._waiter is not None and not self._waiter.woken.done()
        return max(self._position, self._feed.head) if idle else self._position

    async def run(self) -> None:
        """Keep up with the log until cancelled, or until `error` says why not."""
        self._waiter = None
        try:
            self._ready = False
            await self._build()
            while True:
                self._ready = True
                self._notify()
                position = await self._feed.wait(self._position, self._keys, on_wait=self._on_wait)
                await self._take_in(position)
        except Unavailable:
            raise
        except SwitchboardError as error:
            self.error = error
            self._notify()
            self._announce()

    async def _take_in(self, position: int) -> None:
        try:
            facts = await self._feed.read(position, BATCH)
        except CursorExpired:
            facts = ()  # this process missed facts
            complete = False
        else:
            complete = self._apply_all(facts)
        if not complete:
            self._ready = False
            await self._build()
        await asyncio.sleep(0)

    def _on_wait(self, waiter: Waiter) -> None:
        self._waiter = waiter

    async def reached(self, sequence: int) -> None:
        """Return when the state is as of that fact or a later one. Raises `error`."""
        while True:
            if self.error is not None:
                raise self.error
            if self._ready and self.current >= sequence:
                return
            if self._ready and self._feed.head < sequence:
                await self._feed.wait(sequence - 1)
            else:
                await self._event.wait()

    def _notify(self) -> None:
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def news(self) -> None:
        """Return when there is something new for those who watch."""
        await self._news.wait()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _roll_forward(self, log: LogState, apply: Callable[[AnyFact], object]) -> int:
        """Take in what a snapshot lacks, until it lacks nothing of what it has of later facts. Returns the position.

        Never ends before the position of the state that it replaces. Raises CursorExpired.
        """
        position, pending = log.head, set(log.pending)
        while pending or position < self._position:
            position = await self._feed.wait(position)
            for fact in await self._feed.read(position, BATCH):
                if fact.id in pending:
                    pending.discard(fact.id)
                else:
                    apply(fact)
                position = fact.sequence
                if not pending and position >= self._position:
                    break
            await asyncio.sleep(0)
        return position

    @abstractmethod
    async def _build(self) -> None:
        """Read the data, and set the state and the position."""

    @abstractmethod
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        """Take in the facts and set the position; False when the state has to be built again."""

    def _require_defined(self, fact: AnyFact) -> None:
        """Raise UnknownField when the fact tells that a custom field was removed that the filter names."""
        if isinstance(fact, CustomFieldRemoved) and fact.definition.id in self._named:
            key = fact.definition.key
            raise UnknownField(f"The custom field {quoted(key)} was removed, and `where` names it.", key=key)


def _fields_of(expression: Expression) -> frozenset[str]:
    """The ids of the custom fields that a filter names."""
    match expression:
        case And(parts=parts) | Or(parts=parts):
            return frozenset[str]().union(*map(_fields_of, parts))
        case Not(part=part):
            return _fields_of(part)
        case BoundCondition(definition=definition):
            return frozenset({definition.id})
    return frozenset()
