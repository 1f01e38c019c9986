"""Token texts: generation and checksum. storage/tokens.py stores their hashes."""

import hashlib
import secrets

APP, SESSION, VISITOR = "app", "session", "visitor"
_KINDS = frozenset({APP, SESSION, VISITOR})
_CHECKSUM_CHARACTERS = 6


def new_token(kind: str) -> str:
    """A new token: sb_KIND_, 40 random characters and a checksum of six. The prefix is for secret scanners."""
    body = secrets.token_hex(20)
    return f"sb_{kind}_{body}{_checksum(kind, body)}"


def is_mistyped(token: str) -> bool:
    """Whether the token has the prefix of `new_token` and a wrong checksum, so that no database lookup is needed."""
    match token.split("_", 2):
        case ["sb", kind, rest] if kind in _KINDS:
            return rest[-_CHECKSUM_CHARACTERS:] != _checksum(kind, rest[:-_CHECKSUM_CHARACTERS])
    return False


def _checksum(kind: str, body: str) -> str:
    return hashlib.sha256(f"{kind}_{body}".encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM_CHARACTERS]
