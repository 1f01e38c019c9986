"""GraphQL over websocket with the protocol graphql-transport-ws: authentication, limits and malformed messages."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, cast

import msgspec
from graphql import GraphQLError
from starlette.status import WS_1012_SERVICE_RESTART, WS_1013_TRY_AGAIN_LATER
from starlette.types import Scope
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
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
from schema.events.pushed_subscriptions import LogFollower
from schema.execution.cohorts import Delivery
from schema.execution.context import RequestContext
from server.auth.bearer_tokens import token_in_header, token_in_payload
from server.graphql import persisted_queries, variables
from server.graphql.endpoint_protocol import Endpoint
from server.graphql.pushed_operations import PushedOperation, before_result
from server.graphql.responses import response_body
from server.graphql.websocket_adapters import ConnectionAdapter, GraphQLWebSocket, WebSocketAdapter
from server.graphql.websocket_messages import malformed
from server.metrics.operations import code_of
from server.transport.websocket_protocol import WebSocketProtocol
from storage import tracing
from storage.errors import RateLimited, SwitchboardError, Unauthenticated
from storage.supervisor import spawn

if TYPE_CHECKING:
    from strawberry.schema.schema import StreamResult

FORBIDDEN = 4403
STOPPING = "The server is stopping; connect again"
#: How long the check of a token may take while the database does not answer.
LOOKUP_TIMEOUT_SECONDS = 10


class TransportWsHandler(BaseGraphQLTransportWSHandler[RequestContext, None]):
    """One websocket and its operations.

    If this server runs the application, the handler receives messages by itself, and the ASGI application returns after
    the handshake: an idle websocket has no task.
    """

    websocket: GraphQLWebSocket  # type: ignore[assignment] # the base class declares Strawberry's

    #: The connection, if this server runs the application.
    _connection: WebSocketProtocol | None = None
    #: The Authorization header of the handshake, until connection_init.
    _authorization = ""
    #: The id of the token of connection_init, once it was found valid.
    _token_id: str | None = None
    #: The key under which the rate limits count this websocket.
    _counted_key: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        return cast(Endpoint, self.view)

    @property
    def caller(self) -> Caller:
        return ANONYMOUS if self._token_id is None else self.endpoint.revocation.caller(self._token_id)

    @override
    async def handle(self) -> None:
        adapter = cast(WebSocketAdapter, self.websocket)
        if adapter.connection is not None:
            self.websocket = ConnectionAdapter(adapter.connection)
            await self.detach(adapter.connection, adapter.authorization)
        elif await self._count_handshake():
            self._authorization = adapter.authorization
            with self.endpoint.shutdown.tracking(self):
                await super().handle()

    async def detach(self, connection: WebSocketProtocol, authorization: str) -> None:
        """Receive the messages of a connection, whose handshake is accepted, after this returns."""
        if await self._count_handshake():
            self._authorization, self._connection = authorization, connection
            self.on_request_accepted()
            self.endpoint.shutdown.track(self)
            connection.detach(self)

    async def _count_handshake(self) -> bool:
        """Count the websocket. If there are too many, closes it and returns False."""
        try:
            self._counted_key = self.endpoint.rate_limits.count_handshake(self._address)
        except RateLimited as refusal:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, refusal.message)
            return False
        return True

    async def receive(self, message: Mapping[str, Any]) -> None:
        """Handle the next message of a detached connection, as the base class does in `handle`."""
        text = message.get("text")
        if text is None:
            await self.handle_invalid_message("WebSocket message type must be text")
            return
        try:
            decoded = self.view.decode_json(text)
        except JSONDecodeError:
            await self.handle_invalid_message("WebSocket message must be valid JSON")
            return
        await self.handle_message(cast(Message, decoded))

    async def disconnect(self) -> None:
        """End the operations of a detached connection, which has ended."""
        try:
            await self.shutdown()
        finally:
            self.endpoint.shutdown.untrack(self)

    @override
    def on_request_accepted(self) -> None:
        # The base class has a task that waits.
        seconds = self.connection_init_wait_timeout.total_seconds()
        timer = asyncio.get_running_loop().call_later(seconds, self._time_out)
        self.connection_init_timeout_task = timer  # type: ignore[assignment] # it is cancelled like a task

    def _time_out(self) -> None:
        self.connection_init_timeout_task = None
        if not self.connection_init_received:
            self.connection_timed_out = True
            spawn(self.websocket.close(4408, "Connection initialisation timeout"), name="close a silent websocket")

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
                # Anybody who opens the page of a visitor can have a visitor's token.
                trusted = self._token_id is not None and self.caller.visitor is None
                if not self.websocket.admit(trusted=trusted):
                    self.endpoint.rate_limits.release_connection(counted)
                    raise RateLimited("The server has too many connections.", retry_after_seconds=1)
            except RateLimited as refusal:
                await self.websocket.close(WS_1013_TRY_AGAIN_LATER, refusal.message)
                return
            self._release_count()
            self._counted_key = counted
            self._authorization = ""
        await super().handle_connection_init({"type": "connection_init", "payload": payload})
        if self.connection_init_received:
            self.connection_init_timeout_task = None  # it is cancelled

    async def _authenticate(self, payload: Mapping[str, object]) -> bool:
        """Check the token of the payload, or else of the header of the request.

        Returns True if there is none or it is valid; the websocket is then closed when the token is revoked.
        Otherwise closes the websocket and returns False.
        """
        try:
            token = token_in_payload(payload)
            if token is None:
                token = token_in_header(self._authorization)
        except Unauthenticated:
            await self.websocket.close(FORBIDDEN, "Forbidden")
            return False
        if token is None:
            return True
        token_id = self.endpoint.token_id_of(token)
        if token_id is not None and self.endpoint.revocation.register_loaded(token_id, self) is not None:
            self._token_id = token_id
            return True
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS):
                if token_id is not None and (await self.endpoint.revocation.register(token_id, self)).actor is not None:
                    self._token_id = token_id
                    return True
        except TimeoutError:
            await self.websocket.close(WS_1013_TRY_AGAIN_LATER, "The database does not answer")
            return False
        await self.websocket.close(FORBIDDEN, "Forbidden")
        return False

    async def revoke(self, reason: str) -> None:
        """Close the websocket, because its token was revoked."""
        with suppress(Exception):  # the peer has disconnected
            await self.websocket.close(FORBIDDEN, reason)

    async def drain(self, deadline: float) -> None:
        """Complete the subscriptions, finish the other operations, and close with a code that asks to connect again."""
        operations = list(self.operations.values())
        with suppress(Exception):  # the peer has disconnected
            async with asyncio.timeout_at(deadline):
                await asyncio.gather(*(self._finish_operation(operation) for operation in operations))
        with suppress(Exception):
            await self.websocket.close(WS_1012_SERVICE_RESTART, STOPPING)

    async def _finish_operation(self, operation: Operation[RequestContext, None]) -> None:
        if isinstance(operation, PushedOperation):
            end_pushed(operation)
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
            return
        assert operation.task is not None
        follows = self.endpoint.api.is_subscription(operation.query, operation.operation_name, self.context)
        if follows:
            operation.task.cancel()
        # The subscription releases its consumer before the client is asked to resume elsewhere.
        await asyncio.wait([operation.task])
        if follows and self.operations.get(operation.id) is operation:
            await operation.send_operation_message({"id": operation.id, "type": "complete"})

    @override
    async def shutdown(self) -> None:
        if self._token_id is not None:
            self.endpoint.revocation.unregister(self._token_id, self)
        self._release_count()
        if self.connection_init_timeout_task is not None:
            self.connection_init_timeout_task.cancel()
            self.connection_init_timeout_task = None
        await super().shutdown()

    def _release_count(self) -> None:
        """Stop counting this websocket."""
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
                persisted_queries.require_document(message["payload"])
                variables.require_within(message["payload"].get("variables"), self.endpoint.settings)
                if len(self.operations) >= self.endpoint.settings.max_operations_per_connection:
                    raise RateLimited("Too many operations on this websocket; end some.", retry_after_seconds=1)
            except (SwitchboardError, PersistedQueryNotSupported) as refusal:
                self.endpoint.operations.refused(code_of(refusal), self.caller)
                payload = [from_exception(refusal).formatted]
                await self.send_message({"id": message["id"], "type": "error", "payload": payload})
                return
        await super().handle_subscribe(message)

    @override
    async def run_operation(self, operation: Operation[RequestContext, None]) -> None:
        # The base class has one context for all operations, and reads it before its first await.
        caller = self.caller
        context = self.context = self.endpoint.context_of(caller, self._address)
        connection = self._connection
        context.follower = None if connection is None else LogFollower()
        endpoint, pushed, counted_key = self.endpoint, None, None
        observation = endpoint.operations.start(context, operation.operation_name)
        with self._traced(operation):
            try:
                counted_key = endpoint.rate_limits.start_operation(caller)
                work = self._run_operation(operation, context)
                await endpoint.with_deadline(operation.query, operation.operation_name, context, work)
                pushed = context.pushed
            except SwitchboardError as refusal:
                observation.finish(refusal)
                await operation.send_initial_errors([from_exception(refusal)])
            except BaseException as error:
                observation.finish(error)
                raise
            finally:
                if pushed is None:
                    observation.finish()
                    endpoint.rate_limits.end_operation(counted_key)
        if pushed is not None and connection is not None:
            context.follower = context.pushed = None
            self._push(
                PushedOperation(
                    operation,
                    pushed,
                    connection,
                    observation=observation,
                    rate_limits=endpoint.rate_limits,
                    counted_key=counted_key,
                ),
                instead_of=operation,
            )

    async def _run_operation(self, operation: Operation[RequestContext, None], context: RequestContext) -> None:
        """Send the results of the operation, and that it is complete, unless a follower has taken it over."""
        stream = await self.schema.stream(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            root_value=self.root_value,
            operation_name=operation.operation_name,
        )
        async with aclosing(stream):
            await self._send_result_stream(operation, stream)
        if context.pushed is None:
            await operation.send_operation_message({"id": operation.id, "type": "complete"})

    def _push(self, pushed: PushedOperation, *, instead_of: Operation[RequestContext, None]) -> None:
        """Start the subscription, unless its client has ended it."""
        if self.operations.get(pushed.id) is instead_of:
            self.operations[pushed.id] = pushed
            pushed.start()
        else:
            pushed.end()

    @override
    async def cleanup_operation(self, operation_id: str) -> None:
        operation = self.operations.get(operation_id)
        if isinstance(operation, PushedOperation):
            del self.operations[operation_id]
            end_pushed(operation)
        else:
            await super().cleanup_operation(operation_id)

    def _traced(self, operation: Operation[RequestContext, None]) -> AbstractContextManager[object]:
        """The span of the operation. A subscription has none, because it may last for months."""
        api, name = self.endpoint.api, operation.operation_name
        if not tracing.is_enabled() or api.is_subscription(operation.query, name, self.context):
            return nullcontext()
        return tracing.operation({})

    @override
    async def _send_result_stream(
        self, operation: Operation[RequestContext, None], result_source: "StreamResult"
    ) -> None:
        before = before_result(operation.id)
        async for result in result_source:
            assert isinstance(result, ExecutionResult)
            if isinstance(result, PreExecutionError):
                await self._handle_pre_execution_error(operation, result)
                return
            if not operation.completed:
                encoded = result.encoded if isinstance(result, Delivery) else msgspec.json.encode(response_body(result))
                await self.websocket.send_encoded(b"%b%b}" % (before, encoded))

    @staticmethod
    @override
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """Always None: an operation that cannot start gets an `error` message, and the other operations continue."""
        return None


async def open_websocket(endpoint: Endpoint, connection: WebSocketProtocol, scope: Scope) -> None:
    """Accept a websocket of this server, as the view of Strawberry does with those of others."""
    connection.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL)
    client = scope["client"]
    authorizations = (value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization")
    handler = TransportWsHandler(
        view=cast(Any, endpoint),
        websocket=cast(Any, ConnectionAdapter(connection)),
        context=endpoint.context_of(ANONYMOUS, client[0] if client else ""),
        root_value=None,
        schema=endpoint.api,
        connection_init_wait_timeout=endpoint.connection_init_wait_timeout,
    )
    await handler.detach(connection, next(authorizations, ""))


def end_pushed(operation: PushedOperation) -> None:
    """End a subscription, and the task with which it reads the log, if there is one."""
    task = operation.task
    operation.end()
    if task is not None:
        task.cancel()
