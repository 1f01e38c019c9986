"""Claiming an agent for a room that is being routed, and who may be claimed. Rooms that wait are served in queue.py."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resolvers.context import Context
from resolvers.operations import MutationContext
from resolvers.room_transition import RoomTransition
from resolvers.routing.capacity import store_room_added
from resolvers.routing.policy import AUTOMATIC, choose_for, fallback_of, method_for
from storage import departments, rooms, users
from storage.facts import AssignmentCause
from storage.filters.attributes import BOT_ROLE, accepts_rooms
from storage.mongo.reader import Reader
from storage.records import Candidate, Department, RoutingMethod, User, WaitingRoom
from storage.rooms import OverdueRooms
from storage.transactions.transaction import Conflict

#: Agents looked at beyond those to whom changes of this process bring rooms.
SPARE_CANDIDATES = 4


async def route(change: MutationContext, transition: RoomTransition) -> bool:
    """Assign the room to the agent that its routing method chooses, and whether there was one.

    Rooms that wait already, come first and could be served by this agent are not overtaken.
    """
    room = WaitingRoom.from_room(transition.room)
    method = _method(change, transition)
    if method not in AUTOMATIC:
        return False
    # What this very change made of the agent that it took the room from has not been heard of yet.
    agent = await _reserve_agent(change, room, method, released=transition.before.served_by_id is not None)
    if agent is None or await _is_behind_waiting_rooms(change, room, agent):
        return False
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.ROUTED)
    return True


def _method(change: MutationContext, transition: RoomTransition) -> RoutingMethod:
    room, department = WaitingRoom.from_room(transition.room), transition.now.department
    return method_for(room, department, default=change.context.services.routing.method, moment=change.tx.now)


async def _reserve_agent(
    change: MutationContext, room: WaitingRoom, method: RoutingMethod, *, released: bool
) -> User | None:
    """The agent to serve the room, held for this change; None when nobody is routable."""
    roster = change.context.services.agent_cache
    pool = room.department_id
    # What was heard may be behind what other processes did. Then the claim loses, and the next attempt asks the
    # database; and so does this one before it says that nobody is there.
    trusting = change.tx.attempt == 1 and not released
    chosen = None
    if trusting:
        known = roster.tiers(pool, method, bots_first=change.context.services.routing.bots_first)
        chosen = choose_for(room, known, method, reservations=roster.reservations)
    if chosen is None:
        trusting = False
        tiers = await list_tiers(
            change.tx, change.context, pool, method, limit=SPARE_CANDIDATES + roster.reserved_agent_count
        )
        chosen = choose_for(room, tiers, method, reservations=roster.reservations)
    if chosen is None:
        return None
    change.tx.enter_context(roster.reserve(chosen.id))
    await change.tx.lock("user", chosen.id)
    agent = roster.agent(chosen.id) if trusting else await users.find(change.tx, chosen.id)
    if agent is None or not accepts_rooms(agent) or not serves_pool(agent, room.department_id):
        raise Conflict  # somebody else was quicker; look again
    return agent


async def list_tiers(
    reader: Reader, context: Context, pool: str | None, method: RoutingMethod, *, limit: int
) -> Sequence[Sequence[Candidate]]:
    """The first `limit` agents of a department (None: of all) that routing may offer a room; before them, if they come
    first, the bots."""
    least_loaded = method is RoutingMethod.LEAST_LOADED
    everybody = await users.list_candidates(reader, pool, least_loaded=least_loaded, limit=limit)
    if not context.services.routing.bots_first:
        return (everybody,)
    bots = await users.list_candidates(reader, pool, role=BOT_ROLE, least_loaded=least_loaded, limit=limit)
    return (bots, everybody)


def serves_pool(agent: User, pool: str | None) -> bool:
    """Whether the agent serves rooms of that department; those without department are everybody's."""
    return agent.agent is not None and (pool is None or pool in agent.agent.department_ids)


async def _is_behind_waiting_rooms(change: MutationContext, room: WaitingRoom, agent: User) -> bool:
    """Whether a room that the agent may be offered waits ahead of this one, as far as this process has heard."""
    assert agent.agent is not None
    pools = {None, *agent.agent.department_ids}
    if not change.context.services.agent_cache.has_waiting_rooms(pools):
        return False
    known = await departments.get_many(change.tx, agent.agent.department_ids)
    sources = WaitingSources.of(known.values(), default=change.context.services.routing.method, moment=change.tx.now)
    first = await rooms.list_waiting(
        change.tx,
        sources.automatic & pools,
        overdue=sources.overdue,
        only_agents=dict.fromkeys(pools, agent.id),
        excluding=[room.id],
        limit=1,
    )
    return any(other.queue_position < room.queue_position for other in first)


@dataclass(frozen=True, slots=True)
class WaitingSources:
    """Where rooms wait that routing serves at one moment."""

    #: Departments whose rooms are routed at once; None: rooms without department.
    automatic: set[str | None] = field(default_factory=set)
    overdue: list[OverdueRooms] = field(default_factory=list)

    @classmethod
    def of(cls, departments: Iterable[Department], *, default: RoutingMethod, moment: datetime) -> "WaitingSources":
        sources = cls({None} if default in AUTOMATIC else set())
        for one in departments:
            if one.routing in AUTOMATIC:
                sources.automatic.add(one.id)
            elif one.routing is RoutingMethod.EXTERNAL and fallback_of(one) in AUTOMATIC:
                seconds = one.external_timeout_seconds
                since = None if seconds is None else moment - timedelta(seconds=seconds)
                sources.overdue.append(OverdueRooms(one.id, moment, since))
        return sources

    def within(self, pools: Container[str | None]) -> "WaitingSources":
        """Of these, those that are in `pools`."""
        return WaitingSources(
            {pool for pool in self.automatic if pool in pools},
            [one for one in self.overdue if one.department_id in pools],
        )
