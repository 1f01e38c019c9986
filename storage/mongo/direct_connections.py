"""Connections of the driver that are used on the event loop: each has one command at a time, or several in one message.

The driver opens them: it authenticates them, and counts them in its pool. direct_commands.py decides what is sent.
"""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, TypeAlias, cast

from pymongo.synchronous.pool import Connection, Pool
from typing_extensions import override

from storage.mongo import wire
from storage.supervisor import spawn
from storage.threads import Work

if TYPE_CHECKING:
    from storage.mongo.direct_commands import DirectCommands

#: The host and the port of a server.
Address: TypeAlias = tuple[str, int | None]


class Lost(Exception):
    """The connection was closed before the reply."""


def give_back(pool: Pool, connection: Connection) -> None:
    """Close a connection that was checked out of the driver's pool."""
    connection.close_conn(None)
    pool.checkin(connection)


class DirectConnection(asyncio.Protocol):
    """One connection. It has at most one command at a time, or several that were sent together."""

    def __init__(self, connections: "Connections", pool: Pool, connection: Connection) -> None:
        self._connections = connections
        self._pool = pool
        #: The driver's object for the connection.
        self.driver = connection
        self._transport: asyncio.Transport | None = None
        self._is_closed = False
        self._reply: asyncio.Future[bytes] | None = None
        #: When the last command was sent, by the clock of the loop.
        self._called_at = 0.0
        self._received = bytearray()
        #: Where the whole replies in `_received` end, and how many replies are missing.
        self._end = 0
        self._missing = 0
        self.address = connection.address
        #: A time at which it was open, by the monotonic clock.
        self.opened_at = time.monotonic()

    @property
    def is_stale(self) -> bool:
        """Whether the driver has given up the connections of this age."""
        return self._pool.stale_generation(self.driver.generation, self.driver.service_id)

    @property
    def is_interrupted(self) -> bool:
        """Whether the driver interrupts the commands on this connection, because the server does not answer."""
        return self.driver.cancel_context.cancelled

    @property
    def is_waiting(self) -> bool:
        """Whether a command has no reply yet, also if nobody waits for it any more."""
        return self._reply is not None

    @property
    def is_overdue(self) -> bool:
        """Whether a command has no reply for longer than the `socketTimeoutMS` of the URI, if it has one."""
        limit = self._pool.opts.socket_timeout
        return limit is not None and self.is_waiting and asyncio.get_running_loop().time() - self._called_at > limit

    def call(self, message: bytes, *, replies: int = 1) -> "asyncio.Future[bytes]":
        """Send one or more messages. Returns the future replies, which may raise Lost. The connection is released with
        them, also if nobody waits for them any more."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            self._connections.closed(self)
            reply.set_exception(Lost)
            return reply
        self._reply, self._missing, self._end = reply, replies, 0
        self._called_at = asyncio.get_running_loop().time()
        self._transport.write(message)
        return reply

    def close(self) -> None:
        """Close the connection, and give it back to the driver's pool."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._transport is not None:
            self._transport.abort()
        give_back(self._pool, self.driver)
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            reply.set_exception(Lost)
        self._connections.closed(self)

    # ---------------------------------------------------------------- callbacks of the transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    @override
    def data_received(self, data: bytes) -> None:
        # Each reply arrives by itself, unless it is large or this process is busy.
        self._received += data
        while self._missing and (end := wire.end_of_message(self._received, self._end)) is not None:
            self._end = end
            self._missing -= 1
        if self._missing:
            return
        data = bytes(self._received)
        self._received.clear()
        reply, self._reply = self._reply, None
        if reply is None:  # nothing was asked
            self.close()
            return
        self._connections.release(self)
        if not reply.done():
            reply.set_result(data)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.close()


class Connections:
    """The connections for one class of work. Commands that find none idle wait in the order in which they
    came."""

    def __init__(self, commands: "DirectCommands", kind: Work, limit: int) -> None:
        self._commands = commands
        self._kind = kind
        self._limit = limit
        self._open: set[DirectConnection] = set()
        self.idle: list[DirectConnection] = []
        #: The connections that are being opened.
        self._opening = 0
        #: The result is a connection, or None if none could be opened.
        self._waiting: deque[asyncio.Future[DirectConnection | None]] = deque()
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Commands that wait for a connection."""
        return sum(not waiting.done() for waiting in self._waiting)

    async def acquire(self) -> DirectConnection | None:
        """A connection to the primary without a command. None if the driver does not give one."""
        while True:
            if (connection := self.acquire_idle()) is not None:
                return connection
            released = await self._wait()
            if released is None:
                return None
            self.idle.append(released)

    def acquire_idle(self) -> DirectConnection | None:
        """What `acquire` returns, if it need not wait. Otherwise None."""
        while self.idle:
            connection = self.idle.pop()
            if connection.address == self._commands.primary and not connection.is_stale:
                return connection
            connection.close()
        return None

    async def _wait(self) -> DirectConnection | None:
        waiting: asyncio.Future[DirectConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._open_missing()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and (released := waiting.result()) is not None:
                self.release(released)  # it was woken in the same moment
            raise

    def _open_missing(self) -> None:
        """Open a connection for each command that waits, within the limit."""
        while self._opening < self.waiting and len(self._open) + self._opening < self._limit:
            self._opening += 1
            spawn(self._open_one(), name="open a direct connection", kind=self._kind)

    def open_another(self) -> None:
        """Open a connection within the limit, for the next one who needs two at the same time."""
        if not self._opening and len(self._open) < self._limit:
            self._opening += 1
            spawn(self._open_one(), name="open a direct connection", kind=self._kind)

    async def _open_one(self) -> None:
        connection: DirectConnection | None = None
        try:
            connection = await self._commands.open(self)
        finally:
            self._opening -= 1
            if connection is None:
                self._wake(None)
                self._open_missing()
        if connection is not None:
            self._open.add(connection)
            self.release(connection)

    def release(self, connection: DirectConnection) -> None:
        """Give the connection to the next command that waits."""
        if self._is_closed:
            connection.close()
        elif not self._wake(connection):
            self.idle.append(connection)

    def _wake(self, connection: DirectConnection | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False

    def closed(self, connection: DirectConnection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self._open_missing()

    @property
    def replies(self) -> int:
        """Commands without a reply."""
        return sum(connection.is_waiting for connection in self._open)

    def close_interrupted(self) -> None:
        """Close the connections whose server does not answer, so that reads are repeated through the driver.

        Those that the driver has given up remain while their server is the primary, which may answer.
        """
        primary = self._commands.primary
        for connection in tuple(self._open):
            is_left = connection.is_stale and connection.address != primary
            if connection.is_interrupted or connection.is_overdue or is_left:
                connection.close()

    def close(self) -> None:
        self._is_closed = True
        for connection in tuple(self._open):
            connection.close()
