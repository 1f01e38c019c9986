"""GraphQL over HTTP: how a request becomes an operation and its result an answer; websockets.py is the other way in."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from json import JSONDecodeError
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry import asgi
from strawberry.http import GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.schema import BaseSchema
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from resolvers.access import ANONYMOUS, Caller, authenticate, recognise
from resolvers.context import Context, Services
from schema.context import RequestContext
from schema.errors import INTERNAL, from_exception
from server.grants import Grants
from server.tokens import token_in_header
from server.websockets import Connection, Socket
from storage.errors import Invalid, Unauthenticated

CONNECTION_INIT_WAIT = timedelta(seconds=10)
#: Of one websocket. An app that watches more rooms than this asks for them in one subscription.
MAX_OPERATIONS_PER_CONNECTION = 1_000
GRAPHIQL = Path(__file__).with_name("graphiql.html")


class Operation(msgspec.Struct, frozen=True, rename="camel"):
    """What the body of a POST must be."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class GraphQL(asgi.GraphQL[RequestContext, None]):
    """The endpoint: queries and mutations by POST, queries by GET, everything by websocket, GraphiQL for browsers."""

    graphql_transport_ws_handler_class = Connection
    websocket_adapter_class = Socket

    def __init__(self, schema: BaseSchema, services: Services) -> None:
        super().__init__(
            schema,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=CONNECTION_INIT_WAIT,
            max_subscriptions_per_connection=MAX_OPERATIONS_PER_CONNECTION,
        )
        self.services = services
        self.grants = Grants(services.storage)
        self._graphiql = GRAPHIQL.read_text(encoding="utf-8")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        try:
            response = await self.run(Request(scope, receive))
        except HTTPException as error:
            response = refused(error)
        except Exception as error:
            told = from_exception(error)
            internal = (told.extensions or {}).get("code") == INTERNAL
            response = answer(told, HTTPStatus.INTERNAL_SERVER_ERROR if internal else HTTPStatus.OK)
        await response(scope, receive, send)

    async def identify(self, token: str | None) -> Caller:
        """Who shows this token; somebody with no actor when it is not valid, and so are those who show none."""
        if token is None:
            return ANONYMOUS
        return await authenticate(self.services.storage, token, made_up=self.services.made_up_tokens)

    def recognise(self, token: str) -> str | None:
        """The id of a token; None when it was mistyped."""
        return recognise(token, made_up=self.services.made_up_tokens)

    def context_of(self, caller: Caller, address: str) -> RequestContext:
        """What one operation of this caller, who is at that address, runs with."""
        return RequestContext(Context(self.services, caller, address=address))

    async def get_context(self, request: HTTPConnection, response: Response | WebSocket) -> RequestContext:
        address = request.client.host if request.client else ""
        if isinstance(request, WebSocket):  # who it is, is known when connection_init has been received
            return self.context_of(ANONYMOUS, address)
        try:
            caller = await self.identify(token_in_header(request.headers.get("authorization", "")))
        except Unauthenticated as error:
            caller = Caller(actor=None, problem=error.message)
        return self.context_of(caller, address)

    # ---------------------------------------------------------------- requests

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        """Browsers that open the address, and nobody else: a client that takes anything is told what is missing."""
        return (
            request.method == "GET"
            and "query" not in request.query_params
            and "text/html" in request.headers.get("accept", "")
        )

    async def render_graphql_ide(self, request: Request) -> Response:
        return HTMLResponse(self._graphiql)

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if request.method == "GET":
            given: dict[str, Any] = {key: value for key, value in request.query_params.items() if value}
            for key in ("variables", "extensions"):
                if key in given:
                    given[key] = decode(given[key], Any, f"the parameter {key}")
            operation = convert(given)
        else:
            if (request.content_type or "").partition(";")[0].strip().lower() != "application/json":
                raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The content type must be application/json.")
            operation = decode(await request.get_body(), Operation, "the body")
        return GraphQLRequestData(
            query=operation.query,
            variables=operation.variables,
            operation_name=operation.operation_name,
            extensions=operation.extensions,
        )

    # ---------------------------------------------------------------- JSON

    def decode_json(self, data: str | bytes) -> object:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise JSONDecodeError(str(error), "", 0) from None

    def encode_json(self, data: object) -> str:
        return msgspec.json.encode(data).decode()


def decode(data: str | bytes, kind: Any, noun: str) -> Any:
    """The JSON as `kind`; raises Invalid that says where it is not what it should be."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{noun.capitalize()} is no GraphQL request: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{noun.capitalize()} is not JSON: {error}.") from None


def convert(given: dict[str, Any]) -> Operation:
    try:
        return msgspec.convert(given, Operation)
    except msgspec.ValidationError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The parameters are no GraphQL request: {error}.") from None


# ---------------------------------------------------------------- refusals


def refused(error: HTTPException) -> Response:
    """What a request gets that was refused before its operation began."""
    cause = error.__cause__
    if isinstance(cause, CannotGetOperationTypeError | InvalidOperationTypeError):
        told = from_exception(cause)
    else:
        told = GraphQLError(error.reason, extensions={"code": Invalid.code})
    if isinstance(cause, InvalidOperationTypeError):
        return answer(told, HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "POST"})
    status = HTTPStatus(error.status_code)
    return answer(told, status, {"allow": "GET, POST"} if status is HTTPStatus.METHOD_NOT_ALLOWED else {})


def answer(error: GraphQLError, status: HTTPStatus, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """An answer that is nothing but this error."""
    body = msgspec.json.encode({"errors": [error.formatted]})
    return Response(body, status, headers, media_type="application/json")
