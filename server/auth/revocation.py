"""Closes what a token has opened, when the token ends or its permissions change.

The caller of a token is loaded again (resolvers/auth/access.py) when the token watcher reports the token, when a fact
reports a change of its app or user, when it expires, and every SWEEP_SECONDS. One load serves everything that the
token has opened in this process.
"""

import asyncio
import logging
from collections.abc import Sequence, Set
from typing import Protocol

from resolvers.auth import access
from resolvers.auth.access import INVALID_TOKEN_CALLER, Caller
from storage.facts import (
    AgentAdded,
    AgentRemoved,
    AgentUpdated,
    AppFact,
    Fact,
    RoleUpdated,
    UserRolesChanged,
    UserUpdated,
    VisitorSaved,
    kinds_of,
)
from storage.records import ActorType
from storage.runtime import Storage
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Facts after which the caller of their subject's tokens may have changed. RoleUpdated is about all holders of a role.
REVOKING_FACTS: tuple[type[Fact], ...] = (
    AppFact,
    UserUpdated,
    UserRolesChanged,
    AgentAdded,
    AgentUpdated,
    AgentRemoved,
    VisitorSaved,
)
_APPLIED_KINDS = kinds_of(*REVOKING_FACTS, RoleUpdated)
#: Pause after a failed load of a caller. Nothing is closed until a load succeeds.
RETRY_SECONDS = 1.0
#: How often every token is refreshed.
SWEEP_SECONDS = 60.0

ENDED = "The token has ended"
CHANGED = "What the token may do has changed; connect again"


class Revocable(Protocol):
    """A connection or cache entry that depends on a token."""

    async def revoke(self, reason: str) -> None:
        """Close it. `reason` is a text for people."""


class WatchedToken:
    """One token, with what it has opened in this process."""

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id
        self.revocables: set[Revocable] = set()
        #: None until it was loaded once.
        self.caller: Caller | None = None
        #: Whether a fact or the token watcher reported a change since the last load began.
        self.stale = False
        #: The registrations that wait for the next load. A load that began before a registration may be outdated.
        self.waiting: list[asyncio.Future[None]] = []
        self.refreshing: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None


class TokenRevocation:
    """The tokens that have opened something in one process."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tokens: dict[str, WatchedToken] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        storage.token_watcher.listeners.add(self._token_ended)
        storage.feed.listeners.add(self._apply)

    async def register(self, token_id: str, revocable: Revocable) -> Caller:
        """Revoke `revocable` when the token ends or its permissions change. Returns the current caller.

        If the token is invalid, the caller has no actor and nothing is registered.
        """
        token = self._tokens.setdefault(token_id, WatchedToken(token_id))
        token.revocables.add(revocable)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        try:
            await self._next_load(token)
        except BaseException:
            self.unregister(token_id, revocable)
            raise
        caller = token.caller or INVALID_TOKEN_CALLER
        if caller.actor is None:
            self.unregister(token_id, revocable)
        return caller

    def register_loaded(self, token_id: str, revocable: Revocable) -> Caller | None:
        """What `register` does, without a load. None, and nothing is registered, unless the token is an app's that has
        opened something, and no load is in progress.

        Tokens of users and visitors are always loaded: they may expire without a fact.
        """
        caller = self.loaded_caller(token_id)
        if caller is None or caller.actor is None or caller.actor.type is not ActorType.APP:
            return None
        self._tokens[token_id].revocables.add(revocable)
        return caller

    def caller(self, token_id: str) -> Caller:
        """The last loaded caller of a registered token."""
        token = self._tokens.get(token_id)
        return INVALID_TOKEN_CALLER if token is None or token.caller is None else token.caller

    def loaded_caller(self, token_id: str) -> Caller | None:
        """What `current_caller` returns, if no load is in progress. None otherwise."""
        token = self._tokens.get(token_id)
        return None if token is None or _is_refreshing(token) else self.caller(token_id)

    async def current_caller(self, token_id: str) -> Caller:
        """The caller of a registered token, after a load that is in progress."""
        token = self._tokens.get(token_id)
        if token is not None and token.refreshing is not None and not token.refreshing.done():
            await asyncio.shield(token.refreshing)
        return self.caller(token_id)

    def unregister(self, token_id: str, revocable: Revocable) -> None:
        """Stop watching the token for `revocable`."""
        token = self._tokens.get(token_id)
        if token is None:
            return
        token.revocables.discard(revocable)
        if not token.revocables:
            del self._tokens[token_id]
            if token.expiry is not None:
                token.expiry.cancel()

    # ---------------------------------------------------------------- when to refresh

    def _sweep(self) -> None:
        """Refresh every token, and schedule the next sweep if there are any."""
        self._sweeping = None
        if self._tokens:
            self._token_ended(None)
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _token_ended(self, token_id: str | None) -> None:
        tokens = list(self._tokens.values()) if token_id is None else [self._tokens.get(token_id)]
        for token in tokens:
            if token is not None:
                self._refresh(token)

    def _apply(self, facts: Sequence[Fact]) -> None:
        if _APPLIED_KINDS.isdisjoint(map(type, facts)):
            return
        subjects = {fact.subject_id for fact in facts if isinstance(fact, REVOKING_FACTS)}
        roles = {fact.role.name for fact in facts if isinstance(fact, RoleUpdated)}
        for token in self._tokens.values():
            caller = token.caller
            # The subject of a token whose first load is in progress is unknown.
            changed = caller is None or caller.actor is None or caller.id in subjects
            # A load in progress may find a role that the last one did not, with its scopes before this fact.
            if changed or (roles and (_is_refreshing(token) or _holds(caller, roles))):
                self._refresh(token)

    # ---------------------------------------------------------------- refreshing

    async def _next_load(self, token: WatchedToken) -> None:
        """Wait for a load that begins after this call. All registrations during one load share the next."""
        loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        token.waiting.append(loaded)
        self._load(token)
        await loaded

    def _refresh(self, token: WatchedToken) -> None:
        """Load the caller of the token. A load that is in progress is repeated: its result may be outdated."""
        token.stale = True
        self._load(token)

    def _load(self, token: WatchedToken) -> None:
        if token.refreshing is None or token.refreshing.done():
            refreshing = self._refresh_until_current(token)
            token.refreshing = self._storage.supervisor.spawn(refreshing, name="refresh a token")

    async def _refresh_until_current(self, token: WatchedToken) -> None:
        try:
            while (token.stale or token.waiting) and token.revocables:
                await self._load_once(token)
        finally:
            for loaded in token.waiting:  # the process stops
                loaded.cancel()
            token.waiting = []

    async def _load_once(self, token: WatchedToken) -> None:
        count, token.stale = len(token.waiting), False
        try:
            caller = await access.load_caller(self._storage, token.token_id)
        except Exception as error:  # of the driver or the database
            logger.warning("Failed to load the caller of a token, trying again: %s", type(error).__name__)
            token.stale = True
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._update(token, caller)
        if token.stale:
            return  # the registrations wait for the repeated load
        served, token.waiting = token.waiting[:count], token.waiting[count:]
        for loaded in served:
            if not loaded.done():
                loaded.set_result(None)

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
        for revocable in tuple(token.revocables):
            task = spawn(revocable.revoke(reason), name="revoke what a token opened")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _is_refreshing(token: WatchedToken) -> bool:
    return token.refreshing is not None and not token.refreshing.done()


def _holds(caller: Caller | None, roles: Set[str]) -> bool:
    """Whether the caller is a user with one of these roles."""
    return caller is not None and caller.user is not None and not roles.isdisjoint(caller.user.roles)
