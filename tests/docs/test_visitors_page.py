"""The operations of the page on visitors, and of the chat that it shows, do what the page says."""

import re
import secrets
from pathlib import Path
from typing import Any

from graphql import build_schema, parse, validate
from websockets.asyncio.client import ClientConnection

from resolvers.visitor_sessions import MAX_SECONDS, MAX_SESSIONS
from server.settings import Settings
from tests.conftest import ADMIN_TOKEN
from tests.server.auth.test_revocation import execute
from tests.server.websocket_client import close_of, connected, receive, send

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "visitors.md").read_text(encoding="utf-8")
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


def samples() -> dict[str, str]:
    """The operations of the page, those of its script included, by their names."""
    (script,) = re.findall(r"<script type=\"module\">\n(.*?)</script>", PAGE, re.DOTALL)
    (line,) = re.findall(r'const LINE = "(.*?)";', script)
    texts = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)
    texts += [text.replace("${LINE}", line) for text in re.findall(r"run\(`(.*?)`", script, re.DOTALL)]
    return {re.findall(r"^\w+ (\w+)", text)[0]: text for text in texts}


def test_operations_of_the_page_are_valid_and_none_is_left_out() -> None:
    found = samples()

    assert sorted(found) == ["EndSessions", "News", "Open", "Read", "Send", "Session", "Start"]
    for text in found.values():
        assert validate(SCHEMA, parse(text)) == [], text


async def run(socket: ClientConnection, id: str, query: str, **variables: Any) -> Any:
    """The data of an operation on the websocket of the page."""
    await send(socket, id=id, type="subscribe", payload={"query": query, "variables": variables})
    message = await receive(socket)
    assert (message["type"], message["id"]) == ("next", id), message
    assert await receive(socket) == {"type": "complete", "id": id}
    return message["payload"]["data"]


async def test_the_chat_of_the_page_works_and_continues_after_a_reload(shared_url: str) -> None:
    found, visitor = samples(), secrets.token_hex(8)
    await execute(shared_url, "mutation($v: String!) { saveVisitor(input: {token: $v}) { visitor { id } } }", v=visitor)
    created = (await execute(shared_url, found["Session"], visitor=visitor))["createVisitorSession"]
    bearer = {"authorization": f"Bearer {created['token']}"}

    async with connected(shared_url, bearer) as socket:
        opened = await run(socket, "1", found["Open"])
        assert opened["rooms"] == {"nodes": []}
        room = (await run(socket, "2", found["Start"]))["startRoom"]["room"]["id"]
        news = {"query": found["News"], "variables": {"room": room, "after": opened["eventCursor"]}}
        await send(socket, id="3", type="subscribe", payload=news)
        await execute(shared_url, found["Send"], ADMIN_TOKEN, room=room, text="How can we help?")
        message = (await receive(socket))["payload"]["data"]["messageSent"]["message"]
        assert {**message, "id": ""} == {"id": "", "number": 1, "text": "How can we help?", "sender": {"type": "APP"}}
        assert (await run(socket, "4", found["Read"], room=room, message=message["id"]))["sendSignal"]["sentAt"]

    async with connected(shared_url, bearer) as socket, connected(shared_url, bearer) as other:
        (continued,) = (await run(socket, "1", found["Open"]))["rooms"]["nodes"]
        assert continued == {"id": room, "messages": {"nodes": [message]}}
        assert (await run(socket, "2", found["Send"], room=room, text="Hello"))["sendMessage"]["message"]["id"]

        await execute(shared_url, found["EndSessions"], visitor=visitor)
        assert [(await close_of(one))[0] for one in (socket, other)] == [4403, 4403]


def test_limits_of_the_page_are_those_of_the_code() -> None:
    settings = Settings()

    assert f"up to 30 days ({MAX_SECONDS:,})" in PAGE
    assert f"up to {MAX_SESSIONS} sessions" in PAGE
    for row in (
        f"| {settings.visitor_rate:g} operations a second on average, {settings.visitor_burst} at once |",
        f"| {settings.visitor_subscriptions} operations in progress, subscriptions included |",
        f"| {settings.visitor_open_rooms} open rooms |",
        f"| {settings.visitor_connections} websockets |",
    ):
        assert row in PAGE
