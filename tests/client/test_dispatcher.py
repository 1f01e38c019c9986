"""An event stays with the app until it is handled, however a call of its handler ends."""

import asyncio
import secrets

import pytest

from switchboard_client import Api, open_api
from switchboard_client.events import RoomStarted
from tests.client.proxy import Proxy
from tests.client.support import Disconnects, lag, new_app, only, served, start_room, until
from tests.conftest import ADMIN_TOKEN


async def test_serve_that_is_cancelled_cancels_its_handlers(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    started, cancelled = asyncio.Event(), asyncio.Event()

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        serving = asyncio.create_task(app.serve())
        await app.ready()
        await start_room(admin, source)
        await started.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
    assert cancelled.is_set()


async def test_handler_that_waits_for_a_cancelled_task_is_called_again(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    calls = 0

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            task = asyncio.create_task(asyncio.Event().wait())
            task.cancel()
            await task

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: calls == 2)

        async def acknowledged() -> bool:
            return await lag(app) == 0

        await until(acknowledged)


async def test_hook_and_handler_that_take_too_long_name_the_setting(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True, handler_seconds=0.05, attempts=1)
    dead: list[str] = []

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        await asyncio.Event().wait()

    @app.dead_letter
    async def bury(event: RoomStarted, error: Exception, api: Api) -> None:
        dead.append(str(error))
        if len(dead) == 1:
            await asyncio.Event().wait()

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: len(dead) == 2)
    assert dead == ["the call takes longer than handler_seconds (0.05 s)"] * 2


@pytest.mark.parametrize("attempts", [1, 1_000])
async def test_handler_that_fails_without_a_connection_leaves_its_event_to_the_other_copy(
    shared_url: str, attempts: int
) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    free = asyncio.Event()
    handled: list[str] = []
    async with proxy.listening() as url, open_api(shared_url, ADMIN_TOKEN) as admin:
        observer = Disconnects()
        first = new_app(url, own_events=True, retry_seconds=0.0, attempts=attempts, observer=observer)
        second = new_app(shared_url, own_events=True, name=first.name)

        @first.on(RoomStarted, where=only(source))
        async def handle(event: RoomStarted, api: Api) -> None:
            handled.append("first")
            await free.wait()
            raise RuntimeError("the handler fails")

        @first.dead_letter
        async def bury(event: RoomStarted, error: Exception, api: Api) -> None:
            handled.append("given up")

        @second.on(RoomStarted, where=only(source))
        async def handle_too(event: RoomStarted, api: Api) -> None:
            handled.append("second")

        async def first_reads() -> bool:
            return any(one.connected for one in await admin.consumers() or () if one.name == first.name)

        async with served(first):
            await start_room(admin, source)
            await until(lambda: handled == ["first"])
            proxy.stall()
            proxy.drop()
            async with served(second):
                await until(lambda: len(handled) == 2 and observer.count > 0)
                free.set()
            proxy.resume()
            await until(first_reads)
    assert handled == ["first", "second"]


async def test_event_whose_last_attempt_fails_without_a_connection_is_delivered_again(shared_url: str) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    free, failed = asyncio.Event(), asyncio.Event()
    calls: list[str] = []
    async with proxy.listening() as url, open_api(shared_url, ADMIN_TOKEN) as admin:
        app = new_app(url, own_events=True, attempts=1, observer=(observer := Disconnects()))

        @app.on(RoomStarted, where=only(source))
        async def handle(event: RoomStarted, api: Api) -> None:
            calls.append("handler")
            if len(calls) == 1:
                await free.wait()
                failed.set()
                raise RuntimeError("the handler fails")

        @app.dead_letter
        async def bury(event: RoomStarted, error: Exception, api: Api) -> None:
            calls.append("given up")

        async with served(app):
            await start_room(admin, source)
            await until(lambda: calls == ["handler"])
            proxy.stall()
            proxy.drop()
            await until(lambda: observer.count > 0)
            free.set()
            await failed.wait()
            proxy.resume()
            await until(lambda: len(calls) == 2)
    assert calls == ["handler", "handler"]
