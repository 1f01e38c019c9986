"""Signatures of requests, as Standard Webhooks specifies them (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from resolvers.webhooks import SECRET_PREFIX


def sign(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: a signature by each secret."""
    content = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return " ".join(f"v1,{_signature(secret, content)}" for secret in secrets)


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
