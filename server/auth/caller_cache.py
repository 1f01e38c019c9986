"""A cache of the callers of requests, so that a program that sends many requests needs one lookup.

The caller of an app's token is cached until CACHE_SECONDS after its last use, or until revocation.py revokes it.
Tokens of users are looked up for every request: they may expire without a fact.
"""

import asyncio
from typing import Final

from resolvers.auth.access import Caller
from server.auth.revocation import TokenRevocation
from server.shutdown import Shutdown
from storage.errors import Unavailable
from storage.records import ActorType

CACHE_SECONDS: Final = 30.0
#: How long a lookup may take while the database does not answer.
LOOKUP_TIMEOUT_SECONDS: Final = 10.0
#: The most cached callers. Apps beyond are looked up for every request.
MAX_CACHED_CALLERS: Final = 1_000


class CachedToken:
    """The entry of one token."""

    def __init__(self, callers: "CallerCache", token_id: str) -> None:
        self._callers = callers
        self._token_id = token_id
        self.used_at = 0.0

    async def revoke(self, reason: str) -> None:
        self._callers.evict(self._token_id)


class CallerCache:
    """The callers of the apps that one process has served in the last CACHE_SECONDS."""

    def __init__(self, revocation: TokenRevocation, shutdown: Shutdown) -> None:
        self._revocation = revocation
        self._shutdown = shutdown
        self._cached: dict[str, CachedToken] = {}

    @property
    def size(self) -> int:
        """The number of cached callers."""
        return len(self._cached)

    async def get(self, token_id: str) -> Caller:
        """The current caller of a token, without an actor if it is invalid. Raises Unavailable."""
        cached = self._cached.get(token_id)
        caller = None if cached is None else self._revocation.loaded_caller(token_id)
        if cached is not None and caller is not None:  # nothing has to be waited for
            cached.used_at = asyncio.get_running_loop().time()
            return caller
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS) as timeout:
                with self._shutdown.limiting(timeout):
                    return await self._get(token_id)
        except TimeoutError:
            raise Unavailable("The database does not answer; nothing was changed.", retryable=True) from None

    async def _get(self, token_id: str) -> Caller:
        now = asyncio.get_running_loop().time()
        cached = self._cached.get(token_id)
        if cached is not None:
            cached.used_at = now
            return await self._revocation.current_caller(token_id)
        cached = CachedToken(self, token_id)
        cached.used_at = now
        caller = await self._revocation.register(token_id, cached)
        if caller.actor is None:
            return caller
        if (
            caller.actor.type is not ActorType.APP
            or len(self._cached) >= MAX_CACHED_CALLERS
            or token_id in self._cached
        ):
            self._revocation.unregister(token_id, cached)
            return caller
        self._cached[token_id] = cached
        asyncio.get_running_loop().call_later(CACHE_SECONDS, self._expire, token_id, cached)
        return caller

    def evict(self, token_id: str) -> None:
        """Remove a token, so that the next request looks it up."""
        cached = self._cached.pop(token_id, None)
        if cached is not None:
            self._revocation.unregister(token_id, cached)

    def _expire(self, token_id: str, cached: CachedToken) -> None:
        if self._cached.get(token_id) is not cached:
            return
        loop = asyncio.get_running_loop()
        remaining = cached.used_at + CACHE_SECONDS - loop.time()
        if remaining <= 0:
            self.evict(token_id)
        else:
            loop.call_later(remaining, self._expire, token_id, cached)
