"""Limits on HTTP requests, websocket frames, deadlines and the number of connections."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from resolvers.context import Services
from server.settings import Settings
from server.transport.connections import FREE_DESCRIPTORS, ConnectionTable, Phase
from tests.conftest import ADMIN_TOKEN, served
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send

BODY = b'{"query":"{ __typename }"}'
ANSWER = b'{"data":{"__typename":"Query"}}'
TIMEOUT_SECONDS = 10
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


class Raw:
    """A TCP connection on which a test sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """The status and the body of the next response."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            return int(head.split(b" ", 2)[1]), await self._reader.readexactly(length)

    async def rest(self) -> bytes:
        """The bytes until the server closes the connection."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._reader.read()


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Raw]:
    target = httpx.URL(url)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


def post(*fields: bytes, body: bytes = BODY, path: bytes = b"/graphql") -> bytes:
    own = (b"host: x", b"content-type: application/json", b"content-length: %d" % len(body))
    return b"\r\n".join([b"POST %b HTTP/1.1" % path, *own, *fields, b"", body])


# ---------------------------------------------------------------- upgrades


@pytest.mark.parametrize(
    "offer",
    [
        [b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
        [b"Connection: Upgrade", b"Upgrade: TLS/1.0"],
        [b"Connection: keep-alive", b"Connection: upgrade", b"Upgrade: foo, bar"],
        [b"Connection: Upgrade", b"Upgrade: websocket"],
    ],
)
async def test_offered_upgrade_is_ignored_and_the_body_is_read(shared_url: str, offer: list[bytes]) -> None:
    async with raw(shared_url) as client:
        for _ in range(2):  # and the connection stays usable
            await client.send(post(*offer))
            assert await client.answer() == (200, ANSWER)
        await client.send(post())
        assert await client.answer() == (200, ANSWER)


async def test_offered_upgrade_is_ignored_when_the_request_comes_byte_by_byte_or_in_chunks(shared_url: str) -> None:
    fields = [b"host: x", b"content-type: application/json", b"transfer-encoding: chunked"]
    offer = [b"upgrade: h2c", b"connection: upgrade"]
    head = b"\r\n".join([b"POST /graphql HTTP/1.1", *fields, *offer, b"", b""])
    async with raw(shared_url) as client:
        for byte in head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY):
            await client.send(bytes([byte]))
        assert await client.answer() == (200, ANSWER)


async def test_websocket_request_with_many_and_long_fields_is_accepted(shared_url: str) -> None:
    """Browsers send the cookies of all ports of a host: more than the websocket library reads."""
    fields = {f"x-field-{number}": "y" for number in range(200)} | {"cookie": "c" * 12_000}
    url = shared_url.replace("http", "ws", 1)
    async with connect(url, subprotocols=[PROTOCOL], additional_headers=fields) as socket:
        await send(socket, type="connection_init")
        assert await receive(socket) == {"type": "connection_ack"}


async def test_connect_is_refused(shared_url: str) -> None:
    async with raw(shared_url) as client:
        await client.send(b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await client.answer())[0] == 405
        assert await client.rest() == b""


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([b"x: " + b"y" * 30_000], 200),
        ([b"x: " + b"y" * 33_000], 431),
        ([b"x%d: y" % number for number in range(4_000)], 431),
    ],
)
async def test_header_is_bounded_as_a_whole(shared_url: str, fields: list[bytes], status: int) -> None:
    async with raw(shared_url) as client:
        await client.send(post(*fields))
        assert (await client.answer())[0] == status


@pytest.mark.parametrize("start", [b"GET /graphql HTTP/1.1\r\nx: ", b"GET /", b"GET / HTTP/1.1\r\n"])
async def test_endless_header_is_answered_and_closed(shared_url: str, start: bytes) -> None:
    async def go_on(client: Raw) -> None:
        with suppress(ConnectionError):
            while True:
                await client.send(b"x: y\r\n" * 1_000 if start.endswith(b"\n") else b"y" * 6_000)
                await asyncio.sleep(0)

    async with raw(shared_url) as client:
        await client.send(start)
        sending = asyncio.create_task(go_on(client))
        assert (await client.answer())[0] == 431
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await sending


async def test_endless_trailer_and_endless_chunk_size_are_refused(shared_url: str) -> None:
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    for rest in (b"0\r\nx: " + b"y" * 60_000, b"1;" + b"y" * 60_000):
        async with raw(shared_url) as client:
            await client.send(head + rest)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.answer()


async def test_requests_sent_at_once_are_answered_in_order(shared_url: str) -> None:
    async with raw(shared_url) as client:
        await client.send(b"".join(post(body=b'{"query":"{ a%d: __typename }"}' % number) for number in range(500)))
        for number in range(500):
            assert await client.answer() == (200, b'{"data":{"a%d":"Query"}}' % number)


# ---------------------------------------------------------------- deadlines


@pytest.fixture
async def short_deadlines_url(services: Services) -> AsyncIterator[str]:
    """A server with short deadlines for requests and idle connections."""
    async with served(services, Settings(header_seconds=0.5, body_seconds=0.5, idle_seconds=0.5)) as address:
        yield address


async def test_silent_connection_is_closed(short_deadlines_url: str) -> None:
    async with raw(short_deadlines_url) as client:
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "half",
    [
        b"POST /graphql HTTP/1.1\r\nhost:",
        b"GET /graphql HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
        post()[:-5],
    ],
)
async def test_incomplete_request_is_answered_with_408_and_closed(short_deadlines_url: str, half: bytes) -> None:
    async with raw(short_deadlines_url) as client:
        await client.send(half)
        assert (await client.answer())[0] == 408
        assert await client.rest() == b""


async def test_request_sent_byte_by_byte_has_the_same_deadline(short_deadlines_url: str) -> None:
    async def trickle(client: Raw) -> None:
        while True:
            await client.send(b"x")
            await asyncio.sleep(0.05)

    async with raw(short_deadlines_url) as client:
        await client.send(b"GET /graphql HTTP/1.1\r\nx: ")
        trickling = asyncio.create_task(trickle(client))
        assert (await client.answer())[0] == 408
        trickling.cancel()


async def test_idle_connection_is_closed_after_its_answers(short_deadlines_url: str) -> None:
    async with raw(short_deadlines_url) as client:
        await client.send(post())
        assert await client.answer() == (200, ANSWER)
        assert await client.rest() == b""


async def test_open_websocket_and_open_stream_have_no_deadline(short_deadlines_url: str) -> None:
    async with connected(short_deadlines_url, ADMIN) as socket, raw(short_deadlines_url) as client:
        authorization = b"authorization: Bearer %b" % ADMIN_TOKEN.encode()
        query = b'{"query":"subscription { events { type } }"}'
        await client.send(post(authorization, b"accept: text/event-stream", body=query))
        async with raw(short_deadlines_url) as silent:
            await silent.rest()
        async with raw(short_deadlines_url) as silent:
            await silent.rest()

        create = 'mutation { createUser(input: {username: "u", name: "U"}) { user { name } } }'
        await send(socket, id="1", type="subscribe", payload={"query": create})
        assert (await receive(socket))["type"] == "next"
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await client._reader.readuntil(b'{"type":"USER_CREATED"}')


# ---------------------------------------------------------------- bounds


async def test_oldest_new_connection_is_closed_for_the_newest(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        served(services, Settings(max_new_connections=2)) as url,
        connected(url, ADMIN) as socket,
        raw(url) as first,
        raw(url) as second,
    ):
        await first.send(b"GET / HTTP/1.1\r\n")
        async with raw(url) as newest:
            await newest.send(post())
            assert await newest.answer() == (200, ANSWER)
        assert await first.rest() == b""
        await second.send(post())
        assert await second.answer() == (200, ANSWER)
        await send(socket, type="ping")
        assert await receive(socket) == {"type": "pong"}

    lines = [record.message for record in caplog.records if record.name == "server.transport.connections"]
    assert [line for line in lines if "SWITCHBOARD_MAX_NEW_CONNECTIONS" in line][:1] == [
        "Connections closed: 1, because more than 2 had not sent a request yet (SWITCHBOARD_MAX_NEW_CONNECTIONS)."
    ]


async def test_idle_connection_is_closed_first_and_then_new_ones_are_refused(services: Services) -> None:
    async with served(services, Settings(max_connections=2)) as url, raw(url) as idle:
        await idle.send(post())
        assert await idle.answer() == (200, ANSWER)
        async with connected(url, ADMIN), connected(url, ADMIN):
            assert await idle.rest() == b""
            async with raw(url) as client:
                await client.send(post())
                assert (await client.answer())[0] == 503
                assert await client.rest() == b""
            with pytest.raises(InvalidStatus) as refusal:
                async with connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]):
                    pass
            assert refusal.value.response.status_code == 503
        async with raw(url) as client:
            await client.send(post())
            assert await client.answer() == (200, ANSWER)


class Counted:
    """A connection that records whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def expire(self, phase: Phase) -> None: ...

    def abort(self) -> None:
        self.closed = True


async def test_file_descriptors_are_reserved(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    table = ConnectionTable(Settings(), descriptors=1_024)
    peers = [Counted() for _ in range(4)]
    idle, silent, *_ = peers
    held = table.open(idle, 20)
    table.admit(held)
    table.enter(held, Phase.IDLE)

    table.open(silent, 21)
    assert [peer.closed for peer in peers] == [False, False, False, False]
    table.open(peers[2], 1_024 - FREE_DESCRIPTORS)
    assert [peer.closed for peer in peers] == [False, True, False, False]

    assert table.max_admitted + table.max_new < 1_024 - FREE_DESCRIPTORS
    assert any("1024 file descriptors (ulimit -n) allow" in record.message for record in caplog.records)


# ---------------------------------------------------------------- budgets of websockets


def frames(opcode: Opcode, count: int, *, fin: bool = True) -> bytes:
    return Frame(opcode, b"", fin=fin).serialize(mask=True) * count


@asynccontextmanager
async def flooded(url: str, init: bool) -> AsyncIterator[Any]:
    async with connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL], ping_interval=None) as socket:
        if init:
            await send(socket, type="connection_init")
            assert await receive(socket) == {"type": "connection_ack"}
        yield socket


@pytest.mark.parametrize("init", [False, True])
@pytest.mark.parametrize("kind", [Opcode.PING, Opcode.PONG, Opcode.CONT])
async def test_flood_of_empty_frames_closes_with_1008(shared_url: str, kind: Opcode, init: bool) -> None:
    async with flooded(shared_url, init) as socket:
        begin = frames(Opcode.TEXT, 1, fin=False) if kind is Opcode.CONT else b""
        socket.transport.write(begin + frames(kind, 5_000, fin=kind is not Opcode.CONT))
        assert await close_of(socket) == (1008, "Too many frames a second")


async def test_frames_of_one_message_are_bounded(services: Services) -> None:
    async with served(services, Settings(max_frames_per_second=100_000)) as url, flooded(url, True) as socket:
        socket.transport.write(frames(Opcode.TEXT, 1, fin=False) + frames(Opcode.CONT, 2_000, fin=False))
        assert await close_of(socket) == (1008, "A message may have 1000 frames")


async def test_bytes_without_a_token_are_bounded(services: Services) -> None:
    small = Settings(max_message_kb=1, max_kb_per_second=1)
    async with served(services, small) as url, flooded(url, True) as socket:
        socket.transport.write(Frame(Opcode.PONG, b"x" * 125).serialize(mask=True) * 30)
        assert await close_of(socket) == (1008, "Too many bytes a second")


async def test_client_with_a_token_can_send_thousands_of_messages(shared_url: str) -> None:
    async with connected(shared_url, ADMIN) as socket:
        for _ in range(3_000):
            await send(socket, type="ping")
        for _ in range(3_000):
            assert await receive(socket) == {"type": "pong"}


async def test_messages_in_one_packet_are_answered_in_order(shared_url: str) -> None:
    query = "{ __typename }" + " " * 2_000
    async with connected(shared_url, ADMIN) as socket:
        for number in range(50):
            await send(socket, id=str(number), type="subscribe", payload={"query": query})
        done = [message["id"] for message in [await receive(socket) for _ in range(100)] if message["type"] == "next"]

    assert sorted(done, key=int) == [str(number) for number in range(50)]


def test_connections_without_a_request_take_a_quarter_of_the_descriptors_at_most() -> None:
    table = ConnectionTable(Settings(), descriptors=20_000)
    assert table.max_new < 5_000
    assert table.max_admitted > 14_000
