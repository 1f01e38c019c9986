"""Assigns waiting rooms whenever capacity may have appeared. assignment.py routes a room that starts or moves."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from resolvers.batch_sizes import BatchSize, ExcludedItems
from resolvers.context import Context, Services
from resolvers.room_transition import RoomTransition
from resolvers.routing import policy
from resolvers.routing.assignment import SPARE_CANDIDATES, WaitingSources, list_tiers, may_serve, to_tiers
from resolvers.routing.capacity import with_room
from resolvers.routing.policy import AUTOMATIC, RoutingRule, is_overdue, method_at, rule_for
from storage import agent_filters, departments, rooms, users, waiting_rooms
from storage.facts import AssignmentCause
from storage.records import SYSTEM, Candidate, Department, RoomSnapshot, RoutingMethod, WaitingRoom
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

#: The limit of rooms that one transaction assigns. A transaction of this size takes about 50 ms.
BATCH = 50
#: The limit of bytes of these rooms with their visitors, agents and departments, below MongoDB's transaction limits.
BATCH_BYTES = 4 * 1024 * 1024
#: The poll interval. It bounds the wait of a room whose process died before it assigned the room.
POLL_SECONDS = 1.0
#: How many rounds in a row may assign no room before the loop waits again.
MAX_EMPTY_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class PlannedAssignment:
    """The agent chosen for a waiting room, and the method that chose it.

    Without an agent, the room is overdue: the time in which an app decides about it is over, which is to be recorded.
    """

    room: WaitingRoom
    candidate: Candidate | None
    method: RoutingMethod


class RoutingQueue:
    """Assigns waiting rooms: highest priority first, then longest wait, in one order over all departments.

    Every process runs one. Assignments are compare-and-set, so concurrent queues only duplicate work.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._storage = services.storage
        self._woken = asyncio.Event()
        self._batch = BatchSize(BATCH)
        self._excluded = ExcludedItems()

    def wake(self) -> None:
        """Start a round now. Call it after a change that may let a waiting room be assigned."""
        self._woken.set()

    async def run(self) -> None:
        """Assign rooms until cancelled: after each `wake`, when a timeout or a filter ends, and at POLL_SECONDS."""
        while True:
            self._woken.clear()
            pause = min(POLL_SECONDS, await self.assign_waiting_rooms())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
                    while not self.may_assign():
                        self._woken.clear()
                        await self._woken.wait()

    def may_assign(self) -> bool:
        """Whether a room waits that routing may assign or decline, by the caches of this process.

        Most changes that wake the queue leave nothing to do, and a round reads several collections. What the caches
        lack, such as changes of other processes that are on their way, is found at POLL_SECONDS.
        """
        cache = self._services.agent_cache
        for pool in cache.waiting_pools():
            department = None
            if pool is not None:
                found = self._storage.reference_data.cached_departments([pool])
                if found is None:
                    return True
                (department,) = found
            rule = self._rule(department)
            if rule.is_external or (rule.method in AUTOMATIC and cache.accepting.get(pool)):
                return True
        return False

    async def assign_waiting_rooms(self) -> float:
        """Assign every waiting room that an agent can take. Returns the seconds until the next timeout."""
        reader = self._storage.reader
        if not await waiting_rooms.any_waiting(reader):
            return POLL_SECONDS
        clock = self._storage.database.now
        now = clock()
        matches = self._services.agent_cache.filtered.matches
        empty_rounds = 0
        while empty_rounds < MAX_EMPTY_ROUNDS:
            await matches.evaluate_some()
            now = clock()
            # In this order: what changed before an agent became routable is seen with it. A department that is older
            # than the agent could lack an automatic method, and a later room would be assigned before its rooms.
            pools = await users.list_routable_pools(reader)
            all_departments = await departments.list_all(reader)
            sources = WaitingSources.of(all_departments, self._services.routing, now=now).within(pools)
            waiting = await self._list_waiting(sources, pools, now=now)
            if not waiting:
                if matches.is_outdated:
                    continue
                break
            by_id: dict[str | None, Department] = {department.id: department for department in all_departments}
            plans = await self._plan(waiting, by_id, now=now)
            served = await self._try_to_assign(plans) if plans else 0
            empty_rounds = 0 if served or matches.is_outdated else empty_rounds + 1
        next_overdue = await waiting_rooms.next_external_until(reader, after=now)
        due = [time for time in (next_overdue, self._services.agent_cache.filtered.next_end()) if time is not None]
        return max(0.0, (min(due) - clock()).total_seconds()) if due else POLL_SECONDS

    async def _list_waiting(
        self, sources: WaitingSources, pools: Mapping[str | None, str | None], *, now: datetime
    ) -> Sequence[WaitingRoom]:
        """The first rooms that routing may assign, and overdue rooms, in the order of the queue."""
        excluded, limit = self._excluded.names(), self._batch.current
        cache, reader = self._services.agent_cache, self._storage.reader
        servable = cache.filtered.first_servable(
            cache.accepting,
            automatic=sources.automatic,
            fallback=sources.fallback,
            now=now,
            excluding=excluded,
            limit=limit,
        )
        assignable, overdue, filtered = await asyncio.gather(
            waiting_rooms.list_waiting(
                reader,
                sources.automatic,
                declined=sources.fallback,
                only_agents=pools,
                excluding=excluded,
                limit=limit,
            ),
            # All of them, also if nobody can take them: that no app decides any more is recorded in time.
            waiting_rooms.list_waiting(reader, (), overdue=sources.overdue, excluding=excluded, limit=limit),
            waiting_rooms.list_by_ids(reader, servable),
        )
        found = {room.id: room for room in (*assignable, *overdue, *filtered)}
        return sorted(found.values(), key=lambda room: room.queue_position)[:limit]

    async def _plan(
        self, waiting: Sequence[WaitingRoom], by_id: Mapping[str | None, Department], *, now: datetime
    ) -> list[PlannedAssignment]:
        """The agent for each room. Rooms that no agent can take are left out, unless they are overdue."""
        # All waiting rooms of one department have the same method: the department's method or its fallback.
        methods = {room.department_id: self._method(room, by_id.get(room.department_id), now) for room in waiting}
        tiers = await self._list_tiers(waiting, methods, now=now)
        planned = policy.plan_assignments(
            waiting, lambda room: tiers[room.id], lambda room: methods[room.department_id]
        )
        return [
            PlannedAssignment(room, chosen, methods[room.department_id])
            for room, chosen in planned
            if chosen is not None or is_overdue(room, self._rule(by_id.get(room.department_id)), now=now)
        ]

    async def _list_tiers(
        self, waiting: Sequence[WaitingRoom], methods: Mapping[str | None, RoutingMethod], *, now: datetime
    ) -> dict[str, Sequence[Sequence[Candidate]]]:
        """By room: the agents to whom routing may offer it, in tiers."""
        context, reader, cache = Context(self._services), self._storage.reader, self._services.agent_cache
        limit = len(waiting) + SPARE_CANDIDATES
        filters = {room.id: await agent_filters.in_force(reader, room, now=now) for room in waiting}
        automatic = [room for room in waiting if methods[room.department_id] in AUTOMATIC]
        groups = Counter(
            (room.department_id, room.agent_filter_expression) for room in automatic if filters[room.id] is not None
        )
        # The cache has the order of the agents that match. What they are now is read.
        candidates: dict[tuple[str | None, str | None], list[str]] = {
            (pool, text): cache.candidates(pool, text, methods[pool], limit=count + SPARE_CANDIDATES)
            for (pool, text), count in groups.items()
            if text is not None
        }
        pools = list(dict.fromkeys(room.department_id for room in automatic if filters[room.id] is None))
        agents, by_pool = await asyncio.gather(
            users.list_accepting(reader, {one for ids in candidates.values() for one in ids}),
            asyncio.gather(*(list_tiers(reader, context, pool, methods[pool], limit=limit) for pool in pools)),
        )
        unfiltered = dict(zip(pools, by_pool, strict=True))
        tiers: dict[str, Sequence[Sequence[Candidate]]] = dict.fromkeys((room.id for room in waiting), ())
        for room in automatic:
            where = filters[room.id]
            if where is None:
                tiers[room.id] = unfiltered[room.department_id]
                continue
            ids = candidates[room.department_id, room.agent_filter_expression]
            found = [agents[one] for one in ids if one in agents and may_serve(agents[one], room, where)]
            tiers[room.id] = to_tiers(found, bots_first=self._services.routing.bots_first)
        return tiers

    def _rule(self, department: Department | None) -> RoutingRule:
        return rule_for(department, self._services.routing)

    def _method(self, room: WaitingRoom, department: Department | None, now: datetime) -> RoutingMethod:
        return method_at(room, self._rule(department), now)

    def _is_current(self, plan: PlannedAssignment, snapshot: RoomSnapshot, now: datetime) -> bool:
        """Whether the room still waits unchanged, and its department still routes it by the planned method."""
        if snapshot.room.queued_at is None:
            return False
        room = WaitingRoom.from_room(snapshot.room)
        return room == plan.room and self._method(room, snapshot.department, now) is plan.method

    async def _try_to_assign(self, plans: Sequence[PlannedAssignment]) -> int:
        """Assign these rooms. Returns the number of assigned rooms.

        After a failure the next batch is half as large. A room that fails in a batch of one is excluded for a time, so
        that it does not block the queue.
        """
        try:
            served = await self._assign(plans)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            self._batch.failed(len(plans))
            if len(plans) == 1:
                room_id = plans[0].room.id
                pause = self._excluded.exclude(room_id)
                logger.error(
                    "Cannot assign the room %s. Routing excludes it for %.0f seconds. %s: %s",
                    room_id,
                    pause,
                    type(error).__name__,
                    error,
                )
            return 0
        self._batch.succeeded()
        return served

    async def _assign(self, plans: Sequence[PlannedAssignment]) -> int:
        """Assign those of the rooms that still wait, to agents that can still take them. Returns their number."""
        agent_ids = sorted({plan.candidate.id for plan in plans if plan.candidate is not None})

        async def attempt(tx: Transaction) -> int:
            for plan in plans:
                if plan.candidate is not None:
                    tx.enter_context(self._services.agent_cache.reserve(plan.candidate.id))
            # Sorted, so that concurrent transactions that lock the same agents do not deadlock.
            for agent_id in agent_ids:
                await tx.lock("user", agent_id)
            snapshots = await rooms.get_first_snapshots(tx, [plan.room.id for plan in plans], size=BATCH_BYTES)
            before = await users.get_many(tx, agent_ids) if agent_ids else {}
            agents = dict(before)
            changes: list[RoomTransition] = []
            for plan in plans:
                if plan.room.id not in snapshots:
                    break  # the next transaction assigns the rest
                snapshot = snapshots[plan.room.id]
                if snapshot is None or not self._is_current(plan, snapshot, tx.now):
                    continue
                transition = RoomTransition(tx, snapshot)
                if self._rule(snapshot.department).is_external and not snapshot.room.declined:
                    transition.decline(actor=SYSTEM)
                if plan.candidate is None:
                    transition.queue()
                    changes.append(transition)
                    continue
                agent = agents.get(plan.candidate.id)
                where = await agent_filters.in_force(tx, plan.room, now=tx.now)
                if agent is None or not may_serve(agent, plan.room, where):
                    # Another mutation changed the agent: plan again, so that no later room is assigned before this one.
                    break
                agents[agent.id] = with_room(agent, tx)
                transition.assign(agents[agent.id], AssignmentCause.ROUTED)
                changes.append(transition)
            await users.update_room_counts(
                tx, [(before[user_id], agent) for user_id, agent in agents.items() if agent is not before[user_id]]
            )
            await rooms.update_many(tx, [(change.before, change.room, change.facts) for change in changes])
            return len(changes)

        served, _ = await self._storage.transactions.run(attempt)
        return served
