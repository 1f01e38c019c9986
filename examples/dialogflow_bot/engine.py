"""What ES and CX have in common: one call of detectIntent, which is never repeated silently.

Google's clients repeat detectIntent after UNAVAILABLE by default, so that an agent can process one message twice. Here
that is off. A call that was certainly refused (RESOURCE_EXHAUSTED) is repeated within the time of the turn.
"""

import asyncio
import logging
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.api_core.exceptions import GoogleAPICallError, ResourceExhausted
from google.auth.exceptions import GoogleAuthError
from typing_extensions import override

from examples.bots.answers import Answer
from examples.bots.engine import Engine, EngineFailed, Misconfigured, Said
from examples.dialogflow_bot.settings import DialogflowSettings

Client = TypeVar("Client")
log = logging.getLogger(__name__)

#: Pauses before a call that was refused for the quota is repeated.
FIRST_PAUSE_SECONDS = 1.0
CONNECT_SECONDS = 5.0
#: Dialogflow accepts session ids of up to 36 characters.
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_SESSIONS = uuid.UUID("c5c2cb40-97f5-4b3c-9b3c-9c4ad2b0a7a1")


class DialogflowEngine(Engine, ABC):
    """An agent of Dialogflow with one session for each room."""

    name = "Dialogflow"

    def __init__(self, settings: DialogflowSettings) -> None:
        self._settings = settings

    @override
    async def check(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._channel().channel_ready()
        except TimeoutError as error:
            raise EngineFailed("no connection to Dialogflow") from error

    @override
    async def ask(self, said: Said) -> Answer:
        return await self._call(said, set_back=False)

    @override
    async def begin(self, room_id: str) -> None:
        """A session needs no preparation."""

    @abstractmethod
    async def _detect_intent(self, said: Said, *, set_back: bool) -> dict[str, Any]:
        """Call detectIntent once, and return the queryResult as JSON."""

    @abstractmethod
    def _answer(self, result: dict[str, Any]) -> Answer:
        """The answer of a queryResult."""

    @abstractmethod
    def _channel(self) -> grpc.aio.Channel:
        """The channel of the client."""

    async def _call(self, said: Said, *, set_back: bool) -> Answer:
        pause = FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(self._settings.turn_seconds):
                while True:
                    try:
                        return self._answer(await self._detect_intent(said, set_back=set_back))
                    except ResourceExhausted:
                        await asyncio.sleep(pause)
                        pause *= 2
        except TimeoutError as error:
            raise EngineFailed(f"no answer within {self._settings.turn_seconds} s") from error
        except GoogleAPICallError as error:
            raise EngineFailed(f"detectIntent: {error}") from error

    @staticmethod
    def session_id(room_id: str) -> str:
        """The room's id if Dialogflow accepts it, else one derived from it."""
        return room_id if SESSION_ID.fullmatch(room_id) else str(uuid.uuid5(_SESSIONS, room_id))

    @staticmethod
    def payload(said: Said) -> dict[str, Any]:
        """What a webhook of the agent receives, so that it can recognise a message that it receives twice."""
        return {"switchboard": {"roomId": said.room_id, "turnId": said.turn_id}}


def connect(settings: DialogflowSettings, client: Callable[..., Client], transport: Callable[..., Any]) -> Client:
    """A client of Google's endpoint with the default credentials, or of a server without TLS. Raises Misconfigured."""
    if settings.insecure_endpoint is not None:
        return client(transport=transport(channel=grpc.aio.insecure_channel(settings.insecure_endpoint)))
    try:
        return client(client_options={"api_endpoint": settings.endpoint})
    except GoogleAuthError as error:
        raise Misconfigured(
            "There are no credentials for Dialogflow: set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service "
            f"account with the role Dialogflow API Client. Google's library says: {error}"
        ) from error
