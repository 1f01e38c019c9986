"""Frames of text that is already encoded follow the websocket protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Frame as WrittenFrame
from websockets.frames import Opcode

from resolvers.context import Services
from server.app import create_app
from server.process.run import bind
from server.process.uvicorn_server import Server, make_config
from server.settings import Settings
from server.transport.frames import frame_header, is_whole, unmasked_texts

#: The interval of pings, and the time for a pong.
PING_SECONDS = 1.0
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_frame_header_follows_the_protocol(length: int) -> None:
    text = b"x" * length

    assert frame_header(length) + text == WrittenFrame(Opcode.TEXT, text).serialize(mask=False)


def masked(opcode: Opcode, data: bytes) -> bytes:
    return WrittenFrame(opcode, data).serialize(mask=True)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_received_bytes_are_whole_frames_or_not(length: int) -> None:
    frame = masked(Opcode.TEXT, b"x" * length)

    assert is_whole(frame)
    assert is_whole(frame + masked(Opcode.PONG, b"1234") + frame)
    assert not is_whole(frame[:-1])
    assert not is_whole(frame + frame[:1])
    assert not is_whole(frame + frame[:-1])


@pytest.mark.parametrize("length", [0, 1, 3, 125, 126, 1_000, 4_000])
def test_texts_are_read_as_the_parser_reads_them(length: int) -> None:
    texts = [("é" * length).encode()[:length], b"", b"second"]
    data = b"".join(masked(Opcode.TEXT, text) for text in texts)

    assert unmasked_texts(data) == texts


def test_other_bytes_are_left_to_the_parser() -> None:
    text = masked(Opcode.TEXT, b"text")
    others = [
        text[:-1],
        text[:1],
        text + text[:5],
        masked(Opcode.BINARY, b"text"),
        text + masked(Opcode.PING, b""),
        WrittenFrame(Opcode.TEXT, b"text").serialize(mask=False),
        WrittenFrame(Opcode.TEXT, b"text", fin=False).serialize(mask=True),
        bytes((text[0] | 0x40,)) + text[1:],
        masked(Opcode.TEXT, b"x" * 65_536),
    ]

    assert [unmasked_texts(data) for data in others] == [None] * len(others)


#: A message before a pong, the parts of one around it, or nothing.
MESSAGE = masked(Opcode.TEXT, b'{"type":"ping"}')
AROUND = [(b"", b""), (MESSAGE, b""), (b"", MESSAGE), (MESSAGE[:9], MESSAGE[9:]), (masked(Opcode.PONG, b"????"), b"")]


@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
async def test_a_pong_is_recognized_whatever_arrives_around_it(services: Services, *, apart: bool) -> None:
    async with pinging(services) as (reader, writer):
        for before, after in AROUND:
            pong = masked(Opcode.PONG, await next_ping(reader))
            # A control frame may not interrupt the bytes of another frame.
            parts = [before, pong, after] if before != MESSAGE[:9] else [before, after, pong]
            for part in parts if apart else [b"".join(parts)]:
                writer.write(part)
                await asyncio.wait_for(writer.drain(), 60)

        assert len(await next_ping(reader)) == 4


async def test_a_websocket_without_pongs_is_closed(services: Services) -> None:
    async with pinging(services) as (reader, writer):
        await next_ping(reader)
        writer.write(masked(Opcode.PONG, b"????"))

        closed = await asyncio.wait_for(reader.read(), 60)
        assert closed == WrittenFrame(Opcode.CLOSE, (1011).to_bytes(2) + b"keepalive ping timeout").serialize(
            mask=False
        )


@asynccontextmanager
async def pinging(services: Services) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A websocket of a server that sends pings every PING_SECONDS."""
    config, ready = make_config(create_app(services, connection_init_seconds=600), Settings()), asyncio.Event()
    config.ws_ping_interval = config.ws_ping_timeout = PING_SECONDS
    server = Server(config, ready.set)
    with bind("127.0.0.1", 0) as bound:
        running = asyncio.create_task(server.serve(sockets=[bound]))
        await ready.wait()
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer
        writer.transport.abort()
        server.should_exit = True
        await running


async def next_ping(reader: asyncio.StreamReader) -> bytes:
    """The payload of the next ping. Messages before it are skipped."""
    while True:
        kind, length = await asyncio.wait_for(reader.readexactly(2), 60)
        payload = await reader.readexactly(length)
        assert kind in (0x81, 0x89)
        if kind == 0x89:
            return payload
