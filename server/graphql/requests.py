"""The operations in HTTP requests: read from the body or the parameters, and checked against their limits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from cross_web import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope
from strawberry.http import GraphQLRequestData

from server.graphql import persisted_queries, variables
from server.graphql.responses import JSON, accepts_events, media_type
from server.metrics.operations import Observation
from server.settings import Settings

BYTES_PER_KIB = 1024


class Operation(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a POST request."""

    query: str | msgspec.UnsetType = msgspec.UNSET
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: dict[str, Any] | None = None


class Post:
    """A request whose body has a query or a mutation."""

    __slots__ = ("address", "headers", "media_type", "observation")

    def __init__(self, scope: Scope) -> None:
        #: The first field of each name.
        self.headers: Mapping[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        self.media_type = media_type(self.headers.get("accept", ""))
        #: Its operation, once that has started.
        self.observation: Observation | None = None


def is_plain_post(scope: Scope) -> bool:
    """Whether the request is a POST that does not come from a page of a browser, and does not ask for an event
    stream."""
    if scope["method"] != "POST":
        return False
    for name, value in scope["headers"]:
        if name == b"origin" or (name == b"accept" and accepts_events(value.decode("latin-1"))):
            return False
    return True


def has_origin(scope: Scope) -> bool:
    """Whether a request comes from a page of a browser."""
    return any(name == b"origin" for name, _ in scope["headers"])


async def body_of(receive: Receive, limit: int) -> bytes:
    """The body of a request. Raises HTTPException when it exceeds that many bytes, and ClientDisconnect."""
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        length += len(part)
        if length > limit:
            raise _too_large(limit)
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def require_json(content_type: str | None) -> None:
    """Raise HTTPException unless this is the type of a body in JSON."""
    if (content_type or "").partition(";")[0].strip().lower() != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The content type must be {JSON}.")


def operation_in_body(body: str | bytes, settings: Settings) -> GraphQLRequestData:
    """The operation in the body of a POST request. Raises HTTPException, QueryTooComplex or
    PersistedQueryNotSupported."""
    return _checked(_decode(body, Operation, "the body"), "The body is", settings)


def operation_in_parameters(query_params: Mapping[str, str | None], settings: Settings) -> GraphQLRequestData:
    """The operation in the parameters of a GET request. Raises like `operation_in_body`."""
    parameters: dict[str, Any] = {key: value for key, value in query_params.items() if value}
    for key in ("variables", "extensions"):
        if key in parameters:
            parameters[key] = _decode(parameters[key], Any, f"the parameter {key}")
    return _checked(_convert(parameters), "The parameters are", settings)


def _checked(operation: Operation, subject: str, settings: Settings) -> GraphQLRequestData:
    persisted_queries.require_document({"query": operation.query, "extensions": operation.extensions})
    if operation.query is msgspec.UNSET:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, f"{subject} no GraphQL request: Object missing required field `query`."
        )
    variables.require_within(operation.variables, settings)
    return GraphQLRequestData(
        query=operation.query,
        variables=operation.variables,
        operation_name=operation.operation_name,
        extensions=operation.extensions,
        protocol="http",
    )


def _decode(data: str | bytes, kind: Any, subject: str) -> Any:
    """The JSON as `kind`. Raises HTTPException with the place of the first error; `subject` names the data in it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{subject.capitalize()} is no GraphQL request: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{subject.capitalize()} is not JSON: {error}.") from None


def _convert(parameters: dict[str, Any]) -> Operation:
    try:
        return msgspec.convert(parameters, Operation)
    except msgspec.ValidationError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The parameters are no GraphQL request: {error}.") from None


def limit_body(receive: Receive, limit: int) -> Receive:
    """`receive`, which raises HTTPException when the body exceeds that many bytes."""
    length = 0

    async def receive_within() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > limit:
            raise _too_large(limit)
        return message

    return receive_within


def _too_large(limit: int) -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have at most {limit // BYTES_PER_KIB} KiB.")
