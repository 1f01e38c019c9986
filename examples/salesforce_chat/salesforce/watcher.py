"""Follows one conversation for ever: the event stream, and the list of entries after every (re)connection.

The stream alone is not enough: how far back Last-Event-Id replays is not documented. The list alone is not enough
either: it has no typing indicators and must be polled. So every connection opens the stream first, then lists what was
written since the last handled entry, and then reads the stream. What comes twice has the same identifier.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Protocol

from httpx_sse import ServerSentEvent, SSEError

from examples.salesforce_chat.salesforce.api import PAGE, SalesforceApi
from examples.salesforce_chat.salesforce.backoff import Backoff
from examples.salesforce_chat.salesforce.entries import Entry, parse_event
from examples.salesforce_chat.salesforce.errors import NotParticipant, SalesforceError, TokenRefused
from examples.salesforce_chat.salesforce.tokens import AccessToken

_log = logging.getLogger(__name__)
#: How far back before the last handled entry the list of entries starts. Entries may be written out of order.
OVERLAP_MILLISECONDS = 2_000


class Follower(Protocol):
    """Who handles the entries of a conversation, and keeps the position up to which they are handled."""

    @property
    def moment(self) -> int: ...

    @property
    def last_event_id(self) -> str:
        """Empty before the first event."""
        ...

    async def get_token(self, refused: str | None) -> AccessToken:
        """A token that is valid now. `refused`: the value of a token that Salesforce refused."""
        ...

    async def handle(self, entry: Entry, event_id: str | None) -> None:
        """Handle an entry, which may have been handled before. `event_id`: of the event that brought it."""
        ...

    async def lose(self, error: NotParticipant) -> None:
        """Handle that the conversation cannot be read any more."""
        ...


class Watcher:
    def __init__(self, api: SalesforceApi, conversation_id: str, follower: Follower) -> None:
        self._api = api
        self._conversation_id = conversation_id
        self._follower = follower
        #: Is set once the stream is open and the list of entries has been handled.
        self.caught_up = asyncio.Event()

    async def run(self) -> None:
        """Follow the conversation until cancelled, or until it cannot be read any more."""
        backoff = Backoff()
        token: AccessToken | None = None
        while True:
            try:
                token = await self._follower.get_token(None if token is None else token.value)
                await self._follow(token, backoff)
                token = None
                await backoff.pause()
            except TokenRefused as error:
                _log.info("conversation %s: the token is refused (%s)", self._conversation_id, error)
                await backoff.pause()
            except NotParticipant as error:
                _log.info("conversation %s cannot be read any more: %s", self._conversation_id, error)
                await self._follower.lose(error)
                return
            except (SalesforceError, SSEError) as error:
                _log.warning("conversation %s: connecting again (%s)", self._conversation_id, error)
                token = None
                await backoff.pause(getattr(error, "retry_after_seconds", None))

    async def _follow(self, token: AccessToken, backoff: Backoff) -> None:
        """Follow by one connection, until it ends or the token is about to end."""
        last_event_id = self._follower.last_event_id or token.last_event_id
        async with self._api.open_stream(token.value, last_event_id) as source:
            events = source.aiter_sse()
            try:
                await self._catch_up(token)
                self.caught_up.set()
                while (event := await _next_event(events, token.renew_at)) is not None:
                    backoff.reset()
                    await self._take(event)
            finally:
                await events.aclose()

    async def _catch_up(self, token: AccessToken) -> None:
        """Handle everything that was written since the last handled entry."""
        start = max(self._follower.moment - OVERLAP_MILLISECONDS, 0)
        async for entry in list_since(self._api, token.value, self._conversation_id, start):
            await self._follower.handle(entry, None)

    async def _take(self, event: ServerSentEvent) -> None:
        if not event.event.startswith("CONVERSATION_"):
            return  # a heartbeat, or an event of the future
        try:
            entries = parse_event(event.data)
        except ValueError as error:
            _log.warning("event %s (%s) is left out: %s", event.id, event.event, error)
            return
        for entry in entries:
            if entry.conversation_id == self._conversation_id:
                await self._follower.handle(entry, event.id or None)


async def _next_event(events: AsyncIterator[ServerSentEvent], deadline: float) -> ServerSentEvent | None:
    """The next event, or None if the stream ends or the deadline (seconds since 1970) is over."""
    try:
        async with asyncio.timeout(deadline - time.time()):
            return await anext(events)
    except (TimeoutError, StopAsyncIteration):
        return None


async def list_since(api: SalesforceApi, token: str, conversation_id: str, start: int) -> AsyncIterator[Entry]:
    """All entries from this moment on, each once, in their order, page by page."""
    seen: set[tuple[str, type]] = set()
    while True:
        page = await api.list_entries(token, conversation_id, start=start)
        for entry in page:
            if (entry.identifier, type(entry)) not in seen:
                yield entry
        seen = {(entry.identifier, type(entry)) for entry in page}
        if len(page) < PAGE:
            return
        # The pages overlap by a moment. If a whole page is of one moment, its rest cannot be listed.
        start = page[-1].moment if page[-1].moment > page[0].moment else page[-1].moment + 1


async def was_taken(api: SalesforceApi, token: str, conversation_id: str, message_id: str, since: str | None) -> bool:
    """Whether Salesforce has a message of this id, looking backwards until the message `since`, which it has."""
    end: int | None = None
    while True:
        page = await api.list_entries(token, conversation_id, end=end, newest=True)
        identifiers = {entry.identifier for entry in page}
        if message_id in identifiers:
            return True
        if len(page) < PAGE or since in identifiers:
            return False
        end = page[0].moment if page[0].moment < page[-1].moment else page[0].moment - 1
