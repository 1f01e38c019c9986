"""The client connections of one process: a deadline for what each of them owes, and bounds on how many there are.

A connection is new until its first request has been received whole; for a websocket, until its `connection_init` has
been accepted. When there are too many new connections the oldest of them is closed, which costs nobody an answer. All
others have a bound of their own, so that new connections cannot displace those that are in use.
"""

import asyncio
import logging
import os
import resource
from collections import Counter
from collections.abc import Mapping
from enum import Enum, auto
from itertools import takewhile
from typing import Final, Protocol

from server.settings import Settings

logger = logging.getLogger(__name__)

#: File descriptors that connections leave free, for the database and for files.
FREE_DESCRIPTORS: Final = 64
#: A process that can hold fewer connections logs a warning when it starts.
FEW_CONNECTIONS: Final = 1_000
#: The most file descriptors worth asking for: systems without a limit refuse an infinite one.
MOST_DESCRIPTORS: Final = 1_048_576
#: How often deadlines are looked at.
SWEEP_SECONDS: Final = 0.5
#: How long a request may still be read whose answer has been sent already.
LINGER_SECONDS: Final = 2.0
#: How long a connection that was closed has to be gone, before it is reset.
CLOSE_SECONDS: Final = 5.0
#: How often one reason for closing connections is logged at most.
LOG_SECONDS: Final = 10.0


class Phase(Enum):
    """What a connection does, or what it owes."""

    HEADER = auto()
    """The header of a request is awaited; for the first request, since the connection was made."""
    BODY = auto()
    """The rest of a request is awaited."""
    LINGER = auto()
    """The rest of a request is awaited that has been answered already."""
    ACTIVE = auto()
    """A request is being answered, or a websocket is open."""
    IDLE = auto()
    """Nothing is under way: the next request may come."""
    CLOSING = auto()
    """It was closed, and what was written to it is still to be sent."""


class Peer(Protocol):
    """The protocol that serves a connection."""

    def expire(self, phase: Phase) -> None:
        """The deadline of that phase has passed: close the connection, or enter a phase again."""

    def abort(self) -> None:
        """Close the connection at once."""


class Connection:
    """One connection, whichever protocol serves it."""

    __slots__ = ("admitted", "descriptor", "peer", "phase")

    def __init__(self, peer: Peer, descriptor: int) -> None:
        self.peer = peer
        self.descriptor = descriptor
        self.phase = Phase.HEADER
        #: Whether its first request has been received whole.
        self.admitted = False


class Connections:
    """The connections of one process."""

    def __init__(self, settings: Settings, descriptors: int | None = None) -> None:
        self.settings = settings
        self._descriptors = descriptors or descriptor_limit()
        free = max(self._descriptors - FREE_DESCRIPTORS - open_descriptors(), 2)
        self.most_new = min(settings.max_new_connections, free // 2)
        self.most = min(settings.max_connections, free - self.most_new)
        if self.most < min(settings.max_connections, FEW_CONNECTIONS):
            logger.warning(
                "%d file descriptors (ulimit -n) allow only %d connections, and %d more that have sent no request yet: "
                "raise the limit.",
                self._descriptors,
                self.most,
                self.most_new,
            )
        self._seconds: Mapping[Phase, float] = {
            Phase.HEADER: settings.header_seconds,
            Phase.BODY: settings.body_seconds,
            Phase.LINGER: LINGER_SECONDS,
            Phase.IDLE: settings.idle_seconds,
            Phase.CLOSING: CLOSE_SECONDS,
        }
        #: The connections in each phase, those that entered it first first, and when they did.
        self._phases: Mapping[Phase, dict[Connection, float]] = {phase: {} for phase in Phase}
        #: The new connections, oldest first.
        self._new: dict[Connection, None] = {}
        self._admitted = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    # ---------------------------------------------------------------- the life of a connection

    def open(self, peer: Peer, descriptor: int) -> Connection:
        """Count a connection that was just made, and close one when there are too many."""
        connection = Connection(peer, descriptor)
        self._new[connection] = None
        self._phases[Phase.HEADER][connection] = self._now()
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        if len(self._new) > self.most_new:
            self._close_oldest_new(
                f"more than {self.most_new} had not sent a request yet (SWITCHBOARD_MAX_NEW_CONNECTIONS)"
            )
        # A new descriptor is the lowest that is free: all below it are in use.
        elif descriptor >= self._descriptors - FREE_DESCRIPTORS:
            reason = f"{self._descriptors} file descriptors were nearly used up (ulimit -n)"
            if len(self._new) > 1 or not self._close_idle(reason):
                self._close_oldest_new(reason)
        return connection

    def enter(self, connection: Connection, phase: Phase) -> None:
        """The connection is in that phase from now on."""
        if self._phases[connection.phase].pop(connection, None) is not None:
            connection.phase = phase
            self._phases[phase][connection] = self._now()

    def make_room(self) -> bool:
        """Whether one more connection can be admitted, if need be because an idle one was closed."""
        if self._admitted < self.most:
            return True
        return self._close_idle(f"more than {self.most} were open (SWITCHBOARD_MAX_CONNECTIONS)")

    def admit(self, connection: Connection) -> None:
        """Its first request has been received whole."""
        if not connection.admitted and connection in self._new:
            del self._new[connection]
            connection.admitted = True
            self._admitted += 1

    def close(self, connection: Connection) -> None:
        """The connection is gone."""
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
        """Log that a connection was closed; many for one reason are one line in LOG_SECONDS."""
        self._closed[reason] += 1
        if self._now() - self._logged_at.get(reason, -LOG_SECONDS) >= LOG_SECONDS:
            self._log(reason)

    def _log(self, reason: str) -> None:
        self._logged_at[reason] = self._now()
        logger.warning("Connections closed: %d, because %s.", self._closed.pop(reason), reason)

    def _sweep(self) -> None:
        """Expire what is past its deadline, and log what was closed since the last line about it."""
        now = self._now()
        self._sweeping = None
        if any(self._phases.values()) or self._closed:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        for phase, seconds in self._seconds.items():
            for connection in _entered_by(self._phases[phase], now - seconds):
                connection.peer.expire(phase)
        for reason in [one for one in self._closed if now - self._logged_at[one] >= LOG_SECONDS]:
            self._log(reason)
        for reason in [one for one, at in self._logged_at.items() if now - at >= LOG_SECONDS]:
            del self._logged_at[reason]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _entered_by(entered: Mapping[Connection, float], moment: float) -> list[Connection]:
    """The connections that entered a phase at the moment or before."""
    return [connection for connection, _ in takewhile(lambda entry: entry[1] <= moment, entered.items())]


# ---------------------------------------------------------------- file descriptors


def raise_descriptor_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system allows them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        logger.warning("The limit of %d file descriptors could not be raised to %d: %s", soft, wanted, error)


def descriptor_limit() -> int:
    """How many file descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def open_descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/dev/fd"))
