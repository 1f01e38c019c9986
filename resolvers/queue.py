"""Rooms that wait and the agents they go to: claiming an agent for a room, serving the queue when capacity appears."""

import asyncio
import logging
from enum import Enum, auto

from resolvers.context import Context, Services
from resolvers.operations import Change
from resolvers.room_changes import RoomChange
from resolvers.routing import AUTOMATIC, choose, fallback_of, method_for, passes_over
from resolvers.serving import take_on
from storage import departments, rooms, users
from storage.attributes import BOT_ROLE, routable
from storage.database import now
from storage.errors import SwitchboardError
from storage.facts import AssignmentCause
from storage.records import Candidate, Department, Room, RoomStatus, RoutingMethod, User
from storage.transactions import Conflict, Transaction

logger = logging.getLogger(__name__)

#: Agents looked at beyond those that changes of this process are busy with.
SPARE_CANDIDATES = 4
#: Rooms of one look at the queue.
BATCH = 50
#: How long a room can wait beside a free agent when the process that should have served it died.
PATROL_SECONDS = 1.0


async def route(change: Change, room_change: RoomChange, *, queue_first: bool = True) -> bool:
    """Assign the room to the agent that its routing method chooses, and whether there was one.

    With `queue_first`, rooms that wait in the same pool already, and that this agent could serve, come before it.
    """
    snapshot = room_change.now
    defaults = change.context.services.routing
    method = method_for(snapshot.room, snapshot.department, default=defaults.method, moment=change.tx.now)
    agent = await _claim(change, snapshot.room, method)
    if agent is None or (queue_first and await _others_wait(change.tx, snapshot.room, agent)):
        return False
    room_change.assign(await take_on(change.tx, agent), AssignmentCause.ROUTED)
    return True


async def _claim(change: Change, room: Room, method: RoutingMethod) -> User | None:
    """The agent to serve the room, held for this change; None when nobody is routable or the method not automatic."""
    if method not in AUTOMATIC:
        return None
    turns = change.context.storage.changes.turns
    candidates = await _candidates(change, method, room.department_id)
    usable = [candidate for candidate in candidates if not passes_over(room, candidate)]
    chosen = choose(usable, method, claims=turns.count)
    if chosen is None:
        return None
    await change.tx.take_turn(chosen.id)
    agent = await users.find(change.tx, chosen.id)
    if agent is None or not routable(agent):
        raise Conflict  # somebody else was quicker; look again
    return agent


async def _candidates(change: Change, method: RoutingMethod, pool: str | None) -> list[Candidate]:
    """Routable agents, the ones to choose from first; bots alone if there are any and bots come first."""
    least_loaded = method is RoutingMethod.LEAST_LOADED
    limit = SPARE_CANDIDATES + change.context.storage.changes.turns.busy
    if change.context.services.routing.bots_first:
        bots = await users.list_candidates(change.tx, pool, role=BOT_ROLE, least_loaded=least_loaded, limit=limit)
        if bots:
            return bots
    return await users.list_candidates(change.tx, pool, least_loaded=least_loaded, limit=limit)


async def _others_wait(tx: Transaction, room: Room, agent: User) -> bool:
    waiting = await rooms.list_waiting(tx, [room.department_id], limit=BATCH)
    return any(other.id != room.id and not passes_over(other, Candidate.of(agent)) for other in waiting)


# ---------------------------------------------------------------- serving the queue


class Outcome(Enum):
    SERVED = auto()
    #: Not waiting any more.
    GONE = auto()
    #: Nobody in the pool can take a room.
    NOBODY = auto()
    #: Somebody could, but not this room.
    PASSED_OVER = auto()


class Queue:
    """Serves waiting rooms whenever something may have changed for them: highest priority first, then longest waiting.

    Several processes may serve the same queue: assignments are compare-and-set, so that the worst is work done twice.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """Something changed that may let a waiting room be served."""
        self._moved.set()

    async def run(self) -> None:
        """Serve until cancelled: when told that something moved, when a time-out ends, and on patrol."""
        while True:
            self._moved.clear()
            pause = PATROL_SECONDS
            try:
                pause = min(pause, await self.serve())
            except SwitchboardError as error:
                logger.warning("The queue could not be served, trying again: %s", error)
            except Exception:
                logger.exception("The queue could not be served, trying again.")
            try:
                async with asyncio.timeout(pause):
                    await self._moved.wait()
            except TimeoutError:
                pass

    async def serve(self) -> float:
        """Assign every waiting room that somebody can serve now; the seconds until an outside decision is overdue."""
        storage = self._services.storage
        everywhere = await departments.list_all(storage.reader)
        automatic = self._automatic_pools(everywhere)
        overdue = {one.id for one in everywhere if _falls_back(one)}
        exhausted: set[str | None] = set()
        passed_over: list[str] = []
        while automatic - exhausted or overdue - exhausted:
            waiting = await rooms.list_waiting(
                storage.reader,
                automatic - exhausted,
                overdue_pools=overdue - exhausted,
                moment=now(),
                excluding=passed_over,
                limit=BATCH,
            )
            if not waiting:
                break
            for room in waiting:
                if room.department_id in exhausted:
                    continue
                outcome = await self._assign(room.id)
                if outcome is Outcome.NOBODY:
                    exhausted.add(room.department_id)
                elif outcome is Outcome.PASSED_OVER:
                    passed_over.append(room.id)
        next_overdue = await rooms.next_external_until(storage.reader, after=now())
        return PATROL_SECONDS if next_overdue is None else (next_overdue - now()).total_seconds()

    def _automatic_pools(self, everywhere: list[Department]) -> set[str | None]:
        pools: set[str | None] = {one.id for one in everywhere if one.routing in AUTOMATIC}
        return pools | {None} if self._services.routing.method in AUTOMATIC else pools

    async def _assign(self, room_id: str) -> Outcome:
        context = Context(self._services)

        async def attempt(tx: Transaction) -> Outcome:
            snapshot = await rooms.get_snapshot(tx, room_id)
            if snapshot.room.status is not RoomStatus.QUEUED:
                return Outcome.GONE
            room_change = RoomChange(tx, snapshot)
            if not await route(Change(tx, context), room_change, queue_first=False):
                return Outcome.NOBODY if snapshot.room.passed_over is None else Outcome.PASSED_OVER
            await rooms.update(tx, snapshot.room, room_change.room, room_change.facts)
            return Outcome.SERVED

        outcome, _ = await self._services.storage.changes.run(attempt, turns=(room_id,))
        return outcome


def _falls_back(department: Department) -> bool:
    return department.routing is RoutingMethod.EXTERNAL and fallback_of(department) in AUTOMATIC
