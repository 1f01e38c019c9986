"""Websocket connections: uvicorn's protocol, with budgets for what a client sends, and without a task while idle."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from typing_extensions import override
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected, is_ssl
from uvicorn.server import ServerState
from websockets.frames import CloseCode
from websockets.protocol import State

from server.transport.connections import Connection, ConnectionTable, Phase
from server.transport.frame_budgets import SocketBudget
from server.transport.frames import PONG_BYTES, is_pong, is_whole, unmasked_texts
from server.transport.small_primitives import SmallEvent, SmallQueue
from server.transport.websocket_pings import CLOSE_SECONDS
from server.transport.websocket_writes import WrittenWebSocket
from storage.supervisor import spawn
from storage.threads import Work

#: An ASGI extension, whose `connection` is the WebSocketProtocol. After `websocket.accept`, the application may call
#: its method `detach`, and return: the connection stays open, and has a task only while messages are handled.
CONNECTION_EXTENSION = "switchboard.connection"
#: How many bytes are parsed before the event loop serves other connections: some hundred frames, a few milliseconds.
SLICE_BYTES: Final = 4 * 1024
#: The most frames of one message.
MAX_FRAGMENTS: Final = 1_000
#: The messages that arrive first, which are handled in turn with those of other new websockets: connection_init, and
#: the first operations.
OPENING_STEPS: Final = 2
#: How long a peer that exceeded a budget has to read the close frame.
REFUSED_SECONDS = 1.0


class Receiver(Protocol):
    """Receives the messages of a connection that an application has detached."""

    async def receive(self, message: Mapping[str, Any]) -> None:
        """Handle a websocket.receive message. It is called for one message after the other."""

    async def disconnect(self) -> None:
        """Handle the end of the connection. It is called once, after the last message."""


class WebSocketProtocol(WrittenWebSocket):
    """One websocket connection."""

    #: What gets the messages after the application has detached the connection, until it has ended.
    _receiver: Receiver | None = None
    _handling: asyncio.Task[None] | None = None
    #: How many times messages will still wait for their turn among new websockets, and whether they wait.
    _opening_steps = OPENING_STEPS
    _is_waiting = False

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connection_table: ConnectionTable,
        connection: Connection,
    ) -> None:
        super().__init__(config, server_state, app_state, keepalive_timer=connection_table.keepalive_timer)
        # Thousands of websockets are idle most of the time.
        self._messages = SmallQueue[ASGIReceiveEvent]()
        self.queue = cast(asyncio.Queue[ASGIReceiveEvent], self._messages)
        self.writable = cast(asyncio.Event, SmallEvent())
        self._table = connection_table
        self._connection = connection
        self._budget = SocketBudget(connection_table.settings)
        #: Whether all received bytes were whole frames.
        self._at_boundary = True
        self._headers: list[tuple[bytes, bytes]] = []
        #: Received bytes that are not parsed yet. Reading is paused meanwhile.
        self._unparsed = b""
        self._parsing: asyncio.Handle | None = None
        #: The last pong, while the write buffer is full.
        self._pong = b""
        self._refused = False

    # ---------------------------------------------------------------- the connection

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Replaces uvicorn's method, which reads the addresses again: `begin` gets them.
        self.connections.add(self)
        self.transport = cast(asyncio.Transport, transport)
        self.scheme = "wss" if is_ssl(self.transport) else "ws"

    def begin(
        self,
        head: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        addresses: tuple[tuple[str, int | None] | None, tuple[str, int] | None],
    ) -> None:
        """Start with the handshake request: the part of its header that the library reads, and all header fields."""
        self.server, self.client = addresses
        self._connection.peer = self
        self._table.enter(self._connection, Phase.ACTIVE)
        self._headers = headers
        super().data_received(head)
        if not self.handshake_initiated:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._table.close(self._connection)
        self._unparsed = b""
        super().connection_lost(exc)
        # The entry refers to this object, and the parser to `conn`, which has it: reference cycles.
        del self._connection.peer
        self.conn.parser.close()

    def expire(self, phase: Phase) -> None:
        self.transport.abort()

    def abort(self) -> None:
        self.transport.abort()

    def admit(self, *, trusted: bool) -> bool:
        """Count the connection as open; a trusted one gets the full budgets. Returns False if there is no room."""
        if not self._connection.admitted and not self._table.make_room():
            return False
        self._table.admit(self._connection)
        if trusted:
            self._budget.widen()
        return True

    # ---------------------------------------------------------------- what is received

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return  # reading continues only so that the peer receives the close frame
        if self._take_pong(data) or self._take_texts(data):
            return
        self._at_boundary = self._at_boundary and is_whole(data)
        self._unparsed += data
        self._parse()

    def _parse(self) -> None:
        """Parse one slice of the received bytes. The rest is parsed after other connections were served, and after the
        application has taken the messages of this slice."""
        self._parsing = None
        data, self._unparsed = self._unparsed[:SLICE_BYTES], self._unparsed[SLICE_BYTES:]
        if not data or self.disconnected:
            return
        self.conn.receive_data(data)
        excess = self._budget.excess(self.loop.time(), frames=len(self.conn.events), size=len(data))
        if excess is None and len(self.frames) > MAX_FRAGMENTS:
            excess = f"A message may have {MAX_FRAGMENTS} frames"
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

    def _take_pong(self, data: bytes) -> bool:
        """Take the answer to the last ping, without the parser, if nothing else was received. Returns whether it is."""
        ping = self.pending_ping_payload
        if ping is None or self._unparsed or not self._at_boundary or not is_pong(data, ping):
            return False
        excess = self._budget.excess(self.loop.time(), frames=1, size=PONG_BYTES)
        if excess is None:
            self._ping_after_interval()
        else:
            self._refuse(excess)
        return True

    def _take_texts(self, data: bytes) -> bool:
        """Take messages without the parser, if nothing else was received. Returns whether they are taken."""
        if len(data) > SLICE_BYTES or self._unparsed or not self._at_boundary:
            return False
        if self.conn.state is not State.OPEN or self.conn.current_size is not None:  # a message has several frames
            return False
        texts = unmasked_texts(data)
        if texts is None or max(map(len, texts)) > self.config.ws_max_size:
            return False
        excess = self._budget.excess(self.loop.time(), frames=len(texts), size=len(data))
        if excess is not None:
            self._refuse(excess)
            return True
        self.curr_msg_data_type = "text"
        for text in texts:
            self.frames = [text]
            self.send_receive_event_to_app()
        return True

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
    def send_receive_event_to_app(self) -> None:
        if self._receiver is None or self.close_sent:
            pass
        elif not self.read_paused:
            # The message is handled in the next pass of the event loop. Reading is paused only if another one arrives
            # before that: each pause and continuation is a system call.
            self.read_paused = True
        else:
            self.transport.pause_reading()
        super().send_receive_event_to_app()

    @override
    def handle_ping(self) -> None:
        # While the write buffer is full, only the last ping is answered (RFC 6455, section 5.5.3).
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
        """Close the websocket, because the peer exceeded a budget."""
        self._refused = True
        self._unparsed = b""
        self._table.log_closed(
            "websockets exceeded their budgets (SWITCHBOARD_MAX_FRAMES_PER_SECOND, SWITCHBOARD_MAX_KB_PER_SECOND)"
        )
        if not self.handshake_complete or self.close_sent:
            self.transport.abort()
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.POLICY_VIOLATION, "reason": reason})
        self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()
        self._abort_after(REFUSED_SECONDS)

    # ---------------------------------------------------------------- what is sent

    @override
    def shutdown(self) -> None:
        # The application closes the websocket, when it has drained it (shutdown.py).
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    def accept(self, subprotocol: str) -> None:
        """Accept the handshake, in place of the first messages of ASGI. Raises ClientDisconnected."""
        self._messages.get_nowait()  # websocket.connect
        if self.disconnected or self.transport.is_closing():
            raise ClientDisconnected
        headers = self.response.headers
        del headers["Date"]  # uvicorn's is among the default fields
        for name, value in self.default_headers:
            headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        headers["Sec-WebSocket-Protocol"] = subprotocol
        self.handshake_complete = True
        self.conn.send_response(self.response)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.start_keepalive()
        del self.request, self.response

    @override
    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response  # the handshake is over
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self._abort_after(CLOSE_SECONDS)

    @override
    async def run_asgi(self) -> None:
        self.scope["headers"] = self._headers
        extensions = self.scope.get("extensions") or {}
        self.scope["extensions"] = {**extensions, CONNECTION_EXTENSION: {"connection": self}}
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        del self.scope
        self._headers = []
        if self._receiver is None:
            self._finish()

    def _finish(self) -> None:
        """End a connection whose application has returned."""
        if self.close_timer is None:
            self.transport.close()
            if not self.disconnected:
                self._abort_after(CLOSE_SECONDS)

    # ---------------------------------------------------------------- detached connections

    def detach(self, receiver: Receiver) -> None:
        """Give messages to the receiver from now on."""
        self._receiver = receiver
        self._messages.listener = self._handle_soon
        if not self._messages.empty():
            self._handle_soon()

    def _handle_soon(self) -> None:
        if self._opening_steps == 0:
            self._start_handling()
        elif not self._is_waiting:
            self._is_waiting = True
            self._table.openings.add_messages(self._handle_first)

    def _handle_first(self) -> None:
        self._is_waiting = False
        self._opening_steps -= 1
        if not self._messages.empty():
            self._start_handling()

    def _start_handling(self) -> None:
        if self._handling is None and self._receiver is not None:
            task = spawn(self._handle(), name="handle the messages of a websocket", kind=Work.READS)
            self._handling = task
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _handle(self) -> None:
        """Handle the messages that have arrived."""
        receiver = self._receiver
        assert receiver is not None
        try:
            while not self._messages.empty():
                message = await self.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if not self.close_sent:
                    await receiver.receive(cast(Mapping[str, Any], message))
            else:
                return
        except Exception:
            self.logger.exception("Exception in ASGI application\n")
        finally:
            self._handling = None
        self._receiver = self._messages.listener = None
        try:
            await receiver.disconnect()
        finally:
            self._finish()
