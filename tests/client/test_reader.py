"""When an app reads for its consumer, and where its consumer begins."""

import asyncio
import secrets

import pytest

from switchboard_client import Api, App, Backoff, Stopped, open_api
from switchboard_client.errors import InvalidInput
from switchboard_client.events import MessageSent, RoomEvent, RoomStarted
from tests.client.support import Disconnects, new_app, only, served, start_room, until
from tests.conftest import ADMIN_TOKEN


def collecting(url: str, source: str, rooms: list[str], **options: object) -> App:
    """An app that collects the ids of the rooms that start."""
    app = new_app(url, own_events=True, **options)

    @app.on(RoomStarted, where=only(source))
    async def collect(event: RoomStarted, api: Api) -> None:
        rooms.append(event.room.room_id)

    return app


async def test_event_between_the_creation_of_the_consumer_and_the_first_subscription_is_handled(
    shared_url: str,
) -> None:
    source, rooms = secrets.token_hex(6), list[str]()
    app = collecting(shared_url, source, rooms)
    await app.ensure_consumer()
    room = await start_room(app.api, source)
    async with served(app):
        await until(lambda: rooms != [])
    assert rooms == [room]


async def test_consumer_that_exists_keeps_its_position(shared_url: str) -> None:
    source, rooms = secrets.token_hex(6), list[str]()
    first = collecting(shared_url, source, [])
    async with served(first):
        pass
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        room = await start_room(admin, source)
    again = collecting(shared_url, source, rooms, name=first.name)
    await again.ensure_consumer()
    async with served(again):
        await until(lambda: rooms != [])
    assert rooms == [room]


async def test_consumer_is_created_although_an_app_of_others_has_one_of_the_same_name(shared_url: str) -> None:
    source, rooms = secrets.token_hex(6), list[str]()
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        created = await admin.create_app(name=f"other-{source}", scopes=["events:read"])
        other = new_app(shared_url, token=created.token)
        await other.ensure_consumer()
        await other.close()
        app = collecting(shared_url, source, rooms, name=other.name)
        await app.ensure_consumer()
        room = await start_room(admin, source)
        async with served(app):
            await until(lambda: rooms != [])
    assert rooms == [room]


async def test_ready_raises_the_error_with_which_the_subscription_is_refused(shared_url: str) -> None:
    source = secrets.token_hex(6)
    first = collecting(shared_url, source, [])
    await first.ensure_consumer()
    await start_room(first.api, source)
    second = collecting(shared_url, source, [], name=first.name, after=await first.api.event_cursor())
    serving = asyncio.create_task(second.serve())
    with pytest.raises(InvalidInput, match="This consumer exists"):
        await second.ready()
    with pytest.raises(InvalidInput, match="This consumer exists"):
        await serving
    await first.close()


async def test_ready_waits_while_another_copy_reads(shared_url: str) -> None:
    source = secrets.token_hex(6)
    first = collecting(shared_url, source, [])
    second = collecting(shared_url, source, [], name=first.name, observer=(observer := Disconnects()))
    async with served(first):
        serving = asyncio.create_task(second.serve())
        ready = asyncio.create_task(second.ready())
        await until(lambda: observer.count > 2)
        assert not ready.done()
    await ready
    second.stop()
    await serving


async def test_ready_ends_when_the_app_is_stopped_before(shared_url: str) -> None:
    source = secrets.token_hex(6)
    first = collecting(shared_url, source, [])
    second = collecting(shared_url, source, [], name=first.name, observer=(observer := Disconnects()))
    async with served(first):
        serving = asyncio.create_task(second.serve())
        ready = asyncio.create_task(second.ready())
        await until(lambda: observer.count > 0)
        second.stop()
        await serving
        with pytest.raises(Stopped, match="was stopped before it read"):
            await ready


async def test_ready_of_an_app_whose_connections_are_closed_says_that_it_was_stopped(shared_url: str) -> None:
    app = collecting(shared_url, secrets.token_hex(6), [])
    await app.close()
    with pytest.raises(Stopped, match="was stopped before it read"):
        await app.ready()


async def test_room_whose_handler_fails_does_not_hold_up_others_while_it_waits(shared_url: str) -> None:
    source, calls = secrets.token_hex(6), list[str]()
    # One slot, and a pause that outlasts every test.
    app = new_app(shared_url, own_events=True, concurrency=1, backoff=Backoff(first=3_600, longest=3_600))

    @app.on(RoomStarted, MessageSent, where=only(source))
    async def handle(event: RoomEvent, api: Api) -> None:
        calls.append(event.room.room_id)
        if len(calls) == 1:
            raise ValueError("the handler fails")

    async with served(app) as api:
        failing = await start_room(api, source)
        await until(lambda: calls != [])
        await api.send_message(room_id=failing, text="waits")
        others = [await start_room(api, source) for _ in range(2)]
        await until(lambda: len(calls) == 3)
    assert calls == [failing, *others]
