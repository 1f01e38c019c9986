"""Checks of a Rasa server, and what happens when the task that repeats them ends."""

import asyncio

import pytest

from examples.bots.engine import EngineFailed, Said
from examples.bots.health import EngineHealth
from examples.bots.settings import Environment
from examples.rasa_bot.__main__ import serve_rasa
from examples.rasa_bot.engine import MAX_RESPONSE_BYTES, RasaEngine
from examples.rasa_bot.settings import read_settings
from examples.rasa_bot.stand_in import rasa_stand_in
from tests.examples.bots.support import deployment


async def test_connection_that_breaks_during_a_check_is_a_failure_of_the_engine() -> None:
    async def answer_the_status_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()).startswith(b"GET /status"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer_the_status_alone, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        _, rasa = read_settings(Environment({"SWITCHBOARD_TOKEN": "unused", "RASA_URL": url}))
        engine = RasaEngine(rasa)
        try:
            with pytest.raises(EngineFailed, match="GET /webhooks/rest/"):
                await engine.check()
        finally:
            await engine.aclose()


async def test_bot_does_not_end_silently_when_nothing_watches_the_engine_any_more(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(EngineHealth, "watch", fail)
    async with deployment(shared_url) as company, rasa_stand_in() as (_, url):
        settings, rasa = read_settings(Environment(company.environment(RASA_URL=url)))
        with pytest.raises(RuntimeError, match="a defect"):
            await serve_rasa(settings, rasa, ready=asyncio.Event(), stop=asyncio.Event())


@pytest.mark.parametrize("head", ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 Internal Server Error\r\n\r\n"])
async def test_answer_is_read_up_to_its_limit(head: str) -> None:
    sent = 0

    async def answer_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode())
        try:
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
                sent += 65_536
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(answer_for_ever, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        _, rasa = read_settings(Environment({"SWITCHBOARD_TOKEN": "unused", "RASA_URL": url, "BOT_TURN_SECONDS": "60"}))
        engine = RasaEngine(rasa)
        try:
            with pytest.raises(EngineFailed, match=f"more than {MAX_RESPONSE_BYTES} bytes"):
                await engine.ask(Said("room_01HV", "msg_1", "Hello", False, {}))
        finally:
            await engine.aclose()
    assert sent < 16 * MAX_RESPONSE_BYTES  # what the sockets buffer is more than what was read


async def test_answer_that_is_not_json_is_a_failure_of_the_engine() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        _, rasa = read_settings(Environment({"SWITCHBOARD_TOKEN": "unused", "RASA_URL": url}))
        engine = RasaEngine(rasa)
        try:
            with pytest.raises(EngineFailed, match="the answer is not JSON"):
                await engine.ask(Said("room_01HV", "msg_1", "Hello", False, {}))
        finally:
            await engine.aclose()
