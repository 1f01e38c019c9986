"""An app misses no event, and takes no effect twice, whatever is cut, stalled, stopped or killed."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

from storage.embedded.node import free_port
from switchboard_client import Api, App, open_api
from switchboard_client.events import MessageSent, RoomEvent, RoomStarted
from tests.client.processes import texts
from tests.client.proxy import Proxy
from tests.client.support import QUICK, Disconnects, new_app, only, served, start_room, until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ServerProcess


def answering(url: str, source: str, **options: object) -> App:
    """An app that answers each new room of the source with one message."""
    app = new_app(url, own_events=True, attempts=1_000, **options)

    @app.on(RoomStarted, where=only(source))
    async def answer(event: RoomStarted, api: Api) -> None:
        await api.send_message(room_id=event.room.room_id, text="Hello", ack=event)

    return app


async def until_all_are_answered(api: Api, rooms: Sequence[str]) -> None:
    async def answered() -> bool:
        return all([await texts(api, room) for room in rooms])

    await until(answered)
    assert [await texts(api, room) for room in rooms] == [["Hello"]] * len(rooms)


async def test_each_room_is_answered_once_through_a_proxy_that_cuts_frames(shared_url: str) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    async with proxy.listening() as url, open_api(shared_url, ADMIN_TOKEN) as admin:
        app = answering(url, source)
        async with served(app):
            rooms: list[str] = []
            # Answers to mutations and events have one or two thousand bytes: each is cut somewhere.
            for count in (450, 700, 1_500, 2_100):
                proxy.cut_after(count)
                cuts = proxy.cuts
                rooms += [await start_room(admin, source) for _ in range(2)]
                await until(partial(proxy.has_cut_more_than, cuts))
            proxy.cut_after(None)
            await until_all_are_answered(admin, rooms)
            await until(lambda: _no_lag(admin, app))
    assert proxy.cuts >= 4


async def _reads(api: Api, app: App) -> bool:
    return any(one.connected for one in await api.consumers() or () if one.name == app.name)


async def _no_lag(api: Api, app: App) -> bool:
    return all(one.lag == 0 for one in await api.consumers() or () if one.name == app.name)


async def test_connection_that_stalls_without_a_word_is_opened_again(shared_url: str) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    async with proxy.listening() as url, open_api(shared_url, ADMIN_TOKEN) as admin:
        app = answering(url, source, ping_seconds=0.5, timeout=5.0, observer=(observer := Disconnects()))
        async with served(app):
            proxy.stall()
            rooms = [await start_room(admin, source) for _ in range(2)]
            await until(lambda: observer.count > 0)
            proxy.resume()
            await until_all_are_answered(admin, rooms)


async def test_app_goes_on_when_the_server_is_killed_or_restarted(mongodb_uri: str, database_name: str) -> None:
    source, port = secrets.token_hex(6), str(free_port())
    app = answering(f"http://127.0.0.1:{port}/graphql", source, retry_seconds=120.0)
    rooms: list[str] = []
    serving: asyncio.Task[None] | None = None
    for end in (ServerProcess.kill, ServerProcess.terminate, None):
        with ServerProcess(mongodb_uri, database_name, PORT=port) as server:
            await asyncio.to_thread(getattr, server, "url")
            serving = serving or asyncio.create_task(app.serve())
            await app.ready()
            rooms += [await start_room(app.api, source) for _ in range(3)]
            if end is None:
                await until_all_are_answered(app.api, rooms)
                app.stop()
                await serving
            else:
                await asyncio.to_thread(end, server)


async def test_app_holds_no_more_events_than_its_bound_while_a_handler_is_slow(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True, max_in_flight=4)
    free, handled = asyncio.Event(), list[str]()

    @app.on(RoomStarted, MessageSent, where=only(source))
    async def handle(event: RoomEvent, api: Api) -> None:
        await free.wait()
        handled.append(event.message.text if isinstance(event, MessageSent) else event.type)

    async with served(app) as api:
        room = await start_room(api, source)
        for number in range(12):
            await api.send_message(room_id=room, text=str(number))

        async def waits() -> bool:
            return any((one.name, one.in_flight, one.lag) == (app.name, 4, 13) for one in await api.consumers() or ())

        await until(waits)
        free.set()
        await until(lambda: len(handled) == 13)
        assert handled == ["ROOM_STARTED", *map(str, range(12))]


async def test_second_copy_waits_and_takes_over(shared_url: str) -> None:
    source = secrets.token_hex(6)
    first = new_app(shared_url, own_events=True)
    second = new_app(shared_url, own_events=True, name=first.name)
    handled: list[str] = []
    for app, name in ((first, "first"), (second, "second")):

        @app.on(RoomStarted, where=only(source))
        async def handle(event: RoomStarted, api: Api, name: str = name) -> None:
            handled.append(name)

    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        async with served(first):
            waiting = asyncio.create_task(second.serve())
            await start_room(admin, source)
            await until(lambda: len(handled) == 1)
        await start_room(admin, source)
        await until(lambda: len(handled) == 2)
        second.stop()
        await waiting
    assert handled == ["first", "second"]


async def test_copy_that_lost_its_connection_begins_no_event(shared_url: str) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    free = asyncio.Event()
    handled: list[tuple[str, str]] = []
    async with proxy.listening() as url, open_api(shared_url, ADMIN_TOKEN) as admin:
        first = new_app(url, own_events=True, retry_seconds=0.0)
        second = new_app(shared_url, own_events=True, name=first.name)

        @first.on(RoomStarted, MessageSent, where=only(source))
        async def handle(event: RoomEvent, api: Api) -> None:
            handled.append(("first", event.type))
            await free.wait()

        @second.on(RoomStarted, MessageSent, where=only(source))
        async def handle_too(event: RoomEvent, api: Api) -> None:
            handled.append(("second", event.type))

        async with served(first):
            room = await start_room(admin, source)
            await admin.send_message(room_id=room, text="later")
            await until(lambda: handled == [("first", "ROOM_STARTED")])
            proxy.stall()
            proxy.drop()
            async with served(second):
                await until(lambda: len(handled) == 3)
                free.set()
            proxy.resume()
            await until(lambda: _reads(admin, first))
    assert handled == [("first", "ROOM_STARTED"), ("second", "ROOM_STARTED"), ("second", "MESSAGE_SENT")]


async def test_lists_and_events_continue_after_a_lost_connection(shared_url: str) -> None:
    source, proxy = secrets.token_hex(6), Proxy(shared_url)
    async with (
        proxy.listening() as url,
        open_api(shared_url, ADMIN_TOKEN) as admin,
        open_api(url, ADMIN_TOKEN, backoff=QUICK) as api,
        aclosing(api.rooms_and_events(RoomStarted, where=only(source))) as items,
        aclosing(api.room_list_live(where=only(source))) as changes,
    ):
        first = await start_room(admin, source)
        assert getattr(await anext(items), "id", None) == first
        assert [(await anext(changes)).change for _ in range(2)] == ["PRESENT", "READY"]
        for _ in range(2):
            room = await start_room(admin, source)
            event = await anext(items)
            assert isinstance(event, RoomStarted)
            assert event.room.room_id == room
            while (change := await anext(changes)).change != "ENTERED":
                assert change.change in ("READY", "CHANGED")
            assert change.room is not None
            assert change.room.id == room
            proxy.drop()
