"""Limits on callers and addresses, and the code of each refusal."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from resolvers.auth.rate_limiter import RateLimiter, network
from resolvers.context import Services
from schema.execution.context import RequestContext
from server.settings import Settings
from tests.conftest import ADMIN_TOKEN, served
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
WATCH = {"query": "subscription { events { id } }"}


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_each_key_has_its_own_bucket() -> None:
    clock = Clock()
    rates = RateLimiter(2, seconds=10, clock=clock)

    assert [rates.acquire("a"), rates.acquire("a"), rates.acquire("a"), rates.acquire("b")] == [0, 0, 5, 0]
    clock.seconds = 4
    assert rates.acquire("a") == 1
    clock.seconds = 5
    assert [rates.acquire("a"), rates.acquire("a")] == [0, 5]
    rates.release("a")
    assert rates.acquire("a") == 0
    clock.seconds = 100
    assert [rates.acquire("a"), rates.acquire("a"), rates.acquire("a")] == [0, 0, 5]


def test_the_least_recently_used_key_is_evicted() -> None:
    rates = RateLimiter(1, seconds=10, max_keys=2, clock=Clock())

    assert [rates.acquire(key) for key in "abcab"] == [0, 0, 0, 0, 0]
    assert rates.acquire("b") == 10


def test_an_amount_of_zero_is_no_limit() -> None:
    rates = RateLimiter(0, seconds=1)

    assert [rates.acquire("a") for _ in range(100)] == [0] * 100


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_addresses_of_one_ipv6_network_share_a_limit(address: str, expected: str) -> None:
    assert network(address) == expected


@asynccontextmanager
async def limited(services: Services, **settings: Any) -> AsyncIterator[str]:
    async with served(services, Settings(**settings)) as address:
        yield address


@pytest.mark.parametrize("setting", ["rate_per_caller", "rate_per_address"])
async def test_operations_beyond_the_rate_are_rate_limited(services: Services, setting: str) -> None:
    async with (
        limited(services, **{setting: 0.2}) as url,
        httpx.AsyncClient(headers=ADMIN) as client,
    ):
        answers = [await client.post(url, json={"query": "{ viewer { type } }"}) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        (error,) = answers[2].json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 1 <= error["extensions"]["retryAfterSeconds"] <= 5
        assert answers[2].headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])


async def test_websockets_share_the_rate_and_survive_the_refusal(services: Services) -> None:
    async with limited(services, rate_per_caller=0.2) as url, connected(url, ADMIN) as socket:
        for number in "123":
            await send(socket, id=number, type="subscribe", payload={"query": "{ viewer { type } }"})
        answers = [await receive(socket) for _ in range(5)]
        await send(socket, type="ping")

        (refusal,) = [answer for answer in answers if answer["type"] == "error"]
        assert refusal["id"] == "3"
        assert refusal["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert await receive(socket) == {"type": "pong"}


@pytest.mark.parametrize("setting", ["max_operations_per_connection", "max_operations_per_caller"])
async def test_operations_over_the_limit_are_refused_and_the_others_continue(services: Services, setting: str) -> None:
    async with limited(services, **{setting: 1}) as url, connected(url, ADMIN) as socket:
        await send(socket, id="1", type="subscribe", payload=WATCH)
        await send(socket, id="2", type="subscribe", payload=WATCH)
        refusal = await receive(socket)
        await send(socket, id="1", type="complete")
        await send(socket, id="3", type="subscribe", payload={"query": "{ viewer { type } }"})
        answer = await receive(socket)

    assert (refusal["id"], refusal["type"]) == ("2", "error")
    assert refusal["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}
    assert answer == {"id": "3", "type": "next", "payload": {"data": {"viewer": {"type": "APP"}}}}


@pytest.mark.parametrize(
    ("setting", "payload"), [("max_connections_per_caller", ADMIN), ("max_anonymous_connections", None)]
)
async def test_connections_over_the_limit_are_refused_until_one_closes(
    services: Services, setting: str, payload: dict[str, str] | None
) -> None:
    async with limited(services, **{setting: 1}) as url:
        async with connected(url, payload), connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as second:
            await send(second, type="connection_init", payload=payload)
            assert await close_of(second) == (1013, "Too many connections; close some.")
        async with connected(url, payload):
            pass


async def test_too_large_body_is_refused_before_it_is_complete(services: Services) -> None:
    async with limited(services, max_body_kb=100) as url:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST {address.path} HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: 10000000\r\n\r\n".encode() + b" " * 110_000)

        length = 0
        async with asyncio.timeout(60):
            assert await reader.readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"
            while (line := await reader.readline()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = json.loads(await reader.readexactly(length))
        writer.close()
        assert body["errors"][0]["extensions"] == {"code": "QUERY_TOO_COMPLEX"}


async def test_message_that_is_too_long_closes_with_1009(services: Services) -> None:
    async with limited(services, max_message_kb=1) as url, connected(url) as socket:
        await send(socket, type="ping", payload={"a": "x" * 1_024})

        assert (await close_of(socket))[0] == 1009


async def test_query_that_exceeds_its_time_limit_is_cancelled(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(RequestContext, "read_head", endless)
    message = "The query took longer than 0.5 s."
    async with limited(services, max_query_seconds=0.5) as url, connected(url, ADMIN) as socket:
        async with httpx.AsyncClient(headers=ADMIN) as client:
            answer = await client.post(url, json={"query": "{ eventCursor }"})
        await send(socket, id="1", type="subscribe", payload={"query": "{ eventCursor }"})
        refusal = await receive(socket)
        await send(socket, id="1", type="subscribe", payload={"query": "{ viewer { type } }"})

        assert (await receive(socket))["payload"] == {"data": {"viewer": {"type": "APP"}}}

    assert answer.status_code == 503
    assert refusal["type"] == "error"
    (by_http,), (by_socket,) = answer.json()["errors"], refusal["payload"]
    assert by_http == by_socket
    assert (by_http["message"], by_http["extensions"]) == (message, {"code": "UNAVAILABLE", "retryable": True})


async def test_websockets_before_connection_init_are_limited_by_address(services: Services) -> None:
    async with (
        served(services, Settings(max_anonymous_connections=0), min_handshakes=3) as url,
        AsyncExitStack() as stack,
    ):

        async def silent() -> ClientConnection:
            return await stack.enter_async_context(connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]))

        first, *_ = [await silent() for _ in range(3)]
        refused = await close_of(await silent())
        await send(first, type="connection_init", payload=ADMIN)
        admitted = await receive(first)
        another = await silent()
        await send(another, type="connection_init", payload=ADMIN)

        assert refused == (1013, "Too many connections; close some.")
        assert admitted == {"type": "connection_ack"}
        assert await receive(another) == {"type": "connection_ack"}
