"""A receiver of webhooks that records requests and answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

#: The longest wait for a request, also on a slow machine.
TIMEOUT_SECONDS = 60
#: Answers beside a status: the connection is closed, or stays open without a response, or has a response when the
#: test sets `Receiver.released`.
CUT, SILENCE, HELD = "cut", "silence", "held"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it was sent."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """The value of the field `events`."""
        return json.loads(self.body)["data"]["events"]


#: A status, with further lines of the header, or CUT or SILENCE.
Reply = int | str | tuple[int, str]


class Receiver:
    """The requests that were received, and the answer to the next ones."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.reply: Callable[[Received], Reply] = lambda _: 204
        self.port = 0
        #: The requests that are being answered at the same time, at most.
        self.most_at_once = 0
        self._at_once = 0
        self.released = asyncio.Event()
        self._changed = asyncio.Event()
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events?source=switchboard"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    async def wait_for(self, count: int) -> list[Received]:
        """The requests, when there are so many."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.requests) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.requests

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            await self._handle(reader, writer)
        finally:
            writer.close()
            self._connections.discard(writer)

    async def close(self) -> None:
        """Close all connections."""
        for writer in tuple(self._connections):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self._connections:  # noqa: ASYNC110 - they end in the next passes of the event loop
                await asyncio.sleep(0)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                request = Received(line, headers, body)
                reply = self.reply(request)
                self.requests.append(request)
                self._changed.set()
                if reply == SILENCE:
                    await reader.read()  # until the sender closes the connection
                if reply == HELD:
                    await self.released.wait()
                    reply = 200
                self._at_once -= 1
                if isinstance(reply, str):
                    break
                status, more = reply if isinstance(reply, tuple) else (reply, "")
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{more}\r\n".encode())
                await writer.drain()


@asynccontextmanager
async def receiving(*, tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
