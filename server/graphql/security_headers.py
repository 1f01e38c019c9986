"""Security headers of responses, and the check of the Origin of requests (CORS and websockets)."""

import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.http.websocket_origin import is_same_origin
from typing_extensions import override

from server.origins import Origins
from storage.errors import ascii_quote

logger = logging.getLogger(__name__)

#: The policy of responses that are no page: they may load and run nothing.
DENY_ALL = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "content-security-policy": DENY_ALL,
    "cache-control": "no-store",
}
#: HSTS: a browser that has connected with TLS must use TLS for a year.
TRANSPORT_SECURITY = {"strict-transport-security": "max-age=31536000"}

#: How long a browser may cache the response to a preflight request.
PREFLIGHT_SECONDS: Final = 600
#: Request headers of GraphQL clients, tracing libraries and event stream clients.
REQUEST_HEADERS: Final = (
    "accept",
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "authorization",
    "baggage",
    "cache-control",
    "content-type",
    "last-event-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-apollo-operation-name",
    "x-requested-with",
)
#: Each refused origin is logged at most once in LOG_SECONDS, and at most LOGGED_ORIGINS different ones.
LOG_SECONDS: Final = 60.0
LOGGED_ORIGINS: Final = 100
LONGEST_LOGGED: Final = 200

_PLAIN = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_SECURE = [(name.encode(), value.encode()) for name, value in (HEADERS | TRANSPORT_SECURITY).items()]


def fields_without_origin(scheme: str) -> list[tuple[bytes, bytes]]:
    """The fields that this middleware adds to the response of a request without the header Origin."""
    return [(b"vary", b"Origin"), *(_SECURE if scheme == "https" else _PLAIN)]


class SecurityHeaders:
    """Middleware that adds the security headers to every response, except those that the response has already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                headers = _SECURE if scope["scheme"] == "https" else _PLAIN
                added = [pair for pair in headers if pair[0] not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class OriginGuard(CORSMiddleware):
    """Middleware that answers preflight requests, and refuses websockets of pages whose origin is not allowed.

    Pages of the same host are allowed, and so are programs, which send no Origin.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str]) -> None:
        super().__init__(
            app,
            allow_methods=["GET", "POST"],
            allow_headers=REQUEST_HEADERS,
            expose_headers=["retry-after"],
            max_age=PREFLIGHT_SECONDS,
        )
        self._origins = Origins(allowed)
        self._logged: dict[tuple[str, str], float] = {}

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await super().__call__(scope, receive, send)
        elif self._check(Headers(scope=scope), "A websocket"):
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": WS_1008_POLICY_VIOLATION, "reason": ""})

    @override
    def is_allowed_origin(self, origin: str) -> bool:
        return self._origins.allows(origin)

    @override
    def preflight_response(self, request_headers: Headers) -> Response:
        self._check(request_headers, "A request")
        return super().preflight_response(request_headers)

    @override
    async def simple_response(self, scope: Scope, receive: Receive, send: Send, request_headers: Headers) -> None:
        self._check(request_headers, "A request")
        await super().simple_response(scope, receive, send, request_headers)

    def _check(self, headers: Headers, what: str) -> bool:
        """Whether the request may use the API. A refused origin is logged."""
        origin = headers.get("origin")
        if origin is None or headers.get("sec-fetch-site") == "same-origin":
            return True
        if is_same_origin(origin, headers.get("host")) or self._origins.allows(origin):
            return True
        self._log(origin[:LONGEST_LOGGED], what)
        return False

    def _log(self, origin: str, what: str) -> None:
        now = monotonic()
        self._logged = {key: at for key, at in self._logged.items() if now - at < LOG_SECONDS}
        if (what, origin) in self._logged or len(self._logged) >= LOGGED_ORIGINS:
            return
        self._logged[what, origin] = now
        logger.warning(
            "%s of a page from %s was refused: to allow the pages of this origin, add it to "
            "SWITCHBOARD_ALLOWED_ORIGINS.",
            what,
            ascii_quote(origin),
        )


def middleware(allowed_origins: Sequence[str]) -> list[Middleware]:
    """The middleware of the application."""
    return [Middleware(SecurityHeaders), Middleware(OriginGuard, allowed=allowed_origins)]
