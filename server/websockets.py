"""GraphQL over websocket, by the protocol graphql-transport-ws: who connects, and messages that are out of shape."""

import asyncio
from collections.abc import Mapping
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
from storage.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from server.graphql import GraphQL

FORBIDDEN = 4403
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

    #: Whose token came with connection_init.
    caller: Caller = ANONYMOUS
    _token: str | None = None
    _expiry: asyncio.TimerHandle | None = None

    @property
    def endpoint(self) -> "GraphQL":
        return cast("GraphQL", self.view)

    async def handle_message(self, message: Message) -> None:
        problem = malformed(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
            return
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        payload = cast(dict[str, object], message.get("payload") or {})
        if not self.connection_init_received:
            try:
                self._token = token_in_payload(payload)
            except Unauthenticated:
                await self.websocket.close(FORBIDDEN, "Forbidden")
                return
            if not await self.identify():
                return
        await super().handle_connection_init({"type": "connection_init", "payload": payload})

    async def identify(self) -> bool:
        """See whose the token is. When it is nobody's, or nobody can say, the socket is closed and this is false."""
        if self._token is None:
            return True
        try:
            caller = await self.endpoint.identify(self._token)
            expires_in = await self.endpoint.expires_in(self._token)
        except Unavailable:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, "The database does not answer")
            return False
        if caller.actor is None:
            await self.websocket.close(FORBIDDEN, "Forbidden")
            return False
        self.endpoint.revocations.add(caller.id, self)
        if self._expiry is not None:
            self._expiry.cancel()
        if expires_in is not None:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(expires_in, self.endpoint.revocations.check, self)
        self.caller = caller
        return True

    async def check_token(self) -> None:
        await self.identify()

    async def shutdown(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        if self.caller.actor is not None:
            self.endpoint.revocations.remove(self.caller.id, self)
        await super().shutdown()

    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        # The base class has one context for all operations, and takes it up before it first waits for anything.
        self.context = self.endpoint.context_of(self.caller)
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
