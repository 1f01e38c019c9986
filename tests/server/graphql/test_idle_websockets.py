"""A websocket without new messages and results has no task, and handles messages one after the other."""

import asyncio

import pytest
from starlette.websockets import WebSocket

from resolvers.context import Services
from server.graphql.websocket_adapters import WebSocketAdapter
from tests.conftest import ADMIN_TOKEN
from tests.resolvers.world import World
from tests.server.websocket_client import close_of, connected, receive, send
from tests.storage.support import until

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
STARTED = {"query": "subscription { roomStarted { room { subject } } }"}


def names() -> set[str]:
    """The names of the tasks of the server's websockets."""
    ours = "handle the messages of a websocket", "send a subscription what the log has"
    coroutines = {task.get_name(): getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
    return {name for name, coroutine in coroutines.items() if name in ours or "run_" in coroutine}


async def has_no_task() -> bool:
    return not names()


async def test_an_idle_subscription_has_no_task_and_is_sent_results(services: Services, url: str) -> None:
    world = World(services)
    await world.visitor()
    async with connected(url, ADMIN) as socket:
        await send(socket, id="1", type="subscribe", payload=STARTED)
        await until(has_no_task)
        for subject in ("first", "second"):
            await world.start(subject=subject)
            result = (await receive(socket))["payload"]["data"]["roomStarted"]
            assert result == {"room": {"subject": subject}}
        await until(has_no_task)


async def test_messages_that_arrive_together_are_handled_in_their_order(url: str) -> None:
    async with connected(url, ADMIN) as socket:
        await send(socket, type="ping")
        await send(socket, id="1", type="subscribe", payload=STARTED)
        await send(socket, id="1", type="complete")
        await send(socket, id="1", type="subscribe", payload=STARTED)
        await send(socket, id="1", type="subscribe", payload=STARTED)

        assert await receive(socket) == {"type": "pong"}
        assert await close_of(socket) == (4409, "Subscriber for 1 already exists")


async def test_a_defect_of_the_handler_closes_the_websocket(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(url, ADMIN) as socket:

        async def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("server.graphql.transport_ws.TransportWsHandler.handle_ping", fail)
        await send(socket, type="ping")

        assert (await close_of(socket))[0] == 1006
        await until(has_no_task)
    assert "ZeroDivisionError" in caplog.text


def test_the_asgi_websocket_of_another_server_has_no_connection() -> None:
    async def nothing(*_: object) -> None: ...

    scope = {"type": "websocket", "headers": [(b"authorization", b"Bearer x")]}
    socket = WebSocket(scope, receive=nothing, send=nothing)  # type: ignore[arg-type] # they are not called
    adapter = WebSocketAdapter(None, socket, socket)  # type: ignore[arg-type] # it needs no view

    assert (adapter.connection, adapter.authorization) == (None, "Bearer x")
