"""GraphQL over websocket, by the protocol graphql-transport-ws: who connects, and messages that are out of shape."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLError
from starlette.status import WS_1013_TRY_AGAIN_LATER
from starlette.websockets import WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, Message

from resolvers.access import ANONYMOUS, Caller
from schema.context import RequestContext
from server.tokens import token_in_payload
from storage.errors import Unauthenticated

if TYPE_CHECKING:
    from server.graphql import GraphQL

FORBIDDEN = 4403
#: How long somebody who connects waits for a database that does not answer.
PATIENCE_SECONDS = 10
#: What may stand under a key of a message, beside nothing at all.
SHAPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "connection_init": {"payload": (dict, type(None))},
    "ping": {"payload": (dict, type(None))},
    "pong": {"payload": (dict, type(None))},
    "subscribe": {"id": (str,), "payload": (dict,)},
    "complete": {"id": (str,)},
}
OPERATION_SHAPE: Mapping[str, tuple[type, ...]] = {
    "query": (str,),
    "variables": (dict, type(None)),
    "operationName": (str, type(None)),
    "extensions": (dict, type(None)),
}
NAMES: Mapping[type, str] = {str: "a string", dict: "an object", type(None): "null"}


class Socket(ASGIWebSocketAdapter):
    """A websocket on which what comes too late is dropped."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().close(code, reason)


class Connection(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """One websocket and the operations on it."""

    #: The token that came with connection_init, once it was found to be valid.
    _token_id: str | None = None

    @property
    def endpoint(self) -> "GraphQL":
        return cast("GraphQL", self.view)

    @property
    def caller(self) -> Caller:
        return ANONYMOUS if self._token_id is None else self.endpoint.grants.caller(self._token_id)

    async def handle_message(self, message: Message) -> None:
        problem = malformed(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        payload = cast(dict[str, object], message.get("payload") or {})
        if not self.connection_init_received and not await self._admit(payload):
            return
        await super().handle_connection_init({"type": "connection_init", "payload": payload})

    async def _admit(self, payload: Mapping[str, object]) -> bool:
        """Whether there is no token, or a valid one, with which the socket ends; otherwise it is closed."""
        try:
            token = token_in_payload(payload)
        except Unauthenticated:
            await self.websocket.close(FORBIDDEN, "Forbidden")
            return False
        if token is None:
            return True
        token_id = self.endpoint.recognise(token)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if token_id is not None and (await self.endpoint.grants.hold(token_id, self)).actor is not None:
                    self._token_id = token_id
                    return True
        except TimeoutError:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, "The database does not answer")
            return False
        await self.websocket.close(FORBIDDEN, "Forbidden")
        return False

    async def end(self, reason: str) -> None:
        """Close it because the token allows it no longer."""
        with suppress(Exception):  # whatever it is, the socket is gone
            await self.websocket.close(FORBIDDEN, reason)

    async def shutdown(self) -> None:
        if self._token_id is not None:
            self.endpoint.grants.release(self._token_id, self)
        await super().shutdown()

    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        # The base class has one context for all operations, and takes it up before it first waits for anything.
        self.context = self.endpoint.context_of(self.caller, self.context.reading.address)
        await super().run_operation(operation)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """Never: an operation that cannot begin gets an `error` message, and the others on the socket go on."""
        return None


def malformed(message: Any) -> str | None:
    """What is wrong with the form of a message, as the reason of a close; None when nothing is."""
    if not isinstance(message, dict):
        return "A message must be a JSON object"
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in SHAPES:
        return "Unknown message type"
    problem = misshapen(message, SHAPES[kind])
    if problem is None and kind == "subscribe":
        problem = misshapen(message["payload"], OPERATION_SHAPE)
    return problem


def misshapen(value: dict[str, object], shape: Mapping[str, tuple[type, ...]]) -> str | None:
    for key, kinds in shape.items():
        if not isinstance(value.get(key), kinds):
            return f"{key} must be {' or '.join(NAMES[kind] for kind in kinds)}"
    return None
