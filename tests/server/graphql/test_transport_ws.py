from contextlib import suppress
from typing import Any, cast

import httpx
import pytest
from starlette.types import Message
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from resolvers.context import Services
from server.graphql.websocket_adapters import WebSocketAdapter
from tests.conftest import ADMIN_TOKEN, served
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send


async def test_operation_is_answered_and_completed(shared_url: str) -> None:
    async with connected(shared_url) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"})

        assert await receive(socket) == {"id": "1", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await receive(socket) == {"id": "1", "type": "complete"}


async def test_operation_that_was_not_executed_has_no_data(shared_url: str) -> None:
    """As over HTTP, a `data` key, even with null, would mean that execution had begun."""
    query = "query ($first: Int) { users(first: $first) { nodes { id } } }"
    async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": query, "variables": {"first": "many"}})

        answer = await receive(socket)

        assert (answer["type"], list(answer["payload"])) == ("next", ["errors"])
        assert answer["payload"]["errors"][0]["extensions"] == {"code": "INVALID_INPUT", "key": "first"}
        assert await receive(socket) == {"id": "1", "type": "complete"}


async def test_ping_is_answered_with_pong(shared_url: str) -> None:
    async with connected(shared_url) as socket:
        await send(socket, type="ping", payload=None)

        assert await receive(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": f"Bearer {ADMIN_TOKEN}"},
        {"AUTHORIZATION": f"bearer {ADMIN_TOKEN}"},
        {"headers": {"Authorization": f"Bearer {ADMIN_TOKEN}"}},
    ],
)
async def test_token_of_connection_init_applies_to_every_operation(shared_url: str, payload: dict[str, object]) -> None:
    async with connected(shared_url, payload) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "{ viewer { type } }"})

        assert await receive(socket) == {"id": "1", "type": "next", "payload": {"data": {"viewer": {"type": "APP"}}}}


@pytest.mark.parametrize(
    "payload",
    [{"authorization": "Bearer never-given-out"}, {"authorization": "Basic bWU6c2VjcmV0"}, {"authorization": 1}],
)
async def test_invalid_token_closes_with_4403(shared_url: str, payload: dict[str, object]) -> None:
    async with connect(shared_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        await send(socket, type="connection_init", payload=payload)

        assert await close_of(socket) == (4403, "Forbidden")


@pytest.mark.parametrize(
    ("header", "payload", "kind"),
    [
        (f"Bearer {ADMIN_TOKEN}", None, "APP"),
        (f"Bearer {ADMIN_TOKEN}", {"other": "x"}, "APP"),
        ("Bearer never-given-out", {"AuthoriZation": f"Bearer {ADMIN_TOKEN}"}, "APP"),
        ("Basic bWU6c2VjcmV0", {"authorization": f"Bearer {ADMIN_TOKEN}"}, "APP"),
    ],
)
async def test_token_of_the_upgrade_applies_unless_connection_init_has_one(
    shared_url: str, header: str, payload: object, kind: str
) -> None:
    url = shared_url.replace("http", "ws", 1)
    async with connect(url, subprotocols=[PROTOCOL], additional_headers={"authorization": header}) as socket:
        await send(socket, type="connection_init", payload=payload)
        assert await receive(socket) == {"type": "connection_ack"}
        await send(socket, id="1", type="subscribe", payload={"query": "{ viewer { type } }"})

        assert await receive(socket) == {"id": "1", "type": "next", "payload": {"data": {"viewer": {"type": kind}}}}


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        ("Bearer never-given-out", None),
        ("Basic bWU6c2VjcmV0", None),
        (f"Bearer {ADMIN_TOKEN}", {"authorization": "Bearer never-given-out"}),
    ],
)
async def test_invalid_token_that_takes_precedence_closes_with_4403(
    shared_url: str, header: str, payload: object
) -> None:
    url = shared_url.replace("http", "ws", 1)
    async with connect(url, subprotocols=[PROTOCOL], additional_headers={"authorization": header}) as socket:
        await send(socket, type="connection_init", payload=payload)

        assert await close_of(socket) == (4403, "Forbidden")


async def test_operations_without_a_token_are_refused_one_by_one(shared_url: str) -> None:
    async with connected(shared_url) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "{ viewer { type } }"})

        answer = await receive(socket)
        assert answer["type"] == "next"
        assert [error["extensions"]["code"] for error in answer["payload"]["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(
    ("query", "operation_name", "code"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename }", "B", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_operation_that_cannot_begin_gets_an_error_and_the_socket_stays_open(
    shared_url: str, query: str, operation_name: str | None, code: str
) -> None:
    async with connected(shared_url) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": query, "operationName": operation_name})
        refused = await receive(socket)
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"})
        answered = await receive(socket)

    assert (refused["id"], refused["type"]) == ("1", "error")
    assert [error["extensions"]["code"] for error in refused["payload"]] == [code]
    assert answered["payload"] == {"data": {"__typename": "Query"}}


async def test_persisted_query_hash_gets_an_error_and_the_socket_stays_open(shared_url: str) -> None:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": "ab" * 32}}
    async with connected(shared_url) as socket:
        await send(socket, id="1", type="subscribe", payload={"extensions": extensions})
        refused = await receive(socket)
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }", "extensions": extensions})
        answered = await receive(socket)

    error = {"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}
    assert refused == {"id": "1", "type": "error", "payload": [error]}
    assert answered["payload"] == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "WebSocket message must be valid JSON"),
        (b"{}", "WebSocket message type must be text"),
        ("[]", "A message must be a JSON object"),
        ("null", "A message must be a JSON object"),
        ("{}", "Unknown message type"),
        ('{"type": ["ping"]}', "Unknown message type"),
        ('{"type": "start"}', "Unknown message type"),
        ('{"type": "ping", "payload": 1}', "payload must be an object or null"),
        ('{"type": "subscribe", "payload": {"query": "{ __typename }"}}', "id must be a string"),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}', "id must be a string"),
        ('{"type": "subscribe", "id": "1", "payload": null}', "payload must be an object"),
        ('{"type": "subscribe", "id": "1", "payload": {}}', "query must be a string"),
        (
            '{"type": "subscribe", "id": "1", "payload": {"query": "", "variables": []}}',
            "variables must be an object or null",
        ),
        ('{"type": "complete"}', "id must be a string"),
        ('{"type": "complete", "id": ""}', "id must not be empty"),
        ('{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}', "id must not be empty"),
        (
            '{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{ __typename }"}}',
            "WebSocket message must be valid JSON",
        ),
        ('{"type": "next", "id": "1", "payload": {"data": null}}', "Unknown message type"),
    ],
)
async def test_malformed_message_closes_with_4400(shared_url: str, message: str | bytes, reason: str) -> None:
    async with connected(shared_url) as socket:
        await socket.send(message)

        assert await close_of(socket) == (4400, reason)


async def test_subscribe_before_connection_init_closes_with_4401(shared_url: str) -> None:
    async with connect(shared_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"})

        assert await close_of(socket) == (4401, "Unauthorized")


async def test_second_connection_init_closes_with_4429(shared_url: str) -> None:
    async with connected(shared_url) as socket:
        await send(socket, type="connection_init")

        assert await close_of(socket) == (4429, "Too many initialisation requests")


@pytest.mark.parametrize("protocols", [[], [Subprotocol("graphql-ws")]])
async def test_other_protocols_are_refused_with_4406(shared_url: str, protocols: list[Subprotocol]) -> None:
    async with connect(shared_url.replace("http", "ws", 1), subprotocols=protocols or None) as socket:
        assert (await close_of(socket))[0] == 4406


async def test_websocket_without_connection_init_closes_with_4408(services: Services) -> None:
    async with (
        served(services, connection_init_seconds=0.05) as url,
        connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket,
    ):
        with suppress(ConnectionClosed):  # on a slow machine, the deadline may have passed
            await send(socket, type="ping")

        assert await close_of(socket) == (4408, "Connection initialisation timeout")


WATCH = {"query": "subscription { events { id } }"}


@pytest.mark.parametrize("name", ["1", "x" * 10_000, "\N{GRINNING FACE}" * 100])
async def test_duplicate_operation_id_closes_with_4409(shared_url: str, name: str) -> None:
    async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id=name, type="subscribe", payload=WATCH)
        await send(socket, id=name, type="subscribe", payload=WATCH)

        code, reason = await close_of(socket)

    assert code == 4409
    assert reason == f"Subscriber for {name} already exists".encode()[:123].decode(errors="ignore")


async def test_operation_id_can_be_reused_after_completion(shared_url: str) -> None:
    async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id="1", type="subscribe", payload=WATCH)
        await send(socket, id="1", type="complete")
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"})

        assert await receive(socket) == {"id": "1", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await receive(socket) == {"id": "1", "type": "complete"}


@pytest.mark.parametrize("early", [True, False])
async def test_complete_of_an_unknown_operation_is_ignored(shared_url: str, early: bool) -> None:
    async with connect(shared_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        if early:
            await send(socket, id="1", type="complete")
        await send(socket, type="connection_init")
        if not early:
            await send(socket, id="1", type="complete")
        await send(socket, type="pong")
        await send(socket, type="ping")

        assert [await receive(socket), await receive(socket)] == [{"type": "connection_ack"}, {"type": "pong"}]


async def test_subscribe_before_connection_ack_is_answered(shared_url: str) -> None:
    async with connect(shared_url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
        await send(socket, type="connection_init", payload={"authorization": f"Bearer {ADMIN_TOKEN}"})
        await send(socket, id="1", type="subscribe", payload={"query": "{ viewer { type } }"})

        assert await receive(socket) == {"type": "connection_ack"}
        assert (await receive(socket))["payload"] == {"data": {"viewer": {"type": "APP"}}}


async def test_failed_subscription_does_not_affect_the_others(shared_url: str) -> None:
    async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id="watch", type="subscribe", payload=WATCH)
        for number, query in enumerate(
            [
                "{",
                "{ nothing }",
                "{ a" * 300 + "}" * 300,
                "{" + " __typename" * 60 + "}",
                'subscription { events(after: "x") { id } }',
            ]
        ):
            await send(socket, id=str(number), type="subscribe", payload={"query": query})
            refusal = await receive(socket)
            assert (refusal["id"], refusal["type"]) == (str(number), "error"), refusal
        await send(
            socket, id="large", type="subscribe", payload={"query": "{ __typename }", "variables": {"a": "x" * 70_000}}
        )
        assert (await receive(socket))["payload"][0]["extensions"] == {"code": "QUERY_TOO_COMPLEX"}

        await execute(shared_url, 'mutation { saveVisitor(input: {token: "beside"}) { visitor { id } } }')

        message = await receive(socket)
        assert (message["id"], message["type"]) == ("watch", "next")


# ---------------------------------------------------------------- tokens that end


async def execute(url: str, query: str, **variables: object) -> Any:
    """The data of a mutation by the admin."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        body = (await client.post(url, json={"query": query, "variables": variables})).json()
    assert "errors" not in body, body
    return body["data"]


CREATE = 'mutation { createApp(input: {name: "watcher", scopes: ["events:read", "rooms:read"]}) { token app { id } } }'


async def test_websocket_of_a_revoked_app_closes_with_4403(shared_url: str) -> None:
    created = (await execute(shared_url, CREATE))["createApp"]
    async with (
        connected(shared_url, {"authorization": f"Bearer {created['token']}"}) as revoked,
        connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as other,
    ):
        await send(revoked, id="1", type="subscribe", payload={"query": "subscription { roomStarted { id } }"})

        await execute(
            shared_url,
            "mutation($id: ID!) { revokeApp(input: {appId: $id}) { app { active } } }",
            id=created["app"]["id"],
        )

        assert await close_of(revoked) == (4403, "The token has ended")
        await send(other, type="ping")
        assert await receive(other) == {"type": "pong"}


async def test_websocket_of_a_rotated_token_closes_after_the_overlap(shared_url: str) -> None:
    created = (await execute(shared_url, CREATE))["createApp"]
    async with connected(shared_url, {"authorization": f"Bearer {created['token']}"}) as old:
        await execute(
            shared_url,
            "mutation($id: ID!) { rotateAppToken(input: {appId: $id, overlapSeconds: 2}) { token } }",
            id=created["app"]["id"],
        )
        await send(old, type="ping")
        assert await receive(old) == {"type": "pong"}

        assert await close_of(old) == (4403, "The token has ended")


async def test_websocket_of_a_deactivated_user_closes_with_4403(shared_url: str) -> None:
    user = 'createUser(input: {username: "ann", password: "correct horse battery"}) { user { id } }'
    user_id = (await execute(shared_url, f"mutation {{ {user} }}"))["createUser"]["user"]["id"]
    login = 'login(input: {username: "ann", password: "correct horse battery"}) { token }'
    token = (await execute(shared_url, f"mutation {{ {login} }}"))["login"]["token"]
    async with connected(shared_url, {"authorization": f"Bearer {token}"}) as socket:
        await execute(
            shared_url,
            "mutation($id: ID!) { setUserActive(input: {userId: $id, active: false}) { user { active } } }",
            id=user_id,
        )

        assert await close_of(socket) == (4403, "The token has ended")


async def test_close_of_a_websocket_whose_peer_is_gone_raises_nothing() -> None:
    sent: list[Message] = []

    async def receive_nothing() -> Message:
        return {"type": "websocket.connect"}

    async def send_to_nobody(message: Message) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            raise OSError

    socket = WebSocket({"type": "websocket", "headers": []}, receive_nothing, send_to_nobody)
    await socket.accept()
    await WebSocketAdapter(cast(Any, None), socket, socket).close(4408, "too late")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
