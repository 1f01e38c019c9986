"""What a GraphQL websocket sends with: a connection of this server, or an ASGI websocket of any server."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from typing_extensions import override
from uvicorn.protocols.utils import ClientDisconnected

from server.transport.websocket_protocol import CONNECTION_EXTENSION, WebSocketProtocol

#: The longest reason of a close frame (RFC 6455, section 5.5).
REASON_BYTES = 123


class GraphQLWebSocket(Protocol):
    """A websocket that drops messages which are sent after it was closed."""

    async def send_json(self, message: Mapping[str, object]) -> None: ...

    async def send_encoded(self, message: bytes) -> None:
        """Send a message that is encoded as JSON already."""

    async def close(self, code: int, reason: str) -> None: ...

    def admit(self, *, trusted: bool) -> bool:
        """Count the peer as an open connection; a trusted one has the token of an app or a user. Returns False if there
        is no room."""


class WebSocketAdapter(ASGIWebSocketAdapter):
    """An ASGI websocket."""

    @property
    def connection(self) -> WebSocketProtocol | None:
        """The connection of this server. None if another server runs the application."""
        return connection_of(self.ws.scope)

    @property
    def authorization(self) -> str:
        """The Authorization header of the handshake."""
        value: str = self.ws.headers.get("authorization", "")
        return value

    async def send_encoded(self, message: bytes) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):
                await self.ws.send_text(message.decode())

    def admit(self, *, trusted: bool) -> bool:
        return True

    @override
    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            # The loop that receives messages notices the disconnect and ends the operations.
            with suppress(WebSocketDisconnected):
                await super().send_json(message)

    @override
    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):  # the peer is gone already
                await super().close(code, shortened(reason))


class ConnectionAdapter:
    """A connection of this server, which is detached from the ASGI application."""

    __slots__ = ("_is_closing", "connection")

    def __init__(self, connection: WebSocketProtocol) -> None:
        self.connection = connection
        self._is_closing = False

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self.send_encoded(msgspec.json.encode(message))

    async def send_encoded(self, message: bytes) -> None:
        if not self._is_closing:
            with suppress(ClientDisconnected):
                await self.connection.send_encoded(message)

    async def close(self, code: int, reason: str) -> None:
        if not self._is_closing and not self.connection.close_sent:
            self._is_closing = True
            with suppress(ClientDisconnected):  # the peer is gone already
                await self.connection.send({"type": "websocket.close", "code": code, "reason": shortened(reason)})

    def admit(self, *, trusted: bool) -> bool:
        return self.connection.admit(trusted=trusted)


def connection_of(scope: Mapping[str, Any]) -> WebSocketProtocol | None:
    """The connection of an ASGI scope. None if another server runs the application."""
    found: WebSocketProtocol | None = scope.get("extensions", {}).get(CONNECTION_EXTENSION, {}).get("connection")
    return found


def shortened(reason: str) -> str:
    """The reason, as long as a close frame can have it."""
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")
