"""Receives what Rasa says over its callback channel: an ASGI application with one path, which contains a secret.

Rasa posts each message of the bot and waits for the answer before it says the next one. It does not repeat a message
that was refused, and it does not authenticate itself, so the secret in the path does.
"""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
#: Messages of one turn. Rasa itself stops a turn after 10 actions.
MAX_MESSAGES = 100

Message: TypeAlias = dict[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class CallbackInbox:
    """Collects the messages of running turns, and passes on the messages that belong to none."""

    def __init__(self, secret: str) -> None:
        self._path = f"/callback/{secret}"
        #: Called with a room's id and a message that the bot says by itself, such as a reminder. None: not ready yet.
        self.on_unasked: Callable[[str, Message], Awaitable[None]] | None = None
        self._turns: dict[str, list[Message]] = {}

    @contextmanager
    def collect(self, room_id: str) -> Iterator[list[Message]]:
        """Collect the messages for this room until the block ends."""
        collected: list[Message] = []
        self._turns[room_id] = collected
        try:
            yield collected
        finally:
            del self._turns[room_id]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            raise RuntimeError(f"The callback of Rasa is HTTP, not {scope['type']}.")
        status = await self._receive(scope, receive)
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _receive(self, scope: Scope, receive: Receive) -> int:
        """The status to answer with."""
        if not hmac.compare_digest(scope["path"].encode(), self._path.encode()):
            return 404
        if scope["method"] != "POST":
            return 405
        body = await _read_body(receive)
        if body is None:
            return 413
        try:
            message = json.loads(body)
        except ValueError:
            return 400
        if not isinstance(message, dict) or not isinstance(message.get("recipient_id"), str):
            return 400
        room_id = message["recipient_id"]
        if (turn := self._turns.get(room_id)) is not None:
            if len(turn) < MAX_MESSAGES:
                turn.append(message)
            return 200
        if self.on_unasked is None:
            return 503
        try:
            await self.on_unasked(room_id, message)
        except Exception:
            log.exception("A message of the bot for %s could not be sent.", room_id)
            return 500
        return 200


async def _read_body(receive: Receive) -> bytes | None:
    """The body of the request. None if it is larger than MAX_BODY_BYTES, or incomplete."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body += bytes(event.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            return None
        if not event.get("more_body", False):
            return body
