"""HTTP responses to GraphQL requests: media types, status codes and errors, as the GraphQL over HTTP specification
defines them."""

import math
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from cross_web import HTTPException
from graphql import GraphQLError
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from schema.base.errors import INTERNAL, PERSISTED_QUERY_NOT_SUPPORTED, from_exception
from schema.execution.cohorts import Delivery
from storage.errors import Invalid, QueryTooComplex, RateLimited, Unavailable

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
_FALLBACKS = {JSON: ("application/*", "*/*"), RESPONSE_JSON: (), EVENT_STREAM: ()}
#: By whether the response has the type RESPONSE_JSON.
_CONTENT_TYPES = {
    True: (b"content-type", f"{RESPONSE_JSON}; charset=utf-8".encode()),
    False: (b"content-type", JSON.encode()),
}
#: The HTTP status of an operation that was not executed, by error code. Other codes have the status 400.
_STATUS = {
    INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    RateLimited.code: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable.code: HTTPStatus.SERVICE_UNAVAILABLE,
    # The status of servers that support persisted queries: some clients read the body of no other.
    PERSISTED_QUERY_NOT_SUPPORTED: HTTPStatus.OK,
}
#: The statuses that responses of the older media type have too: nothing was executed, and the request was valid.
_ALWAYS = frozenset(_STATUS.values())


@lru_cache(maxsize=256)
def media_type(accept: str) -> str:
    """The media type of the response to this Accept header. RESPONSE_JSON and EVENT_STREAM must be named in it.

    Of types with the same quality, RESPONSE_JSON is preferred to JSON, and JSON to EVENT_STREAM: clients name all the
    types that they can read, and expect an event stream as the answer to a subscription alone.
    """
    offered = dict(_preferences(accept))
    best, best_quality = JSON, 0.0
    for kind in (RESPONSE_JSON, JSON, EVENT_STREAM):
        quality = offered.get(kind, max((offered.get(name, 0.0) for name in _FALLBACKS[kind]), default=0.0))
        if quality > best_quality:
            best, best_quality = kind, quality
    return best


@lru_cache(maxsize=256)
def accepts_events(accept: str) -> bool:
    """Whether this Accept header names EVENT_STREAM, preferred or not."""
    return dict(_preferences(accept)).get(EVENT_STREAM, 0.0) > 0


def _preferences(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        found.append((kind, quality))
    return found


def response_body(result: ExecutionResult | PreExecutionError) -> Mapping[str, Any] | msgspec.Raw:
    """The body of the response, without `data` if nothing was executed."""
    if isinstance(result, Delivery):
        return msgspec.Raw(result.encoded)
    errors = [error.formatted for error in result.errors or ()]
    body: dict[str, Any] = {"errors": errors} if errors else {}
    if not was_executed(result):
        return body
    body = {"data": result.data, **body}
    return {**body, "extensions": result.extensions} if result.extensions else body


def was_executed(result: ExecutionResult | PreExecutionError) -> bool:
    """Whether any field was executed. An error of the whole request has no path."""
    if isinstance(result, PreExecutionError):
        return False
    return result.data is not None or any(error.path for error in result.errors or ())


def success_response(
    body: Mapping[str, Any] | msgspec.Raw, kind: str, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """The response to an operation that was executed or refused by the executor."""
    status = HTTPStatus.OK
    if not isinstance(body, msgspec.Raw) and "data" not in body:
        extensions = body["errors"][0].get("extensions", {})
        status = _STATUS.get(extensions.get("code"), HTTPStatus.BAD_REQUEST)
        if "retryAfterSeconds" in extensions:
            headers = {**headers, "retry-after": str(math.ceil(extensions["retryAfterSeconds"]))}
        if kind == JSON and status not in _ALWAYS:
            status = HTTPStatus.OK
    return _response(body, status, kind, headers)


def error_response(error: Exception, kind: str) -> Response:
    """The response to a request that was refused before its operation started."""
    if not isinstance(error, HTTPException):
        return success_response({"errors": [from_exception(error).formatted]}, kind)
    headers: Mapping[str, str] = {}
    status = HTTPStatus(error.status_code)
    match error.__cause__:
        case InvalidOperationTypeError() as cause:
            graphql_error = from_exception(cause)
            if cause.operation_type.value == "subscription":
                graphql_error.message = f"Subscriptions need a websocket, or a request that accepts {EVENT_STREAM}."
                status = HTTPStatus.NOT_ACCEPTABLE
            else:
                status, headers = HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "POST"}
        case CannotGetOperationTypeError() as cause:
            graphql_error = from_exception(cause)
        case _:
            too_large = status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            data = {"code": QueryTooComplex.code} if too_large else {"code": Invalid.code, "key": "request"}
            graphql_error = GraphQLError(error.reason, extensions=data)
            if status is HTTPStatus.METHOD_NOT_ALLOWED:
                headers = {"allow": "GET, POST"}
    return _response({"errors": [graphql_error.formatted]}, status, kind, headers)


def _response(
    body: Mapping[str, Any] | msgspec.Raw, status: HTTPStatus, kind: str, headers: Mapping[str, str]
) -> Response:
    response = Response(msgspec.json.encode(body), status, headers or None)
    # Starlette converts names and values for each response.
    response.raw_headers.insert(len(headers), _CONTENT_TYPES[kind == RESPONSE_JSON])
    return response
