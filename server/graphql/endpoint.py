"""The GraphQL endpoint: parses HTTP requests, authenticates callers and executes operations.

transport_ws.py has the websockets, responses.py the HTTP responses.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from json import JSONDecodeError
from types import MappingProxyType
from typing import Any, TypeVar, cast

import msgspec
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers, State
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry import asgi
from strawberry.exceptions import MissingQueryError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.http.streaming import AsyncTextStream, HTTPStreamTransport
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType
from typing_extensions import override

from resolvers.auth.access import ANONYMOUS, INVALID_TOKEN_CALLER, Caller, token_id_of
from resolvers.context import Context, Services
from schema.base.errors import from_exception
from schema.events.deliveries import drop_redacted
from schema.execution.cohorts import Cohorts, Delivery
from schema.execution.context import RequestContext
from schema.schema import Schema
from server.auth.bearer_tokens import token_in_header
from server.auth.caller_cache import CallerCache
from server.auth.rate_limits import MIN_HANDSHAKES, RequestRateLimits
from server.auth.revocation import TokenRevocation
from server.graphql import requests
from server.graphql.document_limits import limits_of
from server.graphql.responses import (
    EVENT_STREAM,
    JSON,
    accepts_events,
    error_response,
    media_type,
    response_body,
    success_response,
)
from server.graphql.sse import EncodedEvent, EventStream, guarded
from server.graphql.transport_ws import TransportWsHandler, open_websocket
from server.graphql.websocket_adapters import WebSocketAdapter, connection_of
from server.metrics.operations import Observation, OperationMetrics, code_of
from server.settings import Settings
from server.shutdown import Shutdown, shutdown_error
from storage import tracing
from storage.errors import SwitchboardError, Unauthenticated, Unavailable
from storage.mongo.deadlines import time_limit
from storage.mongo.read_budget import read_budget

T = TypeVar("T")

#: How long a client may take from the websocket to its connection_init.
CONNECTION_INIT_SECONDS = 10.0
#: The types of operations that may be sent by POST.
_POSTED = frozenset(OperationType.from_http("POST"))


class GraphQLEndpoint(asgi.GraphQL[RequestContext, None]):
    """Queries and mutations by POST, queries by GET, subscriptions by both as server-sent events, all operations by
    websocket, and the GraphiQL page for browsers."""

    graphql_transport_ws_handler_class = TransportWsHandler
    websocket_adapter_class = WebSocketAdapter
    stream_transport_classes_by_protocol = MappingProxyType({GRAPHQL_SSE_PROTOCOL: EventStream})

    def __init__(
        self,
        schema: Schema,
        services: Services,
        settings: Settings,
        *,
        graphiql: Callable[[], Response],
        shutdown: Shutdown,
        connection_init_seconds: float = CONNECTION_INIT_SECONDS,
        min_handshakes: int = MIN_HANDSHAKES,
        operations: OperationMetrics | None = None,
    ) -> None:
        super().__init__(
            schema,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL],
            connection_init_wait_timeout=timedelta(seconds=connection_init_seconds),
            max_subscriptions_per_connection=None,  # transport_ws.py has its own limit
            allowed_origins=("*",),  # security_headers.py checks the origin
        )
        self.api = schema
        self.services = services
        self.settings = settings
        self.limits = limits_of(settings)
        self.rate_limits = RequestRateLimits(settings, min_handshakes)
        self.revocation = TokenRevocation(services.storage)
        self.shutdown = shutdown
        self.caller_cache = CallerCache(self.revocation, self.shutdown)
        self.cohorts = Cohorts()
        self.operations = operations or OperationMetrics(CollectorRegistry())
        services.storage.feed.listeners.add(partial(drop_redacted, self.cohorts))
        services.storage.feed.reloaders.append(self._drop_results)
        self._graphiql = graphiql

    async def _drop_results(self) -> None:
        """Drop what is cached: this process has missed facts, and with them what was redacted or erased."""
        self.cohorts.drop_all()

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            connection = connection_of(scope)
            if connection is not None and GRAPHQL_TRANSPORT_WS_PROTOCOL in scope["subprotocols"]:
                await open_websocket(self, connection, scope)
            else:
                await super().__call__(scope, receive, send)
            return
        if scope["method"] == "POST" and not accepts_events(Headers(scope=scope).get("accept", "")):
            answer = await self.answer_post(scope, receive)
            if answer is not None:
                await answer(scope, receive, send)
            return
        request = Request(scope, requests.limit_body(receive, self.settings.max_body_kb * requests.BYTES_PER_KIB))
        request.state.media_type = media_type(request.headers.get("accept", ""))
        try:
            response = await self.run(request)
        except ClientDisconnect:
            return
        except Exception as error:
            if not hasattr(request.state, "observation"):
                self.operations.refused(code_of(error))
            response = error_response(error, request.state.media_type)
        await response(scope, receive, send)

    async def answer_post(self, scope: Scope, receive: Receive) -> Response | None:
        """The response to a query or a mutation in the body of a request. None if the client has disconnected.

        The view of Strawberry (`run`) answers all other requests: those by GET and for event streams.
        """
        post = requests.Post(scope)
        try:
            return await self._answer(post, receive)
        except ClientDisconnect:
            return None
        except Exception as error:
            if post.observation is None:
                self.operations.refused(code_of(error))
            return error_response(error, post.media_type)

    async def authenticate(self, token: str | None) -> Caller:
        """The caller with this token. A caller without a token, or with an invalid one, has no actor."""
        if token is None:
            return ANONYMOUS
        token_id = self.token_id_of(token)
        return INVALID_TOKEN_CALLER if token_id is None else await self.caller_cache.get(token_id)

    def token_id_of(self, token: str) -> str | None:
        """The id of a token; None if the token is malformed."""
        return token_id_of(token, configured_tokens=self.services.configured_tokens)

    def context_of(self, caller: Caller, address: str) -> RequestContext:
        """The context of one operation of a caller at an address."""
        return RequestContext(Context(self.services, caller, address=address), self.limits, self.cohorts)

    @override
    async def get_context(self, request: HTTPConnection, response: Response | WebSocket) -> RequestContext:
        address = request.client.host if request.client else ""
        if isinstance(request, WebSocket):  # connection_init authenticates it
            return self.context_of(ANONYMOUS, address)
        context = request.state.context = await self._context(address, request.headers)
        context.resume_after = request.headers.get("last-event-id") or None
        return context

    async def _context(self, address: str, headers: Mapping[str, str]) -> RequestContext:
        self.rate_limits.check_address_rate(address)
        try:
            caller = await self.authenticate(token_in_header(headers.get("authorization", "")))
        except Unauthenticated as error:
            caller = Caller(actor=None, problem=error.message)
        return self.context_of(caller, address)

    # ---------------------------------------------------------------- requests

    @override
    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Whether to send the GraphiQL page: to a browser that opens the address, if introspection is on."""
        return (
            self.settings.introspection
            and request.method == "GET"
            and "query" not in request.query_params
            and "text/html" in request.headers.get("accept", "")
        )

    @override
    async def render_graphql_ide(self, request: Request) -> Response:
        return self._graphiql()

    async def _answer(self, post: requests.Post, receive: Receive) -> Response:
        context = await self._context(post.address, post.headers)
        context.takes_encoded = True
        requests.require_json(post.headers.get("content-type"))
        body = await requests.body_of(receive, self.settings.max_body_kb * requests.BYTES_PER_KIB)
        operation = requests.operation_in_body(body, self.settings)
        execute = partial(self._execute_posted, operation, context)
        result = await self._observed(post, post.headers, operation, context, execute)
        return success_response(response_body(result), post.media_type)

    async def _execute_posted(self, operation: GraphQLRequestData, context: RequestContext) -> ExecutionResult:
        """The result of an operation that was sent by POST, as `execute_single` of Strawberry's view gives it."""
        try:
            return cast(
                ExecutionResult,
                await self.api.execute(
                    operation.query,
                    variable_values=operation.variables,
                    context_value=context,
                    operation_name=operation.operation_name,
                    allowed_operation_types=_POSTED,
                    operation_extensions=operation.extensions,
                ),
            )
        except CannotGetOperationTypeError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, error.as_http_error_reason()) from error
        except InvalidOperationTypeError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, error.as_http_error_reason("POST")) from error
        except MissingQueryError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "No GraphQL query found in the request") from error

    @override
    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if request.method == "GET":
            operation = requests.operation_in_parameters(request.query_params, self.settings)
        else:
            requests.require_json(request.content_type)
            operation = requests.operation_in_body(await request.get_body(), self.settings)
        if media_type(request.headers.get("accept", "")) == EVENT_STREAM:
            operation.protocol = "sse"
        return operation

    # ---------------------------------------------------------------- execution and responses

    @override
    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: RequestContext,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        assert not isinstance(request_data, list)  # parse_http_body returns one

        def execute() -> Awaitable[Any]:
            if accepts_events(request.headers.get("accept", "")):
                subscribes = self.api.is_subscription(request_data.query, request_data.operation_name, context)
                request.state.follows = subscribes
                if subscribes:
                    request_data.protocol = "sse"  # also for a client that prefers JSON for other operations
            return super(GraphQLEndpoint, self).execute_operation(
                request, request_adapter, request_data, context, None, sub_response
            )

        return await self._observed(request.state, request.headers, request_data, context, execute)

    async def _observed(
        self,
        state: requests.Post | State,
        headers: Mapping[str, str],
        data: GraphQLRequestData,
        context: RequestContext,
        execute: Callable[[], Awaitable[T]],
    ) -> T:
        """The result of `execute`, which is counted, logged, and limited in rate and time."""
        observation: Observation = self.operations.start(context, data.operation_name)
        state.observation = observation
        with tracing.operation(headers):
            try:
                self.rate_limits.check_caller_rate(context.resolver_context.caller)
                result = await self.with_deadline(data.query, data.operation_name, context, execute())
            except BaseException as error:
                observation.finish(error)
                raise
            if not hasattr(result, "__aiter__"):  # a stream has not ended yet
                observation.finish()
            return result

    async def with_deadline(
        self, query: str | None, operation_name: str | None, context: RequestContext, work: Awaitable[T]
    ) -> T:
        """The result of `work`. Raises Unavailable when a query exceeds SWITCHBOARD_MAX_QUERY_SECONDS, and when an
        operation exceeds the deadline of a shutdown.

        The transaction runner has the deadline of mutations. Subscriptions have none.
        """
        is_query = self.api.is_query(query, operation_name, context)
        seconds = self.settings.max_query_seconds if is_query else None
        # A subscription reads as long as it lives, and each of its deliveries has a limit of its own.
        lasting = not is_query and self.api.is_subscription(query, operation_name, context)
        budget = nullcontext() if lasting else read_budget()
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                with self.shutdown.limiting(timeout), time_limit(seconds), budget:
                    return await work
        except TimeoutError:
            if not timeout.expired():
                raise
        if self.shutdown.started:
            raise shutdown_error(retryable=is_query)
        raise Unavailable(f"The query took longer than {seconds:g} s.", retryable=True)

    @override
    async def get_sub_response(self, request: HTTPConnection) -> Response:
        response = Response()
        response.media_type = request.state.media_type
        return response

    @override
    async def process_result(self, request: Request, result: Any) -> GraphQLHTTPResponse:
        if isinstance(result, Delivery):
            return cast(GraphQLHTTPResponse, EncodedEvent(result))
        return cast(GraphQLHTTPResponse, response_body(result))

    @override
    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        return success_response(cast(Mapping[str, Any], response_data), sub_response.media_type or JSON)

    @override
    async def create_streaming_response(
        self,
        request: HTTPConnection,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        return StreamingResponse(stream(), headers=headers)

    @override
    def _stream_result(
        self, request: Request, result: SubscriptionExecutionResult, transport: HTTPStreamTransport
    ) -> AsyncTextStream:
        chunks = super()._stream_result(request, result, transport)
        context: RequestContext = request.state.context
        caller = context.resolver_context.caller

        def refuse(error: SwitchboardError) -> list[str]:
            response: GraphQLHTTPResponse = {"errors": [from_exception(error).formatted]}
            return [transport.encode_next(response, self.encode_json_string), transport.encode_complete()]

        return guarded(
            chunks,
            caller,
            follows=request.state.follows,
            revocation=self.revocation,
            rate_limits=self.rate_limits,
            shutdown=self.shutdown,
            complete=transport.encode_complete(),
            refuse=refuse,
            observation=request.state.observation,
        )

    # ---------------------------------------------------------------- JSON

    @override
    def decode_json(self, data: str | bytes) -> object:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise JSONDecodeError(str(error), "", 0) from None

    @override
    def encode_json(self, data: object) -> str:
        return msgspec.json.encode(data).decode()
