"""What is no response of the API is an error, and what may have taken effect is not repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import certifi
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from switchboard_client import ApiError, Backoff, ConnectionLost, Transport, open_api, stream
from switchboard_client.errors import ConsumerBusy
from switchboard_client.event_documents import CREATE_CONSUMER
from switchboard_client.events import RoomEvent
from switchboard_client.transport import BUSY_SECONDS, SERVED_SECONDS, Reconnection, pause_after
from tests.client.support import QUICK, new_app

NOWHERE = "http://127.0.0.1:9/graphql"


class Gateway:
    """Answers every request in the same way, and counts them."""

    def __init__(self, status: str, body: str) -> None:
        self._response = (
            f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\nlocation: /\r\n\r\n{body}"
        ).encode()
        self.requests = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.partition(b":")[2]))
        self.requests += 1
        writer.write(self._response)
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql"
        finally:
            server.close()


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        ("503 Service Unavailable", '{"message": "no upstream"}', ConnectionLost, "answers with HTTP 503"),
        ("429 Too Many Requests", '{"message": "slow down"}', ApiError, "HTTP 429.*slow down"),
        ("200 OK", "{}", ApiError, "neither data nor errors"),
        ("200 OK", "<html>", ApiError, "no response of the API"),
        ("308 Permanent Redirect", "", ApiError, "HTTP 308"),
    ],
)
async def test_response_of_a_proxy_is_no_result(status: str, body: str, error: type[Exception], message: str) -> None:
    gateway = Gateway(status, body)
    async with gateway.listening() as url, open_api(url, "token", retry_seconds=0) as api:
        with pytest.raises(error, match=message):
            await api.send_message(room_id="room_01M8KX1CMQB35GF9D5DRHQACQK", text="Hello")
    assert gateway.requests == 1


@pytest.mark.parametrize("head", ["", "# greets\n", "fragment F on Message { id }\n"])
async def test_mutation_of_your_own_is_not_repeated(head: str) -> None:
    gateway = Gateway("503 Service Unavailable", "busy")
    async with gateway.listening() as url, open_api(url, "token", retry_seconds=30, backoff=QUICK) as api:
        with pytest.raises(ConnectionLost):
            await api.query(head + "mutation { result: sendMessage(input: {}) { message { ...F } } }")
    assert gateway.requests == 1


def test_second_copy_asks_again_soon_however_long_it_has_waited() -> None:
    assert pause_after(ConsumerBusy("another copy reads"), iter([30.0])) == BUSY_SECONDS


def test_pauses_start_again_after_a_connection_that_was_served_without_an_event() -> None:
    now, lost = 0.0, ConnectionLost("the connection ended")
    reconnection = Reconnection(Backoff(first=1.0, longest=64.0), clock=lambda: now)
    for longest in (1.0, 2.0, 4.0):  # each pause is at least half of this
        assert longest / 2 <= reconnection.pause_after(lost) <= longest
    reconnection.connected()
    now += SERVED_SECONDS / 2
    assert reconnection.pause_after(lost) >= 4.0
    reconnection.connected()
    now += SERVED_SECONDS
    assert reconnection.pause_after(lost) <= 1.0
    now += SERVED_SECONDS  # without a connection
    assert reconnection.pause_after(lost) >= 1.0


async def test_server_that_does_not_acknowledge_the_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    monkeypatch.setattr(stream, "OPEN_SECONDS", 0.2)
    server = await serve(silent, "127.0.0.1", 0, subprotocols=[Subprotocol("graphql-transport-ws")])
    async with server:
        transport = Transport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/graphql", "token")
        with pytest.raises(ConnectionLost, match=r"no connection_ack within 0\.2 s"):
            async with transport.stream(CREATE_CONSUMER, {"consumer": "greeter"}):
                raise AssertionError("the connection is not acknowledged")
        await transport.close()


def test_certificates_are_loaded_for_https_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certifi, "where", lambda: 1 / 0)
    Transport("http://127.0.0.1:8000/graphql", "token")
    with pytest.raises(ZeroDivisionError):
        Transport("https://switchboard.example/graphql", "token")


def test_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'localhost:8000/graphql' must begin with http:// or https://"):
        Transport("localhost:8000/graphql", "token")


def test_handler_of_no_type_of_event_is_refused() -> None:
    app = new_app(NOWHERE)
    with pytest.raises(ValueError, match="RoomEvent is no type of event"):
        app.on(RoomEvent)(lambda event, api: asyncio.sleep(0))
    with pytest.raises(ValueError, match="Name the types of events"):
        app.on()


async def test_values_beside_nothing_or_two_things_are_refused() -> None:
    async with open_api(NOWHERE, "token") as api:
        for ids in ({}, {"room_id": "room_1", "user_id": "usr_1"}):
            with pytest.raises(ValueError, match="Pass one of room_id=, user_id= and visitor_id="):
                await api.app_data_of("session", **ids)
