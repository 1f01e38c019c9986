"""Pings of websockets, and the check for dead peers.

A client that reads slowly is alive: it must read everything that was sent before a ping, before it can send the pong.
So a peer is alive as long as its TCP stack acknowledges bytes. What it has acknowledged may wait in its buffers, so a
peer that was sent much since its last pong has longer for the next. The connection to a dead peer is aborted: its write
buffer would never be sent.
"""

import asyncio
import os
import secrets
import socket
import sys
from typing import Any

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from server.transport.frames import PING_HEAD
from server.transport.keepalive import PAYLOAD_BYTES, KeepaliveTimer, Kept

#: How often a peer gets a ping, and how long it has for the pong.
PING_SECONDS = 10.0
PONG_SECONDS = 10.0
#: A peer with a full write buffer is dead if it acknowledges no bytes for this many times PONG_SECONDS.
MAX_STALLS = 12
#: For as many bytes that were sent since the last pong, a peer has PONG_SECONDS more, up to MAX_STALLS times.
BYTES_PER_STALL = 256 * 1024
# The size of the part of Linux's struct tcp_info that is read, and the place of tcpi_bytes_acked in it.
TCP_INFO_BYTES = 128
BYTES_ACKED = slice(120, 128)
#: How long events wait for a pong. A peer that takes longer reads slowly: its events wait in the buffers of the
#: systems, whose acknowledgements show that it is alive.
SLOW_SECONDS = 5.0
#: How long a closing handshake may take.
CLOSE_SECONDS = 5.0


class PingedWebSocket(WebSocketsSansIOProtocol):
    """A websocket connection whose peer gets pings."""

    _stalls = 0
    _acknowledged = 0
    #: Bytes of frames that were written since the last ping that was answered, and how many of them before the ping
    #: that is not answered yet.
    _unanswered = 0
    _before_ping = 0
    #: Whether a pong has taken longer than SLOW_SECONDS, since the last one.
    _reads_slowly = False
    #: Resolves with the next pong. None if nobody waits for it.
    _pong_awaited: asyncio.Future[None] | None = None

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], *, keepalive_timer: KeepaliveTimer
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._keepalive_timer = keepalive_timer
        #: The slot of the next deadline in the timer; None if there is none.
        self._slot: dict[Kept, None] | None = None

    @override
    def start_keepalive(self) -> None:
        if self.ping_interval:
            self._ping_after_interval()

    def _ping_after_interval(self) -> None:
        self.pending_ping_payload = None
        self._unanswered -= self._before_ping
        self._before_ping = 0
        self._reads_slowly = False
        self._stop_waiting_for_pong()
        assert self.ping_interval is not None
        self._keep_alive_after(self.ping_interval)

    def _keep_alive_after(self, seconds: float) -> None:
        self._leave_slot()
        self._slot = self._keepalive_timer.add(self, seconds)

    def _leave_slot(self) -> None:
        if self._slot is not None:
            self._slot.pop(self, None)
            self._slot = None

    @override
    def stop_keepalive(self) -> None:
        self._leave_slot()
        self.pending_ping_payload = None
        self._stop_waiting_for_pong()

    def keep_alive(self, payload: bytes) -> None:
        """Send a ping, or check the peer if it has not answered the last one."""
        self._slot = None
        if self.close_sent or self.transport.is_closing():
            return
        if self.pending_ping_payload is not None:
            self.keepalive_timeout()
            return
        self.pending_ping_payload = payload
        self._before_ping = self._unanswered
        self.transport.write(PING_HEAD + payload)
        assert self.ping_timeout is not None
        self._keep_alive_after(self.ping_timeout)

    @override
    def handle_pong(self, event: Frame) -> None:
        if self.pending_ping_payload is not None and bytes(event.data) == self.pending_ping_payload:
            self._ping_after_interval()

    async def wait_until_answered(self) -> None:
        """Wait for the pong to the last ping, or to one that is sent now, or for the end of the connection.

        Returns after SLOW_SECONDS in any case.
        """
        if self.pending_ping_payload is None:
            self._leave_slot()
            self.keep_alive(secrets.token_bytes(PAYLOAD_BYTES))
        if self._pong_awaited is None:
            self._pong_awaited = asyncio.get_running_loop().create_future()
        _, waiting = await asyncio.wait([self._pong_awaited], timeout=SLOW_SECONDS)
        if waiting:
            self._reads_slowly = True

    def _stop_waiting_for_pong(self) -> None:
        awaited, self._pong_awaited = self._pong_awaited, None
        if awaited is not None:
            awaited.set_result(None)

    @override
    def keepalive_timeout(self) -> None:
        acknowledged = bytes_acknowledged(self.transport)
        progresses, self._acknowledged = acknowledged > self._acknowledged, acknowledged
        buffer_is_full = not self.writable.is_set()
        self._stalls = 0 if progresses else self._stalls + 1
        limit = MAX_STALLS if buffer_is_full else min(1 + self._unanswered // BYTES_PER_STALL, MAX_STALLS)
        if progresses or self._stalls < limit:
            assert self.ping_timeout is not None
            self._keep_alive_after(self.ping_timeout)
            return
        super().keepalive_timeout()
        if buffer_is_full:
            self.transport.abort()
        else:
            self._abort_after(CLOSE_SECONDS)

    def _abort_after(self, seconds: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(seconds, self.transport.abort)


def bytes_acknowledged(transport: asyncio.Transport) -> int:
    """How many bytes the peer's TCP stack has acknowledged; 0 if the system does not say."""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
            info = duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(info[BYTES_ACKED], sys.byteorder)
