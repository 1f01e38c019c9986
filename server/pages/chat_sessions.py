"""The sessions of the chat page. Everyone who opens the page gets the token of a new visitor."""

import ipaddress
import math
import secrets
from http import HTTPStatus

from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resolvers.auth.access import ADMIN, Caller
from resolvers.auth.rate_limiter import RateLimiter, network
from resolvers.context import Context, Services
from resolvers.visitor_sessions import MAX_SECONDS, create_visitor_session
from resolvers.visitors import save_visitor
from server.graphql.responses import JSON, error_response
from server.settings import Settings
from storage.errors import RateLimited, SwitchboardError
from storage.records import SYSTEM

#: The most sessions that one address may begin in RATE_SECONDS.
SESSIONS = 10
RATE_SECONDS = 60
TOKEN_PREFIX = "chat-page-"  # noqa: S105


def serves_chat(settings: Settings) -> bool:
    """Whether the chat page is served: as SWITCHBOARD_CHAT says, and by default only on a loopback address."""
    if settings.chat is not None:
        return settings.chat
    try:
        return ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        return settings.host == "localhost"


class ChatSessions:
    """The endpoint that creates sessions, with its rate limit in the memory of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rates = RateLimiter(SESSIONS, seconds=RATE_SECONDS)

    async def create(self, request: Request) -> Response:
        """A new visitor and a token for it, as JSON. The request has the media type JSON, so that no form of another
        site can send it."""
        address = request.client.host if request.client else ""
        try:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
                reason = f"The content type must be {JSON}."
                return error_response(HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason), JSON)
            if wait := self._rates.acquire(network(address)):
                raise RateLimited("Too many sessions from this address; wait.", retry_after_seconds=math.ceil(wait))
            context = Context(self._services, Caller(actor=SYSTEM, scopes=frozenset({ADMIN})), address=address)
            visitor = await save_visitor(context, token=f"{TOKEN_PREFIX}{secrets.token_hex(16)}")
            session = await create_visitor_session(context, visitor_token=visitor.token, seconds=MAX_SECONDS)
        except SwitchboardError as error:
            return error_response(error, JSON)
        expires_at = session.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return JSONResponse({"token": session.token, "expiresAt": expires_at})
