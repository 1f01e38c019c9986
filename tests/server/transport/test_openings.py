"""Websockets that are opened at the same time let other callbacks of the event loop run, and are opened in turn."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from websockets.frames import Opcode

from resolvers.context import Services
from server.transport import openings
from server.transport.http_protocol import HttpProtocol
from server.transport.openings import STEPS, OpeningQueue
from server.transport.websocket_protocol import WebSocketProtocol
from tests.server.transport.test_websocket_protocol import HANDSHAKE, masked, pinging


async def test_messages_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "STEPS", 1)
    queue, done = OpeningQueue(), list[str]()
    for name in ("first", "second"):
        queue.add_handshake(partial(done.append, f"{name} handshake"))
    for name in ("first", "second"):
        queue.add_messages(partial(done.append, f"{name} messages"))

    for count in range(1, 5):
        await asyncio.sleep(0)
        assert len(done) == count
    assert done == ["first messages", "second messages", "first handshake", "second handshake"]


async def test_a_pass_of_the_event_loop_takes_some_steps() -> None:
    queue, done = OpeningQueue(), list[int]()
    for number in range(3 * STEPS - 1):
        queue.add_handshake(partial(done.append, number))

    for count in (STEPS, 2 * STEPS, 3 * STEPS - 1):
        await asyncio.sleep(0)
        assert done == list(range(count))


async def test_a_step_that_fails_does_not_end_the_others() -> None:
    queue, errors, done = OpeningQueue(), list[object](), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def fail() -> None:
        raise ZeroDivisionError

    queue.add_handshake(fail)
    queue.add_handshake(done.set)
    await asyncio.wait_for(done.wait(), 60)

    assert [type(error) for error in errors] == [ZeroDivisionError]


def awaitable(monkeypatch: pytest.MonkeyPatch, name: str) -> "asyncio.Queue[None]":
    """From now on, each call of this method of new connections is put into the queue once it has ended."""
    calls: asyncio.Queue[None] = asyncio.Queue()
    method = getattr(HttpProtocol, name)

    def called(connection: HttpProtocol, *arguments: object) -> None:
        method(connection, *arguments)
        calls.put_nowait(None)

    monkeypatch.setattr(HttpProtocol, name, called)
    return calls


async def test_what_arrives_while_a_handshake_waits_is_handled(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pinging(services) as (_, first):
        waiting: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        monkeypatch.setattr(OpeningQueue, "add_handshake", lambda _, step: waiting.put_nowait(step))
        arrived = awaitable(monkeypatch, "data_received")
        reader, writer = await asyncio.open_connection(*first.get_extra_info("peername"))
        writer.write(HANDSHAKE)
        step = await asyncio.wait_for(waiting.get(), 60)
        await asyncio.wait_for(arrived.get(), 60)
        writer.write(masked(Opcode.TEXT, b'{"type":"ping"}'))
        await asyncio.wait_for(arrived.get(), 60)
        step()

        received = await asyncio.wait_for(reader.readuntil(b'{"type":"pong"}'), 60)
        assert received.startswith(b"HTTP/1.1 101 ")
        writer.close()


async def test_a_connection_that_is_lost_while_its_handshake_waits_is_no_websocket(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pinging(services) as (_, first):
        waiting: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        monkeypatch.setattr(OpeningQueue, "add_handshake", lambda _, step: waiting.put_nowait(step))
        begun: list[object] = []
        monkeypatch.setattr(WebSocketProtocol, "begin", lambda *_, **__: begun.append(None))
        lost = awaitable(monkeypatch, "connection_lost")
        _, writer = await asyncio.open_connection(*first.get_extra_info("peername"))
        writer.write(HANDSHAKE)
        step = await asyncio.wait_for(waiting.get(), 60)
        writer.transport.abort()
        await asyncio.wait_for(lost.get(), 60)
        step()

        assert begun == []
