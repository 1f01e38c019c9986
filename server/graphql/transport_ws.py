"""GraphQL over websocket, by the protocol graphql-transport-ws: who connects, and messages that are out of shape."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec
from graphql import GraphQLError
from starlette.status import WS_1012_SERVICE_RESTART, WS_1013_TRY_AGAIN_LATER
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from typing_extensions import override

from resolvers.auth.access import ANONYMOUS, Caller
from schema.base.errors import PersistedQueryNotSupported, from_exception
from schema.execution.cohorts import Delivery
from schema.execution.context import RequestContext
from server.auth.bearer_tokens import token_in_header, token_in_payload
from server.graphql import persisted_queries, variables
from server.graphql.responses import response_body
from server.transport.websocket_protocol import ADMIT, ENCODED_PREFIX
from storage.errors import RateLimited, SwitchboardError, Unauthenticated

if TYPE_CHECKING:
    from strawberry.schema.schema import StreamResult

    from server.graphql.endpoint import GraphQLEndpoint

FORBIDDEN = 4403
STOPPING = "The server is stopping; connect again"
#: All that a close frame has room for beside the code.
REASON_BYTES = 123
#: How long somebody who connects waits for a database that does not answer.
SEND_TIMEOUT_SECONDS = 10
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


class WebSocketAdapter(ASGIWebSocketAdapter):
    """A websocket on which what comes too late is dropped."""

    async def send_encoded(self, message: bytes) -> None:
        """Send a message that is JSON already."""
        ws = self.ws
        if ws.application_state is not WebSocketState.CONNECTED:
            return
        with suppress(WebSocketDisconnect):
            if ENCODED_PREFIX in ws.scope.get("extensions", ()):
                await ws.send({"type": "websocket.send", "encoded": message})
            else:
                await ws.send_text(message.decode())

    def admit(self, *, trusted: bool) -> bool:
        """Say that it is known who is there, with a valid token or not. Returns False when there is no room."""
        extension = self.ws.scope.get("extensions", {}).get(ADMIT)
        return extension is None or bool(extension["admit"](trusted=trusted))

    @override
    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            # A client that is gone is heard of where messages are received, and everything for it ends there.
            with suppress(WebSocketDisconnected):
                await super().send_json(message)

    @override
    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.CONNECTED:
            await super().close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))


class TransportWsHandler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """One websocket and the operations on it."""

    #: The token that came with connection_init, once it was found to be valid.
    _token_id: str | None = None
    #: What it is counted as.
    _counted_key: str | None = None

    @property
    def endpoint(self) -> "GraphQLEndpoint":
        return cast("GraphQLEndpoint", self.view)

    @property
    def caller(self) -> Caller:
        return ANONYMOUS if self._token_id is None else self.endpoint.revocation.caller(self._token_id)

    @override
    async def handle(self) -> None:
        try:
            self._counted_key = self.endpoint.rate_limits.count_handshake(self._address)
        except RateLimited as refusal:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, refusal.message)
            return
        with self.endpoint.shutdown.tracking(self):
            await super().handle()

    @override
    async def handle_message(self, message: Message) -> None:
        problem = malformed(message)
        if problem is not None:
            await self.handle_invalid_message(problem)
            return
        await super().handle_message(message)

    @override
    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        payload = cast(dict[str, object], message.get("payload") or {})
        if not self.connection_init_received:
            try:
                self.endpoint.rate_limits.check_address_rate(self._address)
                if not await self._authenticate(payload):
                    return
                counted = self.endpoint.rate_limits.count_connection(self.caller, self._address)
                if not cast(WebSocketAdapter, self.websocket).admit(trusted=self._token_id is not None):
                    self.endpoint.rate_limits.release_connection(counted)
                    raise RateLimited("The server has too many connections.", retry_after_seconds=1)
            except RateLimited as refusal:
                await self.websocket.close(WS_1013_TRY_AGAIN_LATER, refusal.message)
                return
            self._release_count()
            self._counted_key = counted
        await super().handle_connection_init({"type": "connection_init", "payload": payload})

    async def _authenticate(self, payload: Mapping[str, object]) -> bool:
        """Whether there is no token, or a valid one, with which the socket ends; otherwise it is closed.

        The token of the payload wins over the one of the request for the websocket.
        """
        try:
            token = token_in_payload(payload)
            if token is None:
                token = token_in_header(cast(WebSocketAdapter, self.websocket).ws.headers.get("authorization", ""))
        except Unauthenticated:
            await self.websocket.close(FORBIDDEN, "Forbidden")
            return False
        if token is None:
            return True
        token_id = self.endpoint.token_id_of(token)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                if token_id is not None and (await self.endpoint.revocation.register(token_id, self)).actor is not None:
                    self._token_id = token_id
                    return True
        except TimeoutError:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, "The database does not answer")
            return False
        await self.websocket.close(FORBIDDEN, "Forbidden")
        return False

    async def revoke(self, reason: str) -> None:
        """Close it because the token allows it no longer."""
        with suppress(Exception):  # whatever it is, the socket is gone
            await self.websocket.close(FORBIDDEN, reason)

    async def drain(self, deadline: float) -> None:
        """Complete the subscriptions, let everything else be answered, and close it with the word to connect again."""
        operations = list(self.operations.values())
        with suppress(Exception):  # whatever it is, the socket is gone
            async with asyncio.timeout_at(deadline):
                await asyncio.gather(*(self._finish_operation(operation) for operation in operations))
        with suppress(Exception):
            await self.websocket.close(WS_1012_SERVICE_RESTART, STOPPING)

    async def _finish_operation(self, operation: Operation[RequestContext, None]) -> None:
        assert operation.task is not None
        follows = self.endpoint.api.is_subscription(operation.query, operation.operation_name, self.context)
        if follows:
            operation.task.cancel()
        # A subscription gives its consumer back before its client is told to go on elsewhere.
        await asyncio.wait([operation.task])
        if follows and self.operations.get(operation.id) is operation:
            await operation.send_operation_message({"id": operation.id, "type": "complete"})

    @override
    async def shutdown(self) -> None:
        if self._token_id is not None:
            self.endpoint.revocation.unregister(self._token_id, self)
        self._release_count()
        await super().shutdown()

    def _release_count(self) -> None:
        """Be counted no longer as what it was."""
        if self._counted_key is not None:
            self.endpoint.rate_limits.release_connection(self._counted_key)
            self._counted_key = None

    @property
    def _address(self) -> str:
        return self.context.resolver_context.address

    @override
    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                self.endpoint.shutdown.require_running()
                self.endpoint.rate_limits.check_address_rate(self._address)
                self.endpoint.rate_limits.check_caller_rate(self.caller)
                persisted_queries.require_text(message["payload"])
                variables.require_within(message["payload"].get("variables"), self.endpoint.settings)
                if len(self.operations) >= self.endpoint.settings.max_operations_per_connection:
                    raise RateLimited("Too many operations on this websocket; end some.", retry_after_seconds=1)
            except (SwitchboardError, PersistedQueryNotSupported) as refusal:
                payload = [from_exception(refusal).formatted]
                await self.send_message({"id": message["id"], "type": "error", "payload": payload})
                return
        await super().handle_subscribe(message)

    @override
    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        # The base class has one context for all operations, and takes it up before it first waits for anything.
        caller = self.caller
        self.context = self.endpoint.context_of(caller, self._address)
        try:
            with self.endpoint.rate_limits.count_operation(caller):
                work = super().run_operation(operation)
                await self.endpoint.with_deadline(operation.query, operation.operation_name, self.context, work)
        except SwitchboardError as refusal:
            await operation.send_initial_errors([from_exception(refusal)])

    @override
    async def _send_result_stream(
        self, operation: Operation[RequestContext, None], result_source: "StreamResult"
    ) -> None:
        before = b'{"id":%b,"type":"next","payload":' % msgspec.json.encode(operation.id)
        socket = cast(WebSocketAdapter, self.websocket)
        async for result in result_source:
            assert isinstance(result, ExecutionResult)
            if isinstance(result, PreExecutionError):
                await self._handle_pre_execution_error(operation, result)
                return
            if not operation.completed:
                encoded = result.encoded if isinstance(result, Delivery) else msgspec.json.encode(response_body(result))
                await socket.send_encoded(b"%b%b}" % (before, encoded))

    @staticmethod
    @override
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
    problem = shape_error(message, SHAPES[kind])
    if problem is None and message.get("id") == "":
        return "id must not be empty"
    if problem is None and kind == "subscribe":
        payload = message["payload"]
        problem = shape_error(
            {"query": "", **payload} if persisted_queries.asked_for(payload) else payload, OPERATION_SHAPE
        )
    return problem


def shape_error(value: dict[str, object], shape: Mapping[str, tuple[type, ...]]) -> str | None:
    for key, kinds in shape.items():
        if not isinstance(value.get(key), kinds):
            return f"{key} must be {' or '.join(NAMES[kind] for kind in kinds)}"
    return None
