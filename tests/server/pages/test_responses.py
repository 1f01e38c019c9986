"""The responses of the pages: their headers, their settings, and what is served without them."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from resolvers.context import Services
from server.pages.built import Asset, BuiltPages
from server.pages.responses import accepted_codings
from server.settings import Settings
from tests.conftest import served

SCRIPT = b"export const answer = 42;"
PAGE = '<meta name="switchboard" content="{}" /><script type="module" src="./assets/a-1.js"></script>'
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def built(tmp_path: Path) -> BuiltPages:
    """A page with one script, whose compressed forms are no real brotli and real gzip."""
    plain, small, smaller = (tmp_path / f"a-1.js{ending}" for ending in ("", ".gz", ".br"))
    plain.write_bytes(SCRIPT)
    small.write_bytes(gzip.compress(SCRIPT, mtime=0))
    smaller.write_bytes(b"brotli")
    asset = Asset(plain, "text/javascript; charset=utf-8", {"br": smaller, "gzip": small})
    return BuiltPages({"graphiql": PAGE}, {"a-1.js": asset})


@pytest.fixture
async def address(services: Services, built: BuiltPages) -> AsyncIterator[str]:
    """The address of a server below a base path, without a slash at the end."""
    async with served(services, Settings(base_path="/chat-system"), built=built) as url:
        yield url.removesuffix("/graphql") + "/chat-system"


async def test_a_page_has_the_addresses_below_the_base_path_and_the_settings(address: str) -> None:
    async with httpx.AsyncClient(headers=BROWSER) as client:
        page = await client.get(f"{address}/graphql")

    assert page.status_code == 200
    assert page.text == (
        '<meta name="switchboard" content="{&quot;base&quot;: &quot;/chat-system&quot;, &quot;graphiql&quot;: true, '
        '&quot;chat&quot;: true}" />'
        '<script type="module" src="/chat-system/assets/a-1.js"></script>'
    )
    assert page.headers["cache-control"] == "no-store"


async def test_the_policy_of_a_page_allows_its_own_server_alone_and_no_inline_scripts(address: str) -> None:
    async with httpx.AsyncClient(headers=BROWSER) as client:
        page = await client.get(f"{address}/graphql")

    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize(
    ("accepted", "coding", "content"),
    [
        ("gzip, deflate, br", "br", b"brotli"),
        ("gzip;q=0.5", "gzip", gzip.compress(SCRIPT, mtime=0)),
        ("br;q=0, gzip;q=0.000", None, SCRIPT),
        ("identity", None, SCRIPT),
    ],
)
async def test_an_asset_is_sent_in_the_best_coding_that_is_accepted(
    address: str, accepted: str, coding: str | None, content: bytes
) -> None:
    async with (
        httpx.AsyncClient(headers={"accept-encoding": accepted}) as client,
        client.stream("GET", f"{address}/assets/a-1.js") as response,
    ):
        raw = b"".join([part async for part in response.aiter_raw()])

    assert response.status_code == 200
    assert response.headers.get("content-encoding") == coding
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["vary"].split(", ")[0] == "accept-encoding"
    assert response.headers["x-content-type-options"] == "nosniff"
    if coding == "gzip":
        assert gzip.decompress(raw) == SCRIPT
    else:
        assert raw == content


@pytest.mark.parametrize("name", ["a-2.js", "a-1.js.gz", "..%2fa-1.js", "%2e%2e/a-1.js"])
async def test_other_files_are_not_found(address: str, name: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{address}/assets/{name}")

    assert response.status_code == 404
    assert SCRIPT not in response.content


async def test_without_pages_a_browser_reads_what_failed_and_programs_are_served(services: Services) -> None:
    problem = "bundling failed: <no space left>"
    async with (
        served(services, built=BuiltPages({}, {}, problem)) as url,
        httpx.AsyncClient() as client,
    ):
        page = await client.get(url, headers=BROWSER)
        answer = await client.post(url, json={"query": "{ __typename }"})

    assert page.status_code == 503
    assert re.findall(r"<pre>(.*?)</pre>", page.text, re.DOTALL) == ["bundling failed: &lt;no space left&gt;"]
    assert "make pages" in page.text
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("header", "codings"),
    [("", {""}), ("br", {"br"}), ("GZIP ; q=0.5 , br; q=0", {"gzip"}), ("*", {"*"})],
)
def test_accept_encoding_is_read_without_codings_of_quality_0(header: str, codings: set[str]) -> None:
    assert accepted_codings(header) == codings


async def test_an_asset_whose_file_was_replaced_is_not_found(address: str, built: BuiltPages) -> None:
    built.assets["a-1.js"].file.unlink()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/assets/a-1.js")).status_code == 404
