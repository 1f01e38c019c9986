"""Reads the bearer token of a request. resolvers/auth/access.py checks it."""

from collections.abc import Mapping

from storage.errors import Unauthenticated

SCHEME = "bearer"


def token_in_header(value: str) -> str | None:
    """The token of an Authorization header, or None. Raises Unauthenticated for a scheme other than Bearer."""
    scheme, _, token = value.strip().partition(" ")
    if not scheme or (scheme.lower() == SCHEME and not token.strip()):
        return None
    if scheme.lower() != SCHEME:
        raise Unauthenticated("Authorization must be: Bearer TOKEN.")
    return token.strip()


def token_in_payload(payload: Mapping[str, object]) -> str | None:
    """The token in the payload of connection_init, or None: `authorization`, or the same key in `headers`, in any case.

    Raises Unauthenticated for a scheme other than Bearer.
    """
    entries = {key.casefold(): value for key, value in payload.items()}
    if "authorization" not in entries and isinstance(headers := entries.get("headers"), Mapping):
        entries = {str(key).casefold(): value for key, value in headers.items()}
    value = entries.get("authorization")
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unauthenticated("Authorization must be: Bearer TOKEN.")
    return token_in_header(value)
