"""A server behind a proxy: the address of the caller and the base path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from resolvers.context import Services
from server.settings import Settings
from tests.conftest import served
from tests.server.websocket_client import connected, receive, send

TYPENAME = {"query": "{ __typename }"}


@asynccontextmanager
async def behind(services: Services, **settings: Any) -> AsyncIterator[str]:
    async with served(services, Settings(**settings)) as address:
        yield address


@pytest.mark.parametrize(
    ("trusted", "statuses"), [((), [200, 200, 429, 429]), (("127.0.0.0/8",), [200, 200, 200, 200])]
)
async def test_address_is_read_from_trusted_proxies_only(
    services: Services, trusted: tuple[str, ...], statuses: list[int]
) -> None:
    async with behind(services, trusted_proxies=trusted, rate_per_address=0.2) as url, httpx.AsyncClient() as client:
        answers = [
            await client.post(url, json=TYPENAME, headers={"x-forwarded-for": f"203.0.113.{number}"})
            for number in range(4)
        ]

    assert [answer.status_code for answer in answers] == statuses


@pytest.mark.parametrize(("trusted", "secure"), [((), False), (("127.0.0.1/32",), True)])
async def test_hsts_is_sent_when_a_trusted_proxy_terminates_tls(
    services: Services, trusted: tuple[str, ...], secure: bool
) -> None:
    async with behind(services, trusted_proxies=trusted) as url, httpx.AsyncClient() as client:
        answer = await client.post(url, json=TYPENAME, headers={"x-forwarded-proto": "https"})

    assert ("strict-transport-security" in answer.headers) == secure


async def test_every_route_is_under_the_base_path(services: Services) -> None:
    async with behind(services, base_path="/live/chat") as root_url, httpx.AsyncClient() as client:
        url = root_url.replace("/graphql", "/live/chat/graphql")
        home = await client.get(url.removesuffix("graphql"))
        answer = await client.post(url, json=TYPENAME)
        ready = await client.get(url.replace("graphql", "health/ready"))
        at_root = await client.post(root_url, json=TYPENAME)
        async with connected(url) as socket:
            await send(socket, type="ping")
            assert await receive(socket) == {"type": "pong"}

    assert home.headers["location"] == "/live/chat/graphql"
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert (ready.status_code, at_root.status_code) == (200, 404)


@pytest.mark.parametrize("base_path", ["", "/live"])
async def test_trailing_slash_is_answered_without_redirect(services: Services, base_path: str) -> None:
    async with behind(services, base_path=base_path) as root_url, httpx.AsyncClient() as client:
        url = root_url.replace("/graphql", f"{base_path}/graphql/")
        answer = await client.post(url, json=TYPENAME)
        live = await client.get(url.replace("graphql/", "health/live/"))
        home = await client.get(root_url.replace("/graphql", base_path))
        async with connected(url) as socket:
            await send(socket, type="ping")
            assert await receive(socket) == {"type": "pong"}

    assert answer.json() == {"data": {"__typename": "Query"}}
    assert live.status_code == 200
    assert home.headers["location"] == f"{base_path}/graphql"
