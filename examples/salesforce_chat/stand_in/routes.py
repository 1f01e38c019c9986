"""The HTTP interface of the stand-in: the paths, headers and statuses of the real API."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from examples.salesforce_chat.stand_in import bodies
from examples.salesforce_chat.stand_in.conversations import Service, Windows
from examples.salesforce_chat.stand_in.errors import Refusal
from examples.salesforce_chat.stand_in.store import JSON, Entry, Store
from examples.salesforce_chat.stand_in.tokens import Identity, Tokens

PREFIX = "/iamessage/api/v2"
TOKENS_PER_MINUTE = 200
_B = TypeVar("_B", bound=bodies.Body)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The organization, its Custom Client deployment, and how its streams behave."""

    org_id: str
    developer_name: str
    #: How many past events a stream replays at most.
    replay: int
    ping_seconds: float


class Routes:
    def __init__(self, deployment: Deployment, store: Store, service: Service, tokens: Tokens) -> None:
        self._deployment = deployment
        self._store = store
        self._service = service
        self._tokens = tokens
        self._token_requests = Windows(TOKENS_PER_MINUTE)

    def routes(self) -> list[Route]:
        conversation = f"{PREFIX}/conversation"
        one = conversation + "/{id}"
        return [
            Route(f"{PREFIX}/authorization/unauthenticated/access-token", self.guest_token, methods=["POST"]),
            Route(f"{PREFIX}/authorization/authenticated/access-token", self.verified_token, methods=["POST"]),
            Route(f"{PREFIX}/authorization/authenticated/access-token", self.revoke, methods=["DELETE"]),
            Route(f"{PREFIX}/authorization/continuation-access-token", self.continue_token, methods=["GET"]),
            Route(conversation, self.create, methods=["POST"]),
            Route(f"{conversation}/list", self.list_conversations, methods=["GET"]),
            Route(one, self.routing_status, methods=["GET"]),
            Route(one, self.close, methods=["DELETE"]),
            Route(f"{one}/entries", self.entries, methods=["GET"]),
            Route(f"{one}/message", self.send, methods=["POST"]),
            Route(f"{one}/entry", self.type, methods=["POST"]),
            Route(f"{one}/acknowledge-entries", self.acknowledge, methods=["POST"]),
            Route(f"{one}/session", self.end_session, methods=["DELETE"]),
            Route("/eventrouter/v1/sse", self.stream, methods=["GET"]),
        ]

    # ------------------------------------------------------------ tokens

    async def guest_token(self, request: Request) -> Response:
        body = await _body(request, bodies.GuestTokenRequest)
        return self._issued(body.org_id, body.es_developer_name, self._tokens.guest)

    async def verified_token(self, request: Request) -> Response:
        body = await _body(request, bodies.VerifiedTokenRequest)
        identity_token = body.customer_identity_token
        return self._issued(body.org_id, body.es_developer_name, lambda: self._tokens.verified(identity_token))

    def _issued(self, org_id: str, developer_name: str, issue: Callable[[], str]) -> Response:
        self._token_requests.count(org_id)
        if org_id[:15] != self._deployment.org_id[:15]:
            raise Refusal(400, "The organization does not exist.")
        self._check_name(developer_name)
        return self._token_reply(issue())

    def _token_reply(self, token: str) -> Response:
        identity = self._tokens.check(f"Bearer {token}")
        config = {"name": self._deployment.developer_name, "deploymentType": "api", "forms": [], "choiceListConfig": {}}
        context = {"deviceId": None, "configuration": {"embeddedServiceConfig": config}}
        last = _event_id(self._store.last_number(identity.subject))
        return JSONResponse({"accessToken": token, "lastEventId": last, "context": context})

    async def continue_token(self, request: Request) -> Response:
        return self._token_reply(self._tokens.continued(self._identity(request)))

    async def revoke(self, request: Request) -> Response:
        self._tokens.revoke(request.headers.get("authorization", ""))
        return Response(status_code=204)

    # ------------------------------------------------------------ conversations

    async def create(self, request: Request) -> Response:
        identity = self._identity(request)
        body = await _body(request, bodies.NewConversation)
        self._check_name(body.es_developer_name)
        self._service.create(identity, body)
        return Response(status_code=201)

    async def list_conversations(self, request: Request) -> Response:
        identity = self._identity(request)
        closed_too = request.query_params.get("inclClosedConvs") == "true"
        limit = _number(request, "limit", 20, 50)
        conversations = self._store.conversations(identity.subject)
        shown = [one for one in conversations if closed_too or not one.closed][:limit]
        return JSONResponse(
            {
                "openConversationsFound": sum(not one.closed for one in conversations),
                "closedConversationsFound": sum(one.closed for one in conversations),
                "conversations": [{"conversationId": one.id, "startTimestamp": one.started} for one in shown],
            }
        )

    async def routing_status(self, request: Request) -> Response:
        conversation = self._service.own(self._identity(request), _id(request))
        return JSONResponse({"conversationId": conversation.id, "routingStatus": conversation.routing})

    async def entries(self, request: Request) -> Response:
        conversation = self._service.own(self._identity(request), _id(request))
        limit = _number(request, "limit", 20, 50)
        start = _number(request, "startTimestamp", 0, 2**53)
        end = _number(request, "endTimestamp", 2**53, 2**53)
        direction = request.query_params.get("direction", "FromEnd")
        if direction not in ("FromStart", "FromEnd"):
            raise Refusal(400, "direction must be FromStart or FromEnd.")
        kinds = request.query_params.get("entryTypeFilter")
        found = self._service.entries(conversation.id, start, end, limit, newest=direction == "FromEnd")
        shown = [one.entry for one in found if kinds is None or one.entry["entryType"] in kinds.split(",")]
        return JSONResponse({"conversationEntries": shown})

    async def send(self, request: Request) -> Response:
        identity = self._identity(request)
        body = await _body(request, bodies.NewMessage)
        self._check_name(body.es_developer_name)
        return JSONResponse(self._service.send(identity, _id(request), body), status_code=202)

    async def type(self, request: Request) -> Response:
        identity = self._identity(request)
        self._service.type(identity, _id(request), await _body(request, bodies.TypingEntry))
        return JSONResponse({})

    async def acknowledge(self, request: Request) -> Response:
        identity = self._identity(request)
        self._service.acknowledge(identity, _id(request), await _body(request, bodies.Acknowledgements))
        return JSONResponse({})

    async def end_session(self, request: Request) -> Response:
        identity = self._identity(request)
        self._check_name(request.query_params.get("esDeveloperName", ""))
        self._service.end_session(identity, _id(request))
        return Response(status_code=204)

    async def close(self, request: Request) -> Response:
        identity = self._identity(request)
        self._check_name(request.query_params.get("esDeveloperName", ""))
        self._service.close(identity, _id(request))
        return Response(status_code=204)

    # ------------------------------------------------------------ the event stream

    async def stream(self, request: Request) -> Response:
        if "text/event-stream" not in request.headers.get("accept", ""):
            raise Refusal(406, "The client must accept text/event-stream.")
        identity = self._identity(request)
        if request.headers.get("x-org-id") != self._deployment.org_id[:15]:
            raise Refusal(400, "OrgId in the header and token must match")
        newest = self._store.last_number(identity.subject)
        after = _event_number(request.headers.get("last-event-id"), newest)
        missed = [one.number for one in self._store.after(identity.subject, after)]
        if len(missed) > self._deployment.replay:
            after = newest if self._deployment.replay == 0 else missed[-self._deployment.replay] - 1
        authorization = request.headers["authorization"]
        events = self._events(identity, authorization, after)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def _events(self, identity: Identity, authorization: str, after: int) -> AsyncIterator[str]:
        cuts = self._service.log.cuts
        yield "event: ping\ndata: {}\n\n"
        while self._service.log.cuts == cuts:
            try:
                self._tokens.check(authorization)
            except Refusal as refusal:
                yield refusal.message
                return
            appended = self._service.log.appended
            for entry in self._store.after(identity.subject, after):
                frame = self._frame(entry)
                if self._store.fact("cut_in_frame", False):
                    self._store.set_fact("cut_in_frame", False)
                    yield frame[: len(frame) // 2]
                    return
                yield frame
                after = entry.number
            if self._store.last_number(identity.subject) > after:
                continue
            try:
                async with asyncio.timeout(self._deployment.ping_seconds):
                    await appended.wait()
            except TimeoutError:
                yield "event: ping\ndata: {}\n\n"

    def _frame(self, entry: Entry) -> str:
        data = {
            "channelPlatformKey": "stand-in",
            "channelType": "embedded_messaging",
            "channelAddressIdentifier": "stand-in",
            "conversationId": entry.conversation,
            "conversationEntry": {**entry.entry, "entryPayload": json.dumps(entry.entry["entryPayload"])},
        }
        return f"id: {_event_id(entry.number)}\nevent: {entry.event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"

    # ------------------------------------------------------------ checks

    def _identity(self, request: Request) -> Identity:
        return self._tokens.check(request.headers.get("authorization", ""))

    def _check_name(self, developer_name: str) -> None:
        if developer_name != self._deployment.developer_name:
            raise Refusal(400, "esDeveloperName is not the deployment of the token.")


def refused(request: Request, error: Exception) -> Response:
    """The response to a refused request."""
    assert isinstance(error, Refusal)
    body: JSON = {"message": error.message, "code": error.status}
    if error.status == 401 and request.url.path.endswith("/sse"):
        body = {"status": 401, "error": "Unauthorized", "path": request.url.path}
    return JSONResponse(body, status_code=error.status, headers=error.headers)


async def _body(request: Request, kind: type[_B]) -> _B:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal(415, "The content type must be application/json.")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, str(error)) from None


def _id(request: Request) -> str:
    conversation_id: str = request.path_params["id"]
    if not bodies.is_id(conversation_id):
        raise Refusal(400, "The conversation's id must be a UUID in lower case.")
    return conversation_id


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) > most:
        raise Refusal(400, f"{name} must be a number of at most {most}.")
    return int(text)


def _event_id(number: int) -> str:
    """Event ids are opaque."""
    return base64.urlsafe_b64encode(f"e{number}".encode()).decode()


def _event_number(event_id: str | None, newest: int) -> int:
    if not event_id:
        return newest
    try:
        return int(base64.urlsafe_b64decode(event_id).decode().removeprefix("e"))
    except ValueError:
        raise Refusal(400, "Last-Event-Id is no id of an event.") from None
