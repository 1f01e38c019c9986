"""What is no response of the API is an error, and what may have taken effect is not repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from switchboard_client import ApiError, ConnectionLost, Transport, open_api
from switchboard_client.errors import ConsumerBusy
from switchboard_client.events import RoomEvent
from switchboard_client.transport import BUSY_SECONDS, pause_after
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
