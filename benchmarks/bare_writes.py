"""A server of bare writes: an insert that its change stream shows becomes ready bytes to each of its sockets.

    python -m benchmarks.bare_writes URI COLLECTION SUBSCRIBERS SIZE

The reference for an event to many subscribers: nothing could do less. Prints its port, and "ready" when SUBSCRIBERS
sockets are connected. What it writes is an event's JSON of SIZE bytes, whose clientMutationId is "event " and the
`_id` of the insert.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvloop
from motor.motor_asyncio import AsyncIOMotorClient
from typing_extensions import override

from benchmarks.sockets import ROOT

DATABASE = "bare"


@contextmanager
def bare_server(uri: str, collection: str, subscribers: int, size: int) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run this program. Yields its port and its process, which prints "ready"."""
    command = [sys.executable, "-m", "benchmarks.bare_writes", uri, collection, str(subscribers), str(size)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
    finally:
        process.terminate()
        process.communicate()


async def serve(uri: str, collection: str, subscribers: int, size: int) -> None:
    """Write to the sockets until the change stream or the process ends."""
    transports: list[asyncio.WriteTransport] = []
    are_connected = asyncio.Event()

    class Subscriber(asyncio.Protocol):
        @override
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast(asyncio.WriteTransport, transport))
            if len(transports) == subscribers:
                are_connected.set()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Subscriber, "127.0.0.1", 0, backlog=subscribers)
    print(server.sockets[0].getsockname()[1], flush=True)
    await are_connected.wait()
    watched = AsyncIOMotorClient[dict[str, Any]](uri)[DATABASE][collection]
    async with watched.watch(max_await_time_ms=500) as stream:
        await stream.try_next()
        print("ready", flush=True)
        async for change in stream:
            event = b'{"clientMutationId":"event %d"}' % change["documentKey"]["_id"]
            ready = event.ljust(size)
            for transport in transports:
                transport.write(ready)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
