"""Requests and answers of ES, as JSON."""

import uuid
from typing import Any, TypeAlias

from examples.dialogflow_bot.stand_in.agent import FALLBACK, Matched, Session

JSON: TypeAlias = dict[str, Any]


def apply_parameters(session: Session, parameters: JSON, name: str) -> None:
    """Set the contexts of the session as queryParams ask for."""
    if parameters.get("resetContexts"):
        session.contexts.clear()
    for context in parameters.get("contexts", ()):
        owner, _, short = context["name"].rpartition("/contexts/")
        assert owner == name, f"{context['name']} is not a context of {name}"
        session.contexts[short] = context.get("lifespanCount", 0)


def result(matched: Matched, session: Session, text: str, name: str) -> JSON:
    """A DetectIntentResponse."""
    messages: list[JSON] = [{"text": {"text": [one]}} for one in matched.texts]
    if matched.menu:
        messages.append({"quickReplies": {"title": "Choose:", "quickReplies": list(matched.menu)}})
    if matched.payload is not None:
        messages.append({"payload": matched.payload})
    agent = name.partition("/agent")[0] + "/agent"
    intent: JSON = {"name": f"{agent}/intents/{uuid.uuid5(uuid.NAMESPACE_OID, matched.intent)}"}
    intent["displayName"] = matched.intent
    if matched.intent == FALLBACK:
        intent["isFallback"] = True
    if matched.end:
        intent["endInteraction"] = True
    if matched.hand_over:
        intent["liveAgentHandoff"] = True
    counters = {"name": f"{name}/contexts/__system_counters__", "lifespanCount": 1, "parameters": {"no-input": 0.0}}
    contexts = [
        {"name": f"{name}/contexts/{short}", "lifespanCount": turns} for short, turns in session.contexts.items()
    ]
    return {
        "responseId": str(uuid.uuid4()),
        "queryResult": {
            "queryText": text,
            "parameters": matched.parameters,
            "allRequiredParamsPresent": True,
            "fulfillmentText": matched.texts[0] if matched.texts else "",
            "fulfillmentMessages": messages,
            "outputContexts": [*contexts, counters],
            "intent": intent,
            "intentDetectionConfidence": 1.0,
            "languageCode": "en",
        },
    }
