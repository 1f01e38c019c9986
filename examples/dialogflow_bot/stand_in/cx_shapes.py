"""Answers of CX, as JSON."""

import uuid
from typing import Any, TypeAlias

from examples.dialogflow_bot.stand_in.agent import FALLBACK, Matched, Session

JSON: TypeAlias = dict[str, Any]


def result(matched: Matched, session: Session, text: str, name: str) -> JSON:
    """A DetectIntentResponse."""
    messages: list[JSON] = [{"text": {"text": [one]}} for one in matched.texts]
    if matched.menu:
        options = [{"text": option, "actionId": option} for option in matched.menu]
        messages.append({"payload": {"quickReplies": {"text": "Choose:", "options": options}}})
    if matched.payload is not None:
        messages.append({"payload": matched.payload})
    if matched.hand_over:
        messages.append({"liveAgentHandoff": {"metadata": {"note": "The customer asks for a person."}}})
    if matched.end:
        messages.append({"endInteraction": {}})
    agent = name.partition("/sessions/")[0].partition("/environments/")[0]
    flow = f"{agent}/flows/00000000-0000-0000-0000-000000000000"
    match: JSON = {"resolvedInput": text, "matchType": "NO_MATCH", "confidence": 0.3}
    if matched.intent != FALLBACK:
        intent = {"name": f"{agent}/intents/{uuid.uuid5(uuid.NAMESPACE_OID, matched.intent)}"}
        match = {"resolvedInput": text, "matchType": "INTENT", "confidence": 1.0}
        match["intent"] = {**intent, "displayName": matched.intent}
    page = "Ask the number" if session.contexts else "Start Page"
    return {
        "responseId": str(uuid.uuid4()),
        "queryResult": {
            "text": text,
            "languageCode": "en",
            "parameters": session.parameters,
            "responseMessages": messages,
            "currentPage": {"name": f"{flow}/pages/{uuid.uuid5(uuid.NAMESPACE_OID, page)}", "displayName": page},
            "currentFlow": {"name": flow, "displayName": "Default Start Flow"},
            "match": match,
            "intentDetectionConfidence": match["confidence"],
        },
        "responseType": "FINAL",
    }
