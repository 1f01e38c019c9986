"""Takes rooms from agents that are gone: OFFLINE for as long as the room's department sets (`whenAgentGone`).

`GoneAgents` runs in every process. A lease lets one process at a time work, and each room is one transaction that
checks everything again: an agent that comes back keeps the rooms that it still has.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from resolvers import room_preconditions
from resolvers.batch_sizes import ExcludedItems
from resolvers.context import Context, Services
from resolvers.operations import MutationContext
from resolvers.room_transition import RoomTransition
from resolvers.routing.assignment import route_or_queue
from storage import departments, gone_agents, rooms
from storage.facts import AssignmentCause
from storage.filters.attributes import BOT_ROLE
from storage.mongo.connection import to_unavailable
from storage.records import AgentGoneAction, Department, RoomSnapshot, RoomStatus
from storage.transactions.keyed_locks import LockKey
from storage.transactions.leases import Lease
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

#: The agents whose rooms one query reads.
BATCH = 500
#: A pass that took t seconds is followed by a pause of this many times t, so that rooms that stay cost little.
PAUSE_FACTOR = 20
LONGEST_PAUSE_SECONDS = 60.0
LEASE_NAME = "gone agents"
RENEW_SECONDS = 3.0


class GoneAgents:
    """Returns rooms of gone agents to routing, in the departments that want it."""

    def __init__(self, services: Services, *, owner: str | None = None) -> None:
        self._services = services
        self._storage = services.storage
        self._lease = Lease(services.storage.database, LEASE_NAME, owner=owner, renew_after=RENEW_SECONDS)
        self._excluded = ExcludedItems()

    async def run(self) -> None:
        """Take all rooms whose agents are gone by now, and pause if there are none."""
        clock = asyncio.get_running_loop().time
        began = clock()
        if not await self.take_due():
            await asyncio.sleep(min(PAUSE_FACTOR * (clock() - began), LONGEST_PAUSE_SECONDS))

    async def take_due(self) -> int:
        """Take all rooms whose agents are gone by now, unless another process does it. Returns their number."""
        limits = await self._limits()
        if not limits:
            return 0
        try:
            return await self._take_due(limits)
        finally:
            await self._lease.release()

    async def _limits(self) -> dict[str | None, timedelta]:
        """For how long an agent must be OFFLINE to lose rooms, by department (None: rooms without a department)."""
        limits: dict[str | None, timedelta | None] = {None: self._default_limit()}
        for department in await departments.list_requeueing(self._storage.reader):
            limits[department.id] = _limit(department)
        return {department_id: limit for department_id, limit in limits.items() if limit is not None}

    async def _take_due(self, limits: Mapping[str | None, timedelta]) -> int:
        taken = 0
        reader, shortest = self._storage.reader, min(limits.values())
        agents = self._services.agent_cache.gone(self._storage.database.now() - shortest)
        for start in range(0, len(agents), BATCH):
            gone = dict(agents[start : start + BATCH])
            excluded = set(self._excluded.names())
            until = self._storage.database.now() - shortest
            async for room in gone_agents.iterate_rooms(reader, gone, limits, until=until):
                due = max(gone[room.agent_id], room.assigned_at) + limits[room.department_id]
                if room.id in excluded or due > self._storage.database.now():
                    continue
                if not await self._lease.acquire():
                    return taken  # another process takes them
                taken += await self._try_to_take(room.id)
        return taken

    async def _try_to_take(self, room_id: str) -> bool:
        """Take one room. A room that fails is excluded for a time, so that it does not keep others waiting."""
        try:
            taken = await self.take(room_id)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            pause = self._excluded.exclude(room_id)
            logger.log(
                logging.ERROR if to_unavailable(error) is None else logging.WARNING,
                "Cannot take the room %s from its agent, who is gone. It is excluded for %.0f seconds. %s: %s",
                room_id,
                pause,
                type(error).__name__,
                error,
            )
            return False
        if taken:
            self._services.notify_queue()
        return taken

    async def take(self, room_id: str) -> bool:
        """Take the room from its agent if the agent is gone, and route it. Returns whether it was taken."""

        async def attempt(tx: Transaction) -> bool:
            snapshot = (await rooms.get_snapshots(tx, [room_id])).get(room_id)
            if snapshot is None or not self._is_due(snapshot, tx.now):
                return False
            change, transition = MutationContext(tx, Context(self._services)), RoomTransition(tx, snapshot)
            await room_preconditions.release_agent(change, transition, AssignmentCause.AGENT_GONE)
            await route_or_queue(change, transition)
            await room_preconditions.store(change, transition)
            return True

        taken, _ = await self._storage.transactions.run(attempt, lock_keys=(LockKey("room", room_id),))
        return taken

    def _is_due(self, snapshot: RoomSnapshot, now: datetime) -> bool:
        """Whether the room's agent is gone now, by the values that the transaction read."""
        room, agent = snapshot.room, snapshot.served_by
        limit = self._default_limit() if snapshot.department is None else _limit(snapshot.department)
        if room.status is not RoomStatus.ASSIGNED or agent is None or limit is None:
            return False
        # The rooms of a removed agent or deactivated user return to the queue anyway (routing/requeue.py).
        if agent.gone_since is None or agent.agent is None or agent.leave is not None or BOT_ROLE in agent.roles:
            return False
        assert room.assigned_at is not None
        return max(agent.gone_since, room.assigned_at) + limit <= now

    def _default_limit(self) -> timedelta | None:
        routing = self._services.routing
        if routing.when_agent_gone is AgentGoneAction.KEEP:
            return None
        return timedelta(seconds=routing.agent_gone_after_seconds)


def _limit(department: Department) -> timedelta | None:
    """For how long an agent must be OFFLINE to lose the department's rooms. None: it never does."""
    if department.when_agent_gone is AgentGoneAction.KEEP:
        return None
    return timedelta(seconds=department.agent_gone_after_seconds)
