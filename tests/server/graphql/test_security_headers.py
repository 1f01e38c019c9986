"""Requests from pages of other sites, and the security headers of responses."""

from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from resolvers.context import Services
from server.settings import SettingError, Settings, read_settings
from tests.conftest import served

HERE = "https://desk.example.org"
ELSEWHERE = "https://evil.example.net"


@pytest.fixture
async def opened_url(services: Services) -> AsyncIterator[str]:
    """A server that allows the origin of one other site."""
    async with served(services, Settings(allowed_origins=(HERE,))) as address:
        yield address


async def handshake(url: str, origin: str | None) -> int:
    """The status of a websocket handshake by a page of this origin."""
    given = None if origin is None else Origin(origin)
    try:
        async with connect(
            url.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")], origin=given
        ):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


async def test_websocket_accepts_pages_of_the_same_host_and_programs(shared_url: str) -> None:
    own = shared_url.removesuffix("/graphql")

    assert await handshake(shared_url, None) == 101
    assert await handshake(shared_url, own) == 101
    for other in (ELSEWHERE, HERE, "null", f"{own}.example.net", "http://127.0.0.1:1"):
        assert await handshake(shared_url, other) == 403


async def test_websocket_accepts_pages_of_configured_origins(opened_url: str) -> None:
    assert await handshake(opened_url, HERE) == 101
    assert await handshake(opened_url, ELSEWHERE) == 403


async def preflight(url: str, origin: str, asked: str = "authorization,content-type") -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": asked,
    }
    async with httpx.AsyncClient() as client:
        return await client.options(url, headers=headers)


async def test_other_origins_cannot_fetch_by_default(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(shared_url, json={"query": "{ __typename }"}, headers={"origin": ELSEWHERE})

    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in (await preflight(shared_url, ELSEWHERE)).headers


async def test_configured_origins_can_fetch(opened_url: str) -> None:
    allowed, refused = await preflight(opened_url, HERE), await preflight(opened_url, ELSEWHERE)
    async with httpx.AsyncClient() as client:
        answer = await client.post(opened_url, json={"query": "{ __typename }"}, headers={"origin": HERE})

    assert (allowed.status_code, refused.status_code) == (200, 400)
    assert allowed.headers["access-control-allow-origin"] == HERE
    assert allowed.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in refused.headers
    assert answer.headers["access-control-allow-origin"] == HERE


@pytest.mark.parametrize(
    "name",
    [
        "apollographql-client-name",
        "apollographql-client-version",
        "x-apollo-operation-name",
        "apollo-require-preflight",
        "x-requested-with",
        "sentry-trace",
        "baggage",
        "traceparent",
        "last-event-id",
    ],
)
async def test_cors_allows_headers_of_graphql_clients_and_tracing(opened_url: str, name: str) -> None:
    answer = await preflight(opened_url, HERE, asked=f"authorization,content-type,{name}")

    assert answer.status_code == 200
    assert name in answer.headers["access-control-allow-headers"].split(", ")


@pytest.mark.parametrize(
    ("named", "allowed", "refused"),
    [
        ("capacitor://localhost", "capacitor://localhost", "capacitor://elsewhere"),
        ("null", "null", HERE),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop", "chrome-extension://b"),
        ("https://*.example.org", "https://a.example.org", "https://a.b.example.org"),
        ("https://*.example.org", "https://b.example.org", "https://example.org"),
        ("https://*.example.org:8443", "https://b.example.org:8443", "https://b.example.org"),
        ("http://LOCALHOST:80", "http://localhost", "https://localhost"),
    ],
)
async def test_origins_match_exactly(services: Services, named: str, allowed: str, refused: str) -> None:
    settings = read_settings({"SWITCHBOARD_ALLOWED_ORIGINS": named})
    async with served(services, settings) as url:
        assert [(await preflight(url, origin)).status_code for origin in (allowed, refused)] == [200, 400]
        assert [await handshake(url, origin) for origin in (allowed, refused)] == [101, 403]


@pytest.mark.parametrize(
    "named",
    [
        "*",
        "https://*",
        "https://*.org",
        "https://a.*.example.org",
        "https://*.*.example.org",
        "https://x*.example.org",
        "*.example.org",
        "https://example.org/path",
        "https://me@example.org",
        "http://localhost:*",
        "wss://example.org",
        "https://example.org,",
    ],
)
def test_invalid_origins_are_refused_at_startup(named: str) -> None:
    with pytest.raises(SettingError, match="SWITCHBOARD_ALLOWED_ORIGINS must be origins such as"):
        read_settings({"SWITCHBOARD_ALLOWED_ORIGINS": named})


async def test_refused_origin_is_logged_once_with_the_setting(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(services) as url, httpx.AsyncClient() as client:
        for _ in range(3):
            assert await handshake(url, ELSEWHERE) == 403
            await preflight(url, ELSEWHERE)
            await client.post(url, json={"query": "{ __typename }"}, headers={"origin": ELSEWHERE})
            await client.post(url, json={"query": "{ __typename }"}, headers={"origin": url.removesuffix("/graphql")})

    assert [record.getMessage() for record in caplog.records if ELSEWHERE in record.getMessage()] == [
        f'{what} of a page from "{ELSEWHERE}" was refused: to allow the pages of this origin, add it to '
        "SWITCHBOARD_ALLOWED_ORIGINS."
        for what in ("A websocket", "A request")
    ]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_cross_site_form_requests_are_refused(shared_url: str, content_type: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            shared_url, content=b'{"query": "{ __typename }"}', headers={"content-type": content_type}
        )

    assert answer.status_code == 415


async def test_every_response_has_a_policy_that_forbids_scripts(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        answers = [
            await client.post(shared_url, json={"query": "{ __typename }"}),
            await client.post(shared_url, content=b"{"),
            await client.get(shared_url.replace("/graphql", "/health/live")),
            await client.get(shared_url.replace("/graphql", "/nowhere")),
        ]

    for answer in answers:
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
