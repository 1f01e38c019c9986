"""The graceful shutdown of a server, as clients see it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from resolvers.context import Services
from server.app import create_app
from server.process.run import bind
from server.process.uvicorn_server import Server, make_config
from server.process.workers import END_DRAIN
from server.settings import Settings
from server.shutdown import Shutdown
from server.transport.http_protocol import is_readable
from storage.mongo.cursors import event_cursor
from storage.transactions.keyed_locks import LockKey
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client
from tests.processes import ServerProcess
from tests.server.graphql.test_sse import streaming
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send
from tests.storage.support import until

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
STOPPING = (1012, "The server is stopping; connect again")
#: A shutdown that does not end by itself lasts longer, also on a slow machine.
STOP_SECONDS = 60
CREATE_ROLE = "mutation ($name: String!) { createRole(input: { name: $name }) { role { name } } }"
WATCHED = LockKey("app", "watched")
ROTATE = 'mutation { rotateAppToken(input: { appId: "app_watched" }) { token } }'
WATCH = "subscription { events { sequence } }"
HEALTH_REQUEST = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
UNAVAILABLE = {"code": "UNAVAILABLE", "retryable": True}


async def until_closed(socket: ClientConnection) -> AsyncIterator[str | bytes]:
    with suppress(ConnectionClosed):
        async for message in socket:
            yield message


async def ask(socket: ClientConnection, operation_id: str, query: str, **variables: object) -> None:
    await send(socket, id=operation_id, type="subscribe", payload={"query": query, "variables": variables})


@asynccontextmanager
async def stoppable(
    services: Services,
    shutdown: Shutdown | None = None,
    *,
    drain_seconds: float = 0.0,
    end_drain: signal.Signals | None = None,
) -> AsyncIterator[tuple[str, Server]]:
    """A server over these services that a test stops by its should_exit."""
    ready = asyncio.Event()
    config = make_config(create_app(services, shutdown=shutdown), Settings())
    server = Server(config, ready.set, drain_seconds=drain_seconds, end_drain=end_drain)
    with bind("127.0.0.1", 0) as bound:
        running = asyncio.create_task(server.serve(sockets=[bound]))
        await ready.wait()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/graphql", server
        server.should_exit = True
        await running


async def start_shutdown(server: Server) -> None:
    """Stop the server, and return when its shutdown has started."""
    server.should_exit = True

    async def has_started() -> bool:
        started: bool = server.config.app.state.shutdown.started  # type: ignore[union-attr] # it is an application
        return started

    await until(has_started)


# ---------------------------------------------------------------- before the shutdown


async def start_draining(server: Server) -> None:
    """Send a stop signal to the server, and return when it is not ready any more."""
    server.handle_exit(signal.SIGTERM, None)

    async def is_announced() -> bool:
        announced: bool = server.config.app.state.shutdown.announced  # type: ignore[union-attr] # it is an application
        return announced

    await until(is_announced)


async def test_a_draining_server_serves_but_is_not_ready_and_closes_connections(services: Services) -> None:
    async with (
        stoppable(services, drain_seconds=STOP_SECONDS) as (url, server),
        connected(url, ADMIN) as socket,
        httpx.AsyncClient(headers=ADMIN, timeout=60) as client,
    ):
        before = await client.post(url, json={"query": "{ __typename }"})
        await start_draining(server)

        ready = await client.get(url.removesuffix("graphql") + "health/ready")
        live = await client.get(url.removesuffix("graphql") + "health/live")
        created = await client.post(url, json={"query": CREATE_ROLE, "variables": {"name": "late"}})
        await ask(socket, "1", "{ __typename }")
        answer = await receive(socket)

        assert "connection" not in before.headers
        assert (ready.status_code, ready.json()) == (
            503,
            {"status": "unavailable", "reason": "the server is stopping"},
        )
        assert live.status_code == 200
        assert created.json() == {"data": {"createRole": {"role": {"name": "late"}}}}
        assert [one.headers["connection"] for one in (ready, live, created)] == ["close"] * 3
        assert answer["payload"]["data"] == {"__typename": "Query"}
        server.handle_exit(signal.SIGTERM, None)
        assert [await receive(socket), await close_of(socket)] == [{"id": "1", "type": "complete"}, STOPPING]


async def test_a_second_signal_ends_the_draining(services: Services) -> None:
    async with stoppable(services, drain_seconds=STOP_SECONDS * 10) as (_, server):
        await start_draining(server)
        assert not server.config.app.state.shutdown.started  # type: ignore[union-attr] # it is an application

        server.handle_exit(signal.SIGTERM, None)

        async with asyncio.timeout(STOP_SECONDS):
            await start_shutdown(server)


async def test_a_worker_that_gets_sigterm_twice_drains_until_its_parent_ends_that(services: Services) -> None:
    """A supervisor sends SIGTERM to all processes of a service, and the parent sends it to its workers."""
    async with stoppable(services, drain_seconds=STOP_SECONDS * 10, end_drain=END_DRAIN) as (url, server):
        await start_draining(server)
        server.handle_exit(signal.SIGTERM, None)
        async with httpx.AsyncClient(headers=ADMIN, timeout=60) as client:
            answer = await client.post(url, json={"query": CREATE_ROLE, "variables": {"name": "late"}})
        assert answer.json() == {"data": {"createRole": {"role": {"name": "late"}}}}
        assert not server.config.app.state.shutdown.started  # type: ignore[union-attr] # it is an application

        server.handle_exit(END_DRAIN, None)

        async with asyncio.timeout(STOP_SECONDS):
            await start_shutdown(server)


async def test_requests_of_connections_that_the_server_has_not_accepted_are_answered(services: Services) -> None:
    async with stoppable(services) as (_, server):
        (listener,) = server.servers[0].sockets
        asyncio.get_running_loop().remove_reader(listener.fileno())  # from here on, the system queues the connections
        clients = [await asyncio.open_connection(*listener.getsockname()) for _ in range(5)]
        for _, writer in clients:
            writer.write(HEALTH_REQUEST)
        await start_shutdown(server)
        found = [await reader.readline() for reader, _ in clients]
        for _, writer in clients:
            writer.close()

    assert found == [b"HTTP/1.1 200 OK\r\n"] * 5


async def test_a_new_connection_may_send_its_request_after_the_shutdown_has_started(services: Services) -> None:
    async with stoppable(services) as (url, server):
        host, port = httpx.URL(url).host, httpx.URL(url).port
        reader, writer = await asyncio.open_connection(host, port)

        async def is_accepted() -> bool:
            return len(server.server_state.connections) == 1

        await until(is_accepted)
        await start_shutdown(server)
        writer.write(HEALTH_REQUEST)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_connection_with_an_unread_request_is_answered_before_it_is_closed(services: Services) -> None:
    async with stoppable(services) as (url, server), httpx.AsyncClient() as client:
        assert (await client.get(live(url))).status_code == 200
        (connection,) = server.server_state.connections
        connection.transport.pause_reading()
        answer = asyncio.ensure_future(client.get(live(url)))

        async def is_unread() -> bool:
            return is_readable(connection._connection.descriptor)  # type: ignore[union-attr]

        await until(is_unread)
        await start_shutdown(server)
        connection.transport.resume_reading()

        assert (await answer).status_code == 200


def live(url: str) -> str:
    return url.removesuffix("graphql") + "health/live"


# ---------------------------------------------------------------- operations in progress


async def test_operations_of_a_websocket_are_answered_before_it_closes(mongodb_uri: str, database_name: str) -> None:
    with ServerProcess(mongodb_uri, database_name) as server:
        async with connected(server.url, ADMIN) as socket:
            for number in range(40):
                await ask(socket, str(number), CREATE_ROLE, name=f"role-{number}")
            answers = [await receive(socket)]

            stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
            answers += [json.loads(message) async for message in until_closed(socket)]

            assert await close_of(socket) == STOPPING
            assert await stopping == 0
    results = [answer for answer in answers if answer["type"] != "complete"]
    created = {one["payload"]["data"]["createRole"]["role"]["name"] for one in results if one["type"] == "next"}
    refused = [one["payload"][0]["extensions"] for one in results if one["type"] == "error"]
    assert len({one["id"] for one in results}) == 40
    assert refused == [UNAVAILABLE] * (40 - len(created))
    with ServerProcess(mongodb_uri, database_name) as other:
        async with Client([other.url]) as client:
            roles = {role["name"] for role in (await client.send("{ roles { name } }"))["roles"]}
    assert {name for name in roles if name.startswith("role-")} == created


async def test_subscriptions_and_streams_complete_and_the_process_ends_in_time(
    mongodb_uri: str, database_name: str
) -> None:
    with ServerProcess(mongodb_uri, database_name, WORKERS="2") as server:
        async with connected(server.url, ADMIN) as socket, streaming(server.url, WATCH) as events:
            await ask(socket, "1", WATCH)
            await ask(socket, "2", "{ __typename }")
            assert [(await receive(socket))["id"] for _ in range(2)] == ["2", "2"]

            stopping = asyncio.create_task(asyncio.to_thread(server.terminate))

            assert await receive(socket) == {"id": "1", "type": "complete"}
            assert await close_of(socket) == STOPPING
            assert await events.next() == ("complete", None)
            assert await events.next() == ("", None)  # and no response is cut off
            async with asyncio.timeout(STOP_SECONDS):
                assert await stopping == 0


async def test_new_operations_are_refused_while_others_finish(services: Services) -> None:
    async with (
        stoppable(services) as (url, server),
        connected(url, ADMIN) as socket,
        connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as silent,
    ):
        async with services.storage.transactions.locks.lock(WATCHED, deadline=float("inf")):
            await ask(socket, "in progress", ROTATE)
            await until(partial(are_waiting, services, 1))
            await start_shutdown(server)

            await ask(socket, "late", CREATE_ROLE, name="late")
            late = await receive(socket)
            with pytest.raises(OSError, match="Connect call failed"):
                await connect(url.replace("http", "ws", 1)).__aenter__()

        answer = await receive(socket)
        assert (late["id"], late["type"], late["payload"][0]["extensions"]) == ("late", "error", UNAVAILABLE)
        assert (answer["id"], answer["type"]) == ("in progress", "next")
        assert answer["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"  # an unknown app
        assert await receive(socket) == {"id": "in progress", "type": "complete"}
        assert await close_of(socket) == STOPPING
        assert await close_of(silent) == STOPPING
    assert await services.storage.database["roles"].find_one({"name": "late"}) is None


async def are_waiting(services: Services, mutations: int) -> bool:
    """Whether this number of mutations waits for the lock of the test."""
    return services.storage.transactions.locks._counts[WATCHED] == 1 + mutations


async def test_operations_that_exceed_the_deadline_are_answered_unavailable(services: Services) -> None:
    async with (
        services.storage.transactions.locks.lock(WATCHED, deadline=float("inf")),
        stoppable(services, Shutdown(seconds=0.3)) as (url, server),
        connected(url, ADMIN) as socket,
        httpx.AsyncClient(headers=ADMIN, timeout=60) as client,
    ):
        await ask(socket, "1", ROTATE)
        by_http = asyncio.create_task(client.post(url, json={"query": ROTATE}))
        by_stream = asyncio.create_task(
            client.post(url, json={"query": ROTATE}, headers={"accept": "text/event-stream"})
        )
        await until(partial(are_waiting, services, 3))
        await start_shutdown(server)

        assert await close_of(socket) == STOPPING
        for answer in (await by_http, await by_stream):
            assert '"extensions":{"code":"UNAVAILABLE","retryable":false}' in answer.text
        assert (await by_http).status_code == 503
        assert (await by_stream).text.endswith("event: complete\r\ndata: \r\n\r\n")


async def test_client_that_does_not_read_does_not_delay_the_shutdown(services: Services) -> None:
    async with stoppable(services, Shutdown(seconds=0.3)) as (url, server), connected(url, ADMIN) as socket:
        await ask(socket, "1", WATCH)
        await ask(socket, "2", "{ __typename }")
        assert [(await receive(socket))["id"] for _ in range(2)] == ["2", "2"]
        socket.transport.pause_reading()
        await start_shutdown(server)

        async def is_closed() -> bool:
            return not server.server_state.connections

        await until(is_closed)
        socket.transport.abort()


# ---------------------------------------------------------------- resuming at another server


async def test_subscribers_that_resume_at_another_server_miss_no_event(mongodb_uri: str, database_name: str) -> None:
    wanted = 60
    with ServerProcess(mongodb_uri, database_name) as first, ServerProcess(mongodb_uri, database_name) as second:
        urls = [first.url, second.url]
        async with Client([second.url]) as client:
            start = (await client.send("{ eventCursor }"))["eventCursor"]
            by_cursor = asyncio.create_task(follow_by_cursor(urls, start, wanted))
            by_consumer = asyncio.create_task(follow_by_consumer(urls, start, wanted, client))
            for number in range(wanted // 2):
                await client.visitor(f"visitor {number}")
            stopping = asyncio.create_task(asyncio.to_thread(first.terminate))
            for number in range(wanted // 2, wanted):
                await client.visitor(f"visitor {number}")
            async with asyncio.timeout(30):
                sequences, handled = await by_cursor, await by_consumer
            assert await stopping == 0

    assert sequences == list(range(sequences[0], sequences[0] + wanted))
    assert handled == set(sequences)


async def follow_by_cursor(urls: list[str], after: str, wanted: int) -> list[int]:
    """Read `wanted` events from one server after the other, resuming by cursor. Returns their sequences."""
    seen: list[int] = []
    for url in urls:
        async with connected(url, ADMIN) as socket:
            await ask(
                socket, "1", f'subscription {{ events(types: [VISITOR_SAVED], after: "{after}") {{ sequence }} }}'
            )
            while len(seen) < wanted and (event := await next_event(socket)) is not None:
                seen.append(event["sequence"])
                after = event_cursor(event["sequence"])
            if len(seen) < wanted:
                assert await close_of(socket) == STOPPING
    return seen


async def follow_by_consumer(urls: list[str], start: str, wanted: int, client: Client) -> set[int]:
    """Like `follow_by_cursor`, as a consumer that acknowledges every third event."""
    seen: set[int] = set()
    after = f', after: "{start}"'
    for url in urls:
        async with connected(url, ADMIN) as socket:
            query = f'subscription {{ events(types: [VISITOR_SAVED], consumer: "c"{after}) {{ sequence cursor }} }}'
            await ask(socket, "1", query)
            after = ""
            while len(seen) < wanted and (event := await next_event(socket)) is not None:
                seen.add(event["sequence"])
                if len(seen) % 3 == 0:
                    await client.mutate("ackEvents", "consumer { lag }", consumer="c", cursor=event["cursor"])
            if len(seen) < wanted:
                assert await close_of(socket) == STOPPING
    return seen


async def next_event(socket: ClientConnection) -> Any:
    """The next event, or None if the subscription is complete."""
    message = json.loads(await socket.recv())
    assert message["type"] in ("next", "complete"), message
    return message["payload"]["data"]["events"] if message["type"] == "next" else None
