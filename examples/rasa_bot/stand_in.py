"""A stand-in of a Rasa 3.6 server on loopback, with a small bot. It behaves as the real one, also where that is odd.

It answers 200 with an empty list when the bot is paused, when the message is missing and when an action raises. It
processes a message again that it receives twice. A turn whose client disconnects is cancelled and leaves no trace.
Its token protects the HTTP API and not the channels. Its callback channel ignores metadata and never repeats.
"""

import asyncio
import contextlib
import json
import re
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from examples.bots.serving import serving
from examples.rasa_bot.callback import MAX_BODY_BYTES, Receive, Scope, Send
from examples.rasa_bot.stand_in_bot import Conversation, intent_of

JSON: TypeAlias = dict[str, Any]

VERSION = "3.6.21"
WEBHOOK = re.compile(r"/webhooks/(rest|callback)/(webhook)?")
CONVERSATION = re.compile(r"/conversations/(.+)/tracker(/events)?")


class Refusal(Exception):
    """An answer of Rasa with another status than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class RasaStandIn:
    """The ASGI application."""

    def __init__(self, *, token: str | None = None, callback_url: str | None = None) -> None:
        self._token = token
        #: Where the callback channel posts. None: the channel is off.
        self.callback_url = callback_url
        self._conversations: dict[str, Conversation] = defaultdict(Conversation)
        self._http = httpx.AsyncClient(trust_env=False)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Closed: turns wait in the bot until the gate opens. For tests.
        self.gate = asyncio.Event()
        self.gate.set()
        #: True: every request is answered with 500. For tests.
        self.broken = False
        #: The department that the bot hands over to when it is asked about an invoice.
        self.billing_department = "Billing"
        #: Closed: answers to requests are held back after the turn was processed. For tests.
        self.answers = asyncio.Event()
        self.answers.set()
        #: What arrived at the channels, in order: sender and text. For tests.
        self.received: list[tuple[str, str]] = []

    def conversation(self, sender: str) -> Conversation:
        return self._conversations[sender]

    def user_texts(self, sender: str) -> list[str]:
        """What the bot has processed of this sender."""
        return [event["text"] for event in self._conversations[sender].events if event["event"] == "user"]

    async def aclose(self) -> None:
        await self._http.aclose()

    async def say(self, sender: str, text: str) -> int:
        """Say something by itself over the callback channel, as a reminder does. Returns the status of the answer."""
        assert self.callback_url is not None
        answer = await self._http.post(self.callback_url, json={"recipient_id": sender, "text": text})
        return answer.status_code

    # ---------------------------------------------------------------- HTTP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        work = asyncio.ensure_future(self._answer(scope, body))
        gone = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()  # Sanic cancels a request whose client is gone
            return
        try:
            status, kind, text = 200, *work.result()
        except Refusal as refusal:
            status, kind, text = refusal.status, "application/json", json.dumps({"reason": str(refusal)})
        await self.answers.wait()
        content = text.encode()
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> tuple[str, str]:
        if self.broken:
            raise Refusal(500, "An unexpected error occurred.")
        path, method = str(scope["path"]), str(scope["method"])
        if (found := WEBHOOK.fullmatch(path)) and (found[1] == "rest" or self.callback_url):
            if found[2] is None:
                return _json({"status": "ok"})
            if method != "POST":
                raise Refusal(405, f"Method {method} not allowed for URL {path}")
            return await self._webhook(found[1], _parsed(body))
        if path == "/version":
            return _json({"version": VERSION, "minimum_compatible_version": "3.5.0"})
        if path == "/status":
            self._authorise(scope)
            return _json({"model_file": "stand-in.tar.gz", "model_id": "stand-in", "num_active_training_jobs": 0})
        if found := CONVERSATION.fullmatch(path):
            self._authorise(scope)
            conversation = self._conversations[found[1]]
            conversation.start_session()
            if found[2] and method == "POST":
                conversation.append(_parsed(body))
            elif found[2] or method != "GET":
                raise Refusal(405, f"Method {method} not allowed for URL {path}")
            return _json(conversation.tracker(found[1], _query(scope).get("include_events", "AFTER_RESTART")))
        raise Refusal(404, f"Requested URL {path} not found")

    def _authorise(self, scope: Scope) -> None:
        if self._token is not None and _query(scope).get("token") != self._token:
            raise Refusal(401, "User is not authenticated.")

    # ---------------------------------------------------------------- the channels

    async def _webhook(self, channel: str, message: Any) -> tuple[str, str]:
        if not isinstance(message, dict):
            raise Refusal(500, "An unexpected error occurred.")
        sender = str(message.get("sender", "default"))
        text = message.get("message")
        said: list[JSON] = []
        if isinstance(text, str):
            self.received.append((sender, text))
            metadata = message.get("metadata") if channel == "rest" else None
            async with self._locks[sender]:
                await self._turn(sender, text, metadata or {}, said, channel)
        return _json(said) if channel == "rest" else ("text/plain", "success")

    async def _turn(self, sender: str, text: str, metadata: JSON, said: list[JSON], channel: str) -> None:
        """Process a message. The tracker is stored at the end alone."""
        conversation = self._conversations[sender].copy()
        conversation.start_session()
        intent = intent_of(text)
        user = {"intent": {"name": intent, "confidence": 0.97}, "entities": [], "text": text}
        user |= {"message_id": uuid.uuid4().hex, "metadata": metadata}
        conversation.add(
            {
                "event": "user",
                "text": text,
                "parse_data": user,
                "input_channel": channel,
                "message_id": user["message_id"],
                "metadata": metadata,
            }
        )
        for message in conversation.reply(intent, text, self.billing_department):
            await self.gate.wait()
            if message.get("raise"):
                return  # a failed turn leaves no trace
            conversation.add_bot(message)
            for part in _parts(message):
                said.append({"recipient_id": sender, **part})
                if channel == "callback":
                    await self._post(said[-1])
        await self.gate.wait()
        self._conversations[sender] = conversation

    async def _post(self, message: JSON) -> None:
        assert self.callback_url is not None
        with contextlib.suppress(httpx.HTTPError):  # a message that cannot be delivered is lost
            await self._http.post(self.callback_url, json=message)


def _parts(message: JSON) -> list[JSON]:
    """The messages of the channel for one response of the bot."""
    text, buttons = message.get("text"), message.get("buttons")
    others: list[JSON] = [{key: message[key]} for key in ("custom", "image", "attachment") if key in message]
    if not text:
        return others
    if buttons:
        return [{"text": text, "buttons": buttons}, *others]
    return [*({"text": part} for part in text.strip().split("\n\n")), *others]


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += bytes(event.get("body", b""))
        if len(body) > MAX_BODY_BYTES or not event.get("more_body", False):
            return body


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise Refusal(400, "Failed when parsing body as json") from None


def _query(scope: Scope) -> dict[str, str]:
    return dict(httpx.QueryParams(scope["query_string"].decode()))


def _json(value: object) -> tuple[str, str]:
    return "application/json", json.dumps(value)


@asynccontextmanager
async def rasa_stand_in(port: int = 0, **options: Any) -> AsyncIterator[tuple[RasaStandIn, str]]:
    """A running stand-in and its address, until the block ends."""
    stand_in = RasaStandIn(**options)
    async with serving(stand_in, port=port) as url:
        try:
            yield stand_in, url
        finally:
            stand_in.gate.set()
            stand_in.answers.set()
            await stand_in.aclose()
