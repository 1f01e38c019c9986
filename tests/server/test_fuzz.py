"""Arbitrary websocket messages are answered or close the socket with a code, and the server continues."""

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.conftest import ADMIN_TOKEN

#: The number of conversations. `make audit` sets more.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
TIMEOUT_SECONDS = 10
#: Stands for a message above the size limit, which would fill reports.
TOO_LONG = "a message that is too long"
#: The close codes of the protocol, and those of RFC 6455 for messages that are too long or not UTF-8.
CODES = {4400, 4401, 4403, 4409, 4429, 1007, 1009}
#: The close codes of RFC 6455 for invalid frames; 1006 if the connection is dropped without a close frame.
FRAME_CODES = {*CODES, 1000, 1002, 1003, 1006}
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=EXAMPLES < 100,
)

INIT = {"type": "connection_init", "payload": {"authorization": f"Bearer {ADMIN_TOKEN}"}}
QUERIES = [
    "{ __typename }",
    "{ viewer { type } }",
    "subscription { events { id } }",
    "subscription { roomStarted { room { roomId } } }",
    'subscription { events(after: "x") { id } }',
    "mutation { logout(input: {}) { loggedOut } }",
    "query A { __typename } query B { __typename }",
    "{",
    "{ nothing }",
    "",
    "{ a: __typename " + "b: __typename " * 200 + "}",
]

texts = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
kinds = st.sampled_from(
    ["connection_init", "ping", "pong", "subscribe", "complete", "next", "error", "connection_ack", "start"]
)
ids = st.sampled_from(["1", "2", "", "x" * 300]) | anything
operations = st.fixed_dictionaries(
    {"query": st.sampled_from(QUERIES) | anything},
    optional={"variables": anything, "operationName": anything, "extensions": anything, "more": anything},
)
messages = st.one_of(
    st.fixed_dictionaries({"type": kinds | anything}, optional={"id": ids, "payload": operations | anything}),
    st.builds(
        lambda name, query: {"type": "subscribe", "id": name, "payload": {"query": query}},
        ids,
        st.sampled_from(QUERIES),
    ),
    st.builds(lambda name: {"type": "complete", "id": name}, ids),
    st.sampled_from([INIT, {"type": "ping"}, {"type": "pong", "payload": {}}]),
    anything,
)
frames = st.one_of(
    messages.map(json.dumps),
    messages.map(json.dumps),
    messages.map(lambda message: json.dumps(message)[:-1]),
    texts,
    st.binary(max_size=40),
    st.sampled_from(["[" * 5_000, TOO_LONG, '{"type":"\\ud800"}', "NaN"]),
)


async def converse(url: str, sent: Sequence[str | bytes]) -> int | None:
    """Send the messages and a ping. Returns the close code, or None if the server answers the ping."""
    async with connect(url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        try:
            for one in sent:
                await socket.send("x" * 300_000 if one == TOO_LONG else one)
            await socket.send('{"type":"ping","payload":{"last":true}}')
            async with asyncio.timeout(TIMEOUT_SECONDS):
                pongs = 1 + sum(is_ping(one) for one in sent)
                while pongs:
                    pongs -= json.loads(await socket.recv())["type"] == "pong"
        except ConnectionClosed:
            return socket.close_code
    return None


def is_ping(frame: str | bytes) -> bool:
    try:
        message: Any = json.loads(frame)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") == "ping"


async def serves(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json={"query": "{ __typename }"})
    return answer.status_code == 200


@pytest.fixture(autouse=True)
def unbroken(caplog: pytest.LogCaptureFixture) -> Any:
    """Assert that the server logs no error."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@QUIET
@given(acknowledged=st.booleans(), sent=st.lists(frames, max_size=8))
def test_arbitrary_messages_are_answered_or_close_with_a_code(
    shared_url: str, acknowledged: bool, sent: list[str | bytes]
) -> None:
    begun = [json.dumps(INIT)] if acknowledged else []

    code = asyncio.run(converse(shared_url, [*begun, *sent]))

    # A client that keeps sending after the close can lose the close frame to a reset of the connection.
    lost = code == 1006 and TOO_LONG in sent
    assert code is None or code in CODES or lost
    assert asyncio.run(serves(shared_url))


@QUIET
@given(
    sent=st.lists(frames, max_size=3).filter(lambda sent: all(isinstance(one, str) for one in sent)), ends=st.booleans()
)
def test_other_sockets_are_not_affected(shared_url: str, sent: list[str], ends: bool) -> None:
    async def beside() -> None:
        async with connect(
            shared_url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")]
        ) as steady:
            await steady.send(json.dumps(INIT))
            await steady.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": QUERIES[2]}}))
            assert json.loads(await steady.recv()) == {"type": "connection_ack"}
            await converse(shared_url, [json.dumps(INIT), *sent] if ends else sent)
            await steady.send('{"type":"ping"}')
            assert json.loads(await steady.recv())["type"] in {"pong", "next"}

    asyncio.run(beside())


# ---------------------------------------------------------------- frames

HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def frame(first: int, second: int, rest: bytes) -> bytes:
    """A frame in which every bit may be wrong: FIN, reserved bits, opcode, mask, length and payload."""
    return bytes([first, second]) + rest


raw_frames = st.one_of(
    st.binary(max_size=60),
    st.builds(frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30)),
    # Well-formed: text, masked with zeros, of an arbitrary message.
    messages.map(json.dumps)
    .map(str.encode)
    .filter(lambda data: len(data) < 126)
    .map(lambda data: frame(0x81, 0x80 | len(data), b"\0\0\0\0" + data)),
    # A fragment of a text, and a continuation frame.
    st.builds(
        lambda first, data: frame(first, 0x80 | len(data), b"\0\0\0\0" + data),
        st.sampled_from([0x01, 0x00, 0x80]),
        st.binary(max_size=20),
    ),
    # Close frames with any body.
    st.builds(lambda data: frame(0x88, 0x80 | len(data), b"\0\0\0\0" + data), st.binary(max_size=125)),
    # Lengths above the limit.
    st.sampled_from(
        [
            frame(0x81, 0xFF, b"\xff" * 8),
            frame(0x81, 0xFF, b"\x00" * 4 + b"\x7f" + b"\xff" * 3),
            frame(0x89, 0xFE, b"\x01\x00"),
        ]
    ),
)


async def send_raw(url: str, sent: Sequence[bytes]) -> int | None:
    """Send bytes after a handshake. Returns the code of the close frame, or None without one."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(HANDSHAKE.format(host=parts.netloc).encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(b"".join(sent))
        writer.write_eof()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            received = await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.close()
    return code_in(received)


def code_in(received: bytes) -> int | None:
    at = 0
    while at + 2 <= len(received):
        opcode, length = received[at] & 0x0F, received[at + 1] & 0x7F
        start = at + 2 + {126: 2, 127: 8}.get(length, 0)
        if length >= 126:
            length = int.from_bytes(received[at + 2 : start])
        if opcode == 8:
            return int.from_bytes(received[start : start + 2]) if length else None
        at = start + length
    return None


@QUIET
@given(sent=st.lists(raw_frames, max_size=6))
def test_arbitrary_bytes_do_not_stop_the_server(shared_url: str, sent: list[bytes]) -> None:
    code = asyncio.run(send_raw(shared_url, sent))

    assert code is None or code in FRAME_CODES or 3000 <= code <= 4999
    assert asyncio.run(serves(shared_url))
