"""Runs the operations of one GraphQL document: over HTTP, and subscriptions over one websocket."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

JSON = dict[str, Any]


def open_http() -> httpx.AsyncClient:
    """An HTTP client for `async with`. It ignores the proxy settings of the environment."""
    return httpx.AsyncClient(timeout=30, trust_env=False)


class Refused(Exception):
    """The API refused an operation. `code` is for programs, the message for people."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = str(error.get("extensions", {}).get("code", "UNKNOWN"))
        super().__init__(f"{self.code}: {error['message']}")


class Api:
    """Runs the operations of one GraphQL document over HTTP, with one token."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str, document: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._document = document

    async def run(self, operation: str, **variables: object) -> JSON:
        """The data of the operation with that name. Raises Refused."""
        body = {"query": self._document, "operationName": operation, "variables": variables}
        response = await self._http.post(self._url, json=body, headers=self._headers)
        answer: JSON = response.json()
        if errors := answer.get("errors"):
            raise Refused(errors[0])
        data: JSON = answer["data"]
        return data

    async def mutate(self, operation: str, **fields: object) -> JSON:
        """The payload of a mutation. `fields` are the fields of its input."""
        (payload,) = (await self.run(operation, input=fields)).values()
        return dict(payload)


class Socket:
    """One websocket with any number of subscriptions."""

    def __init__(self, connection: ClientConnection, document: str) -> None:
        self._connection = connection
        self._document = document
        self._handlers: dict[str, Callable[[JSON], None]] = {}
        self._numbers = itertools.count(1)

    async def subscribe(self, operation: str, on_event: Callable[[JSON], None], **variables: object) -> None:
        """Call `on_event` with the data of each event, in order."""
        number = str(next(self._numbers))
        self._handlers[number] = on_event
        payload = {"query": self._document, "operationName": operation, "variables": variables}
        await self._send({"id": number, "type": "subscribe", "payload": payload})

    async def run(self) -> None:
        """Handle messages until cancelled. Raises Refused if a subscription fails, and ConnectionError if one ends."""
        async for text in self._connection:
            message: JSON = json.loads(text)
            match message["type"]:
                case "next":
                    if errors := message["payload"].get("errors"):
                        raise Refused(errors[0])
                    self._handlers[message["id"]](message["payload"]["data"])
                case "error":
                    raise Refused(message["payload"][0])
                case "complete":
                    raise ConnectionError("the server ended a subscription")
                case "ping":
                    await self._send({"type": "pong"})
        raise ConnectionError("the server closed the websocket")

    async def _send(self, message: JSON) -> None:
        await self._connection.send(json.dumps(message))


@asynccontextmanager
async def open_socket(url: str, token: str, document: str) -> AsyncIterator[Socket]:
    """A websocket to the API at this HTTP address, authenticated with the token.

    Raises ConnectionClosed with code 4403 if the token is invalid.
    """
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url.replace("http", "ws", 1), subprotocols=protocols, proxy=None) as connection:
        hello = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await connection.send(json.dumps(hello))
        while json.loads(await connection.recv())["type"] != "connection_ack":
            pass
        yield Socket(connection, document)
