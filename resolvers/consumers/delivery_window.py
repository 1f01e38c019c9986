"""The delivery window: the events sent to a consumer, from the first one that is not acknowledged."""

from collections import deque
from collections.abc import Iterable


class DeliveryWindow:
    """The sequences of up to `limit` events, in order. The first one is not acknowledged; later ones may be."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[int] = deque()
        self._pending: set[int] = set()

    @property
    def is_full(self) -> bool:
        return len(self._events) >= self._limit

    @property
    def has_acknowledged(self) -> bool:
        """Whether an event in the window is acknowledged."""
        return len(self._pending) < len(self._events)

    @property
    def first(self) -> int | None:
        """The first event that is not acknowledged."""
        return self._events[0] if self._events else None

    @property
    def pending(self) -> list[int]:
        """The events that are not acknowledged, in order."""
        return [sequence for sequence in self._events if sequence in self._pending]

    def add(self, sequence: int, *, acknowledged: bool = False) -> None:
        """Add the next event."""
        if not acknowledged:
            self._pending.add(sequence)
        elif not self._events:
            return
        self._events.append(sequence)

    def acknowledge(self, sequences: Iterable[int]) -> None:
        """Record that these events are acknowledged. Others than those in the window are ignored."""
        self._pending.difference_update(sequences)
        self._drop_acknowledged()

    def acknowledge_up_to(self, sequence: int) -> None:
        """Record that all events up to this one are acknowledged."""
        while self._events and self._events[0] <= sequence:
            self._pending.discard(self._events.popleft())
        self._drop_acknowledged()

    def _drop_acknowledged(self) -> None:
        while self._events and self._events[0] not in self._pending:
            self._events.popleft()
