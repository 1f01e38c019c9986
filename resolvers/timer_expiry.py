"""Records the timers of rooms that are due.

`TimerExpiry` runs in every process. A lease lets one process at a time work. Each timer is one transaction, which
checks everything again, deletes the timer and records the fact. A timer therefore elapses once, even if a process dies.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from resolvers.batch_sizes import ExcludedItems
from resolvers.context import Services
from resolvers.room_transition import RoomTransition
from storage import rooms, timers
from storage.mongo.connection import to_unavailable
from storage.timers import Timer, with_timers
from storage.transactions.keyed_locks import LockKey
from storage.transactions.leases import Lease
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

#: The interval at which each process looks for timers that are due.
POLL_SECONDS = 0.5
#: The timers that one query reads.
BATCH = 500
#: The rooms whose timers elapse at the same time.
CONCURRENT_ROOMS = 8
LEASE_NAME = "timers"
RENEW_SECONDS = 3.0


class TimerExpiry:
    """Records the timers that are due, those of one room in the order in which they are due."""

    def __init__(self, services: Services, *, owner: str | None = None) -> None:
        self._storage = services.storage
        self._lease = Lease(services.storage.database, LEASE_NAME, owner=owner, renew_after=RENEW_SECONDS)
        self._excluded = ExcludedItems()

    async def run(self) -> None:
        """Record all timers that are due by now, unless another process does it."""
        await self.elapse_due()

    async def elapse_due(self) -> int:
        """Record all timers that are due by now, unless another process does it. Returns their number."""
        try:
            return await self._elapse_due()
        finally:
            await self._lease.release()

    async def _elapse_due(self) -> int:
        elapsed = 0
        due = timers.iterate_due(
            self._storage.reader, self._storage.database.now(), size=BATCH, excluding=self._excluded.names()
        )
        async with contextlib.aclosing(due):
            async for batch in due:
                if not await self._lease.acquire():
                    return elapsed  # another process records them
                elapsed += await self._elapse_rooms(await self._postpone_restarted(batch))
        return elapsed

    async def _elapse_rooms(self, room_ids: Sequence[str]) -> int:
        """Record the due timers of these rooms, of CONCURRENT_ROOMS at the same time. Returns their number."""
        waiting = iter(room_ids)

        async def elapse_waiting() -> int:
            elapsed = 0
            for room_id in waiting:
                if not await self._lease.acquire():
                    break
                elapsed += await self._try_to_elapse(room_id)
            return elapsed

        found = await asyncio.gather(*(elapse_waiting() for _ in range(CONCURRENT_ROOMS)), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error
        return sum(one for one in found if isinstance(one, int))

    async def _postpone_restarted(self, due: Sequence[Timer]) -> list[str]:
        """Store the times of timers that facts restarted, in one write. Returns the rooms of the others, in order."""
        found = await timers.get_timed_rooms(self._storage.reader, {timer.room_id for timer in due})
        now = self._storage.database.now()
        postponed, room_ids = [], []
        for timer in due:
            room = found.get(timer.room_id)
            updated = timer if room is None else timer.updated(room)
            if updated is not None and updated.due_at > now:
                postponed.append((timer, updated))
            else:
                room_ids.append(timer.room_id)
        await timers.postpone(self._storage.reader, postponed)
        return list(dict.fromkeys(room_ids))

    async def _try_to_elapse(self, room_id: str) -> int:
        """Record the due timers of a room. A room that fails is excluded for a time, so that others do not wait."""
        try:
            return await self.elapse_room(room_id)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            pause = self._excluded.exclude(room_id)
            logger.log(
                logging.ERROR if to_unavailable(error) is None else logging.WARNING,
                "Cannot record the timers of the room %s. It is excluded for %.0f seconds. %s: %s",
                room_id,
                pause,
                type(error).__name__,
                error,
            )
            return 0

    async def elapse_room(self, room_id: str) -> int:
        """Record the timers of a room that are due, and delete those that are cancelled.

        Returns how many are recorded.
        """
        elapsed = 0
        while True:
            recorded, next_is_due = await self._elapse_first(room_id)
            elapsed += recorded
            if not next_is_due:
                return elapsed

    async def _elapse_first(self, room_id: str) -> tuple[bool, bool]:
        """Record the first timer of a room if it is due.

        Returns whether it was, and whether the next one is due too, unless this event cancels or restarts it.
        """

        async def attempt(tx: Transaction) -> tuple[bool, bool]:
            snapshot = await rooms.get_snapshot(tx, room_id)
            live = await timers.list_by_room(tx, snapshot.room)
            is_due = [timer.due_at <= tx.now for timer in live[:2]]
            if not any(is_due):
                if len(live) < snapshot.room.timer_count:
                    timers.replace_all(tx, room_id, keep=live)
                    await rooms.update(tx, snapshot.room, with_timers(snapshot.room, live, tx.now), ())
                return False, False
            due = msgspec.structs.replace(live[0], data_json=await timers.find_data(tx, live[0].id))
            transition = RoomTransition(tx, snapshot)
            transition.elapse(due, remaining=live[1:])
            timers.replace_all(tx, room_id, keep=live[1:])
            await rooms.update(tx, snapshot.room, transition.room, transition.facts)
            return True, len(is_due) > 1 and is_due[1]

        result, _ = await self._storage.transactions.run(attempt, lock_keys=(LockKey("room", room_id),))
        return result
