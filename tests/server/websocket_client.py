"""A client of graphql-transport-ws for tests, one message at a time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

#: The longest wait for a message or close, also on a slow machine.
TIMEOUT_SECONDS = 60
PROTOCOL = Subprotocol("graphql-transport-ws")


@asynccontextmanager
async def connected(url: str, init: object = None) -> AsyncIterator[ClientConnection]:
    """A websocket whose connection_init, with this payload, was acknowledged."""
    async with connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        await send(socket, type="connection_init", payload=init)
        assert await receive(socket) == {"type": "connection_ack"}
        yield socket


async def send(socket: ClientConnection, **message: object) -> None:
    await socket.send(json.dumps(message))


async def receive(socket: ClientConnection) -> Any:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        return json.loads(await socket.recv())


async def close_of(socket: ClientConnection) -> tuple[int, str]:
    """Wait until the server closes the socket. Returns the code and the reason."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""
