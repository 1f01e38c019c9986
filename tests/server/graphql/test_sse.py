"""Server-sent events, by the protocol graphql-sse in its mode of distinct connections."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from resolvers.context import Services
from schema.base import ids
from server.graphql.endpoint import GraphQLEndpoint
from storage import users
from tests.conftest import ADMIN_TOKEN
from tests.server.auth.test_revocation import CREATE_APP, execute

WATCH = "subscription { roomStarted { room { subject } } }"


class Events:
    """The events of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        #: The id of the last event with an id.
        self.last_id = ""
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """The next event. Comments are skipped."""
        kind = ""
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                self.last_id = value
            elif line.startswith("data:") and kind:
                return kind, json.loads(value) if value else None
        return "", None


@asynccontextmanager
async def streaming(
    url: str, query: str, token: str = ADMIN_TOKEN, method: str = "POST", **more: str
) -> AsyncIterator[Events]:
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {token}"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    given: Any = {"json": {"query": query}} if method == "POST" else {"params": {"query": query}}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as client,
        client.stream(method, url, **given) as response,
    ):
        yield Events(response)


async def start_room(url: str, subject: str) -> None:
    await execute(url, 'mutation { saveVisitor(input: {token: "streams"}) { visitor { id } } }')
    await execute(
        url,
        'mutation($s: String!) { startRoom(input: {visitorToken: "streams", subject: $s}) { room { id } } }',
        s=subject,
    )


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_subscription_is_a_stream_of_next_events(shared_url: str, method: str) -> None:
    head = (await execute(shared_url, "{ eventCursor }"))["eventCursor"]
    await start_room(shared_url, "history")
    query = f'subscription {{ roomStarted(after: "{head}") {{ room {{ subject }} }} }}'

    async with streaming(shared_url, query, method=method) as events:
        assert events.response.headers["content-type"] == "text/event-stream"
        assert await events.next() == ("next", {"data": {"roomStarted": {"room": {"subject": "history"}}}})

        await start_room(shared_url, "live")
        assert await events.next() == ("next", {"data": {"roomStarted": {"room": {"subject": "live"}}}})


ANY_KIND = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"


async def test_query_of_a_client_that_accepts_json_and_streams_is_answered_in_json(shared_url: str) -> None:
    async with streaming(shared_url, "{ viewer { type } }", accept=ANY_KIND) as events:
        response = events.response
        await response.aread()

    assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert response.json() == {"data": {"viewer": {"type": "APP"}}}


async def test_subscription_of_a_client_that_accepts_json_and_streams_is_a_stream(shared_url: str) -> None:
    head = (await execute(shared_url, "{ eventCursor }"))["eventCursor"]
    await start_room(shared_url, "either")
    query = f'subscription {{ roomStarted(after: "{head}") {{ room {{ subject }} }} }}'

    async with streaming(shared_url, query, accept=ANY_KIND) as events:
        assert await events.next() == ("next", {"data": {"roomStarted": {"room": {"subject": "either"}}}})


async def test_query_is_one_next_event_and_complete(shared_url: str) -> None:
    async with streaming(shared_url, "{ viewer { type } }") as events:
        assert await events.next() == ("next", {"data": {"viewer": {"type": "APP"}}})
        assert await events.next() == ("complete", None)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { events(after: "x") { id } }', "INVALID_CURSOR"),
    ],
)
async def test_operation_that_cannot_begin_sends_an_error_and_completes(shared_url: str, query: str, code: str) -> None:
    async with streaming(shared_url, query) as events:
        kind, payload = await events.next()

        assert (kind, [error["extensions"]["code"] for error in payload["errors"]]) == ("next", [code])
        assert await events.next() == ("complete", None)


async def test_mutation_by_get_is_not_executed(shared_url: str) -> None:
    query = 'mutation { createRole(input: {name: "by-get"}) { role { id } } }'

    async with streaming(shared_url, query, method="GET") as events:
        _, payload = await events.next()

    assert [error["extensions"]["code"] for error in payload["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]
    roles = (await execute(shared_url, "{ roles { name } }"))["roles"]
    assert {"name": "by-get"} not in roles


async def test_stream_ends_with_its_token(shared_url: str, shared_elsewhere_url: str) -> None:
    created = (await execute(shared_url, CREATE_APP, scopes=["events:read", "rooms:read"]))["createApp"]

    async with streaming(shared_elsewhere_url, WATCH, created["token"]) as events:
        await execute(
            shared_url,
            "mutation($id: ID!) { revokeApp(input: {appId: $id}) { app { id } } }",
            id=created["app"]["id"],
        )

        kind, payload = await events.next()
        assert (kind, payload["errors"][0]["extensions"]) == ("next", {"code": "UNAUTHENTICATED"})
        assert await events.next() == ("complete", None)


async def test_stream_is_refused_if_permissions_shrink_before_it_begins(
    services: Services, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(
        url,
        """mutation { createUser(input:
            {username: "anna", password: "correct horse battery", roles: ["livechat-agent"]})
        { user { id } } }""",
    )
    login = 'mutation { login(input: {username: "anna", password: "correct horse battery"}) { token } }'
    token = (await execute(url, login))["login"]["token"]
    user = await users.find_by_username(services.storage.reader, "anna")
    assert user is not None
    follow = GraphQLEndpoint.execute_operation

    async def overtaken(self: GraphQLEndpoint, *args: Any, **given: Any) -> Any:
        # The caller has been loaded, and the stream is not registered yet.
        monkeypatch.setattr(GraphQLEndpoint, "execute_operation", follow)
        await execute(
            url,
            """mutation($id: ID!) { addRoles(input: {userId: $id, roles: ["bot"]}) { user { id } }
            removeRoles(input: {userId: $id, roles: ["livechat-agent"]}) { user { id } } }""",
            id=ids.USER.format(user.id),
        )
        return await follow(self, *args, **given)

    monkeypatch.setattr(GraphQLEndpoint, "execute_operation", overtaken)
    async with streaming(url, WATCH, token) as events:
        kind, message = await events.next()

    assert (kind, message["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")


async def test_every_event_has_its_cursor_as_its_id_and_lines_end_with_crlf(shared_url: str) -> None:
    head = (await execute(shared_url, "{ eventCursor }"))["eventCursor"]
    await start_room(shared_url, "ids")
    query = f'subscription {{ events(after: "{head}", types: [ROOM_STARTED]) {{ cursor }} }}'

    async with streaming(shared_url, query) as events:
        text = await anext(events.response.aiter_text())

    cursor = json.loads(text.split("data: ")[1])["data"]["events"]["cursor"]
    body = msgspec.json.encode({"data": {"events": {"cursor": cursor}}}).decode()
    assert text == f"id: {cursor}\r\nevent: next\r\ndata: {body}\r\n\r\n"


async def test_last_event_id_takes_precedence_over_after(shared_url: str) -> None:
    head = (await execute(shared_url, "{ eventCursor }"))["eventCursor"]
    for subject in ("first", "second"):
        await start_room(shared_url, subject)
    for field in (
        "events(types: [ROOM_STARTED], after: AFTER) { ... on RoomEvent { room { subject } } }",
        "roomStarted(after: AFTER) { room { subject } }",
    ):
        query = f"subscription {{ event: {field} }}"
        async with streaming(shared_url, query.replace("AFTER", f'"{head}"')) as events:
            assert await events.next() == ("next", {"data": {"event": {"room": {"subject": "first"}}}})
            last = events.last_id
        for after in ("null", f'"{head}"'):
            async with streaming(shared_url, query.replace("AFTER", after), last_event_id=last) as events:
                assert await events.next() == ("next", {"data": {"event": {"room": {"subject": "second"}}}})


async def test_invalid_last_event_id_is_refused(shared_url: str) -> None:
    async with streaming(shared_url, "subscription { events { type } }", last_event_id="7") as events:
        kind, payload = await events.next()

    assert kind == "next"
    assert [error["extensions"]["code"] for error in payload["errors"]] == ["INVALID_CURSOR"]


async def test_last_event_id_is_ignored_for_a_consumer(shared_url: str) -> None:
    """The consumer continues after its last acknowledged event, not after the last event sent."""
    query = 'subscription { events(consumer: "sse", types: [ROOM_STARTED]) { ... on RoomEvent { room { subject } } } }'
    async with streaming(shared_url, query) as events:
        await start_room(shared_url, "unacknowledged")
        message = await events.next()
        last = events.last_id

    assert message == ("next", {"data": {"events": {"room": {"subject": "unacknowledged"}}}})
    async with streaming(shared_url, query, last_event_id=last) as events:
        assert await events.next() == message
