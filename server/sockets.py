"""Websockets below the protocol of GraphQL: uvicorn's, with another idea of when a peer is dead, and of how that ends.

A peer that reads slowly is not dead: what was sent before a ping has to be read before its pong can come. And one that
is dead never takes what waits for it, so that waiting for that to be sent would be waiting for ever.
"""

import asyncio
import os
import socket
import sys
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: How often a peer is asked whether it lives, and how long it has to answer.
PING_SECONDS = 10.0
PONG_SECONDS = 10.0
#: A peer that has more waiting for it than fits the buffers, and takes nothing of it for so many times PONG_SECONDS, is
#: dead too.
STALLS = 12
# Where the kernel's struct tcp_info (Linux) has the number of bytes that were acknowledged.
TCP_INFO_BYTES = 128
BYTES_ACKED = slice(120, 128)
#: The extension of ASGI by which a text can be sent that was encoded already: `encoded` in place of `text`.
ENCODED = "switchboard.encoded"
#: How a frame begins that holds a text as a whole, and the lengths that its second byte can say.
TEXT_FRAME = 0x81
SHORT, MEDIUM = 126, 2**16
#: How long a closing handshake may take.
CLOSE_SECONDS = 5.0


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One websocket."""

    _stalls = 0
    _taken = 0

    def keepalive_timeout(self) -> None:
        taken = bytes_taken(self.transport)
        moves, self._taken = taken > self._taken, taken
        waits = not self.writable.is_set()
        self._stalls = 0 if moves else self._stalls + 1
        if moves or (waits and self._stalls < STALLS):
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if waits:
            self.transport.abort()
        else:
            self._give_up_after(CLOSE_SECONDS)

    def shutdown(self) -> None:
        # Whoever serves the websocket has been told (drains.py), and closes it when all is said.
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    async def send(self, message: ASGISendEvent) -> None:
        encoded = cast(dict[str, Any], message).get("encoded")
        if encoded is not None and not self.conn.extensions:
            await self._send_encoded(encoded)
            return
        if encoded is not None:
            message = {"type": "websocket.send", "text": encoded.decode()}
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self._give_up_after(CLOSE_SECONDS)

    async def _send_encoded(self, text: bytes) -> None:
        """Write a text as it is, in a frame of its own: a server's frames are not masked."""
        if not self.writable.is_set():
            await self.writable.wait()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        self.transport.write(frame_header(len(text)) + text)

    async def run_asgi(self) -> None:
        self.scope["extensions"] = {**(self.scope.get("extensions") or {}), ENCODED: {}}
        await super().run_asgi()
        if self.close_timer is None and not self.disconnected:
            self._give_up_after(CLOSE_SECONDS)

    def _give_up_after(self, seconds: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(seconds, self.transport.abort)


def bytes_taken(transport: asyncio.Transport) -> int:
    """How many bytes the peer's machine has said to have received; 0 where the system does not tell."""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
            info = duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(info[BYTES_ACKED], sys.byteorder)


def frame_header(length: int) -> bytes:
    """What comes before a text of so many bytes that is one whole frame (RFC 6455, section 5.2)."""
    if length < SHORT:
        return bytes((TEXT_FRAME, length))
    if length < MEDIUM:
        return bytes((TEXT_FRAME, SHORT)) + length.to_bytes(2)
    return bytes((TEXT_FRAME, SHORT + 1)) + length.to_bytes(8)
