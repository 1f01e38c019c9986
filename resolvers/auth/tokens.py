"""Tokens as texts: how they are made and recognised; what is kept of them is for storage/tokens.py."""

import hashlib
import secrets

APP, SESSION = "app", "session"
_KINDS = frozenset({APP, SESSION})
_CHECKSUM_CHARACTERS = 6


def new_token(kind: str) -> str:
    """A token that people and secret scanners recognise: sb_KIND_, 40 random characters and six that check them."""
    body = secrets.token_hex(20)
    return f"sb_{kind}_{body}{_checksum(kind, body)}"


def is_mistyped(token: str) -> bool:
    """Whether it begins like a token that new_token made, and is none: nobody needs to ask the database for it."""
    match token.split("_", 2):
        case ["sb", kind, rest] if kind in _KINDS:
            return rest[-_CHECKSUM_CHARACTERS:] != _checksum(kind, rest[:-_CHECKSUM_CHARACTERS])
    return False


def _checksum(kind: str, body: str) -> str:
    return hashlib.sha256(f"{kind}_{body}".encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM_CHARACTERS]
