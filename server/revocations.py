"""Open websockets whose token may have ended: which they are when a fact tells of its holder, and when it expires."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from storage.facts import AppFact, Fact, UserRolesChanged, UserUpdated
from storage.feed import Feed


class Holder(Protocol):
    """Something open on behalf of a token."""

    async def check_token(self) -> None:
        """End what the token does not allow any more."""


class Revocations:
    """Makes what is open look at its token again when something was told of the app or user that the token stands for.

    Facts reach every process, and so do revocations.
    """

    def __init__(self, feed: Feed) -> None:
        self._open: dict[str, set[Holder]] = defaultdict(set)
        self._checks: set[asyncio.Task[None]] = set()
        feed.listeners.append(self._hear)

    def add(self, actor_id: str, holder: Holder) -> None:
        self._open[actor_id].add(holder)

    def remove(self, actor_id: str, holder: Holder) -> None:
        self._open[actor_id].discard(holder)
        if not self._open[actor_id]:
            del self._open[actor_id]

    def check(self, holder: Holder) -> None:
        task = asyncio.create_task(holder.check_token())
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    def _hear(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, AppFact | UserUpdated | UserRolesChanged):
                for holder in self._open.get(fact.subject_id, ()):
                    self.check(holder)
