"""Dialogflow CX (API v3)."""

from typing import Any, cast

import grpc
from google.cloud import dialogflowcx_v3 as cx
from google.cloud.dialogflowcx_v3.services.sessions.transports import SessionsGrpcAsyncIOTransport
from google.protobuf.json_format import MessageToDict
from typing_extensions import override

from examples.bots.answers import Answer, HandOver
from examples.bots.engine import Said
from examples.bots.payloads import hand_over_of, split
from examples.dialogflow_bot.engine import DialogflowEngine, connect
from examples.dialogflow_bot.rich_messages import cx_replies
from examples.dialogflow_bot.settings import DialogflowSettings

FALLBACKS = ("NO_MATCH", "NO_INPUT")


class CxEngine(DialogflowEngine):
    """An agent of Dialogflow CX.

    The API of CX neither shows what a session has processed nor sets a session back completely. After an interruption,
    the outcome of a message is unknown, and the message is not sent again.
    """

    name = "Dialogflow CX"

    def __init__(self, settings: DialogflowSettings) -> None:
        super().__init__(settings)
        self._client = connect(settings, cx.SessionsAsyncClient, SessionsGrpcAsyncIOTransport)
        environment = f"/environments/{settings.environment}" if settings.environment else ""
        self._sessions = f"{settings.agent}{environment}/sessions"

    @override
    async def recover(self, said: Said) -> Answer | None:
        return Answer(unknown=True, session=said.session)

    @override
    async def aclose(self) -> None:
        await self._client.transport.close()

    @override
    def _channel(self) -> grpc.aio.Channel:
        return cast(grpc.aio.Channel, self._client.transport.grpc_channel)

    @override
    async def _detect_intent(self, said: Said, *, set_back: bool) -> dict[str, Any]:
        query = (
            cx.QueryInput(event=cx.EventInput(event=said.text), language_code=self._settings.language)
            if said.is_event
            else cx.QueryInput(text=cx.TextInput(text=said.text), language_code=self._settings.language)
        )
        response = await self._client.detect_intent(
            cx.DetectIntentRequest(
                session=f"{self._sessions}/{self.session_id(said.room_id)}",
                query_input=query,
                query_params=cx.QueryParameters(payload=self.payload(said)),
            ),
            retry=None,
            timeout=self._settings.turn_seconds,
        )
        result: dict[str, Any] = MessageToDict(cx.DetectIntentResponse.pb(response)).get("queryResult", {})
        return result

    @override
    def _answer(self, result: dict[str, Any]) -> Answer:
        controls: dict[str, Any] = {}
        hand_over = None
        ended = False
        for message in result.get("responseMessages", ()):
            controls.update(split(message.get("payload") or {})[0])
            if "liveAgentHandoff" in message:
                hand_over = hand_over_of(message["liveAgentHandoff"].get("metadata", {}))
            ended = ended or "endInteraction" in message
        hand_over = hand_over_of(controls.get("handover")) or hand_over
        match = result.get("match", {})
        name = match.get("intent", {}).get("displayName")
        if hand_over is None and name in self._settings.hand_over_intents:
            hand_over = HandOver()
        return Answer(
            tuple(cx_replies(result)),
            fallback=bool(match.get("matchType") in FALLBACKS or controls.get("fallback")),
            hand_over=hand_over,
            close=bool(controls.get("close") or (ended and self._settings.end_closes_room)),
            intent=name,
            slots={key: value for key, value in result.get("parameters", {}).items() if value not in ("", None, [])},
            session={},
        )
