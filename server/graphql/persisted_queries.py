"""Apollo's persisted queries, in which a client sends the hash of a document. They are not supported.

A client that gets PersistedQueryNotSupported sends the document, and sends no hashes afterwards.
"""

from collections.abc import Mapping
from typing import Any

from schema.base.errors import PersistedQueryNotSupported


def require_document(payload: Mapping[str, Any]) -> None:
    """Raise PersistedQueryNotSupported for an operation with a hash and no document."""
    if has_only_hash(payload):
        raise PersistedQueryNotSupported


def has_only_hash(payload: Mapping[str, Any]) -> bool:
    """Whether the operation has a hash and no document."""
    extensions = payload.get("extensions")
    return not payload.get("query") and isinstance(extensions, Mapping) and "persistedQuery" in extensions
