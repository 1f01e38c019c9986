"""The JavaScript starter greets each conversation once, whatever is killed or cut."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from examples.bots.serving import serving
from switchboard_client import open_api
from tests.client.processes import all_answered, app_process, start_room, texts
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN
from tests.examples.javascript_starter.conftest import NODE


async def test_each_conversation_is_greeted_once_although_the_starter_is_killed(
    shared_url: str, programs: Path
) -> None:
    consumer = f"greeter-{secrets.token_hex(6)}"
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        # A token of its own: the starter leaves out what its own token causes.
        scopes = ["events:read", "rooms:read", "visitors:read", "messages:write"]
        token = (await admin.create_app(name=consumer, scopes=scopes)).token
        settings = {"SWITCHBOARD_URL": shared_url, "SWITCHBOARD_TOKEN": token, "CONSUMER": consumer}
        command = (NODE, programs / "starter.mjs")
        async with app_process(admin, consumer, command, **settings):
            rooms = [await start_room(admin, "Ada")]
            await until(lambda: all_answered(admin, rooms))
            rooms += [await start_room(admin, "Ada"), await start_room(admin, "Ada")]
        rooms.append(await start_room(admin, None))
        async with app_process(admin, consumer, command, **settings):
            await until(lambda: all_answered(admin, rooms))

        assert [await texts(admin, room) for room in rooms] == [["Welcome, Ada!"]] * 3 + [["Welcome, visitor!"]]


async def test_starter_repeats_what_was_cut_goes_on_after_a_closed_room_and_ends_with_its_token(programs: Path) -> None:
    closed = {"data": {"sendMessage": None}, "errors": [{"message": "closed", "extensions": {"code": "ROOM_CLOSED"}}]}
    cut = None
    answers: list[dict[str, Any] | None] = [cut, closed, cut, closed, {"data": {"ackEvents": {}}}]
    event = {"data": {"events": {"cursor": "c", "room": {"roomId": "room_1", "visitor": {"name": "Ada"}}}}}
    asked: list[str] = []
    connections = 0

    async def answer(socket: WebSocket) -> None:
        nonlocal connections
        connections += 1
        await socket.accept("graphql-transport-ws")
        assert (await socket.receive_json())["type"] == "connection_init"
        if len(asked) == len(answers):
            await socket.close(4403, "The token is not valid")
            return
        await socket.send_json({"type": "connection_ack"})
        try:
            while (message := await socket.receive_json())["type"] != "subscribe" or await reply(socket, message):
                pass
        except WebSocketDisconnect:
            pass

    async def reply(socket: WebSocket, message: dict[str, Any]) -> bool:
        """False if the connection ends."""
        name = message["payload"]["query"].split()[1].partition("(")[0]
        result: dict[str, Any] | None = event
        if name != "Events":
            asked.append(name)
            result = answers[len(asked) - 1]
        if result is cut:
            await socket.close(1012)
            return False
        await socket.send_json({"id": message["id"], "type": "next", "payload": result})
        if name != "Events":
            await socket.send_json({"id": message["id"], "type": "complete"})
        if len(asked) == len(answers):
            await socket.close(1012)
            return False
        return True

    async with serving(Starlette(routes=[WebSocketRoute("/graphql", answer)])) as url:
        settings = os.environ | {"SWITCHBOARD_URL": f"{url}/graphql", "SWITCHBOARD_TOKEN": "token"}
        process = await asyncio.create_subprocess_exec(NODE, programs / "starter.mjs", env=settings)
        try:
            async with asyncio.timeout(120):
                assert await process.wait() == 1
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert asked == ["Greet", "Greet", "Ack", "Greet", "Ack"]
    assert connections >= 3


def test_starter_and_page_have_forty_lines(programs: Path) -> None:
    page = (programs / "visitor.html").read_text(encoding="utf-8")
    script = page.partition('<script type="module">')[2].partition("</script>")[0]
    for text in ((programs / "starter.mjs").read_text(encoding="utf-8"), script):
        assert len([line for line in text.splitlines() if line.strip()]) <= 40
