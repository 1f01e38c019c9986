"""The web application: Starlette's, with a shorter way for queries and mutations by POST, and for websockets.

Starlette's stack of middleware and its router take as much CPU time as a small query. A request to the API without the
header Origin needs nothing of them but the header fields that the middleware adds to every response, and a websocket
without it needs nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from server.graphql.endpoint import GraphQLEndpoint
from server.graphql.requests import has_origin, is_plain_post
from server.graphql.security_headers import fields_without_origin
from server.transport.whole_responses import WHOLE_RESPONSE_EXTENSION, SendWhole


class Application(Starlette):
    """Starlette's application, which gives plain posts and websockets of programs to the endpoint itself."""

    def __init__(self, endpoint: GraphQLEndpoint, *, paths: Collection[str], **options: Any) -> None:
        super().__init__(**options)
        self._endpoint = endpoint
        self._paths = paths
        self._lines: Mapping[str, bytes] = {
            scheme: _lines(fields_without_origin(scheme)) for scheme in ("http", "https")
        }

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths and is_plain_post(scope):
            extension = scope.get("extensions", {}).get(WHOLE_RESPONSE_EXTENSION)
            if extension is not None:
                await self._answer(scope, receive, extension["send"])
                return
        elif scope["type"] == "websocket" and scope["path"] in self._paths and not has_origin(scope):
            await self._endpoint(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: SendWhole) -> None:
        response = await self._endpoint.answer_post(scope, receive)
        if response is not None:
            lines = _lines(response.raw_headers) + self._lines[scope["scheme"]]
            await send(response.status_code, lines, bytes(response.body))


def _lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields)
