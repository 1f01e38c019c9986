"""A TCP proxy that cuts connections in the middle of a frame, and that stalls without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on to a server until it is told otherwise."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.cuts = 0
        self._cut_after: int | None = None
        self._stage = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut_after(self, count: int | None) -> None:
        """Cut each connection after that many bytes of the server from now on. None: do not."""
        self._cut_after = count
        self._stage += 1

    def has_cut_more_than(self, count: int) -> bool:
        return self.cuts > count

    def stall(self) -> None:
        """Keep all connections open, and pass nothing on."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass bytes on again, on new connections."""
        self.drop()
        self._flowing.set()

    def drop(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The URL of the API through the proxy."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}{self._target.path}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there: asyncio.StreamWriter | None = None
        try:
            answers, there = await asyncio.open_connection(self._target.hostname, self._target.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, there, of_server=False))
                group.create_task(self._pass(answers, writer, of_server=True))
        except* (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            for one in (writer, there):
                if one is not None:
                    one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, of_server: bool) -> None:
        """Raises EOFError at the end, or when the connection is cut."""
        passed, stage = 0, self._stage
        while data := await reader.read(4096):
            await self._flowing.wait()
            if stage != self._stage:
                passed, stage = 0, self._stage
            if of_server and self._cut_after is not None and passed + len(data) > self._cut_after:
                writer.write(data[: self._cut_after - passed])
                await writer.drain()
                self.cuts += 1
                break
            passed += len(data)
            writer.write(data)
            await writer.drain()
        raise EOFError
