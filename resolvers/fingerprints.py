"""Fingerprints: digests of a mutation and its arguments, by which a repeated call is recognized.

Arguments with their default value are left out, because a later version may add arguments that a client repeating a
mutation does not send.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from storage.errors import Invalid
from storage.records import Record


def fingerprint(operation: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The digest of an operation and of the arguments that differ from their defaults.

    Raises Invalid if they are nested too deep.
    """
    try:
        changed = {
            name: _canonical(value)
            for name, value in arguments.items()
            if value is not msgspec.UNSET and (name not in defaults or value != defaults[name])
        }
    except RecursionError:
        raise Invalid("The arguments are nested too deep.", key="input") from None
    return hashlib.sha256(msgspec.json.encode([operation, changed], order="deterministic")).hexdigest()


def _canonical(value: Any) -> Any:
    """The canonical form of a value: 1 equals 1.0, a list a tuple, and an omitted field one with its default."""
    match value:
        case Record():
            return {
                field.name: _canonical(item)
                for field in msgspec.structs.fields(value)
                if (item := getattr(value, field.name)) is not msgspec.UNSET and item != field.default
            }
        case Mapping():
            return {key: _canonical(item) for key, item in value.items()}
        case str():
            return value
        case Sequence():
            return [_canonical(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
