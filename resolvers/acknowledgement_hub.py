"""The acknowledgement hub: passes what this process acknowledges to its connections that read for consumers.

Connections of other processes find acknowledgements in the database.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class RegisteredConnection(Protocol):
    """A connection that reads for a consumer, as the hub uses it."""

    #: The sequence of the last event that was sent.
    sent: int

    def on_acknowledged(self, sequence: int, *, only: bool) -> None:
        """Record that an event is acknowledged; unless `only`, with all events before it."""


class AcknowledgementHub:
    """The connections of this process that read for consumers, by owner and name."""

    def __init__(self) -> None:
        self._connections: defaultdict[tuple[str, str], list[RegisteredConnection]] = defaultdict(list)

    @contextmanager
    def register(self, owner_id: str, name: str, connection: RegisteredConnection) -> Iterator[None]:
        """Register a connection until the block ends."""
        key = owner_id, name
        self._connections[key].append(connection)
        try:
            yield
        finally:
            self._connections[key].remove(connection)
            if not self._connections[key]:
                del self._connections[key]

    def notify(self, owner_id: str, name: str, sequence: int, *, only: bool) -> None:
        """Pass a stored acknowledgement to the connections of the consumer."""
        for connection in self._connections.get((owner_id, name), ()):
            connection.on_acknowledged(sequence, only=only)

    def last_sent(self, owner_id: str, name: str) -> int:
        """The last event that connections of this process sent to the consumer. 0 if there is none."""
        return max((one.sent for one in self._connections.get((owner_id, name), ())), default=0)
