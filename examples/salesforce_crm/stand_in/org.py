"""A Salesforce org on loopback: OAuth and the REST API, as far as the example and its tests need them.

It refuses what Salesforce refuses: unknown objects and fields, missing and malformed values, malformed SOQL, sessions
that expired, duplicates, and requests over the limit.
"""

import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from examples.salesforce_crm.stand_in.composite import Composite
from examples.salesforce_crm.stand_in.faults import Faults
from examples.salesforce_crm.stand_in.records import Records
from examples.salesforce_crm.stand_in.refusals import Refused
from examples.salesforce_crm.stand_in.rows import (
    CURRENT_VERSION,
    OLDEST_VERSION,
    Request,
    Response,
    Rows,
    split_version,
)
from examples.salesforce_crm.stand_in.sessions import ConnectedApp, OAuthRefused, Sessions
from examples.salesforce_crm.stand_in.values import JSON

ORG_ID = "00DWs0000000001AAA"
MAX_URL_BYTES = 16_384
METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]


class Org:
    """The state of an org, and the ASGI application that serves it."""

    def __init__(self, app: ConnectedApp) -> None:
        self.records = Records()
        self.faults = Faults()
        self.sessions = Sessions(app, ORG_ID)
        self._rows = Rows(self.records)
        self._composite = Composite(self._rows, self.records)
        #: Called with each request and its response.
        self.listeners: list[Callable[[Request, Response], None]] = []
        self.application = Starlette(
            routes=[
                Route("/services/oauth2/token", self._token, methods=["POST"]),
                Route("/services/oauth2/introspect", self._introspect, methods=["POST"]),
                Route("/services/data", self._versions, methods=["GET"]),
                Route("/services/data/", self._versions, methods=["GET"]),
                Route("/services/data/{rest:path}", self._data, methods=METHODS),
            ],
        )

    async def _form(self, request: HttpRequest) -> dict[str, str]:
        return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))

    async def _token(self, request: HttpRequest) -> HttpResponse:
        try:
            instance_url = str(request.base_url).rstrip("/")
            return JSONResponse(self.sessions.grant(await self._form(request), instance_url))
        except OAuthRefused as refused:
            return JSONResponse(refused.body, 400)

    async def _introspect(self, request: HttpRequest) -> HttpResponse:
        try:
            return JSONResponse(self.sessions.introspect(await self._form(request)))
        except OAuthRefused as refused:
            return JSONResponse(refused.body, 401)

    async def _versions(self, _: HttpRequest) -> HttpResponse:
        versions = range(OLDEST_VERSION, CURRENT_VERSION + 1)
        return JSONResponse(
            [{"label": f"v{one}", "url": f"/services/data/v{one}.0", "version": f"{one}.0"} for one in versions]
        )

    async def _data(self, http: HttpRequest) -> HttpResponse:
        raw = http.scope["raw_path"].decode() + ("?" + http.url.query if http.url.query else "")
        headers = {name.lower(): value for name, value in http.headers.items()}
        if len(raw) > MAX_URL_BYTES:
            return self._render(Response(414, [{"errorCode": "URI_TOO_LONG", "message": "URI too long"}]))
        try:
            self._authenticate(headers)
            request = Request(http.method, raw, self._parse_body(headers, await http.body()), headers)
        except Refused as refused:
            response = Response(refused.status, refused.body)
            self._tell(Request(http.method, raw, None, headers), response)
            return self._render(response)
        self.faults.requests.append(request)
        await self.faults.hold(request, "before")
        response = self.faults.take_failure(request) or self._serve(request)
        await self.faults.hold(request, "after")
        self._tell(request, response)
        return self._render(response)

    def _tell(self, request: Request, response: Response) -> None:
        for listener in self.listeners:
            listener(request, response)

    def _authenticate(self, headers: dict[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth") or self.sessions.user_of(token) is None:
            raise Refused(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.faults.used >= self.faults.limit:
            raise Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.faults.used += 1

    def _parse_body(self, headers: dict[str, str], body: bytes) -> object:
        if not body:
            return None
        if not headers.get("content-type", "").startswith("application/json"):
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
        try:
            return json.loads(body)
        except ValueError as error:
            raise Refused(400, "JSON_PARSER_ERROR", str(error)) from None

    def _serve(self, request: Request) -> Response:
        try:
            _, segments = split_version(urlsplit(request.path).path)
            match segments:
                case []:
                    return Response(200, {"sobjects": "/sobjects", "query": "/query", "composite": "/composite"})
                case ["limits"]:
                    remaining = self.faults.limit - self.faults.used
                    limits: JSON = {"DailyApiRequests": {"Max": self.faults.limit, "Remaining": remaining}}
                    return Response(200, limits)
                case ["composite", *_]:
                    return self._composite.serve(request)
            return self._rows.serve(request)
        except Refused as refused:
            return Response(refused.status, refused.body)

    def _render(self, response: Response) -> HttpResponse:
        headers = response.headers | {"Sforce-Limit-Info": f"api-usage={self.faults.used}/{self.faults.limit}"}
        if response.body is None:
            return HttpResponse(status_code=response.status, headers=headers)
        if isinstance(response.body, bytes):
            return HttpResponse(response.body, response.status, headers)
        return JSONResponse(response.body, response.status, headers)
