"""Whose token a request shows: asked once for a program that sends many requests, not with each of them.

What is known of an app's token is kept for some seconds after its last use, and given up as soon as a fact tells that
the app has changed (revocation.py). Tokens of signed-in users are asked for each time: they may end without a fact.
"""

import asyncio
from typing import Final

from resolvers.auth.access import Caller
from server.auth.revocation import TokenRevocation
from server.shutdown import Shutdown
from storage.errors import Unavailable
from storage.records import ActorType

CACHE_SECONDS: Final = 30.0
#: How long a request waits for a database that does not answer.
LOOKUP_TIMEOUT_SECONDS: Final = 10.0
#: More apps than this at once, and those beyond are asked for each time.
MAX_CACHED_CALLERS: Final = 1_000


class CachedToken:
    """A token that was shown a moment ago."""

    def __init__(self, callers: "CallerCache", token_id: str) -> None:
        self._callers = callers
        self._token_id = token_id
        self.used_at = 0.0

    async def revoke(self, reason: str) -> None:
        self._callers.forget(self._token_id)


class CallerCache:
    """The apps that one process has heard of in the last CACHE_SECONDS."""

    def __init__(self, revocation: TokenRevocation, shutdown: Shutdown) -> None:
        self._revocation = revocation
        self._shutdown = shutdown
        self._cached: dict[str, CachedToken] = {}

    async def get(self, token_id: str) -> Caller:
        """Whose the token is now, with no actor when it is nobody's. Raises Unavailable when the database is away."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS) as waiting:
                with self._shutdown.limiting(waiting):
                    return await self._get(token_id)
        except TimeoutError:
            raise Unavailable("The database does not answer; nothing was changed.", retryable=True) from None

    async def _get(self, token_id: str) -> Caller:
        moment = asyncio.get_running_loop().time()
        cached = self._cached.get(token_id)
        if cached is not None:
            cached.used_at = moment
            return await self._revocation.current_caller(token_id)
        cached = CachedToken(self, token_id)
        cached.used_at = moment
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

    def forget(self, token_id: str) -> None:
        """Ask again at the next request."""
        cached = self._cached.pop(token_id, None)
        if cached is not None:
            self._revocation.unregister(token_id, cached)

    def _expire(self, token_id: str, cached: CachedToken) -> None:
        if self._cached.get(token_id) is not cached:
            return
        loop = asyncio.get_running_loop()
        left = cached.used_at + CACHE_SECONDS - loop.time()
        if left <= 0:
            self.forget(token_id)
        else:
            loop.call_later(left, self._expire, token_id, cached)
