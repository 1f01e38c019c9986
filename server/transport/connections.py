"""The client connections of one process: a deadline for each phase of a connection, and limits on their number.

A connection is new until its first request has been received completely; a websocket, until its `connection_init` has
been accepted. If there are too many new connections, the oldest is closed: it has no request to answer. Admitted
connections have a limit of their own, so that new connections cannot displace them.
"""

import asyncio
import logging
import os
import resource
from collections import Counter
from collections.abc import Mapping
from enum import IntEnum, auto
from itertools import takewhile
from typing import Final, Protocol

from server.settings import Settings
from server.transport.keepalive import KeepaliveTimer
from server.transport.openings import OpeningQueue

logger = logging.getLogger(__name__)

#: File descriptors that are reserved for the database and for files.
FREE_DESCRIPTORS: Final = 96
#: New connections take at most this fraction of the file descriptors that are free: one in four.
NEW_SHARE: Final = 4
#: A process that allows fewer connections logs a warning when it starts.
FEW_CONNECTIONS: Final = 1_000
#: The highest limit of file descriptors to ask for: some systems without a limit refuse an infinite one.
MOST_DESCRIPTORS: Final = 1_048_576
#: How often deadlines are checked.
SWEEP_SECONDS: Final = 0.5
#: How long the rest of a request is read after its response has been sent.
LINGER_SECONDS: Final = 2.0
#: How long a closed connection may take to send its buffer, before it is aborted.
CLOSE_SECONDS: Final = 5.0
#: Each reason for closing connections is logged at most once in this time.
LOG_SECONDS: Final = 10.0


class Phase(IntEnum):
    """What a connection is doing, or what its client has to send."""

    HEADER = auto()
    """Waiting for the header of a request; for the first request, since the connection was opened."""
    BODY = auto()
    """Waiting for the rest of a request."""
    LINGER = auto()
    """Waiting for the rest of a request whose response has been sent."""
    ACTIVE = auto()
    """A request is being executed, or a websocket is open."""
    IDLE = auto()
    """Between two requests."""
    CLOSING = auto()
    """Closed, but the write buffer is not yet sent."""


class Peer(Protocol):
    """The protocol that serves a connection."""

    def expire(self, phase: Phase) -> None:
        """Close the connection, because the deadline of that phase has passed, or enter a phase again."""

    def abort(self) -> None:
        """Close the connection immediately."""


class Connection:
    """The entry of one connection, over HTTP or websocket."""

    __slots__ = ("admitted", "descriptor", "peer", "phase")

    def __init__(self, peer: Peer, descriptor: int) -> None:
        #: It is deleted when the connection has ended, and is no longer in the table.
        self.peer = peer
        self.descriptor = descriptor
        self.phase = Phase.HEADER
        #: Whether its first request has been received completely.
        self.admitted = False


class ConnectionTable:
    """The connections of one process."""

    def __init__(self, settings: Settings, descriptors: int | None = None) -> None:
        self.settings = settings
        self._descriptors = descriptors or descriptor_limit()
        free = max(self._descriptors - FREE_DESCRIPTORS - open_descriptors(), 2)
        self.max_new = min(settings.max_new_connections, free // NEW_SHARE)
        self.max_admitted = min(settings.max_connections, free - self.max_new)
        if self.max_admitted < min(settings.max_connections, FEW_CONNECTIONS):
            logger.warning(
                "%d file descriptors (ulimit -n) allow only %d connections, and %d more without a request: raise "
                "the limit.",
                self._descriptors,
                self.max_admitted,
                self.max_new,
            )
        self._seconds: Mapping[Phase, float] = {
            Phase.HEADER: settings.header_seconds,
            Phase.BODY: settings.body_seconds,
            Phase.LINGER: LINGER_SECONDS,
            Phase.IDLE: settings.idle_seconds,
            Phase.CLOSING: CLOSE_SECONDS,
        }
        #: The connections in each phase with the time when they entered it, oldest first.
        self._phases: Mapping[Phase, dict[Connection, float]] = {phase: {} for phase in Phase}
        #: The new connections, oldest first.
        self._new: dict[Connection, None] = {}
        self._admitted = 0
        self.keepalive_timer = KeepaliveTimer()
        self.openings = OpeningQueue()
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    # ---------------------------------------------------------------- phases

    def open(self, peer: Peer, descriptor: int) -> Connection:
        """Add a new connection, and close another one if there are too many."""
        connection = Connection(peer, descriptor)
        self._new[connection] = None
        self._phases[Phase.HEADER][connection] = self._now()
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        if len(self._new) > self.max_new:
            self._close_oldest_new(
                f"more than {self.max_new} had not sent a request yet (SWITCHBOARD_MAX_NEW_CONNECTIONS)"
            )
        # The system returns the lowest free descriptor, so all lower ones are in use.
        elif descriptor >= self._descriptors - FREE_DESCRIPTORS:
            reason = f"{self._descriptors} file descriptors were nearly used up (ulimit -n)"
            if len(self._new) > 1 or not self._close_idle(reason):
                self._close_oldest_new(reason)
        return connection

    def enter(self, connection: Connection, phase: Phase) -> None:
        """Put the connection into that phase, which starts its deadline."""
        if self._phases[connection.phase].pop(connection, None) is not None:
            connection.phase = phase
            self._phases[phase][connection] = self._now()

    def make_room(self) -> bool:
        """Whether one more connection can be admitted. Closes an idle connection if necessary."""
        if self._admitted < self.max_admitted:
            return True
        return self._close_idle(f"more than {self.max_admitted} were open (SWITCHBOARD_MAX_CONNECTIONS)")

    def admit(self, connection: Connection) -> None:
        """Mark the connection as no longer new: its first request has been received completely."""
        if not connection.admitted and connection in self._new:
            del self._new[connection]
            connection.admitted = True
            self._admitted += 1

    def close(self, connection: Connection) -> None:
        """Remove the connection."""
        if self._phases[connection.phase].pop(connection, None) is None:
            return
        self._new.pop(connection, None)
        if connection.admitted:
            self._admitted -= 1

    # ---------------------------------------------------------------- closing

    def _close_oldest_new(self, reason: str) -> None:
        oldest = next(iter(self._new))
        self.close(oldest)
        self.log_closed(reason)
        oldest.peer.abort()

    def _close_idle(self, reason: str) -> bool:
        """Close the connection that has been idle for the longest time. Returns whether there was one."""
        idle = next(iter(self._phases[Phase.IDLE]), None)
        if idle is None:
            return False
        self.close(idle)
        self.log_closed(reason)
        idle.peer.abort()
        return True

    def log_closed(self, reason: str) -> None:
        """Count a closed connection, and log the count at most once in LOG_SECONDS for each reason."""
        self._closed[reason] += 1
        if self._now() - self._logged_at.get(reason, -LOG_SECONDS) >= LOG_SECONDS:
            self._log(reason)

    def _log(self, reason: str) -> None:
        self._logged_at[reason] = self._now()
        logger.warning("Connections closed: %d, because %s.", self._closed.pop(reason), reason)

    def _sweep(self) -> None:
        """Expire connections that are past their deadline, and log counts that were not logged yet."""
        now = self._now()
        self._sweeping = None
        if any(self._phases.values()) or self._closed:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        for phase, seconds in self._seconds.items():
            for connection in _entered_before(self._phases[phase], now - seconds):
                connection.peer.expire(phase)
        for reason in [reason for reason in self._closed if now - self._logged_at[reason] >= LOG_SECONDS]:
            self._log(reason)
        for reason in [reason for reason, at in self._logged_at.items() if now - at >= LOG_SECONDS]:
            del self._logged_at[reason]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _entered_before(entered: Mapping[Connection, float], time: float) -> list[Connection]:
    """The connections that entered a phase at that time or earlier."""
    return [connection for connection, _ in takewhile(lambda entry: entry[1] <= time, entered.items())]


# ---------------------------------------------------------------- file descriptors


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors of this process and its children to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        logger.warning("Failed to raise the limit of file descriptors from %d to %d: %s", soft, wanted, error)


def descriptor_limit() -> int:
    """The soft limit of file descriptors of this process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def open_descriptors() -> int:
    """The number of open file descriptors of this process."""
    return len(os.listdir("/dev/fd"))
