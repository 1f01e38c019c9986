"""The end of presence: when its lease expires or, if the user set it, when the user's last session ends.

An operation that ends sessions ends the presence in the same transaction. `PresenceExpiry` runs in every process and
ends presence whose lease or session has expired, by the database's clock.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

import msgspec

from resolvers.batch_sizes import BatchSize, ExcludedItems
from storage import tokens, users
from storage.facts import UserFact, UserPresenceChanged
from storage.records import Presence, Token, User
from storage.runtime import Storage
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

replace = msgspec.structs.replace

#: The interval at which each process looks for expired presence.
POLL_SECONDS = 1.0
#: The limit of users that one transaction changes.
BATCH = 50
MAX_LEASE_SECONDS = 365 * 24 * 60 * 60


def last_session_end(sessions: Iterable[Token], now: datetime) -> datetime | None:
    """When the last of these sessions ends. None if all of them have ended."""
    ends = (session.expires_at for session in sessions)
    return max((end for end in ends if end is not None and end > now), default=None)


def offline(user: User, now: datetime) -> User:
    """The user with the presence OFFLINE and without a lease."""
    since = user.offline_since if user.presence is Presence.OFFLINE else now
    return replace(user, presence=Presence.OFFLINE, presence_until=None, sessions_until=None, offline_since=since)


def present(user: User, presence: Presence, *, until: datetime | None, sessions_until: datetime | None) -> User:
    """The user with another presence than OFFLINE, which ends at the earlier of these times."""
    return replace(user, presence=presence, presence_until=until, sessions_until=sessions_until, offline_since=None)


def with_sessions(user: User, sessions: Iterable[Token], now: datetime) -> User:
    """The user with these sessions: OFFLINE if it set its presence itself and all of them have ended."""
    if user.sessions_until is None:
        return user
    end = last_session_end(sessions, now)
    return offline(user, now) if end is None else replace(user, sessions_until=end)


def facts_between(before: User, after: User) -> tuple[type[UserFact], ...]:
    """The facts about a change of presence."""
    return () if before.presence is after.presence else (UserPresenceChanged,)


class PresenceExpiry:
    """Sets users OFFLINE whose lease or last session has expired."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._batch = BatchSize(BATCH)
        self._excluded = ExcludedItems()

    async def run(self) -> None:
        """End all presence that has expired by now. Safe to run in several processes at the same time."""
        reader = self._storage.reader
        changed = True
        while changed:
            due = await users.list_presence_due(
                reader,
                self._storage.database.now(),
                limit=self._batch.current,
                excluding=self._excluded.names(),
            )
            changed = bool(due) and await self._try_to_end(due)

    async def _try_to_end(self, user_ids: list[str]) -> bool:
        """End the presence of these users. Returns whether another batch may change a user.

        After a failure the next batch is half as large. A user that fails in a batch of one is excluded for a time, so
        that the presence of others ends.
        """
        try:
            changed = await self._end(user_ids)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            self._batch.failed(len(user_ids))
            if len(user_ids) == 1:
                pause = self._excluded.exclude(user_ids[0])
                logger.error(
                    "Cannot end the presence of the user %s. It is excluded for %.0f seconds. %s: %s",
                    user_ids[0],
                    pause,
                    type(error).__name__,
                    error,
                )
            return True
        self._batch.succeeded()
        return changed

    async def _end(self, user_ids: list[str]) -> bool:
        """End the presence of those users for whom it has expired. Returns whether a user changed."""

        async def attempt(tx: Transaction) -> bool:
            for user_id in sorted(user_ids):
                await tx.lock("user", user_id)
            present = await users.get_many(tx, user_ids)
            changes = [(user, await self._with_current_presence(tx, user)) for user in present.values()]
            ended = [(user, after) for user, after in changes if after.presence is not user.presence]
            extended = [(user, after) for user, after in changes if after.presence is user.presence and after != user]
            await users.update_many(tx, ended, UserPresenceChanged)
            await users.update_many(tx, extended)
            return bool(ended or extended)

        changed, _ = await self._storage.transactions.run(attempt)
        return changed

    async def _with_current_presence(self, tx: Transaction, user: User) -> User:
        """The user now: OFFLINE, present until a later session ends, or unchanged."""
        if user.presence_until is not None and user.presence_until <= tx.now:
            after = offline(user, tx.now)
        elif user.sessions_until is not None and user.sessions_until <= tx.now:
            after = with_sessions(user, await tokens.list_by_holder(tx, user.id), tx.now)
        else:
            return user
        return after if after.presence is user.presence else replace(after, updated_at=tx.now)
