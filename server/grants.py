"""What is open on behalf of a token: it ends as soon as the token does, or when what the token may do changes.

Whether a token is valid is for resolvers/access.py to say; here is when to ask again, once for everything that one
token holds open. The tokens themselves are watched, facts tell of apps and users, and a timer knows when a token
expires; each of them reaches every process.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from resolvers import access
from resolvers.access import NOBODY, Caller
from storage.facts import AgentAdded, AgentRemoved, AgentUpdated, AppFact, Fact, UserRolesChanged, UserUpdated
from storage.storage import Storage
from storage.supervisor import spawn

logger = logging.getLogger(__name__)

#: Facts after which a token may stand for something else.
TELLING: tuple[type[Fact], ...] = (AppFact, UserUpdated, UserRolesChanged, AgentAdded, AgentUpdated, AgentRemoved)
#: How long to wait before asking a database again that did not answer. Until it does, nothing ends.
PAUSE_SECONDS = 1.0
#: How often every token is looked at, whatever was heard of it.
SWEEP_SECONDS = 60.0

ENDED = "The token has ended"
CHANGED = "What the token may do has changed; connect again"


class Holder(Protocol):
    """Something open on behalf of a token."""

    async def end(self, reason: str) -> None:
        """Close it, with the reason for people."""


class Grant:
    """One token that something is open on behalf of."""

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id
        self.holders: set[Holder] = set()
        #: Whose it is; None until that was found out.
        self.caller: Caller | None = None
        #: Whether something was told since it was last looked at.
        self.stale = True
        self.looking: asyncio.Task[None] | None = None
        self.expiry: asyncio.TimerHandle | None = None


class Grants:
    """The tokens on behalf of which one process keeps something open."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._grants: dict[str, Grant] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        storage.endings.listeners.append(self._hear_ending)
        storage.feed.listeners.append(self._hear)

    async def hold(self, token_id: str, holder: Holder) -> Caller:
        """From now on the holder ends with the token. Returns whose it is now: with no actor when it is nobody's, and
        then nothing is held."""
        grant = self._grants.setdefault(token_id, Grant(token_id))
        grant.holders.add(holder)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
        try:
            # Asked anew for each, though not once for each of many at the same time.
            await asyncio.shield(self._look(grant))
        except BaseException:
            self.release(token_id, holder)
            raise
        caller = grant.caller or NOBODY
        if caller.actor is None:
            self.release(token_id, holder)
        return caller

    def caller(self, token_id: str) -> Caller:
        """Whose a held token is, as far as is known here."""
        grant = self._grants.get(token_id)
        return NOBODY if grant is None or grant.caller is None else grant.caller

    async def current(self, token_id: str) -> Caller:
        """Whose a held token is, once everything that was heard of it by now has been looked at."""
        grant = self._grants.get(token_id)
        if grant is not None and grant.looking is not None and not grant.looking.done():
            await asyncio.shield(grant.looking)
        return self.caller(token_id)

    def release(self, token_id: str, holder: Holder) -> None:
        """The holder is over by itself."""
        grant = self._grants.get(token_id)
        if grant is None:
            return
        grant.holders.discard(holder)
        if not grant.holders:
            del self._grants[token_id]
            if grant.expiry is not None:
                grant.expiry.cancel()

    # ---------------------------------------------------------------- when to look

    def _sweep(self) -> None:
        """Look at every token now and then, as long as there are any."""
        self._sweeping = None
        if self._grants:
            self._hear_ending(None)
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _hear_ending(self, token_id: str | None) -> None:
        grants = list(self._grants.values()) if token_id is None else [self._grants.get(token_id)]
        for grant in grants:
            if grant is not None:
                self._look(grant)

    def _hear(self, facts: Sequence[Fact]) -> None:
        subjects = {fact.subject_id for fact in facts if isinstance(fact, TELLING)}
        if not subjects:
            return
        for grant in self._grants.values():
            # Of a token that is being looked at for the first time nobody knows whose it is.
            if grant.caller is None or grant.caller.actor is None or grant.caller.id in subjects:
                self._look(grant)

    # ---------------------------------------------------------------- looking

    def _look(self, grant: Grant) -> asyncio.Task[None]:
        """See whose the token is, from now on: what is being read already may be older."""
        grant.stale = True
        if grant.looking is None or grant.looking.done():
            grant.looking = spawn(self._look_until_fresh(grant), name="look at a token")
        return grant.looking

    async def _look_until_fresh(self, grant: Grant) -> None:
        while grant.stale and grant.holders:
            grant.stale = False
            try:
                caller = await access.caller_of(self._storage, grant.token_id)
            except Exception as error:  # whatever it is that keeps the database from answering
                logger.warning("A token could not be looked up, trying again: %s", type(error).__name__)
                grant.stale = True
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            self._note(grant, caller)

    def _note(self, grant: Grant, caller: Caller) -> None:
        before, grant.caller = grant.caller, caller
        if grant.expiry is not None:
            grant.expiry.cancel()
        if before is not None and before.actor is not None:
            if caller.actor is None:
                self._end(grant, ENDED)
            elif access.permissions_of(before) != access.permissions_of(caller):
                self._end(grant, CHANGED)
        if caller.expires_at is not None:
            delay = max((caller.expires_at - self._storage.database.now()).total_seconds(), 0.001)
            grant.expiry = asyncio.get_running_loop().call_later(delay, self._look, grant)

    def _end(self, grant: Grant, reason: str) -> None:
        for holder in tuple(grant.holders):
            task = spawn(holder.end(reason), name="end what a token opened")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
