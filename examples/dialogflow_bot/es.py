"""Dialogflow ES (API v2)."""

from typing import Any, cast

import grpc
from google.cloud import dialogflow_v2 as es
from google.cloud.dialogflow_v2.services.sessions.transports import SessionsGrpcAsyncIOTransport
from google.protobuf.json_format import MessageToDict
from typing_extensions import override

from examples.bots.answers import Answer, HandOver
from examples.bots.engine import Said
from examples.bots.payloads import hand_over_of, split
from examples.dialogflow_bot.engine import DialogflowEngine, connect
from examples.dialogflow_bot.rich_messages import es_replies
from examples.dialogflow_bot.settings import DialogflowSettings

#: Dialogflow ES refuses longer texts.
MAX_TEXT_CHARACTERS = 256


class EsEngine(DialogflowEngine):
    """An agent of Dialogflow ES.

    The state of a session of ES is its contexts, which every answer contains. After an interruption, the session is set
    back to the contexts before the turn, so that the message is processed once as far as the conversation goes.
    """

    name = "Dialogflow ES"

    def __init__(self, settings: DialogflowSettings) -> None:
        super().__init__(settings)
        self._client = connect(settings, es.SessionsAsyncClient, SessionsGrpcAsyncIOTransport)
        environment = f"/environments/{settings.environment}/users/-" if settings.environment else ""
        self._sessions = f"{settings.agent}{environment}/sessions"

    @override
    async def recover(self, said: Said) -> Answer | None:
        if said.session is None:
            return Answer(unknown=True)
        return await self._call(said, set_back=True)

    @override
    async def aclose(self) -> None:
        await self._client.transport.close()

    @override
    def _channel(self) -> grpc.aio.Channel:
        return cast(grpc.aio.Channel, self._client.transport.grpc_channel)

    @override
    async def _detect_intent(self, said: Said, *, set_back: bool) -> dict[str, Any]:
        language = self._settings.language
        text = said.text[:MAX_TEXT_CHARACTERS]
        response = await self._client.detect_intent(
            es.DetectIntentRequest(
                session=f"{self._sessions}/{self.session_id(said.room_id)}",
                query_input=es.QueryInput(event=es.EventInput(name=text, language_code=language))
                if said.is_event
                else es.QueryInput(text=es.TextInput(text=text, language_code=language)),
                query_params=es.QueryParameters(
                    payload=self.payload(said),
                    reset_contexts=set_back,
                    contexts=[_context(one) for one in (said.session or {}).get("contexts", ())] if set_back else [],
                ),
            ),
            retry=None,
            timeout=self._settings.turn_seconds,
        )
        result: dict[str, Any] = MessageToDict(es.DetectIntentResponse.pb(response)).get("queryResult", {})
        return result

    @override
    def _answer(self, result: dict[str, Any]) -> Answer:
        intent = result.get("intent", {})
        controls: dict[str, Any] = {}
        for message in result.get("fulfillmentMessages", ()):
            controls.update(split(message.get("payload") or {})[0])
        name = intent.get("displayName")
        hand_over = hand_over_of(controls.get("handover"))
        asked = {name, result.get("action")} & set(self._settings.hand_over_intents)
        if hand_over is None and (intent.get("liveAgentHandoff") or asked):
            hand_over = HandOver()
        return Answer(
            tuple(es_replies(result)),
            fallback=bool(intent.get("isFallback") or controls.get("fallback")),
            hand_over=hand_over,
            close=bool(controls.get("close") or (intent.get("endInteraction") and self._settings.end_closes_room)),
            intent=name,
            slots={key: value for key, value in result.get("parameters", {}).items() if value not in ("", None, [])},
            session={"contexts": [one for one in result.get("outputContexts", ()) if not _is_internal(one)]},
        )


def _context(context: dict[str, Any]) -> es.Context:
    return es.Context(
        name=context["name"],
        lifespan_count=context.get("lifespanCount", 0),
        parameters=context.get("parameters", {}),
    )


def _is_internal(context: dict[str, Any]) -> bool:
    """Contexts such as __system_counters__ belong to Dialogflow."""
    return str(context.get("name", "")).rpartition("/")[2].startswith("__")
