"""Returns the rooms of a removed agent or deactivated user to the queue, in batches.

The mutation that removes the agent returns the first batch. `leave` in the user's record marks that rooms remain, and
one process returns them in the background. Each batch is one transaction of bounded size.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec

from resolvers.batch_sizes import BatchSize, ExcludedItems
from resolvers.context import RoutingSettings, Services
from resolvers.room_transition import RoomTransition
from resolvers.routing.assignment import queue_room
from resolvers.routing.capacity import without_room
from storage import rooms, users
from storage.facts import AssignmentCause, Fact, UserFact, kinds_of
from storage.mongo.connection import to_unavailable
from storage.records import Leave, RoomStatus, User
from storage.transactions.conflicts import Conflict
from storage.transactions.leases import Lease
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

replace = msgspec.structs.replace

#: The limits of one batch: rooms, and bytes of the rooms with their visitors, agents and departments.
BATCH_ROOMS = 50
BATCH_BYTES = 2 * 1024 * 1024
#: The limit of users for whom one round returns a batch of rooms each.
USERS = 1_000
#: The pause after each batch, so that other operations reach the database.
PAUSE_SECONDS = 0.01
#: The poll interval, which limits the delay after a process ended between two batches.
POLL_SECONDS = 2.0
LOG_SECONDS = 1.0
#: The stored name. Processes of other versions use the same lease, so it does not change.
LEASE_NAME = "departures"
_USER_FACTS = kinds_of(UserFact)


async def store_and_requeue(
    tx: Transaction, before: User, after: User, *facts: type[UserFact], routing: RoutingSettings
) -> User:
    """Store a user that no longer serves rooms, record the facts, and return its first rooms to the queue.

    `after` has a `leave`. It is removed with the last room.
    """
    removed = replace(after, version=before.version + 1)
    without_rooms, changes = await _requeue(tx, removed, routing, limit=BATCH_ROOMS)
    if not changes:
        return await users.update(tx, before, replace(without_rooms, version=before.version), *facts)
    stored = await users.update_leaving(tx, before, removed, without_rooms, *facts)
    await rooms.update_many(tx, [(change.before, change.room, change.facts) for change in changes])
    return stored


def limit_leave(user: User, now: datetime) -> User:
    """Limit the user's leave to rooms assigned until `now`, because the user is an agent, or active, again."""
    if user.leave is None:
        return user
    leave = replace(user.leave, assigned_until=now)
    if user.agent is not None and leave.open_room_count:
        agent = replace(user.agent, open_room_count=user.agent.open_room_count + leave.open_room_count)
        return replace(user, agent=agent, leave=replace(leave, open_room_count=0))
    return replace(user, leave=leave)


async def _requeue(
    tx: Transaction, user: User, routing: RoutingSettings, *, limit: int, excluding: Sequence[str] = ()
) -> tuple[User, list[RoomTransition]]:
    """The user without its first rooms, and the transitions of these rooms. Stores nothing."""
    assert user.leave is not None
    ids = await rooms.list_served_ids(
        tx, user.id, limit=limit + 1, assigned_until=user.leave.assigned_until, excluding=excluding
    )
    snapshots = await rooms.get_first_snapshots(tx, ids[:limit], size=BATCH_BYTES)
    changes: list[RoomTransition] = []
    last = len(snapshots) == len(ids) and not excluding
    for number, snapshot in enumerate(snapshots.values(), start=1):
        if snapshot is None or snapshot.room.served_by_id != user.id:
            raise Conflict  # another mutation changed the room
        if snapshot.room.status is RoomStatus.ASSIGNED:
            user = without_room(user)
        if last and number == len(ids):
            user = replace(user, leave=None, version=user.version + 1)
        room_change = RoomTransition(tx, snapshot)
        room_change.unassign(user, AssignmentCause.AGENT_REMOVED)
        queue_room(room_change, routing, now=tx.now)
        changes.append(room_change)
    return (user if ids or excluding else replace(user, leave=None)), changes


class RequeueWorker:
    """Returns the rooms of removed agents to the queue, batch by batch. A lease lets one process at a time work."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._storage = services.storage
        self._woken = asyncio.Event()
        self._batch = BatchSize(BATCH_ROOMS)
        self._excluded = ExcludedItems()
        self._logged_at = 0.0
        self._moved = 0

    def _on_facts(self, facts: Sequence[Fact]) -> None:
        if _USER_FACTS.isdisjoint(map(type, facts)):
            return
        if any(isinstance(fact, UserFact) and fact.user.leave is not None for fact in facts):
            self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        lease = Lease(self._storage.database, LEASE_NAME)
        self._storage.feed.listeners.add(self._on_facts)
        try:
            while True:
                self._woken.clear()
                if await users.list_leaving(self._storage.reader, 1):
                    await self._work(lease)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._woken.wait()
        finally:
            self._storage.feed.listeners.remove(self._on_facts)

    async def _work(self, lease: Lease) -> None:
        """Run batches until no rooms remain, all remaining rooms are excluded, or another process has the lease."""
        try:
            while await lease.acquire() and await self.step():
                pass
        finally:
            await lease.release()

    async def step(self) -> bool:
        """Return a batch of rooms of every removed agent to the queue. Returns whether another step is needed."""
        progress = False
        for user_id, leave in (await users.list_leaving(self._storage.reader, USERS)).items():
            try:
                progress |= await self._step(user_id, leave)
            except Exception as error:
                if not await self._handle_failure(user_id, leave, error):
                    raise
                progress = True
            await asyncio.sleep(PAUSE_SECONDS)
        return progress

    async def _step(self, user_id: str, leave: Leave) -> bool:
        excluding = self._excluded.names()

        async def attempt(tx: Transaction) -> tuple[User | None, int]:
            await tx.lock("user", user_id)
            before = await users.find(tx, user_id)
            if before is None or before.leave is None:
                return None, 0
            after, changes = await _requeue(
                tx, before, self._services.routing, limit=self._batch.current, excluding=excluding
            )
            if after.version == before.version:
                if after == before:  # only excluded rooms remain
                    return None, 0
                after = replace(after, version=before.version + 1)
            await users.update_room_counts(tx, [(before, after)])
            await rooms.update_many(tx, [(change.before, change.room, change.facts) for change in changes])
            return after, len(changes)

        (after, count), facts = await self._storage.transactions.run(attempt, actor=leave.actor)
        if after is None:
            return False
        self._batch.succeeded()
        self._log(after, count)
        if facts:
            self._services.notify_queue()
        return True

    def _log(self, user: User, count: int) -> None:
        self._moved += count
        now = asyncio.get_running_loop().time()
        if user.leave is None or now - self._logged_at >= LOG_SECONDS:
            remaining = 0 if user.leave is None else (user.agent or user.leave).open_room_count
            logger.info(
                "Returned %d rooms of removed agents to the queue. The user %s still has %d assigned rooms.",
                self._moved,
                user.id,
                remaining,
            )
            self._logged_at, self._moved = now, 0

    async def _handle_failure(self, user_id: str, leave: Leave, error: Exception) -> bool:
        """Halve the batch size, or exclude the room that failed in a batch of one. False if there is no such room."""
        size = self._batch.current
        self._batch.failed(size)
        if size > 1:
            return True
        ids = await rooms.list_served_ids(
            self._storage.reader,
            user_id,
            limit=1,
            assigned_until=leave.assigned_until,
            excluding=self._excluded.names(),
        )
        if not ids:
            return False
        pause = self._excluded.exclude(ids[0])
        logger.log(
            logging.ERROR if to_unavailable(error) is None else logging.WARNING,
            "Cannot return the room %s to the queue. It is excluded for %.0f seconds. %s: %s",
            ids[0],
            pause,
            type(error).__name__,
            error,
        )
        return True
