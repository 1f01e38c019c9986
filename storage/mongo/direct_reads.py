"""Finds that are sent and answered on the event loop, without a thread of the driver.

The driver opens the connections: it authenticates them, and counts them in its pool. A find over one of them costs a
fifth of the CPU time that it takes through the driver, most of which is for threads. Everything that is not a plain
answer is left to the driver: `find` then returns None, and its caller reads again through the driver, which retries
and raises its own errors. docs/decisions/0037-direct-reads.md has the reasons.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from socket import socket
from typing import Any, Final, TypeAlias, cast

from motor.frameworks.asyncio import run_on_executor
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.synchronous.pool import Connection, Pool
from pymongo.topology_description import TopologyDescription
from typing_extensions import override

from storage.mongo import wire
from storage.mongo.deadlines import milliseconds_left
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.mongo.wire import Batch
from storage.supervisor import spawn
from storage.threads import DIRECT_CONNECTIONS, Work, work

#: The host and the port of a server.
Address: TypeAlias = tuple[str, int | None]

#: How often the connections that wait for a reply are compared with the driver's state.
CHECK_SECONDS: Final = 0.5
_MAX_REQUEST_ID: Final = 2**31 - 1


class Lost(Exception):
    """The connection was closed before the reply."""


class ReadConnection(asyncio.Protocol):
    """One connection. It has at most one command at a time."""

    def __init__(self, connections: "Connections", pool: Pool, connection: Connection) -> None:
        self._connections = connections
        self._pool = pool
        #: The driver's object for the connection.
        self.driver = connection
        self._transport: asyncio.Transport | None = None
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
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.abort()
        self.driver.close_conn(None)
        self._pool.checkin(self.driver)
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
    """The connections for one class of work. Reads that find none idle wait in the order in which they came."""

    def __init__(self, reads: "DirectReads", kind: Work, limit: int) -> None:
        self._reads = reads
        self._kind = kind
        self._limit = limit
        self._open: set[ReadConnection] = set()
        self.idle: list[ReadConnection] = []
        #: The connections that are being opened.
        self._opening = 0
        #: The result is a connection, or None if none could be opened.
        self._waiting: deque[asyncio.Future[ReadConnection | None]] = deque()
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Reads that wait for a connection."""
        return sum(not waiting.done() for waiting in self._waiting)

    async def acquire(self) -> ReadConnection | None:
        """A connection to the primary without a command. None if the driver does not give one."""
        while True:
            while self.idle:
                connection = self.idle.pop()
                if connection.address == self._reads.primary and not connection.is_stale:
                    return connection
                connection.close()
            released = await self._wait()
            if released is None:
                return None
            self.idle.append(released)

    async def _wait(self) -> ReadConnection | None:
        waiting: asyncio.Future[ReadConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._open_missing()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and (released := waiting.result()) is not None:
                self.release(released)  # it was woken in the same moment
            raise

    def _open_missing(self) -> None:
        """Open a connection for each read that waits, within the limit."""
        while self._opening < self.waiting and len(self._open) + self._opening < self._limit:
            self._opening += 1
            spawn(self._open_one(), name="open a connection for reads", kind=self._kind)

    async def _open_one(self) -> None:
        connection: ReadConnection | None = None
        try:
            connection = await self._reads.open(self)
        finally:
            self._opening -= 1
            if connection is None:
                self._wake(None)
                self._open_missing()
        if connection is not None:
            self._open.add(connection)
            self.release(connection)

    def release(self, connection: ReadConnection) -> None:
        """Give the connection to the next read that waits."""
        if self._is_closed:
            connection.close()
        elif not self._wake(connection):
            self.idle.append(connection)

    def _wake(self, connection: ReadConnection | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False

    def closed(self, connection: ReadConnection) -> None:
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
        """Close the connections whose server does not answer, so that their reads are repeated through the driver.

        Those that the driver has given up remain while their server is the primary, which may answer.
        """
        primary = self._reads.primary
        for connection in tuple(self._open):
            is_left = connection.is_stale and connection.address != primary
            if connection.is_interrupted or connection.is_overdue or is_left:
                connection.close()

    def close(self) -> None:
        self._is_closed = True
        for connection in tuple(self._open):
            connection.close()


class DirectReads:
    """The finds of one database over connections of this module."""

    def __init__(self, client: MongoClient[Any], database: str, *, enabled: bool = True) -> None:
        self._client = client
        self._database = database
        #: By class of work. Other classes read through the driver.
        self._connections = {kind: Connections(self, kind, limit) for kind, limit in DIRECT_CONNECTIONS.items()}
        self._is_enabled = enabled
        self._ids = itertools.cycle(range(1, _MAX_REQUEST_ID))
        self._check: asyncio.TimerHandle | None = None
        self._described: TopologyDescription | None = None
        self._primary: Address | None = None

    @property
    def idle(self) -> int:
        """Open connections without a command."""
        return sum(len(connections.idle) for connections in self._connections.values())

    def waiting(self, kind: Work) -> int:
        """Reads of this class of work that wait for a connection."""
        connections = self._connections.get(kind)
        return 0 if connections is None else connections.waiting

    @property
    def replies(self) -> int:
        """Commands without a reply."""
        return sum(connections.replies for connections in self._connections.values())

    @property
    def primary(self) -> Address | None:
        """The address of the primary of a replica set, if the driver knows it."""
        description: TopologyDescription = self._client.topology_description
        if description is not self._described:
            self._described, self._primary = description, None
            if description.topology_type_name == "ReplicaSetWithPrimary":
                servers = description.server_descriptions()
                self._primary = next(
                    (address for address, server in servers.items() if server.server_type_name == "RSPrimary"), None
                )
        return self._primary

    async def find(self, command: Mapping[str, Any], *, behind: Collection[LocalCommit] = ()) -> Batch | None:
        """The first batch of a find, which is executed behind these commits. None if the driver has to read.

        The time limit of the caller applies. Raises ExecutionTimeout if it passes before the command is sent, and
        NotBehind if it is not certain that it would be executed behind the commits.
        """
        reply = await self._call(command, behind)
        batch = None if reply is None else wire.batch_of(reply)
        if batch is not None and batch.cursor_id:
            await self._call({"killCursors": command["find"], "cursors": [batch.cursor_id]})
        return batch

    async def _call(self, command: Mapping[str, Any], behind: Collection[LocalCommit] = ()) -> bytes | None:
        def encode(connection: ReadConnection) -> bytes:
            if not all(commit.is_before(connection) for commit in behind):
                raise NotBehind
            left = milliseconds_left()
            limit = {} if left is None else {"maxTimeMS": left}
            return wire.encode(next(self._ids), {**command, **limit, "$db": self._database})

        try:
            return await self.exchange(encode)
        except Lost:
            return None

    async def exchange(self, encode: Callable[[ReadConnection], bytes], *, replies: int = 1) -> bytes | None:
        """Send the messages that `encode` returns, and return their replies. None if nothing was sent. Raises Lost."""
        connections = self._connections.get(work.get()) if self._is_enabled else None
        if connections is None or self.primary is None:
            return None
        connection = await connections.acquire()
        if connection is None:
            return None
        try:
            message = encode(connection)
        except BaseException:
            connections.release(connection)
            raise
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._close_interrupted)
        return await connection.call(message, replies=replies)

    async def open(self, connections: Connections) -> ReadConnection | None:
        """A new connection to the primary, checked out of the driver's pool. None if there is none."""
        loop = asyncio.get_running_loop()
        found: tuple[Pool, Connection] | None = await run_on_executor(loop, self._check_out, self.primary)  # type: ignore[no-untyped-call] # has no types
        if found is None:
            return None
        pool, connection = found
        plain = connection.conn.sock
        try:
            if type(plain) is not socket:  # one with TLS has to be read through Python's module ssl
                self._is_enabled = False
                return None
            _, protocol = await loop.connect_accepted_socket(
                lambda: ReadConnection(connections, pool, connection), plain
            )
            found = None
            return protocol
        finally:
            if found is not None:
                connection.close_conn(None)
                pool.checkin(connection)

    def _check_out(self, address: Address | None) -> tuple[Pool, Connection] | None:
        server = None if address is None else self._client._topology.get_server_by_address(address)
        if server is None:
            return None
        try:
            with server.pool.checkout() as connection:
                connection.pin_cursor()  # it stays checked out
        except PyMongoError:
            return None
        return server.pool, connection

    def _close_interrupted(self) -> None:
        self._check = None
        for connections in self._connections.values():
            connections.close_interrupted()
        if self.replies:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._close_interrupted)

    def close(self) -> None:
        """Close all connections."""
        self._is_enabled = False
        if self._check is not None:
            self._check.cancel()
        for connections in self._connections.values():
            connections.close()
