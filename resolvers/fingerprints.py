"""What two calls of a mutation have in common when one repeats the other: a digest of what was given.

An argument that has its default says nothing, and is left out: a later version may add arguments, and a mutation that
was sent to the version before is repeated to it without them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from storage.records import Record


def fingerprint(operation: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The digest of an operation and of the arguments that differ from their defaults."""
    given = {
        name: _canonical(value)
        for name, value in arguments.items()
        if value is not msgspec.UNSET and (name not in defaults or value != defaults[name])
    }
    return hashlib.sha256(msgspec.json.encode([operation, given], order="deterministic")).hexdigest()


def _canonical(value: Any) -> Any:
    """The value in one form for 1 and 1.0, a list and a tuple, a field with its default and one that is left out."""
    match value:
        case Record():
            return {
                field.name: _canonical(held)
                for field in msgspec.structs.fields(value)
                if (held := getattr(value, field.name)) is not msgspec.UNSET and held != field.default
            }
        case Mapping():
            return {key: _canonical(held) for key, held in value.items()}
        case str():
            return value
        case Sequence():
            return [_canonical(held) for held in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
