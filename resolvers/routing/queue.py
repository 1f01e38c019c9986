"""Serving rooms that wait, whenever capacity may have appeared; claiming for a room on its way in is in
assignment.py."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from resolvers.batch_sizes import BatchSize, SetAside
from resolvers.context import Context, Services
from resolvers.room_transition import RoomTransition
from resolvers.routing import policy
from resolvers.routing.assignment import SPARE_CANDIDATES, WaitingSources, list_tiers, serves_pool
from resolvers.routing.capacity import with_room
from resolvers.routing.policy import method_for
from storage import departments, rooms, users
from storage.facts import AssignmentCause
from storage.filters.attributes import accepts_rooms
from storage.records import Candidate, Department, RoomSnapshot, RoutingMethod, WaitingRoom
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

#: Rooms that are assigned in one transaction: as many as keep others waiting for some 50 ms.
BATCH = 50
#: Bytes that they may take with everybody around them. MongoDB refuses a transaction that takes much of its cache.
BATCH_BYTES = 4 * 1024 * 1024
#: How long a room can wait beside a free agent when the process that should have served it died.
POLL_SECONDS = 1.0
#: Looks at the queue in a row from which nothing comes before others have their turn.
MAX_EMPTY_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class PlannedAssignment:
    """Whom a waiting room is to get, and by which method that was chosen."""

    room: WaitingRoom
    candidate: Candidate
    method: RoutingMethod


class RoutingQueue:
    """Serves waiting rooms: highest priority first, then longest waiting, over all departments that an agent serves.

    Several processes may serve the same queue: assignments are compare-and-set, so that the worst is work done twice.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._storage = services.storage
        self._moved = asyncio.Event()
        self._batch = BatchSize(BATCH)
        self._set_aside = SetAside()

    def wake(self) -> None:
        """Something changed that may let a waiting room be served."""
        self._moved.set()

    async def run(self) -> None:
        """Serve until cancelled: when told that something moved, when a time-out ends, and on patrol."""
        while True:
            self._moved.clear()
            pause = min(POLL_SECONDS, await self.assign_waiting_rooms())
            try:
                async with asyncio.timeout(pause):
                    await self._moved.wait()
            except TimeoutError:
                pass

    async def assign_waiting_rooms(self) -> float:
        """Assign every waiting room that somebody can serve now; the seconds until an outside decision is overdue."""
        reader = self._storage.reader
        if not await rooms.any_waiting(reader):
            return POLL_SECONDS
        now = self._storage.database.now
        moment = now()
        fruitless = 0
        while fruitless < MAX_EMPTY_ROUNDS:
            moment = now()
            pools, known = await asyncio.gather(users.list_routable_pools(reader), departments.list_all(reader))
            if not pools:
                break
            open_to = WaitingSources.of(known, default=self._services.routing.method, moment=moment).within(pools)
            waiting = await rooms.list_waiting(
                reader,
                open_to.automatic,
                overdue=open_to.overdue,
                only_agents=pools,
                excluding=self._set_aside.names(),
                limit=self._batch.current,
            )
            if not waiting:
                break
            plans = await self._plan(waiting, {one.id: one for one in known}, moment=moment)
            served = await self._try_to_assign(plans) if plans else 0
            fruitless = 0 if served else fruitless + 1
        next_overdue = await rooms.next_external_until(reader, after=moment)
        return POLL_SECONDS if next_overdue is None else max(0.0, (next_overdue - now()).total_seconds())

    async def _plan(
        self, waiting: Sequence[WaitingRoom], known: Mapping[str | None, Department], *, moment: datetime
    ) -> list[PlannedAssignment]:
        """Whom each room is to get; rooms that nobody can serve are left out."""
        # All rooms of one department that routing serves now have the same method: its own, or its fall-back.
        methods = {room.department_id: self._method(room, known.get(room.department_id), moment) for room in waiting}
        context, reader = Context(self._services), self._storage.reader
        limit = len(waiting) + SPARE_CANDIDATES
        found = await asyncio.gather(
            *(list_tiers(reader, context, pool, method, limit=limit) for pool, method in methods.items())
        )
        tiers = dict(zip(methods, found, strict=True))
        planned = policy.plan_assignments(waiting, tiers, lambda room: methods[room.department_id])
        return [
            PlannedAssignment(room, chosen, methods[room.department_id])
            for room, chosen in planned
            if chosen is not None
        ]

    def _method(self, room: WaitingRoom, department: Department | None, moment: datetime) -> RoutingMethod:
        return method_for(room, department, default=self._services.routing.method, moment=moment)

    def _is_current(self, plan: PlannedAssignment, snapshot: RoomSnapshot, moment: datetime) -> bool:
        """Whether the room still waits as it did, in a department that still routes it as it did."""
        if snapshot.room.queued_at is None:
            return False
        room = WaitingRoom.from_room(snapshot.room)
        return room == plan.room and self._method(room, snapshot.department, moment) is plan.method

    async def _try_to_assign(self, plans: Sequence[PlannedAssignment]) -> int:
        """Assign these rooms, and how many those were. When that fails, the next batch is half as large; a room that
        cannot be assigned alone is left out for a while, so that it keeps no other room waiting."""
        try:
            served = await self._assign(plans)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            self._batch.failed(len(plans))
            if len(plans) == 1:
                room_id = plans[0].room.id
                pause = self._set_aside.add(room_id)
                logger.error(
                    "The room %s could not be assigned and is left out for %.0f seconds: %s: %s",
                    room_id,
                    pause,
                    type(error).__name__,
                    error,
                )
            return 0
        self._batch.succeeded()
        return served

    async def _assign(self, plans: Sequence[PlannedAssignment]) -> int:
        """Assign all of these rooms that still wait to those agents that still can, and how many those were."""
        agent_ids = sorted({plan.candidate.id for plan in plans})

        async def attempt(tx: Transaction) -> int:
            for plan in plans:
                tx.enter_context(self._services.agent_cache.reserve(plan.candidate.id))
            # In order, because others who do the same at the same time would otherwise wait for each other.
            for agent_id in agent_ids:
                await tx.lock("user", agent_id)
            snapshots = await rooms.get_first_snapshots(tx, [plan.room.id for plan in plans], size=BATCH_BYTES)
            before = await users.get_many(tx, agent_ids)
            agents = dict(before)
            changes: list[RoomTransition] = []
            for plan in plans:
                if plan.room.id not in snapshots:
                    break  # the rest is for the next transaction
                snapshot, agent = snapshots[plan.room.id], agents.get(plan.candidate.id)
                if snapshot is None or not self._is_current(plan, snapshot, tx.now):
                    continue
                if agent is None or not accepts_rooms(agent) or not serves_pool(agent, plan.room.department_id):
                    break  # somebody else was quicker: look again, for whoever comes later must not overtake this room
                transition = RoomTransition(tx, snapshot)
                agents[agent.id] = with_room(agent, tx)
                transition.assign(agents[agent.id], AssignmentCause.ROUTED)
                changes.append(transition)
            await users.update_room_counts(
                tx, [(before[one], agents[one]) for one in agents if agents[one] is not before[one]]
            )
            await rooms.update_many(tx, [(one.before, one.room, one.facts) for one in changes])
            return len(changes)

        served, _ = await self._storage.transactions.run(attempt)
        return served
