"""How presence ends: with its lease and, where the user itself set it, with the last of that user's sessions.

An operation that ends sessions ends the presence in the same transaction. Leases and sessions that run out are found by
`PresenceEnds`, in every process, by the clock of the database.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from storage import tokens, users
from storage.facts import UserFact, UserPresenceChanged
from storage.records import Presence, Token, User
from storage.runtime import Storage
from storage.transactions.transaction import Transaction

replace = msgspec.structs.replace

#: How often each process looks for presence that has ended.
POLL_SECONDS = 1.0
#: Users in one transaction.
BATCH = 50
LONGEST_LEASE_SECONDS = 365 * 24 * 60 * 60


def last_session_end(sessions: Iterable[Token], moment: datetime) -> datetime | None:
    """When the last of these sessions ends; None when all of them have ended by that moment."""
    ends = (one.expires_at for one in sessions)
    return max((end for end in ends if end is not None and end > moment), default=None)


def offline(user: User) -> User:
    """The user as OFFLINE, until its presence is set again."""
    return replace(user, presence=Presence.OFFLINE, presence_until=None, sessions_until=None)


def with_sessions(user: User, sessions: Iterable[Token], moment: datetime) -> User:
    """The user when these are its sessions: OFFLINE if it set its presence itself and they have all ended."""
    if user.sessions_until is None:
        return user
    end = last_session_end(sessions, moment)
    return offline(user) if end is None else replace(user, sessions_until=end)


def facts_between(before: User, after: User) -> tuple[type[UserFact], ...]:
    """The facts about a change of presence."""
    return () if before.presence is after.presence else (UserPresenceChanged,)


class PresenceEnds:
    """Sets users OFFLINE whose lease, or whose last session, has run out."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def run(self) -> None:
        """End what has run out by now. Several processes may do this at once: whoever is late finds nothing to do."""
        reader = self._storage.reader
        changed = True
        while changed:
            due = await users.list_presence_due(reader, self._storage.database.now(), limit=BATCH)
            changed = bool(due) and await self._end(due)

    async def _end(self, user_ids: list[str]) -> bool:
        """Whether anything changed."""

        async def attempt(tx: Transaction) -> bool:
            for user_id in sorted(user_ids):
                await tx.lock("user", user_id)
            present = await users.get_many(tx, user_ids)
            changes = [(user, await self._due(tx, user)) for user in present.values()]
            ended = [(user, after) for user, after in changes if after.presence is not user.presence]
            prolonged = [(user, after) for user, after in changes if after.presence is user.presence and after != user]
            await users.update_many(tx, ended, UserPresenceChanged)
            await users.update_many(tx, prolonged)
            return bool(ended or prolonged)

        changed, _ = await self._storage.transactions.run(attempt)
        return changed

    async def _due(self, tx: Transaction, user: User) -> User:
        """What becomes of the user now: OFFLINE, present until a session of later ends, or what it is."""
        if user.presence_until is not None and user.presence_until <= tx.now:
            after = offline(user)
        elif user.sessions_until is not None and user.sessions_until <= tx.now:
            after = with_sessions(user, await tokens.list_by_holder(tx, user.id), tx.now)
        else:
            return user
        return after if after.presence is user.presence else replace(after, updated_at=tx.now)
