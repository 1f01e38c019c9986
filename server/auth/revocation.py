"""What is open on behalf of a token: it ends as soon as the token does, or when what the token may do changes.

Whether a token is valid is for resolvers/auth/access.py to say; here is when to ask again, once for everything that one
token holds open. The tokens themselves are watched, facts tell of apps and users, and a timer knows when a token
expires; each of them reaches every process.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from resolvers.auth import access
from resolvers.auth.access import INVALID_TOKEN_CALLER, Caller
from storage.facts import AgentAdded, AgentRemoved, AgentUpdated, AppFact, Fact, UserRolesChanged, UserUpdated
from storage.runtime import Storage
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Facts after which a token may stand for something else.
REVOKING_FACTS: tuple[type[Fact], ...] = (
    AppFact,
    UserUpdated,
    UserRolesChanged,
    AgentAdded,
    AgentUpdated,
    AgentRemoved,
)
#: How long to wait before asking a database again that did not answer. Until it does, nothing ends.
RETRY_SECONDS = 1.0
#: How often every token is looked at, whatever was heard of it.
SWEEP_SECONDS = 60.0

ENDED = "The token has ended"
CHANGED = "What the token may do has changed; connect again"


class Revocable(Protocol):
    """Something open on behalf of a token."""

    async def revoke(self, reason: str) -> None:
        """Close it, with the reason for people."""


class WatchedToken:
    """One token that something is open on behalf of."""

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id
        self.revocables: set[Revocable] = set()
        #: Whose it is; None until that was found out.
        self.caller: Caller | None = None
        #: Whether something was told since it was last looked at.
        self.stale = True
        self.refreshing: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None


class TokenRevocation:
    """The tokens on behalf of which one process keeps something open."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tokens: dict[str, WatchedToken] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        storage.token_watcher.listeners.add(self._token_ended)
        storage.feed.listeners.add(self._apply)

    async def register(self, token_id: str, revocable: Revocable) -> Caller:
        """From now on the holder ends with the token. Returns whose it is now: with no actor when it is nobody's, and
        then nothing is held."""
        token = self._tokens.setdefault(token_id, WatchedToken(token_id))
        token.revocables.add(revocable)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        try:
            # Asked anew for each, though not once for each of many at the same time.
            await asyncio.shield(self._refresh(token))
        except BaseException:
            self.unregister(token_id, revocable)
            raise
        caller = token.caller or INVALID_TOKEN_CALLER
        if caller.actor is None:
            self.unregister(token_id, revocable)
        return caller

    def caller(self, token_id: str) -> Caller:
        """Whose a held token is, as far as is known here."""
        token = self._tokens.get(token_id)
        return INVALID_TOKEN_CALLER if token is None or token.caller is None else token.caller

    async def current_caller(self, token_id: str) -> Caller:
        """Whose a held token is, once everything that was heard of it by now has been looked at."""
        token = self._tokens.get(token_id)
        if token is not None and token.refreshing is not None and not token.refreshing.done():
            await asyncio.shield(token.refreshing)
        return self.caller(token_id)

    def unregister(self, token_id: str, revocable: Revocable) -> None:
        """The holder is over by itself."""
        token = self._tokens.get(token_id)
        if token is None:
            return
        token.revocables.discard(revocable)
        if not token.revocables:
            del self._tokens[token_id]
            if token.expiry is not None:
                token.expiry.cancel()

    # ---------------------------------------------------------------- when to look

    def _sweep(self) -> None:
        """Look at every token now and then, as long as there are any."""
        self._sweeping = None
        if self._tokens:
            self._token_ended(None)
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _token_ended(self, token_id: str | None) -> None:
        grants = list(self._tokens.values()) if token_id is None else [self._tokens.get(token_id)]
        for token in grants:
            if token is not None:
                self._refresh(token)

    def _apply(self, facts: Sequence[Fact]) -> None:
        subjects = {fact.subject_id for fact in facts if isinstance(fact, REVOKING_FACTS)}
        if not subjects:
            return
        for token in self._tokens.values():
            # Of a token that is being looked at for the first time nobody knows whose it is.
            if token.caller is None or token.caller.actor is None or token.caller.id in subjects:
                self._refresh(token)

    # ---------------------------------------------------------------- looking

    def _refresh(self, token: WatchedToken) -> asyncio.Task[None]:
        """See whose the token is, from now on: what is being read already may be older."""
        token.stale = True
        if token.refreshing is None or token.refreshing.done():
            token.refreshing = spawn(self._refresh_until_current(token), name="refresh a token")
        return token.refreshing

    async def _refresh_until_current(self, token: WatchedToken) -> None:
        while token.stale and token.revocables:
            token.stale = False
            try:
                caller = await access.load_caller(self._storage, token.token_id)
            except Exception as error:  # whatever it is that keeps the database from answering
                logger.warning("A token could not be looked up, trying again: %s", type(error).__name__)
                token.stale = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._update(token, caller)

    def _update(self, token: WatchedToken, caller: Caller) -> None:
        before, token.caller = token.caller, caller
        if token.expiry is not None:
            token.expiry.cancel()
        if before is not None and before.actor is not None:
            if caller.actor is None:
                self._revoke(token, ENDED)
            elif access.effective_permissions(before) != access.effective_permissions(caller):
                self._revoke(token, CHANGED)
        if caller.expires_at is not None:
            delay = max((caller.expires_at - self._storage.database.now()).total_seconds(), 0.001)
            token.expiry = asyncio.get_running_loop().call_later(delay, self._refresh, token)

    def _revoke(self, token: WatchedToken, reason: str) -> None:
        for holder in tuple(token.revocables):
            task = spawn(holder.revoke(reason), name="end what a token opened")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
