"""The shapes of the messages that clients send over websockets."""

from collections.abc import Mapping
from typing import Any

from server.graphql import persisted_queries

#: The types that each key of a message may have. Other keys are ignored.
SHAPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "connection_init": {"payload": (dict, type(None))},
    "ping": {"payload": (dict, type(None))},
    "pong": {"payload": (dict, type(None))},
    "subscribe": {"id": (str,), "payload": (dict,)},
    "complete": {"id": (str,)},
}
OPERATION_SHAPE: Mapping[str, tuple[type, ...]] = {
    "query": (str,),
    "variables": (dict, type(None)),
    "operationName": (str, type(None)),
    "extensions": (dict, type(None)),
}
NAMES: Mapping[type, str] = {str: "a string", dict: "an object", type(None): "null"}


def malformed(message: Any) -> str | None:
    """The reason for a close, if the message is malformed; otherwise None."""
    if not isinstance(message, dict):
        return "A message must be a JSON object"
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in SHAPES:
        return "Unknown message type"
    problem = shape_error(message, SHAPES[kind])
    if problem is None and message.get("id") == "":
        return "id must not be empty"
    if problem is None and kind == "subscribe":
        payload = message["payload"]
        if persisted_queries.has_only_hash(payload):
            payload = {"query": "", **payload}
        problem = shape_error(payload, OPERATION_SHAPE)
    return problem


def shape_error(value: dict[str, object], shape: Mapping[str, tuple[type, ...]]) -> str | None:
    for key, kinds in shape.items():
        if not isinstance(value.get(key), kinds):
            return f"{key} must be {' or '.join(NAMES[kind] for kind in kinds)}"
    return None
