"""Commands that are sent and answered on the event loop, without a thread of the driver.

They are finds, and the commands of direct_writes.py.

The driver opens the connections: it authenticates them, and counts them in its pool. A find over one of them costs a
fifth of the CPU time that it takes through the driver, most of which is for threads. Everything that is not a plain
answer is left to the driver: `find` then returns None, and its caller reads again through the driver, which retries
and raises its own errors. docs/decisions/0037-direct-reads.md has the reasons.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable, Collection, Mapping
from socket import socket
from typing import Any, Final, TypeAlias

from motor.frameworks.asyncio import run_on_executor
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.synchronous.pool import Connection, Pool
from pymongo.topology_description import TopologyDescription

from storage.mongo import wire
from storage.mongo.deadlines import milliseconds_left
from storage.mongo.direct_connections import Address, Connections, DirectConnection, Lost, give_back
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.mongo.wire import Batch
from storage.threads import DIRECT_CONNECTIONS, Work, work

#: How often the connections that wait for a reply are compared with the driver's state.
CHECK_SECONDS: Final = 0.5
_MAX_REQUEST_ID: Final = 2**31 - 1


#: A connection that is checked out of the pool of its server.
CheckedOut: TypeAlias = tuple[Pool, Connection]


class DirectCommands:
    """The commands of one database over connections of direct_connections.py."""

    def __init__(self, client: MongoClient[Any], database: str, *, enabled: bool = True) -> None:
        self._client = client
        self._database = database
        #: By class of work. Other classes use the driver.
        self._connections = {kind: Connections(self, kind, limit) for kind, limit in DIRECT_CONNECTIONS.items()}
        self._is_enabled = enabled
        self._ids = itertools.cycle(range(1, _MAX_REQUEST_ID))
        self._check: asyncio.TimerHandle | None = None
        #: The connections that threads have checked out, and that the loop does not use yet.
        self._checked_out: set[CheckedOut] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._described: TopologyDescription | None = None
        self._primary: Address | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether this kind of deployment can be used without the driver's threads."""
        return self._is_enabled

    @property
    def idle(self) -> int:
        """Open connections without a command."""
        return sum(len(connections.idle) for connections in self._connections.values())

    def waiting(self, kind: Work) -> int:
        """Commands of this class of work that wait for a connection."""
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
        def encode(connection: DirectConnection) -> bytes:
            if not all(commit.is_before(connection) for commit in behind):
                raise NotBehind
            left = milliseconds_left()
            limit = {} if left is None else {"maxTimeMS": left}
            return wire.encode(next(self._ids), {**command, **limit, "$db": self._database})

        try:
            return await self.exchange(encode)
        except Lost:
            return None

    async def exchange(self, encode: Callable[[DirectConnection], bytes], *, replies: int = 1) -> bytes | None:
        """Send the messages that `encode` returns, and return their replies. None if nothing was sent. Raises Lost."""
        connections = self._connections.get(work.get()) if self._is_enabled else None
        if connections is None or self.primary is None:
            return None
        connection = await connections.acquire()
        return None if connection is None else await self._send(connections, connection, encode, replies)

    async def exchange_both(
        self,
        first: Callable[[DirectConnection], bytes],
        second: Callable[[DirectConnection], bytes],
        *,
        replies: tuple[int, int],
    ) -> tuple[bytes, bytes | None] | None:
        """Send the messages of `first`, and then those of `second` over another connection, or later over the same.

        `replies` are the numbers of replies to both. None if nothing was sent; the second result is None if `second`
        was not sent. Raises Lost.
        """
        connections = self._connections.get(work.get()) if self._is_enabled else None
        if connections is None or self.primary is None or (connection := await connections.acquire()) is None:
            return None
        reply = self._send(connections, connection, first, replies[0])
        begun: asyncio.Future[bytes] | None = None
        if (other := connections.acquire_idle()) is None:
            connections.open_another()
        else:
            begun = self._send(connections, other, second, replies[1])
        try:
            received = await reply
        except BaseException:
            if begun is not None:
                begun.cancel()  # nobody waits for it
            raise
        if begun is None:
            if (other := await connections.acquire()) is None:
                return received, None
            begun = self._send(connections, other, second, replies[1])
        return received, await begun

    def _send(
        self,
        connections: Connections,
        connection: DirectConnection,
        encode: Callable[[DirectConnection], bytes],
        replies: int,
    ) -> "asyncio.Future[bytes]":
        try:
            message = encode(connection)
        except BaseException:
            connections.release(connection)
            raise
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._close_interrupted)
        return connection.call(message, replies=replies)

    async def open(self, connections: Connections) -> DirectConnection | None:
        """A new connection to the primary, checked out of the driver's pool. None if there is none."""
        loop = asyncio.get_running_loop()
        found: CheckedOut | None = await run_on_executor(loop, self._check_out, self.primary)  # type: ignore[no-untyped-call] # has no types
        if found is None or not self._take(found):
            return None
        pool, connection = found
        plain = connection.conn.sock
        if type(plain) is not socket:  # one with TLS has to be read through Python's module ssl
            self._is_enabled = False
            give_back(pool, connection)
            return None
        opened = DirectConnection(connections, pool, connection)
        try:
            await loop.connect_accepted_socket(lambda: opened, plain)
        except BaseException:
            opened.close()
            raise
        return opened

    def _check_out(self, address: Address | None) -> CheckedOut | None:
        server = None if address is None else self._client._topology.get_server_by_address(address)
        if server is None:
            return None
        try:
            with server.pool.checkout() as connection:
                connection.pin_cursor()  # it stays checked out
        except PyMongoError:
            return None
        found = (server.pool, connection)
        self._checked_out.add(found)
        if self._is_closed and self._take(found):  # while this thread waited for the connection
            give_back(*found)
            return None
        return found

    def _take(self, found: CheckedOut) -> bool:
        """Whether the caller has to close a connection that was checked out: the first one who asks has to."""
        with self._lock:
            is_first = found in self._checked_out
            self._checked_out.discard(found)
            return is_first

    def _close_interrupted(self) -> None:
        self._check = None
        for connections in self._connections.values():
            connections.close_interrupted()
        if self.replies:
            self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._close_interrupted)

    def close(self) -> None:
        """Close all connections."""
        self._is_enabled, self._is_closed = False, True
        for found in tuple(self._checked_out):
            if self._take(found):
                give_back(*found)
        if self._check is not None:
            self._check.cancel()
        for connections in self._connections.values():
            connections.close()
