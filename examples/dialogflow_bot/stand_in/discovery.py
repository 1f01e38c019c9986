"""Validates JSON with the discovery documents of Dialogflow's REST API, which google-api-python-client contains."""

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import googleapiclient
from jsonschema import Draft202012Validator

JSON: TypeAlias = dict[str, Any]

DOCUMENTS = Path(googleapiclient.__path__[0]) / "discovery_cache" / "documents"
#: Formats of discovery documents that JSON encodes as strings.
ENCODED_AS_TEXT = ("int64", "uint64")


def violations(version: str, schema: str, value: object) -> list[str]:
    """What a value violates of a schema of Dialogflow `v2` or `v3`, with the path of each violation."""
    return [f"{error.json_path}: {error.message}" for error in _validator(version, schema).iter_errors(value)]


@cache
def _validator(version: str, schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": _definitions(version)})


@cache
def _definitions(version: str) -> JSON:
    document = json.loads((DOCUMENTS / f"dialogflow.{version}.json").read_text(encoding="utf-8"))
    return {name: _json_schema(schema) for name, schema in document["schemas"].items()}


def _json_schema(schema: JSON) -> JSON:
    """A schema of JSON Schema. An object has no other properties than those of the discovery document."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type")
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": _json_schema(schema["items"])}
    if kind == "object":
        properties = {name: _json_schema(one) for name, one in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        return {
            "type": "object",
            "properties": properties,
            "additionalProperties": False if others is None else _json_schema(others),
        }
    if kind == "string" and "enum" in schema:
        return {"enum": schema["enum"]}
    if schema.get("format") in ENCODED_AS_TEXT:
        return {"type": "string", "pattern": r"^-?\d+$"}
    return {"type": kind}
