"""Calls of Salesforce for one conversation: with a valid token, again after a failure, and each message once."""

import logging
import time
from collections.abc import Awaitable, Callable

from examples.salesforce_chat.salesforce.api import SalesforceApi
from examples.salesforce_chat.salesforce.backoff import Backoff
from examples.salesforce_chat.salesforce.errors import GuestTokenEnds, NotParticipant, SalesforceError, TokenRefused
from examples.salesforce_chat.salesforce.tokens import AccessToken
from examples.salesforce_chat.salesforce.watcher import was_taken
from examples.salesforce_chat.settings import Settings
from examples.salesforce_chat.state import Conversation

_log = logging.getLogger(__name__)


class RoomGone(Exception):
    """The room is not the bridge's any more."""


class Calls:
    def __init__(
        self,
        api: SalesforceApi,
        conversation: Conversation,
        is_own: Callable[[], Awaitable[bool]],
        settings: Settings,
    ) -> None:
        self._api = api
        self._conversation = conversation
        self._is_own = is_own
        self._unreachable_seconds = settings.unreachable_seconds
        self._token: AccessToken | None = None
        if conversation.token is not None:
            self._token = AccessToken.read(conversation.token, conversation.first_event_id)
        #: Whether it is known which messages Salesforce has. It is not after a restart or a failed request.
        self._certain = False

    async def get_token(self, refused: str | None) -> AccessToken:
        """A token of the conversation's end user that is valid for a while. Raises GuestTokenEnds.

        `refused`: the value of a token that Salesforce refused.
        """
        token = self._token
        if token is not None and token.value != refused and time.time() < token.renew_at:
            return token
        if self._conversation.token is not None:
            raise GuestTokenEnds("The guest's token ends.")
        self._token = await self._api.get_token(self._conversation.subject)
        return self._token

    async def create_conversation(self) -> None:
        """Raises as `_attempt`."""
        conversation = self._conversation
        await self._attempt(
            lambda token: self._api.create_conversation(token, conversation.id, conversation.attributes)
        )

    async def send(
        self, message_id: str, text: str, last_id: str | None, new_session: dict[str, str] | None = None
    ) -> None:
        """Send a message once, also if it is not known whether it was sent before. Raises as `_attempt`.

        `last_id`: the last message that Salesforce has for certain.
        """

        async def send_once(token: str) -> None:
            if not self._certain and await was_taken(self._api, token, self._conversation.id, message_id, last_id):
                return
            self._certain = False
            try:
                await self._api.send(token, self._conversation.id, message_id, text, new_session)
            except SalesforceError as error:
                self._certain = not error.retryable
                raise
            self._certain = True

        await self._attempt(send_once)

    async def acknowledge(self, entry_id: str, kind: str) -> None:
        """Say that an entry was delivered or read. Nothing depends on it, so it is tried once."""
        try:
            token = await self.get_token(None)
            await self._api.acknowledge(token.value, self._conversation.id, entry_id, kind)
        except SalesforceError as error:
            _log.info("conversation %s: no receipt for %s: %s", self._conversation.id, entry_id, error)

    async def set_typing(self, *, started: bool) -> None:
        """Say that the visitor types. Nothing depends on it, so it is tried once."""
        try:
            token = await self.get_token(None)
            await self._api.set_typing(token.value, self._conversation.id, started=started)
        except SalesforceError as error:
            _log.info("conversation %s: typing is not told: %s", self._conversation.id, error)

    async def routing_status(self) -> str:
        """The routing status, or an empty text if it cannot be read."""
        try:
            token = await self.get_token(None)
            return await self._api.routing_status(token.value, self._conversation.id)
        except SalesforceError as error:
            _log.info("conversation %s: the routing status cannot be read: %s", self._conversation.id, error)
            return ""

    async def _attempt(self, call: Callable[[str], Awaitable[None]]) -> None:
        """Call with a token until it succeeds, while the room is the bridge's.

        Raises RoomGone, GuestTokenEnds, the error that no other attempt can change, or the last one after
        `unreachable_seconds`.
        """
        backoff, refused = Backoff(), None
        give_up_at = time.monotonic() + self._unreachable_seconds
        while True:
            token: AccessToken | None = None
            problem: SalesforceError
            try:
                token = await self.get_token(refused)
                await call(token.value)
                return
            except TokenRefused as error:
                refused, problem = None if token is None else token.value, error
            except SalesforceError as error:
                if not error.retryable:
                    raise
                problem = error
            if time.monotonic() > give_up_at:
                raise problem
            if not await self._is_own():
                raise RoomGone
            await backoff.pause(getattr(problem, "retry_after_seconds", None))


async def get_guest_token(api: SalesforceApi, subject: str, seconds: float) -> AccessToken:
    """The token of a new guest. Raises the error that no other attempt can change, or the last one after a time."""
    backoff = Backoff()
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return await api.get_token(subject)
        except SalesforceError as error:
            if not error.retryable or time.monotonic() > give_up_at:
                raise
            _log.info("no token: %s", error)
            await backoff.pause(getattr(error, "retry_after_seconds", None))


async def close_conversation(
    api: SalesforceApi, conversation_id: str, *, guest_token: str | None, subject: str, seconds: float
) -> None:
    """Close a conversation of this end user, if Salesforce can be reached within this time."""
    backoff = Backoff()
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            token = guest_token or (await api.get_token(subject)).value
            await api.close_conversation(token, conversation_id)
            return
        except NotParticipant:
            return  # it was never created, or is closed
        except SalesforceError as error:
            if not error.retryable or time.monotonic() > give_up_at:
                _log.warning("conversation %s cannot be closed: %s", conversation_id, error)
                return
            await backoff.pause(getattr(error, "retry_after_seconds", None))
