"""Sessions for the chat page: who gets one, what it opens, and where the page is served."""

from collections.abc import AsyncIterator

import httpx
import pytest

from resolvers.context import Services
from server.pages import chat_sessions
from server.pages.built import BuiltPages
from server.pages.chat_sessions import serves_chat
from server.settings import Settings
from tests.conftest import ADMIN_TOKEN, served

PAGES = BuiltPages({"chat": "<title>Chat</title>"}, {})
COUNT = "{ visitors { totalCount } }"


@pytest.fixture
async def site(services: Services) -> AsyncIterator[str]:
    async with served(services, Settings(), built=PAGES) as url:
        yield url.removesuffix("/graphql")


async def count_visitors(site: str) -> int:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        answer = await client.post(f"{site}/graphql", json={"query": COUNT})
    count: int = answer.json()["data"]["visitors"]["totalCount"]
    return count


async def test_a_session_is_the_one_of_a_new_visitor(site: str) -> None:
    async with httpx.AsyncClient() as client:
        page = await client.get(f"{site}/chat")
        sessions = [(await client.post(f"{site}/chat/session", json={})).json() for _ in range(2)]
        viewers = [
            await client.post(
                f"{site}/graphql",
                json={"query": "{ viewer { type visitor { id token } } }"},
                headers={"authorization": f"Bearer {session['token']}"},
            )
            for session in sessions
        ]

    one, other = (viewer.json()["data"]["viewer"] for viewer in viewers)
    assert page.text == "<title>Chat</title>"
    assert one["type"] == other["type"] == "VISITOR"
    assert one["visitor"]["token"].startswith("chat-page-")
    assert one["visitor"]["id"] != other["visitor"]["id"]
    assert sessions[0]["expiresAt"].endswith("Z")


async def test_the_eleventh_session_of_an_address_in_a_minute_is_refused(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need more than a minute for eleven requests.
    monkeypatch.setattr(chat_sessions, "RATE_SECONDS", 60 * chat_sessions.RATE_SECONDS)
    async with served(services, built=PAGES) as url, httpx.AsyncClient() as client:
        site = url.removesuffix("/graphql")
        answers = [await client.post(f"{site}/chat/session", json={}) for _ in range(11)]
        visitors = await count_visitors(site)

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    (error,) = answers[10].json()["errors"]
    assert error["message"] == "Too many sessions from this address; wait."
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfterSeconds"] <= 360
    assert visitors == 10


async def test_a_form_of_another_site_gets_no_session(site: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{site}/chat/session", data={"a": "b"})

    assert answer.status_code == 415
    assert answer.json()["errors"][0]["message"] == "The content type must be application/json."
    assert await count_visitors(site) == 0


async def test_without_the_page_there_are_no_sessions(services: Services) -> None:
    async with served(services, Settings(chat=False), built=PAGES) as url, httpx.AsyncClient() as client:
        page = await client.get(url.replace("/graphql", "/chat"))
        session = await client.post(url.replace("/graphql", "/chat/session"), json={})

    assert (page.status_code, session.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("host", "chat", "served_there"),
    [
        ("127.0.0.1", None, True),
        ("127.0.0.2", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("192.0.2.1", None, False),
        ("desk.example.org", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
def test_the_page_is_served_on_loopback_addresses_unless_the_setting_says_otherwise(
    host: str, chat: bool | None, served_there: bool
) -> None:
    assert serves_chat(Settings(host=host, chat=chat)) is served_there
