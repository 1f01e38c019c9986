"""One subscription over one websocket, by the protocol graphql-transport-ws."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from switchboard_client.errors import ConnectionLost, Unauthenticated, error_of
from switchboard_client.operation import ErrorEntry, Operation, Response

T = TypeVar("T")

#: The close code of a token that is not valid. After the acknowledgement, it has two meanings: the token has ended, or
#: what it may do has changed. The client then connects again, and a token that has ended is refused.
FORBIDDEN = 4403
#: How often a ping is sent, and how long the client waits for its answer before it closes the connection.
PING_SECONDS = 10.0
#: The longest time to open a connection, and the longest time until the server acknowledges it.
OPEN_SECONDS = 10.0
#: The bound of messages that were received but not yet taken. The server waits for more then.
QUEUED_MESSAGES = 16
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class Message(msgspec.Struct):
    """A message of the protocol. The payload is decoded by its type."""

    type: str
    payload: msgspec.Raw = msgspec.Raw(b"null")


_decode_message = msgspec.json.Decoder(Message).decode
_decode_errors = msgspec.json.Decoder(list[ErrorEntry]).decode


class Stream(Generic[T]):
    """The results of a subscription."""

    def __init__(self, connection: ClientConnection, operation: Operation[T]) -> None:
        self._connection = connection
        self._decode = operation.decoder.decode
        self._is_acknowledged = False

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        """Raises ApiError if the server refuses the subscription, and ConnectionLost if it ends."""
        while True:
            message = _decode_message(await self._receive())
            match message.type:
                case "next":
                    return _result(self._decode(message.payload))
                case "error":
                    raise error_of(_decode_errors(message.payload))
                case "complete":
                    raise ConnectionLost("the server ended the subscription")
                case "ping":
                    await self._send(type="pong")

    async def start(self, token: str, document: str, variables: Mapping[str, Any]) -> None:
        await self._send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while _decode_message(await self._receive()).type != "connection_ack":
                    pass
                self._is_acknowledged = True
        except TimeoutError as error:
            raise ConnectionLost(f"the server sent no connection_ack within {OPEN_SECONDS:g} s") from error
        await self._send(id="1", type="subscribe", payload={"query": document, "variables": variables})

    async def _receive(self) -> str | bytes:
        try:
            return await self._connection.recv(decode=False)
        except ConnectionClosed as closed:
            raise self._error_of(closed) from closed

    async def _send(self, **message: Any) -> None:
        try:
            await self._connection.send(msgspec.json.encode(message).decode())
        except ConnectionClosed as closed:
            raise self._error_of(closed) from closed

    def _error_of(self, closed: ConnectionClosed) -> Exception:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
        if code == FORBIDDEN and not self._is_acknowledged:
            return Unauthenticated(reason or "The token is not valid")
        return ConnectionLost(f"the connection ended with {code or 'no close frame'}{f': {reason}' if reason else ''}")


@asynccontextmanager
async def open_stream(
    url: str,
    token: str,
    operation: Operation[T],
    variables: Mapping[str, Any],
    *,
    ping_seconds: float = PING_SECONDS,
    trust_env: bool = False,
) -> AsyncIterator[Stream[T]]:
    """Subscribe on a connection of its own. Raises ConnectionLost if the server cannot be reached."""
    try:
        connection = await connect(
            url.replace("http", "ws", 1),
            subprotocols=[Subprotocol("graphql-transport-ws")],
            proxy=True if trust_env else None,
            open_timeout=OPEN_SECONDS,
            ping_interval=ping_seconds,
            ping_timeout=ping_seconds,
            close_timeout=1.0,
            max_queue=QUEUED_MESSAGES,
            max_size=MAX_MESSAGE_BYTES,
        )
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise ConnectionLost(f"{url} does not answer: {describe(error)}") from error
    try:
        stream = Stream(connection, operation)
        await stream.start(token, operation.document, variables)
        yield stream
    finally:
        await connection.close()


def _result(response: Response[T]) -> T:
    if response.errors:
        raise error_of(response.errors)
    assert response.data is not None
    assert response.data.result is not None
    return response.data.result


def describe(error: Exception) -> str:
    """The message of the error, or its class if it has none."""
    return str(error) or type(error).__name__
