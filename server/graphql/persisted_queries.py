"""Apollo's persisted queries: a hash in the place of a text. None are kept, and clients are told so.

A client that is answered PersistedQueryNotSupported sends the text, and no hashes any more.
"""

from collections.abc import Mapping
from typing import Any

from schema.base.errors import PersistedQueryNotSupported


def require_text(payload: Mapping[str, Any]) -> None:
    """Raise PersistedQueryNotSupported for an operation that is a hash alone."""
    if asked_for(payload):
        raise PersistedQueryNotSupported


def asked_for(payload: Mapping[str, Any]) -> bool:
    """Whether the operation has a hash and no text."""
    extensions = payload.get("extensions")
    return not payload.get("query") and isinstance(extensions, Mapping) and "persistedQuery" in extensions
