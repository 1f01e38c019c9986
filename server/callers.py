"""Whose token a request shows: asked once for a program that sends many requests, not with each of them.

What is known of an app's token is kept for some seconds after its last use, and given up as soon as a fact tells that
the app has changed (grants.py). Tokens of signed-in users are asked for each time: they may end without a fact.
"""

import asyncio
from typing import Final

from resolvers.access import Caller
from server.drains import Drain
from server.grants import Grants
from storage.errors import Unavailable
from storage.records import ActorType

KEPT_SECONDS: Final = 30.0
#: How long a request waits for a database that does not answer.
PATIENCE_SECONDS: Final = 10.0
#: More apps than this at once, and those beyond are asked for each time.
KEPT_CALLERS: Final = 1_000


class Visit:
    """A token that was shown a moment ago."""

    def __init__(self, callers: "Callers", token_id: str) -> None:
        self._callers = callers
        self._token_id = token_id
        self.used_at = 0.0

    async def end(self, reason: str) -> None:
        self._callers.forget(self._token_id)


class Callers:
    """The apps that one process has heard of in the last KEPT_SECONDS."""

    def __init__(self, grants: Grants, drain: Drain) -> None:
        self._grants = grants
        self._drain = drain
        self._visits: dict[str, Visit] = {}

    async def caller(self, token_id: str) -> Caller:
        """Whose the token is now, with no actor when it is nobody's. Raises Unavailable when the database is away."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as waiting:
                with self._drain.hurrying(waiting):
                    return await self._caller(token_id)
        except TimeoutError:
            raise Unavailable("The database does not answer; nothing was changed.", retryable=True) from None

    async def _caller(self, token_id: str) -> Caller:
        moment = asyncio.get_running_loop().time()
        visit = self._visits.get(token_id)
        if visit is not None:
            visit.used_at = moment
            return await self._grants.current(token_id)
        visit = Visit(self, token_id)
        visit.used_at = moment
        caller = await self._grants.hold(token_id, visit)
        if caller.actor is None:
            return caller
        if caller.actor.type is not ActorType.APP or len(self._visits) >= KEPT_CALLERS or token_id in self._visits:
            self._grants.release(token_id, visit)
            return caller
        self._visits[token_id] = visit
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._expire, token_id, visit)
        return caller

    def forget(self, token_id: str) -> None:
        """Ask again at the next request."""
        visit = self._visits.pop(token_id, None)
        if visit is not None:
            self._grants.release(token_id, visit)

    def _expire(self, token_id: str, visit: Visit) -> None:
        if self._visits.get(token_id) is not visit:
            return
        loop = asyncio.get_running_loop()
        left = visit.used_at + KEPT_SECONDS - loop.time()
        if left <= 0:
            self.forget(token_id)
        else:
            loop.call_later(left, self._expire, token_id, visit)
