"""HTTP connections: uvicorn's httptools protocol, with limits on the size and the duration of requests.

An upgrade to another protocol than websocket is ignored (RFC 9110, section 7.8). httptools stops at the end of the
header of such a request, so the header is parsed again without the upgrade.
docs/decisions/0014-httptools.md has the reasons for httptools.
"""

import asyncio
import select
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from server.shutdown import Shutdown
from server.transport.connections import Connection, ConnectionTable, Phase
from server.transport.websocket_protocol import WebSocketProtocol
from server.transport.whole_responses import WHOLE_RESPONSE_EXTENSION, extension

#: How many bytes one call parses, so that few pipelined requests are parsed before the first is answered.
SLICE_BYTES: Final = 16 * 1024
#: When the server stops, how long a new connection may take to send its first request.
FIRST_REQUEST_SECONDS: Final = 2.0
#: Header fields of an upgrade.
UPGRADE_FIELDS: Final = frozenset((b"upgrade", b"http2-settings"))
#: Header fields that the websocket library reads, in addition to sec-websocket-*. The application gets all fields.
HANDSHAKE_FIELDS: Final = frozenset((b"host", b"upgrade", b"connection", b"origin"))


class Refused(Exception):
    """A request that is refused before it reaches the application."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection, until it becomes a websocket."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connection_table: ConnectionTable,
        shutdown: Shutdown,
        max_header: int,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._table = connection_table
        self._shutdown = shutdown
        self._max_header = max_header
        self._connection: Connection
        self._refused: Refused | None = None
        #: Received bytes that are not parsed yet, because a request before them is being answered.
        self._unparsed = b""
        #: Bytes since the parser completed an element: a header, trailers, or the length of a chunk.
        self._pending = 0
        self._in_header = True
        #: Whether the connection becomes a websocket. What is received meanwhile is in `_unparsed`.
        self._is_upgrading = False
        #: The size of the write buffer when the idle deadline last passed.
        self._unsent = 0

    # ---------------------------------------------------------------- the connection

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connection = self._table.open(self, transport.get_extra_info("socket").fileno())

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._table.close(self._connection)
        super().connection_lost(exc)

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The last request whose header was received."""
        return self.cycle

    @property
    def _is_answering(self) -> bool:
        return self._request is not None and not self.cycle.response_complete

    def abort(self) -> None:
        self.transport.abort()

    def expire(self, phase: Phase) -> None:
        """Close the connection, because a deadline has passed."""
        if phase is Phase.CLOSING:
            self.transport.abort()
            return
        unsent = self.transport.get_write_buffer_size()
        if phase is Phase.IDLE and unsent not in (0, self._unsent):  # the client is still reading a long response
            self._unsent = unsent
            self._table.enter(self._connection, Phase.IDLE)
            return
        waiting = phase is Phase.HEADER and (self._pending or self._connection.admitted)
        if waiting or (phase is Phase.BODY and not self.cycle.response_started):
            self._respond(HTTPStatus.REQUEST_TIMEOUT, "The request was not received in time.")
        self._close()

    def _close(self) -> None:
        """Close the connection when its write buffer has been sent, or after CLOSE_SECONDS."""
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._table.enter(self._connection, Phase.CLOSING)
        self.transport.close()

    @override
    def shutdown(self) -> None:
        """Close the connection after the request that it has, or that may be on its way."""
        if self._is_answering:
            self.cycle.keep_alive = False
        elif self._connection.phase is Phase.HEADER:
            self.loop.call_later(FIRST_REQUEST_SECONDS, self._close_without_request)
        elif not is_readable(self._connection.descriptor):  # otherwise a request has arrived, and is read next
            self.transport.close()

    def _close_without_request(self) -> None:
        if self._connection.phase is Phase.HEADER and not self.transport.is_closing():
            self._close()

    # ---------------------------------------------------------------- what is received

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused is not None or self.parser is None:
            return  # the refusal has been written; the rest of the request is ignored
        if self._is_upgrading:
            self._unparsed += data
            self.transport.pause_reading()
            return
        self._parse(self._unparsed + data if self._unparsed else data)

    def _parse(self, data: bytes) -> None:
        self._unparsed = b""
        while data:
            if self.pipeline:  # one request is being answered, and a second one is parsed
                self._unparsed = data
                self.flow.pause_reading()
                return
            try:
                data = self._parse_slice(data)
            except httptools.HttpParserError:
                self._refuse(self._refused or Refused(HTTPStatus.BAD_REQUEST, "Invalid HTTP request received."))
                return
        self._enter_phase()

    def _parse_slice(self, data: bytes) -> bytes:
        """Parse at most SLICE_BYTES. Returns the rest, or nothing if the connection has become a websocket."""
        now, later = data[:SLICE_BYTES], data[SLICE_BYTES:]
        self._pending += len(now)
        try:
            self.parser.feed_data(now)
        except httptools.HttpParserUpgrade as upgrade:
            later = now[upgrade.args[0] :] + later
            if self._should_upgrade():
                self._is_upgrading = True
                self._table.enter(self._connection, Phase.ACTIVE)
                self._table.openings.add_handshake(self._become_websocket)
                return b""
            head = self._head(without_upgrade(self.headers))
            self._pending = 0
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)
        if self._pending > self._max_header:
            self._refused = self._header_too_long()
            raise httptools.HttpParserError(self._refused.reason)
        return later

    def _enter_phase(self) -> None:
        """Enter the phase that follows from the state of the parser and the response."""
        if self._is_upgrading:
            return
        if self._is_answering:
            phase = Phase.BODY if self.cycle.more_body else Phase.ACTIVE
        elif self._request is not None and self.cycle.more_body:
            phase = Phase.LINGER
        else:
            phase = Phase.HEADER if self._pending or not self._connection.admitted else Phase.IDLE
        if phase is not self._connection.phase:  # single bytes do not extend a deadline
            self._table.enter(self._connection, phase)

    # ---------------------------------------------------------------- callbacks of the parser

    @override
    def on_message_begin(self) -> None:
        self._in_header = True
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_header:  # trailers are ignored
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._in_header = False
        if self._pending > self._max_header and len(self._head(self.headers)) > self._max_header:
            self._raise(self._header_too_long())
        self._pending = 0
        if self.parser.get_method() == b"CONNECT":
            self._raise(Refused(HTTPStatus.METHOD_NOT_ALLOWED, "This server is not a proxy."))
        if not self._connection.admitted and not self._table.make_room():
            self._table.log_closed(f"{self._table.max_admitted} others were in use (SWITCHBOARD_MAX_CONNECTIONS)")
            self._raise(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections; try again later."))
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.scope["extensions"] = {WHOLE_RESPONSE_EXTENSION: cast(Any, extension(self.cycle))}
            if self._shutdown.announced:
                self.cycle.keep_alive = False

    @override
    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._pending = 0
        if self.parser.should_upgrade():
            return
        self._table.admit(self._connection)
        self.cycle.more_body = False
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        # Replaces uvicorn's method, which starts a timer: ConnectionTable has the deadlines.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._table.enter(self._connection, Phase.CLOSING)
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        if self._unparsed and not self.pipeline:
            self.loop.call_soon(self.data_received, b"")
        self._enter_phase()

    # ---------------------------------------------------------------- upgrades

    @override
    def _should_upgrade(self) -> bool:
        """Whether the client asks for an upgrade to a websocket."""
        names = {name for name, _ in self.headers}
        upgrades = [value.strip().lower() for name, value in self.headers if name == b"upgrade"]
        has_body = b"content-length" in names or b"transfer-encoding" in names
        return upgrades == [b"websocket"] and self.parser.get_method() == b"GET" and not has_body

    def _become_websocket(self) -> None:
        """Hand the connection over to WebSocketProtocol."""
        if self.transport.is_closing():
            return
        self.connections.discard(self)
        protocol = WebSocketProtocol(
            self.config, self.server_state, self.app_state, connection_table=self._table, connection=self._connection
        )
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        fields = [
            (name, value)
            for name, value in self.headers
            if name in HANDSHAKE_FIELDS or name.startswith(b"sec-websocket")
        ]
        head = self._head(fields)
        # The parser refers to this object. The memory of both would stay in use until the garbage collector runs.
        self.parser = None  # type: ignore[assignment] # as uvicorn does it
        protocol.begin(head, self.headers, addresses=(self.server, self.client))
        if self._unparsed:
            self.transport.resume_reading()
            protocol.data_received(self._unparsed)
            self._unparsed = b""

    def _head(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The header of the request as bytes, with these fields."""
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"".join([first, *(b"%b: %b\r\n" % field for field in headers), b"\r\n"])

    # ---------------------------------------------------------------- refusals

    def _header_too_long(self) -> Refused:
        return Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The header may have at most {self._max_header // 1024} KiB."
        )

    def _raise(self, refused: Refused) -> None:
        self._refused = refused
        raise refused

    def _refuse(self, refused: Refused) -> None:
        """Send an error response without the application, and close the connection."""
        self._refused = refused
        if self._is_answering:
            self.transport.abort()  # the client would take a second response for a part of the first
            return
        self._respond(refused.status, refused.reason)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # Closing a connection with unread bytes resets it, and the client may lose the response.
        self._table.enter(self._connection, Phase.LINGER)

    def _respond(self, status: HTTPStatus, reason: str) -> None:
        text = reason.encode()
        self.transport.write(
            b"".join(
                [
                    STATUS_LINE[status],
                    b"content-type: text/plain; charset=utf-8\r\n",
                    b"content-length: %d\r\n" % len(text),
                    b"x-content-type-options: nosniff\r\n",
                    b"connection: close\r\n\r\n",
                    text,
                ]
            )
        )


def is_readable(descriptor: int) -> bool:
    """Whether a socket has received bytes that were not read, or its end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def without_upgrade(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The header fields without those of an upgrade."""
    found = []
    for name, value in headers:
        if name in UPGRADE_FIELDS:
            continue
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            value = b", ".join(option for option in options if option.lower() not in UPGRADE_FIELDS)
        found.append((name, value))
    return found
