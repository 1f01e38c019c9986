"""Asks a Rasa server over its REST or callback channel, and reads its trackers over the HTTP API.

Rasa answers 200 with an empty list for a bot that is paused, for one that said nothing and for an internal error alike,
and it does not recognise a message that it receives twice. The tracker tells these apart, so the HTTP API is required.
"""

import asyncio
import json
import logging
import time
from typing import Any

import httpx
from typing_extensions import override

from examples.bots.answers import Answer
from examples.bots.engine import Engine, EngineFailed, Misconfigured, Said
from examples.rasa_bot.callback import CallbackInbox
from examples.rasa_bot.messages import Intents, TrackerView, answer_of
from examples.rasa_bot.settings import RasaSettings

log = logging.getLogger(__name__)

#: The pause before a connection that was refused is tried again, and between two reads while a turn may be running.
RETRY_SECONDS = 0.5
CHECK_SECONDS = 5.0
MAX_RESPONSE_BYTES = 1024 * 1024


class NotSent(EngineFailed):
    """The connection was refused: the engine has certainly not received the request."""


class RasaEngine(Engine):
    """A Rasa server whose conversations have the ids of the rooms."""

    name = "Rasa"

    def __init__(self, settings: RasaSettings, inbox: CallbackInbox | None = None) -> None:
        self._settings = settings
        #: Receives the messages of the callback channel. None: the REST channel is used.
        self._inbox = inbox
        self._intents = Intents(settings.fallback_intents, settings.hand_over_intents)
        self._http = httpx.AsyncClient(
            base_url=settings.url.rstrip("/"),
            timeout=settings.turn_seconds,
            trust_env=False,
            headers={"accept-encoding": "identity"},
            # Rasa closes idle connections after 5 s. A request on a connection that is being closed has an unknown end.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @override
    async def check(self) -> None:
        status = await self._probe("/status", self._auth)
        if status == 404:
            raise Misconfigured("Rasa's HTTP API is off; start Rasa with --enable-api.")
        if status in (401, 403):
            raise Misconfigured("Rasa refuses the token; set RASA_TOKEN to the value of Rasa's --auth-token.")
        if status != 200:
            raise EngineFailed(f"GET /status: {status}")
        if await self._probe(f"/webhooks/{self._channel}/", {}) == 404:
            raise Misconfigured(
                f"Rasa's {self._channel} channel is off; add `{self._channel}:` to its credentials.yml."
            )

    @override
    async def ask(self, said: Said) -> Answer:
        try:
            async with asyncio.timeout(self._settings.turn_seconds):
                messages = await self._send(said)
                tracker = await self._tracker(said.room_id)
        except TimeoutError as error:
            raise EngineFailed(f"no answer within {self._settings.turn_seconds} s") from error
        last = (said.session or {}).get("lastMessageId")
        if tracker.latest_message_id is None or tracker.latest_message_id == last:
            raise EngineFailed("Rasa answered 200, but its tracker does not contain the message")
        return answer_of(messages, tracker, self._intents, intent=tracker.intent, message_id=tracker.latest_message_id)

    @override
    async def recover(self, said: Said) -> Answer | None:
        last = (said.session or {}).get("lastMessageId")
        until = time.monotonic() + self._settings.turn_seconds
        while True:
            tracker = await self._tracker(said.room_id, events="ALL")
            if turn := tracker.turn_after(last, said.text):
                return answer_of(turn.messages, tracker, self._intents, intent=turn.intent, message_id=turn.message_id)
            # Rasa stores the tracker at the end of a turn, and the turn of the interrupted process may be running.
            if time.monotonic() >= until:
                return None
            await asyncio.sleep(RETRY_SECONDS)

    @override
    async def begin(self, room_id: str) -> None:
        if (await self._tracker(room_id)).paused:
            await self._request("POST", f"/conversations/{room_id}/tracker/events", json=[{"event": "resume"}])

    @override
    async def aclose(self) -> None:
        await self._http.aclose()

    async def _probe(self, path: str, params: dict[str, str]) -> int:
        """The status of the response. Raises EngineFailed."""
        try:
            async with self._http.stream("GET", path, params=params, timeout=CHECK_SECONDS) as response:
                return response.status_code
        except httpx.HTTPError as error:
            raise EngineFailed(f"GET {path}: {error!r}") from error

    @property
    def _channel(self) -> str:
        return "rest" if self._inbox is None else "callback"

    @property
    def _auth(self) -> dict[str, str]:
        return {"token": self._settings.token} if self._settings.token else {}

    async def _send(self, said: Said) -> list[dict[str, Any]]:
        """Send the message, and return what the bot says to it."""
        body = {"sender": said.room_id, "message": said.text, "metadata": {"switchboardTurn": said.turn_id}}
        if self._inbox is None:
            answer = _decode(await self._post_webhook(body), "POST /webhooks/rest/webhook")
            if not isinstance(answer, list) or not all(isinstance(message, dict) for message in answer):
                raise EngineFailed("POST /webhooks/rest/webhook: the answer is not a list of messages")
            return answer
        # Rasa sends each message and waits for our answer before it answers this request.
        with self._inbox.collect(said.room_id) as messages:
            await self._post_webhook(body)
            return list(messages)

    async def _post_webhook(self, body: dict[str, Any]) -> bytes:
        while True:
            try:
                return await self._request("POST", f"/webhooks/{self._channel}/webhook", json=body, authorised=False)
            except NotSent:
                # Nothing was sent, so that trying again is safe. The time limit of the turn ends this.
                await asyncio.sleep(RETRY_SECONDS)

    async def _tracker(self, room_id: str, events: str = "NONE") -> TrackerView:
        path = f"/conversations/{room_id}/tracker"
        tracker = _decode(await self._request("GET", path, params={"include_events": events}), "GET tracker")
        if not isinstance(tracker, dict):
            raise EngineFailed("GET tracker: the answer is not an object")
        return TrackerView(tracker)

    async def _request(
        self, method: str, path: str, *, authorised: bool = True, params: dict[str, str] | None = None, json: Any = None
    ) -> bytes:
        """The body of the response, whose status is 200. Raises EngineFailed, and NotSent if nothing was sent."""
        query = {**(params or {}), **(self._auth if authorised else {})}
        try:
            async with self._http.stream(method, path, params=query, json=json) as response:
                body = await _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(f"{method} {path}: {error!r}") from error
        except httpx.HTTPError as error:
            raise EngineFailed(f"{method} {path}: {error!r}") from error
        if response.status_code != 200:
            raise EngineFailed(f"{method} {path}: {response.status_code} {body[:200].decode(errors='replace')}")
        return body


async def _read(response: httpx.Response) -> bytes:
    """The body of the response, read up to its limit. No compression was asked for. Raises EngineFailed."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            url = response.request.url
            raise EngineFailed(f"{response.request.method} {url.path}: more than {MAX_RESPONSE_BYTES} bytes")
    return bytes(body)


def _decode(body: bytes, of: str) -> Any:
    """The JSON of a body. Raises EngineFailed."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise EngineFailed(f"{of}: the answer is not JSON") from error
