"""Tokens of visitors at the server: what ends with them, and the limits that visitors have by default."""

import itertools
import secrets
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from resolvers.auth.access import Caller
from resolvers.context import Services
from server.auth.rate_limits import RequestRateLimits
from server.settings import Settings
from storage.errors import RateLimited
from storage.records import Actor, ActorType, Visitor
from tests.conftest import ADMIN_TOKEN, served
from tests.server.auth.test_revocation import ENDED, execute, watching
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send
from tests.storage.support import until

SAVE = "mutation($visitor: String!) { saveVisitor(input: {token: $visitor}) { visitor { id } } }"
SESSION = """mutation($visitor: String!, $seconds: Int!) {
    createVisitorSession(input: {visitorToken: $visitor, seconds: $seconds}) { token expiresAt visitor { token } } }"""
VIEWER = {"query": "{ viewer { type } }"}


async def session(url: str, visitor: str, seconds: int = 60) -> str:
    """The token of a new session of this visitor, who is saved first."""
    await execute(url, SAVE, visitor=visitor)
    created = (await execute(url, SESSION, visitor=visitor, seconds=seconds))["createVisitorSession"]
    assert created["visitor"]["token"] == visitor
    return str(created["token"])


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_seconds_0_closes_the_visitors_websockets_in_every_process(
    shared_url: str, shared_elsewhere_url: str
) -> None:
    visitor = secrets.token_hex(8)
    token = await session(shared_url, visitor)

    async with watching(shared_url, token) as here, watching(shared_elsewhere_url, token) as there:
        await execute(shared_url, SESSION, visitor=visitor, seconds=0)

        assert [await close_of(here), await close_of(there)] == [ENDED, ENDED]


async def test_the_time_of_a_session_closes_its_websockets(shared_url: str) -> None:
    token = await session(shared_url, secrets.token_hex(8), seconds=2)

    async with connect(shared_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        await send(socket, type="connection_init", payload=bearer(token))

        # On a slow machine, the session may end before the server reads the token.
        assert await close_of(socket) in (ENDED, (4403, "Forbidden"))


def test_a_visitor_has_2_operations_a_second_and_20_at_once() -> None:
    limits, seconds = RequestRateLimits(Settings()), [0.0]
    limits._visitors._clock = lambda: seconds[0]
    first, second = caller("first"), caller("second")

    for _ in range(20):
        limits.check_caller_rate(first)
    with pytest.raises(RateLimited) as refusal:
        limits.check_caller_rate(first)
    limits.check_caller_rate(second)
    seconds[0] = 0.5
    limits.check_caller_rate(first)
    with pytest.raises(RateLimited):
        limits.check_caller_rate(first)

    assert refusal.value.data == {"retryAfterSeconds": 1}


def caller(id: str) -> Caller:
    visitor = Visitor(id=id, token=id, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    return Caller(Actor(type=ActorType.VISITOR, id=id, name=None), visitor=visitor)


async def test_all_tokens_of_a_visitor_share_its_rate(services: Services) -> None:
    async with served(services, Settings(visitor_rate=0.01, visitor_burst=2)) as url, httpx.AsyncClient() as client:
        tokens = [await session(url, visitor) for visitor in ("v", "v", "w")]
        used = [tokens[0], tokens[1], tokens[0], tokens[2]]
        answers = [await client.post(url, json=VIEWER, headers=bearer(token)) for token in used]

    assert [answer.status_code == 429 for answer in answers] == [False, False, True, False]
    assert code(answers[2].json()) == "RATE_LIMITED"


async def test_the_rate_counts_operations_on_websockets_and_can_be_changed(services: Services) -> None:
    async with served(services, Settings(visitor_rate=0.01, visitor_burst=2)) as url:
        token = await session(url, "v")
        async with connected(url, bearer(token)) as socket:
            for number in range(3):
                await send(socket, id=str(number), type="subscribe", payload=VIEWER)
            messages = [await receive(socket) for _ in range(5)]

    refused = [one["payload"][0]["extensions"]["code"] for one in messages if one["type"] == "error"]
    assert refused == ["RATE_LIMITED"]


@pytest.mark.parametrize("limit", [1, 3])
async def test_websockets_of_one_visitor_are_limited(services: Services, limit: int) -> None:
    async with served(services, Settings(visitor_connections=limit)) as url:
        token = await session(url, "v")
        async with httpx.AsyncClient():
            sockets = [await connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) for _ in range(limit + 1)]
            for socket in sockets[:-1]:
                await send(socket, type="connection_init", payload=bearer(token))
                assert await receive(socket) == {"type": "connection_ack"}
            await send(sockets[-1], type="connection_init", payload=bearer(token))

            assert await close_of(sockets[-1]) == (1013, "Too many connections; close some.")
            for socket in sockets:
                await socket.close()


def code(answer: dict[str, Any]) -> str | None:
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else None


async def test_an_invalid_token_of_a_visitor_is_unauthenticated(shared_url: str) -> None:
    token = await session(shared_url, secrets.token_hex(8))
    mistyped = token[:-1] + ("0" if token[-1] != "0" else "1")

    async with httpx.AsyncClient() as client:
        for wrong in (mistyped, token[:-1], f"{ADMIN_TOKEN}x"):
            answer = (await client.post(shared_url, json=VIEWER, headers=bearer(wrong))).json()
            assert code(answer) == "UNAUTHENTICATED"


async def test_a_websocket_has_the_name_of_the_visitor_after_it_changes(services: Services) -> None:
    rename = 'mutation { saveVisitor(input: {token: "v", name: "Vera"}) { visitor { id } } }'
    asked = {"query": "{ viewer { name } }"}
    async with (
        served(services, Settings(visitor_rate=0)) as url,
        connected(url, bearer(await session(url, "v"))) as socket,
    ):
        numbers = itertools.count()

        async def name() -> str | None:
            await send(socket, id=str(next(numbers)), type="subscribe", payload=asked)
            found = (await receive(socket))["payload"]["data"]["viewer"]["name"]
            assert (await receive(socket))["type"] == "complete"
            return None if found is None else str(found)

        async def renamed() -> bool:
            return await name() == "Vera"

        assert await name() is None
        await execute(url, rename)
        await until(renamed)
