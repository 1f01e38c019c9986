"""What browsers are told about answers, and which pages of other sites may ask: headers, and nothing of GraphQL."""

import base64
import hashlib
import re
from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Of everything that is no page: nothing in it may load or run anything.
NOTHING = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "content-security-policy": NOTHING,
    "cache-control": "no-store",
}
#: Once a browser has come by TLS, it is not to come without for a year.
TRANSPORT_SECURITY = {"strict-transport-security": "max-age=31536000"}
#: How long a browser may remember what other sites may do.
PREFLIGHT_SECONDS = 600

_PLAIN = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_SECURE = [(name.encode(), value.encode()) for name, value in (HEADERS | TRANSPORT_SECURITY).items()]
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
_ELSEWHERE = re.compile(r"""<(script|link)\b[^>]*?\b(?:src|href)=["'](https://[^"']+)["']""", re.DOTALL)


class Guard:
    """Adds to every answer what browsers need to know; what an answer says itself stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                headers = _SECURE if scope["scheme"] == "https" else _PLAIN
                added = [pair for pair in headers if pair[0] not in said]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._app(scope, receive, guarded)


def middleware(allowed_origins: Sequence[str]) -> list[Middleware]:
    """What stands before the whole application."""
    guards = [Middleware(Guard)]
    if allowed_origins:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["accept", "authorization", "content-type", "traceparent"],
                expose_headers=["retry-after"],
                max_age=PREFLIGHT_SECONDS,
            )
        )
    return guards


def page_policy(html: str) -> str:
    """The Content-Security-Policy of a page that may load what it names itself, and nothing else.

    Scripts in the page are allowed by their hashes, so that none that somebody else got into it runs. Styles are made
    by the editor while it runs, which no hash can foresee.
    """
    elsewhere = _ELSEWHERE.findall(html)
    inline = [code for attributes, code in _SCRIPT.findall(html) if "src=" not in attributes]
    scripts = [*map(_hash, inline), *(url for kind, url in elsewhere if kind == "script")]
    styles = [url for kind, url in elsewhere if kind == "link"]
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *scripts]),
            " ".join(["style-src 'self' 'unsafe-inline'", *styles]),
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
