"""An app gets events as one consumer, and acknowledges each when its effect is there."""

import asyncio
import secrets

import pytest
from typing_extensions import override

from switchboard_client import Api, ApiError, App, ConnectionLost, GiveUp, Observer, open_api
from switchboard_client.errors import NotFound, Unauthenticated
from switchboard_client.events import Event, MessageSent, RoomClosed, RoomEvent, RoomStarted
from tests.client.support import Disconnects, lag, new_app, only, served, start_room, until
from tests.conftest import ADMIN_TOKEN


async def test_events_of_a_room_are_handled_in_order_while_rooms_are_side_by_side(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    handled: list[tuple[str, str]] = []
    free = asyncio.Event()

    @app.on(RoomStarted, MessageSent, RoomClosed, where=only(source))
    async def handle(event: RoomEvent, api: Api) -> None:
        if event.room.subject == "slow":
            await free.wait()
        handled.append((str(event.room.subject), event.type))

    async with served(app) as api:
        token = f"visitor-{source}"
        await api.save_visitor(token=token)
        for subject in ("slow", "other"):
            room = (await api.start_room(visitor_token=token, source=source, subject=subject)).room.id
            await api.send_message(room_id=room, text="Hello", as_={"visitorToken": token})
            await api.close_room(room_id=room)
        types = ["ROOM_STARTED", "MESSAGE_SENT", "ROOM_CLOSED"]
        await until(lambda: len(handled) == 3)
        assert handled == [("other", type_) for type_ in types]
        free.set()
        await until(lambda: len(handled) == 6)
        assert handled[3:] == [("slow", type_) for type_ in types]


async def test_no_more_handlers_run_at_once_than_the_bound(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True, concurrency=2)
    running: set[str] = set()
    two = asyncio.Event()
    most, done = 0, 0

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        nonlocal most, done
        running.add(event.room.room_id)
        most = max(most, len(running))
        if len(running) == 2:
            two.set()
        await two.wait()
        running.remove(event.room.room_id)
        done += 1

    async with served(app) as api:
        await asyncio.gather(*(start_room(api, source) for _ in range(5)))
        await until(lambda: done == 5)
    assert most == 2


async def test_effect_and_acknowledgement_are_one_mutation(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    calls: list[str] = []

    @app.on(RoomStarted, where=only(source))
    async def close(event: RoomStarted, api: Api) -> None:
        calls.append(event.room.room_id)
        # With the api of the app, the dispatcher does not know that it succeeded, as after a lost response.
        await app.api.close_room(room_id=event.room.room_id, comment="done", ack=event)
        raise RuntimeError("the handler fails after its effect")

    async with served(app) as api:
        room = await start_room(api, source)
        await until(lambda: len(calls) == 2)
        found = await api.room(by={"id": room})
        assert found is not None
        assert (found.status, found.close_comment) == ("CLOSED", "done")
        await until(lambda: _no_lag(app))
        events = await api.events(RoomClosed, where={"ids": [room]})
        assert len(events.nodes) == 1


async def test_handler_that_fails_after_it_has_acknowledged_is_not_called_again(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    calls: list[str] = []

    @app.on(RoomStarted, MessageSent, where=only(source))
    async def close(event: RoomEvent, api: Api) -> None:
        calls.append(event.type)
        if isinstance(event, RoomStarted):
            await api.send_message(room_id=event.room.room_id, text="Hello", ack=event)
            raise RuntimeError("the handler fails after its effect")

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: "MESSAGE_SENT" in calls)
        assert calls == ["ROOM_STARTED", "MESSAGE_SENT"]


async def test_observer_measures_and_its_fault_ends_the_app(shared_url: str) -> None:
    source = secrets.token_hex(6)
    observer = Recorder()
    app = new_app(shared_url, own_events=True, attempts=2, observer=observer)

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        raise ValueError("the handler fails")

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it ends the app, whenever that is
        async with served(app) as api:
            await start_room(api, source)
            await until(lambda: observer.seen[-1] == "handled")
    assert observer.seen == ["connected", "retried", "gave_up", "handled"]


class Recorder(Observer):
    """Records its calls, and fails in the last one."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @override
    def connected(self) -> None:
        self.seen.append("connected")

    @override
    def retried(self, event: Event, error: Exception, *, attempt: int, pause: float) -> None:
        self.seen.append("retried")

    @override
    def gave_up(self, event: Event, error: Exception, *, attempts: int) -> None:
        self.seen.append("gave_up")

    @override
    def handled(self, event: Event, *, attempts: int, seconds: float) -> None:
        self.seen.append("handled")
        raise ZeroDivisionError


async def test_values_beside_a_room_are_read_by_their_key(shared_url: str) -> None:
    source = secrets.token_hex(6)
    async with open_api(shared_url, ADMIN_TOKEN) as api:
        room = await start_room(api, source)
        assert await api.app_data_of("session", room_id=room) is None
        await api.set_app_data(of={"roomId": room}, key="session", value={"step": 1})
        found = await api.app_data_of("session", room_id=room)
    assert found is not None
    assert (found.value, found.version) == ({"step": 1}, 1)


async def test_address_that_is_not_an_api_is_an_error_with_its_status(shared_url: str) -> None:
    async with open_api(shared_url.replace("/graphql", "/elsewhere"), ADMIN_TOKEN) as api:
        with pytest.raises(ApiError, match="answers with HTTP 404"):
            await api.viewer()


async def test_event_is_acknowledged_after_a_handler_that_acknowledges_nothing(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        assert await lag(app) == 1

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: _no_lag(app))


async def _no_lag(app: App) -> bool:
    return await lag(app) == 0


async def test_failing_handler_is_called_again_and_then_the_dead_letter_hook(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True, attempts=3)
    calls: list[str] = []
    dead: list[tuple[str, str]] = []

    @app.on(RoomStarted, MessageSent, where=only(source))
    async def handle(event: RoomEvent, api: Api) -> None:
        calls.append(event.type)
        if isinstance(event, RoomStarted):
            raise ValueError("the handler fails")

    @app.dead_letter
    async def bury(event: RoomEvent, error: Exception, api: Api) -> None:
        if not dead:
            dead.append((event.type, str(error)))
            raise ConnectionLost("the hook is repeated until it succeeds")
        dead.append((event.type, str(error)))

    async with served(app) as api:
        room = await start_room(api, source)
        await api.send_message(room_id=room, text="on")
        await until(lambda: "MESSAGE_SENT" in calls)
        assert calls == ["ROOM_STARTED"] * 3 + ["MESSAGE_SENT"]
        assert dead == [("ROOM_STARTED", "the handler fails")] * 2
        await until(lambda: _no_lag(app))


async def test_handler_that_gives_up_is_not_called_again(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    calls: list[str] = []

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        calls.append("handler")
        raise GiveUp("not mine")

    @app.dead_letter
    async def bury(event: RoomStarted, error: Exception, api: Api) -> None:
        calls.append(str(error))

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: _no_lag(app))
    assert calls == ["handler", "not mine"]


async def test_handler_that_hangs_is_called_again(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True, handler_seconds=0.05)
    calls = 0

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()

    async with served(app) as api:
        await start_room(api, source)
        await until(lambda: calls == 2)
        await until(lambda: _no_lag(app))


async def test_own_events_are_left_out_unless_they_are_wanted(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url)
    texts: list[str] = []

    @app.on(MessageSent, where=only(source))
    async def handle(event: MessageSent, api: Api) -> None:
        texts.append(event.message.text)

    async with served(app) as api:
        room = await start_room(api, source)
        await api.send_message(room_id=room, text="mine")
        created = await api.create_app(name=f"other-{source}", scopes=["messages:write", "rooms:read"])
        other = App("other", url=shared_url, token=created.token)
        await other.api.send_message(room_id=room, text="theirs")
        await other.close()
        await until(lambda: texts != [])
    assert texts == ["theirs"]


async def test_stop_finishes_the_running_handler_and_leaves_the_rest_to_the_next_start(shared_url: str) -> None:
    source = secrets.token_hex(6)
    app = new_app(shared_url, own_events=True)
    started, free = asyncio.Event(), asyncio.Event()
    first: list[str] = []

    @app.on(RoomStarted, MessageSent, where=only(source))
    async def handle(event: RoomEvent, api: Api) -> None:
        started.set()
        await free.wait()
        first.append(event.type)

    async with served(app) as api:
        room = await start_room(api, source)
        await api.send_message(room_id=room, text="later")
        await started.wait()
        app.stop()
        free.set()
    assert first == ["ROOM_STARTED"]

    again = new_app(shared_url, own_events=True, name=app.name)
    second: list[str] = []

    @again.on(RoomStarted, MessageSent, where=only(source))
    async def handle_again(event: RoomEvent, api: Api) -> None:
        second.append(event.type)

    async with served(again):
        await until(lambda: second != [])
    assert second == ["MESSAGE_SENT"]


async def test_app_with_an_unknown_token_ends_with_the_error(shared_url: str) -> None:
    app = new_app(shared_url, token="not-a-token")

    @app.on(RoomStarted)
    async def handle(event: RoomStarted, api: Api) -> None:
        raise AssertionError("no event is expected")

    with pytest.raises(Unauthenticated):
        await app.serve()


async def test_app_of_a_user_whose_roles_change_connects_again(shared_url: str) -> None:
    source = secrets.token_hex(6)
    admin = new_app(shared_url)
    name, password = f"reader-{source}", secrets.token_hex(12)
    reads = (await admin.api.create_role(name=f"reads-{source}", scopes=["events:read", "rooms:read"])).role
    more = (await admin.api.create_role(name=f"more-{source}", scopes=["fields:write"])).role
    user = (await admin.api.create_user(username=name, password=password, roles=[reads.name])).user
    token = (await admin.api.login(username=name, password=password)).token
    observer = Disconnects()
    app = new_app(shared_url, token=token, observer=observer)
    rooms: list[str] = []

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        rooms.append(event.room.room_id)

    async with served(app):
        await admin.api.add_roles(user_id=user.id, roles=[more.name])
        room = await start_room(admin.api, source)
        await until(lambda: rooms == [room])
    assert observer.count == 1
    await admin.close()


async def test_app_whose_token_is_revoked_ends_with_the_error(shared_url: str) -> None:
    source = secrets.token_hex(6)
    admin = new_app(shared_url)
    created = await admin.api.create_app(name=f"revoked-{source}", scopes=["events:read", "rooms:read"])
    app = new_app(shared_url, token=created.token)

    @app.on(RoomStarted, where=only(source))
    async def handle(event: RoomStarted, api: Api) -> None:
        raise AssertionError("no event is expected")

    serving = asyncio.create_task(app.serve())
    await app.ready()
    await admin.api.revoke_app(app_id=created.app.id)

    with pytest.raises(Unauthenticated):
        await serving
    await admin.close()


async def test_refusals_are_exceptions_by_their_code(shared_url: str) -> None:
    app = new_app(shared_url)

    with pytest.raises(NotFound) as refused:
        await app.api.close_room(room_id="room_01M8KX1CMQB35GF9D5DRHQACQK")
    assert refused.value.code == "NOT_FOUND"
    assert refused.value.extensions["key"] == "roomId"
    await app.close()


def test_handlers_with_different_filters_are_refused() -> None:
    app = new_app("http://127.0.0.1:9/graphql")

    @app.on(RoomStarted, where=only("a"))
    async def handle(event: RoomStarted, api: Api) -> None:
        raise AssertionError("no event is expected")

    with pytest.raises(ValueError, match="same where="):
        app.on(RoomStarted, where=only("b"))(handle)
    with pytest.raises(ValueError, match="has a handler of RoomStarted"):
        app.on(RoomStarted, where=only("a"))(handle)
