"""The gRPC server of the stand-in. Its services have the names and messages of Google's."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
from google.cloud import dialogflow_v2 as es
from google.cloud import dialogflowcx_v3 as cx
from google.protobuf.json_format import MessageToDict

from examples.dialogflow_bot.stand_in import cx_shapes, es_shapes
from examples.dialogflow_bot.stand_in.agent import Session
from examples.dialogflow_bot.stand_in.discovery import violations

JSON: TypeAlias = dict[str, Any]

ES_SESSION = re.compile(
    r"projects/[^/]+(/locations/[^/]+)?/agent(/environments/[^/]+/users/(?P<user>[^/]+))?/sessions/(?P<id>[^/]+)"
)
CX_SESSION = re.compile(r"projects/[^/]+/locations/[^/]+/agents/[^/]+(/environments/[^/]+)?/sessions/(?P<id>[^/]+)")
MAX_ID_CHARACTERS = 36
MAX_ES_TEXT_CHARACTERS = 256


class DialogflowStandIn:
    """Both services. The attributes are for tests."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = defaultdict(Session)
        #: Closed: a turn is processed, and its answer waits until the gate opens.
        self.gate = asyncio.Event()
        self.gate.set()
        #: Codes with which the next calls are refused before they are processed.
        self.refusals: list[grpc.StatusCode] = []
        #: Requests as JSON, in the order in which they arrived.
        self.requests: list[JSON] = []

    def processed(self, session_id: str) -> list[str]:
        """What the agent has processed in this session."""
        return self._sessions[session_id].processed

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        return [
            _handler("google.cloud.dialogflow.v2.Sessions", es.DetectIntentRequest, self._es),
            _handler("google.cloud.dialogflow.cx.v3.Sessions", cx.DetectIntentRequest, self._cx),
        ]

    async def _es(self, request: Any, context: Any) -> bytes:
        body = await self._receive("v2", "GoogleCloudDialogflowV2DetectIntentRequest", request, context)
        session = await self._session(ES_SESSION, request.session, context)
        query = body.get("queryInput", {})
        text, is_event = await _asked(
            query.get("text", {}).get("text"),
            query.get("event", {}).get("name"),
            (query.get("text") or query.get("event") or {}).get("languageCode"),
            context,
        )
        if len(text) > MAX_ES_TEXT_CHARACTERS:
            await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "Input text exceeds 256 characters.")
        es_shapes.apply_parameters(session, body.get("queryParams", {}), request.session)
        result = es_shapes.result(session.process(text, is_event=is_event), session, text, request.session)
        await self.gate.wait()
        return encode_answer("v2", "GoogleCloudDialogflowV2DetectIntentResponse", es.DetectIntentResponse, result)

    async def _cx(self, request: Any, context: Any) -> bytes:
        body = await self._receive("v3", "GoogleCloudDialogflowCxV3DetectIntentRequest", request, context)
        session = await self._session(CX_SESSION, request.session, context)
        query = body.get("queryInput", {})
        text, is_event = await _asked(
            query.get("text", {}).get("text"),
            query.get("event", {}).get("event"),
            query.get("languageCode"),
            context,
        )
        result = cx_shapes.result(session.process(text, is_event=is_event), session, text, request.session)
        await self.gate.wait()
        return encode_answer("v3", "GoogleCloudDialogflowCxV3DetectIntentResponse", cx.DetectIntentResponse, result)

    async def _receive(self, version: str, schema: str, request: Any, context: Any) -> JSON:
        """The request as JSON, or a refusal."""
        body: JSON = MessageToDict(type(request).pb(request))
        self.requests.append(body)
        if self.refusals:
            await _refuse(context, self.refusals.pop(0), "Refused by the test.")
        in_url = {key: value for key, value in body.items() if key != "session"}
        if found := violations(version, schema, in_url):
            await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, found[0])
        return body

    async def _session(self, pattern: re.Pattern[str], name: str, context: Any) -> Session:
        found = pattern.fullmatch(name)
        if found is None:
            await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Resource name {name!r} does not match.")
            raise AssertionError
        for kind, one in found.groupdict().items():
            if one is not None and len(one) > MAX_ID_CHARACTERS:
                await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"The {kind} has more than 36 characters.")
        return self._sessions[found["id"]]


async def _asked(text: str | None, event: str | None, language: str | None, context: Any) -> tuple[str, bool]:
    """The text or event of a query, and whether it is an event."""
    if not text and not event:
        await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "Input text not set.")
    if not language:
        await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "Language code not set.")
    return (text, False) if text else (event or "", True)


async def _refuse(context: Any, code: grpc.StatusCode, message: str) -> None:
    await context.abort(code, message)


def encode_answer(version: str, schema: str, message: Any, body: JSON) -> bytes:
    """The body as a message of gRPC. Raises AssertionError if it does not fit the discovery document."""
    found = violations(version, schema, body)
    if found:
        raise AssertionError(found)
    return bytes(message.serialize(message.from_json(json.dumps(body), ignore_unknown_fields=False)))


def _handler(service: str, request: Any, method: Callable[[Any, Any], Any]) -> grpc.GenericRpcHandler:
    unary: Any = grpc.unary_unary_rpc_method_handler(method, request_deserializer=request.deserialize)
    return grpc.method_handlers_generic_handler(service, {"DetectIntent": unary})


@asynccontextmanager
async def dialogflow_stand_in(port: int = 0) -> AsyncIterator[tuple[DialogflowStandIn, str]]:
    """A running stand-in and its address, host:port, until the block ends."""
    stand_in = DialogflowStandIn()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(stand_in.handlers())
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield stand_in, f"127.0.0.1:{bound}"
    finally:
        stand_in.gate.set()
        await server.stop(grace=1)
