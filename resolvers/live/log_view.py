"""The base of live views: it reads a snapshot of the data, and then applies the facts of the log to it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from storage.custom_fields import definitions
from storage.errors import CursorExpired, SwitchboardError, Unavailable, UnknownField, quoted
from storage.facts import FACTS, AnyFact, CustomFieldRemoved, RoomFact
from storage.filters.expressions import EVERYTHING, And, BoundCondition, Expression, Not, Or
from storage.filters.predicates import predicate
from storage.log.log_state import LogState
from storage.log.subscription_index import Key, Waiter, subscription_keys
from storage.records import FieldTarget
from storage.runtime import Storage

ROOM_TYPES = frozenset(tag for tag, kind in FACTS.items() if issubclass(kind, RoomFact))
#: The number of facts that a view applies before other tasks run.
BATCH = 64
_REMOVED: Key = ("type", "CUSTOM_FIELD_REMOVED")
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class LogView(ABC):
    """A view of the rooms that match a filter and are visible to a caller."""

    name = "live view"

    def __init__(
        self, storage: Storage, *, where: Expression, visible: Expression, sorted_by: Mapping[str, str] = _NO_FIELDS
    ) -> None:
        """`sorted_by`: the keys of the custom fields that the view is sorted by, by the ids of their definitions."""
        self.error: SwitchboardError | None = None
        self._feed = storage.feed
        self._reader = storage.reader
        #: The keys of the custom fields that the view depends on, by the ids of their definitions.
        self._fields = {**dict(_fields(where)), **sorted_by}
        #: Called when the memory of the view may have changed. Raises RateLimited if it exceeds the limit.
        self.check_memory: Callable[[], None] = _no_limit
        self._keys = subscription_keys(ROOM_TYPES, where=None if where == EVERYTHING else where, visible=visible)
        if self._fields:
            self._keys |= {_REMOVED}
        #: The condition on the rooms of the view.
        self._expression = And((where, visible))
        self._matches = predicate(self._expression, FieldTarget.ROOM)
        self._waiter: Waiter | None = None
        self._progress = asyncio.Event()
        self._change = asyncio.Event()
        #: The sequence of the last fact that was applied.
        self._position = 0
        self._ready = False

    @property
    def current(self) -> int:
        """The position in the log that the view corresponds to."""
        # While the view waits, no fact up to the head of the log concerns it.
        idle = self._waiter is not None and not self._waiter.woken.done()
        return max(self._position, self._feed.head) if idle else self._position

    async def run(self) -> None:
        """Keep the view up to date until cancelled, or until an error, which is stored in `error`."""
        self._waiter = None
        try:
            await self._rebuild()
            while True:
                position = await self._feed.wait(self._position, self._keys, on_wait=self._on_wait)
                await self._apply_next_facts(position)
        except Unavailable:
            raise
        except SwitchboardError as error:
            self.error = error
            self._notify_progress()
            self._notify_change()

    async def _apply_next_facts(self, position: int) -> None:
        try:
            facts = await self._feed.read(position, BATCH)
        except CursorExpired:
            updated = False
        else:
            updated = self._apply_all(facts)
        if updated:
            self.check_memory()
            self._notify_progress()
        else:
            await self._rebuild()
        await asyncio.sleep(0)

    async def _rebuild(self) -> None:
        self._ready = False
        await self._build()
        await self._require_existing_fields()
        self.check_memory()
        # Before any other task runs: subscribers that wake while the view is not ready wait for the next change.
        self._ready = True
        self._notify_progress()
        self._notify_change()

    def _on_wait(self, waiter: Waiter) -> None:
        self._waiter = waiter

    async def wait_until(self, sequence: int) -> None:
        """Wait until the view includes the fact with that sequence. Raises `error`."""
        while True:
            if self.error is not None:
                raise self.error
            if self._ready and self.current >= sequence:
                return
            if self._ready and self._feed.head < sequence:
                await self._feed.wait(sequence - 1)
            else:
                await self._progress.wait()

    async def wait_for_change(self) -> None:
        """Wait until the view changes or ends."""
        await self._change.wait()

    def _notify_progress(self) -> None:
        """Wake the tasks in `wait_until`."""
        event, self._progress = self._progress, asyncio.Event()
        event.set()

    def _notify_change(self) -> None:
        """Wake the tasks in `wait_for_change`."""
        event, self._change = self._change, asyncio.Event()
        event.set()

    async def _roll_forward(self, log: LogState, apply: Callable[[AnyFact], object]) -> int:
        """Apply the facts that a snapshot lacks. Returns the position at which it lacks none.

        `log` is the state of the log in the snapshot: facts of changes that the snapshot includes may still be pending.
        The position is not before the view's own. Raises CursorExpired.
        """
        position, pending = log.head, set(log.pending)
        while pending or position < self._position:
            position = await self._feed.wait(position)
            for fact in await self._feed.read(position, BATCH):
                if fact.id in pending:
                    pending.discard(fact.id)
                else:
                    self._require_fields(fact)
                    apply(fact)
                position = fact.sequence
                if not pending and position >= self._position:
                    break
            await asyncio.sleep(0)
        return position

    @abstractmethod
    async def _build(self) -> None:
        """Read a snapshot, and set the view and the position."""

    @abstractmethod
    def _apply_all(self, facts: Sequence[AnyFact]) -> bool:
        """Apply the facts and set the position. Returns False if the view has to be built again."""

    def _require_fields(self, fact: AnyFact) -> None:
        """Raise UnknownField if the fact removed a custom field that the filter or the order uses."""
        if isinstance(fact, CustomFieldRemoved) and fact.definition.id in self._fields:
            raise _removed_error(fact.definition.key)

    async def _require_existing_fields(self) -> None:
        """Raise UnknownField if a custom field was removed before the snapshot, so that no fact says so."""
        if not self._fields:
            return
        found = await definitions.get_many(self._reader, self._fields)
        for definition_id, key in self._fields.items():
            if definition_id not in found:
                raise _removed_error(key)

    @abstractmethod
    def shrink(self) -> None:
        """Free the memory of what can be computed again."""


def lost_content(fact: AnyFact) -> bool:
    """Whether the fact is about a room whose visitor was erased. It does not have what the room was before."""
    return isinstance(fact, RoomFact) and fact.room.room.erased_at is not None


def _no_limit() -> None:
    """The check of a view that is not shared."""


def _removed_error(key: str) -> UnknownField:
    return UnknownField(f"The custom field {quoted(key)} was removed, and `where` or `orderBy` uses it.", key=key)


def _fields(expression: Expression) -> Iterator[tuple[str, str]]:
    """The ids of the definitions of the custom fields in a filter, with their keys."""
    match expression:
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from _fields(part)
        case Not(part=part):
            yield from _fields(part)
        case BoundCondition(definition=definition):
            yield definition.id, definition.key
