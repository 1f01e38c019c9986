"""A query or mutation by POST has the same response whether Strawberry's view executes it or not.

The view executes the requests of clients that accept event streams too. Requests of pages pass through the middleware,
and requests of programs do without it.
"""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.conftest import ADMIN_TOKEN
from tests.server.websocket_client import connected, receive, send

DIRECT = "application/json"
VIEWED = "application/json, text/event-stream;q=0.1"
RESPONSE = "application/graphql-response+json"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ __typename }"},
        {
            "query": "query q($n: Int!) { users(first: $n) { nodes { username roles { name } } } }",
            "variables": {"n": 2},
        },
        {"query": '{ a: user(by: {id: "x"}) { id } b: departments { name } }'},
        {"query": "query a { __typename } query b { viewer { __typename } }", "operationName": "b"},
        {"query": "query a { __typename } query b { __typename }"},
        {"query": "{ nothing }"},
        {"query": "{"},
        {"query": ""},
        {"query": "subscription { events { id } }"},
        {"query": "query($n: Int!) { users(first: $n) { nodes { id } } }", "variables": {"n": "many"}},
        {"query": "{ users(first: 1000) { nodes { id } } }"},
        {"query": 'mutation { updateUser(input: {userId: "usr_none"}) { user { id } } }'},
        {"query": "mutation { updateUser(input: {}) { user { id } } }"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
        {"variables": {}},
        [],
    ],
)
@pytest.mark.parametrize("media_types", [(DIRECT, VIEWED), (RESPONSE, f"{RESPONSE}, {VIEWED}")])
async def test_both_ways_give_the_same_response(shared_url: str, body: Any, media_types: tuple[str, str]) -> None:
    if "subscription" in str(body):  # a client that accepts event streams gets one
        media_types = (media_types[0], media_types[0])
    responses = []
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        for accept in media_types:
            response = await client.post(shared_url, json=body, headers={"accept": accept})
            headers = {name: value for name, value in response.headers.items() if name != "date"}
            responses.append((response.status_code, headers, response.content))
    assert responses[0] == responses[1]


@pytest.mark.parametrize("accept", [DIRECT, VIEWED])
@pytest.mark.parametrize("token", [None, "wrong", ADMIN_TOKEN])
async def test_both_ways_check_the_token(shared_url: str, accept: str, token: str | None) -> None:
    headers = {"accept": accept} if token is None else {"accept": accept, "authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        body = (await client.post(shared_url, json={"query": "{ departments { id } }"})).json()
    codes = [error["extensions"]["code"] for error in body.get("errors", ())]
    assert codes == ([] if token == ADMIN_TOKEN else ["UNAUTHENTICATED"])
    assert (body["data"]["departments"] is None) == (token != ADMIN_TOKEN)


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize(
    "request_of",
    [
        {"json": {"query": "{ __typename }"}},
        {"json": {"query": "{ nothing }"}},
        {"content": b"not JSON", "headers": {"content-type": "application/json"}},
        {"content": b"{}", "headers": {"content-type": "text/plain"}},
        {"content": b" " * 10_000_000, "headers": {"content-type": "application/json"}},
        {"json": {"query": "{ __typename }"}, "headers": {"authorization": "Basic x"}},
        {"json": {"query": "{ __typename }"}, "headers": {"connection": "close"}},
    ],
)
async def test_requests_of_programs_and_of_pages_have_the_same_response(
    shared_url: str, path: str, request_of: dict[str, Any]
) -> None:
    responses = []
    async with httpx.AsyncClient() as client:
        for own in ({}, {"origin": shared_url.removesuffix("/graphql")}):
            response = await client.post(
                f"{shared_url}{path}", **{**request_of, "headers": {**request_of.get("headers", {}), **own}}
            )
            headers = [
                (name, value)
                for name, value in response.headers.items()
                if name not in ("date", "access-control-allow-origin", "access-control-expose-headers")
            ]
            responses.append((response.status_code, sorted(headers), response.content))
    assert responses[0] == responses[1]


async def test_requests_of_programs_pass_no_middleware(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Starlette was called")

    async with httpx.AsyncClient() as client:
        await client.post(shared_url, json={"query": "{ __typename }"})
        monkeypatch.setattr(Starlette, "__call__", refuse)
        response = await client.post(shared_url, json={"query": "{ __typename }"})
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_websockets_of_programs_pass_no_middleware(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, call = [], Starlette.__call__

    async def record(self: Starlette, *arguments: Any) -> None:
        calls.append(arguments[0]["type"])
        await call(self, *arguments)

    monkeypatch.setattr(Starlette, "__call__", record)
    async with connected(shared_url, {}) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"})
        assert (await receive(socket))["payload"] == {"data": {"__typename": "Query"}}
    assert calls == []

    with pytest.raises(InvalidStatus):
        async with connect(shared_url.replace("http", "ws"), origin=Origin("https://elsewhere.example")):
            pass
    assert calls == ["websocket"]


@pytest.mark.parametrize("protocols", [b"graphql-transport-ws", b"other, graphql-transport-ws", b"other"])
async def test_handshakes_of_programs_and_of_pages_have_the_same_response(shared_url: str, protocols: bytes) -> None:
    host, port = shared_url.split("/")[2].split(":")
    responses = []
    for own in (b"", b"origin: http://%b:%b\r\n" % (host.encode(), port.encode())):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /graphql HTTP/1.1\r\nhost: %b:%b\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-protocol: %b\r\n%b\r\n" % (host.encode(), port.encode(), protocols, own)
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        responses.append([line for line in head.split(b"\r\n") if not line.lower().startswith(b"date:")])
        assert b"\r\ndate: " in head
        writer.close()
    assert responses[0] == responses[1]


async def test_pipelined_requests_are_answered_in_order(shared_url: str) -> None:
    host, port = shared_url.split("/")[2].split(":")
    bodies = [json.dumps({"query": f"{{ a{number}: __typename }}"}).encode() for number in range(5)]
    head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(head.format(len(body)).encode() + body for body in bodies))
    received = b""
    while received.count(b"__typename") + received.count(b'"Query"') < len(bodies):
        received += await reader.read(65_536)
    writer.close()
    assert [f'{{"data":{{"a{number}":"Query"}}}}'.encode() in received for number in range(5)] == [True] * 5
    assert sorted(received.index(f'"a{number}"'.encode()) for number in range(5)) == [
        received.index(f'"a{number}"'.encode()) for number in range(5)
    ]
