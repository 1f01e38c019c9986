"""The rooms of a user that was removed as an agent, or deactivated: they go back to the queue in steps.

The first step is part of the removal. The user's record says that steps remain (`leave`), so that any process goes on
with them in the background. Each step is one transaction of bounded size.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec

from resolvers.batch_sizes import BatchSize, SetAside
from resolvers.context import Services
from resolvers.room_transition import RoomTransition
from resolvers.routing.capacity import without_room
from resolvers.routing.policy import external_until
from storage import rooms, users
from storage.facts import AssignmentCause, Fact, UserFact
from storage.mongo.connection import to_unavailable
from storage.records import Leave, RoomStatus, User
from storage.transactions import leases
from storage.transactions.transaction import Conflict, Transaction

logger = logging.getLogger(__name__)

replace = msgspec.structs.replace

#: Rooms of one step, and the bytes that they may take with everybody around them: facts repeat these twice.
STEP_ROOMS = 50
STEP_BYTES = 2 * 1024 * 1024
#: Users whose rooms go back at the same time, a batch of each in turn.
USERS = 1_000
#: The pause after each step, which leaves the database to everybody else.
PAUSE_SECONDS = 0.01
#: How soon users whose rooms remain are found when the process that removed them is dead.
PATROL_SECONDS = 2.0
LEASE_SECONDS = 10.0
RELEASE_SECONDS = 0.5
LOG_SECONDS = 1.0
LEASE = "departures"


async def depart(tx: Transaction, before: User, after: User, *facts: type[UserFact]) -> User:
    """Store that a user serves rooms no more: tell the facts, and put its first rooms back into the queue.

    `after` has a `leave`, which stays while it serves more rooms.
    """
    told = replace(after, version=before.version + 1)
    left, changes = await _requeue(tx, told, limit=STEP_ROOMS)
    if not changes:
        return await users.update(tx, before, replace(left, version=before.version), *facts)
    stored = await users.update_leaving(tx, before, told, left, *facts)
    await rooms.update_many(tx, [(one.before, one.room, one.facts) for one in changes])
    return stored


def stay(user: User, moment: datetime) -> User:
    """A user that is an agent, or active, again: the rooms from before still go back, those from now on stay."""
    if user.leave is None:
        return user
    leave = replace(user.leave, assigned_until=moment)
    if user.agent is not None and leave.open_room_count:
        agent = replace(user.agent, open_room_count=user.agent.open_room_count + leave.open_room_count)
        return replace(user, agent=agent, leave=replace(leave, open_room_count=0))
    return replace(user, leave=leave)


async def _requeue(
    tx: Transaction, user: User, *, limit: int, excluding: Sequence[str] = ()
) -> tuple[User, list[RoomTransition]]:
    """The user without the first rooms that go back, and what becomes of these. Nothing is stored here."""
    assert user.leave is not None
    ids = await rooms.list_served_ids(
        tx, user.id, limit=limit + 1, assigned_until=user.leave.assigned_until, excluding=excluding
    )
    snapshots = await rooms.get_first_snapshots(tx, ids[:limit], size=STEP_BYTES)
    changes: list[RoomTransition] = []
    last = len(snapshots) == len(ids) and not excluding
    for number, snapshot in enumerate(snapshots.values(), start=1):
        if snapshot is None or snapshot.room.served_by_id != user.id:
            raise Conflict  # it went its own way just now
        if snapshot.room.status is RoomStatus.ASSIGNED:
            user = without_room(user)
        if last and number == len(ids):
            user = replace(user, leave=None, version=user.version + 1)
        room_change = RoomTransition(tx, snapshot)
        room_change.unassign(user, AssignmentCause.AGENT_REMOVED)
        room_change.queue(external_until=external_until(snapshot.department, tx.now))
        changes.append(room_change)
    return (user if ids or excluding else replace(user, leave=None)), changes


class Departures:
    """Puts the rooms of those who left back into the queue, step by step, in one process at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._storage = services.storage
        self._begun = asyncio.Event()
        self._batch = BatchSize(STEP_ROOMS)
        self._set_aside = SetAside()
        self._logged_at = 0.0
        self._moved = 0

    def hear(self, facts: Sequence[Fact]) -> None:
        if any(isinstance(fact, UserFact) and fact.user.leave is not None for fact in facts):
            self._begun.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        holder = secrets.token_hex(8)
        self._storage.feed.listeners.add(self.hear)
        try:
            while True:
                self._begun.clear()
                if await users.list_leaving(self._storage.reader, 1):
                    await self._work(holder)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._begun.wait(), PATROL_SECONDS)
        finally:
            self._storage.feed.listeners.remove(self.hear)

    async def _work(self, holder: str) -> None:
        """Step until nothing is left that this process can do, or another one is at it."""
        database = self._storage.database
        try:
            while await leases.acquire(database, LEASE, owner=holder, seconds=LEASE_SECONDS) and await self.step():
                pass
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(RELEASE_SECONDS):
                    await leases.release(database, LEASE, owner=holder)

    async def step(self) -> bool:
        """Put a batch of rooms of every user that left back into the queue, and whether that was of any use."""
        useful = False
        for user_id, leave in (await users.list_leaving(self._storage.reader, USERS)).items():
            try:
                useful |= await self._step(user_id, leave)
            except Exception as error:
                if not await self._failed(user_id, leave, error):
                    raise
                useful = True
            await asyncio.sleep(PAUSE_SECONDS)
        return useful

    async def _step(self, user_id: str, leave: Leave) -> bool:
        excluding = self._set_aside.names()

        async def attempt(tx: Transaction) -> tuple[User | None, int]:
            await tx.lock("user", user_id)
            before = await users.find(tx, user_id)
            if before is None or before.leave is None:
                return None, 0
            after, changes = await _requeue(tx, before, limit=self._batch.current, excluding=excluding)
            if after.version == before.version:
                if after == before:  # only rooms that are set aside remain
                    return None, 0
                after = replace(after, version=before.version + 1)
            await users.update_room_counts(tx, [(before, after)])
            await rooms.update_many(tx, [(one.before, one.room, one.facts) for one in changes])
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
                "%d rooms of users that left are back in the queue; the user %s has %d assigned rooms that remain.",
                self._moved,
                user.id,
                remaining,
            )
            self._logged_at, self._moved = now, 0

    async def _failed(self, user_id: str, leave: Leave, error: Exception) -> bool:
        """Make the next step smaller, or leave out the room that fails alone; False when neither helps."""
        size = self._batch.current
        self._batch.failed(size)
        if size > 1:
            return True
        ids = await rooms.list_served_ids(
            self._storage.reader,
            user_id,
            limit=1,
            assigned_until=leave.assigned_until,
            excluding=self._set_aside.names(),
        )
        if not ids:
            return False
        pause = self._set_aside.add(ids[0])
        logger.log(
            logging.ERROR if to_unavailable(error) is None else logging.WARNING,
            "The room %s could not go back to the queue and is left out for %.0f seconds: %s: %s",
            ids[0],
            pause,
            type(error).__name__,
            error,
        )
        return True
