"""Websockets below the protocol of GraphQL: uvicorn's, with budgets for what a peer sends, and another idea of when a
peer is dead, and of how that ends.

A peer that reads slowly is not dead: what was sent before a ping has to be read before its pong can come. And one that
is dead never takes what waits for it, so that waiting for that to be sent would be waiting for ever.
"""

import asyncio
import os
import socket
import sys
from typing import Any, Final, cast

from typing_extensions import override
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode

from server.transport.connections import Connection, Connections, Phase
from server.transport.frame_budgets import SocketBudget

#: How often a peer is asked whether it lives, and how long it has to answer.
PING_SECONDS = 10.0
PONG_SECONDS = 10.0
#: A peer that has more waiting for it than fits the buffers, and takes nothing of it for so many times PONG_SECONDS, is
#: dead too.
MAX_STALLS = 12
# Where the kernel's struct tcp_info (Linux) has the number of bytes that were acknowledged.
TCP_INFO_BYTES = 128
BYTES_ACKED = slice(120, 128)
#: The extension of ASGI by which a text can be sent that was encoded already: `encoded` in place of `text`.
ENCODED_PREFIX = "switchboard.encoded"
#: The extension of ASGI by which the application says that it knows the peer: a function, which returns False when
#: there is no room for one more connection.
ADMIT = "switchboard.admit"
#: How many bytes are parsed before other connections have their turn: some hundred frames, a few milliseconds.
SLICE_BYTES: Final = 4 * 1024
#: The most frames of one message.
MOST_FRAGMENTS: Final = 1_000
#: How a frame begins that holds a text as a whole, and the lengths that its second byte can say.
TEXT_FRAME = 0x81
SHORT, MEDIUM = 126, 2**16
#: How long a closing handshake may take.
CLOSE_SECONDS = 5.0
#: How long a peer that sent too much has to read that it was closed.
REFUSED_SECONDS = 1.0


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One websocket."""

    _stalls = 0
    _taken = 0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        counted: Connections,
        connection: Connection,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._counted = counted
        self._connection = connection
        self._budget = SocketBudget(counted.settings)
        self._headers: list[tuple[bytes, bytes]] = []
        #: What was received and is not parsed yet; reading is paused meanwhile.
        self._unparsed = b""
        self._parsing: asyncio.Handle | None = None
        #: The last answer to pings, while the peer reads nothing.
        self._pong = b""
        self._refused = False

    # ---------------------------------------------------------------- the connection

    def begin(self, head: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin with a request for a websocket: what the protocol reads of its header, and all fields of it."""
        self._connection.peer = self
        self._counted.enter(self._connection, Phase.ACTIVE)
        self._headers = headers
        super().data_received(head)
        if not self.handshake_initiated:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._counted.close(self._connection)
        self._unparsed = b""
        super().connection_lost(exc)

    def expire(self, phase: Phase) -> None:
        self.transport.abort()

    def abort(self) -> None:
        self.transport.abort()

    def admit(self, *, trusted: bool) -> bool:
        """The peer is known; one that is trusted may send more. Returns False when there is no room for it."""
        if not self._connection.admitted and not self._counted.make_room():
            return False
        self._counted.admit(self._connection)
        if trusted:
            self._budget.widen()
        return True

    # ---------------------------------------------------------------- what is received

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # it is read only so that the peer reads why it was closed
        self._unparsed += data
        self._parse()

    def _parse(self) -> None:
        """Parse one slice of what was received. The rest waits for the other connections, and for the application to
        take the messages of this slice."""
        self._parsing = None
        now, self._unparsed = self._unparsed[:SLICE_BYTES], self._unparsed[SLICE_BYTES:]
        if not now or self.disconnected:
            return
        self.conn.receive_data(now)
        excess = self._budget.excess(self.loop.time(), frames=len(self.conn.events), size=len(now))
        if excess is None and len(self.frames) > MOST_FRAGMENTS:
            excess = f"A message may have {MOST_FRAGMENTS} frames"
        if excess is not None:
            self._refuse(excess)
            return
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
            return
        self.handle_events()
        if self._unparsed:
            self.transport.pause_reading()
            self._parse_soon()
        elif not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _parse_soon(self) -> None:
        if self._parsing is None and self._unparsed and not self.read_paused:
            self._parsing = self.loop.call_soon(self._parse)

    @override
    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if self._unparsed and not self.read_paused:
            self.transport.pause_reading()
            self._parse_soon()
        return message

    @override
    def handle_ping(self) -> None:
        # While a peer reads nothing, only its last pings are answered (RFC 6455, section 5.5.3).
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        else:
            self._pong = pong

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong and not self.close_sent:
            self.transport.write(self._pong)
        self._pong = b""

    def _refuse(self, reason: str) -> None:
        """Close the websocket, because the peer sends too much."""
        self._refused = True
        self._unparsed = b""
        self._counted.log_closed(
            "websockets sent too much at once (SWITCHBOARD_MAX_FRAMES_PER_SECOND, SWITCHBOARD_MAX_KB_PER_SECOND)"
        )
        if not self.handshake_complete or self.close_sent:
            self.transport.abort()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.POLICY_VIOLATION, "reason": reason})
        self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()
        self._give_up_after(REFUSED_SECONDS)

    # ---------------------------------------------------------------- what is sent

    @override
    def keepalive_timeout(self) -> None:
        taken = bytes_taken(self.transport)
        moves, self._taken = taken > self._taken, taken
        waits = not self.writable.is_set()
        self._stalls = 0 if moves else self._stalls + 1
        if moves or (waits and self._stalls < MAX_STALLS):
            assert self.ping_timeout is not None
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        if waits:
            self.transport.abort()
        else:
            self._give_up_after(CLOSE_SECONDS)

    @override
    def shutdown(self) -> None:
        # Whoever serves the websocket has been told (shutdown.py), and closes it when all is said.
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    @override
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

    @override
    async def run_asgi(self) -> None:
        self.scope["headers"] = self._headers
        self.scope["extensions"] = {
            **(self.scope.get("extensions") or {}),
            ENCODED_PREFIX: {},
            ADMIT: {"admit": self.admit},
        }
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
