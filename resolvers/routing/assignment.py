"""Routes one room within the mutation that starts, unassigns or transfers it. queue.py assigns the waiting rooms."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resolvers.context import Context, RoutingSettings
from resolvers.operations import MutationContext
from resolvers.room_transition import RoomTransition
from resolvers.routing.capacity import not_routable_reason, store_room_added
from resolvers.routing.policy import AUTOMATIC, choose_for, method_for, rule_for
from storage import agent_filters, departments, users, waiting_rooms
from storage.errors import NotAnAgent, quoted
from storage.facts import AssignmentCause
from storage.filters.attributes import BOT_ROLE, accepts_rooms
from storage.filters.expressions import Expression
from storage.filters.predicates import matches
from storage.mongo.reader import Reader
from storage.records import Candidate, Department, RoutingMethod, User, WaitingRoom
from storage.transactions.conflicts import Conflict
from storage.waiting_rooms import OverdueRooms

#: How many candidates to read in addition to the agents that running mutations of this process have reserved.
SPARE_CANDIDATES = 4


async def route_or_queue(change: MutationContext, transition: RoomTransition) -> None:
    """Assign the room to the agent that its routing method chooses, or queue it."""
    if not await route(change, transition):
        queue_room(transition, change.context.services.routing, now=change.tx.now)


async def assign_to_preferred(change: MutationContext, transition: RoomTransition, agent_id: str) -> bool:
    """Assign the room to this agent if it is routable and serves the room's department. Returns whether it is.

    Raises NotFound and NotAnAgent.
    """
    agent = await users.get(change.tx, agent_id, key="preferredAgentId")
    if agent.agent is None:
        raise NotAnAgent(f"The user {quoted(agent.username)} is not an agent; call addAgent first.")
    if not_routable_reason(agent) is not None or not serves_pool(agent, transition.room.department_id):
        return False  # without a lock: routing locks another agent, and two locks in any order could deadlock
    change.tx.enter_context(change.context.services.agent_cache.reserve(agent_id))
    await change.tx.lock("user", agent_id)
    if change.context.services.agent_cache.newest(agent) is not agent:
        raise Conflict  # another mutation changed the agent before the lock
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.ROUTED)
    return True


def queue_room(transition: RoomTransition, settings: RoutingSettings, *, now: datetime) -> None:
    """Queue the room. Under EXTERNAL, a decision of an app is requested, unless it was declined."""
    rule = rule_for(transition.now.department, settings)
    transition.queue(external=rule.is_external, until=rule.external_until(now))


async def route(change: MutationContext, transition: RoomTransition) -> bool:
    """Assign the room to the agent that its routing method chooses. Returns whether there is one.

    The room is not assigned if the agent could take a waiting room that is ahead of it in the queue.
    """
    room = WaitingRoom.from_room(transition.room)
    method = _method(change, transition)
    if method not in AUTOMATIC:
        return False
    where = await agent_filters.in_force(change.tx, room, now=change.tx.now)
    # The agent cache does not have this mutation's change of the agent that it took the room from. It has the agents
    # that match a filter only for rooms that wait already.
    from_cache = transition.before.served_by_id is None and where is None
    agent = await _reserve_agent(change, room, method, where, from_cache=from_cache)
    if agent is None or await _is_behind_waiting_rooms(change, room, agent):
        return False
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.ROUTED)
    return True


def _method(change: MutationContext, transition: RoomTransition) -> RoutingMethod:
    rule = rule_for(transition.now.department, change.context.services.routing)
    return method_for(WaitingRoom.from_room(transition.room), rule)


async def _reserve_agent(
    change: MutationContext, room: WaitingRoom, method: RoutingMethod, where: Expression | None, *, from_cache: bool
) -> User | None:
    """The agent for the room, locked and reserved for this mutation. None if no agent is routable."""
    cache = change.context.services.agent_cache
    pool = room.department_id
    # The cache may lack changes of other processes. A choice from an outdated entry makes the commit conflict. The next
    # attempt reads the candidates from the database, and so does this one before it returns None.
    from_cache = from_cache and change.tx.attempt == 1
    if await _is_chosen_agent_changed(change):
        cache.contention.note_conflict()
    share = cache.contention.share(*change.context.storage.process.place)
    chosen = None
    if from_cache:
        cached = cache.tiers(pool, method, bots_first=change.context.services.routing.bots_first, share=share)
        chosen = choose_for(room, cached, method, reservations=cache.reservations, share=share)
    if chosen is None:
        from_cache = False
        limit = (SPARE_CANDIDATES + cache.reserved_agent_count) * share.count
        tiers = await list_tiers(change.tx, change.context, pool, method, where=where, limit=limit)
        chosen = choose_for(room, tiers, method, reservations=cache.reservations, share=share)
    if chosen is None:
        return None
    change.tx.enter_context(cache.reserve(chosen.id))
    await change.tx.lock("user", chosen.id)
    agent = cache.agent(chosen.id) if from_cache else await users.find(change.tx, chosen.id)
    if agent is None or not may_serve(agent, room, where):
        raise Conflict  # another mutation changed the agent: choose again
    change.tx.state.chosen_agent = (agent.id, agent.version)
    return agent


async def _is_chosen_agent_changed(change: MutationContext) -> bool:
    """Whether the agent that the attempt before chose has another version now. Attempts fail for other reasons too."""
    chosen, change.tx.state.chosen_agent = change.tx.state.chosen_agent, None
    if chosen is None:
        return False
    agent_id, version = chosen
    agent = await users.find(change.tx, agent_id)
    return agent is None or agent.version != version


async def list_tiers(
    reader: Reader,
    context: Context,
    pool: str | None,
    method: RoutingMethod,
    *,
    where: Expression | None = None,
    limit: int,
) -> Sequence[Sequence[Candidate]]:
    """The first `limit` routable agents of a department (None: of all) that match `where`, read from the database.

    With `bots_first`, the first tier has the bots.
    """
    least_loaded = method is RoutingMethod.LEAST_LOADED
    agents = await users.list_candidates(reader, pool, where=where, least_loaded=least_loaded, limit=limit)
    if not context.services.routing.bots_first:
        return (agents,)
    bots = await users.list_candidates(reader, pool, role=BOT_ROLE, where=where, least_loaded=least_loaded, limit=limit)
    return (bots, agents)


def to_tiers(agents: Sequence[User], *, bots_first: bool) -> Sequence[Sequence[Candidate]]:
    """These agents as candidates. With `bots_first`, the first tier has the bots."""
    candidates = [Candidate.from_user(agent) for agent in agents]
    if not bots_first:
        return (candidates,)
    bots = [candidate for candidate, agent in zip(candidates, agents, strict=True) if BOT_ROLE in agent.roles]
    return (bots, candidates)


def serves_pool(agent: User, pool: str | None) -> bool:
    """Whether the agent serves rooms of this department. Every agent serves rooms without a department (None)."""
    return agent.agent is not None and (pool is None or pool in agent.agent.department_ids)


def may_serve(agent: User, room: WaitingRoom, where: Expression | None) -> bool:
    """Whether routing may offer the room to the agent. `where`: the filter of the room that is in force."""
    return (
        accepts_rooms(agent)
        and serves_pool(agent, room.department_id)
        and agent.id != room.passed_over_id
        and (where is None or matches(where, agent))
    )


async def _is_behind_waiting_rooms(change: MutationContext, room: WaitingRoom, agent: User) -> bool:
    """Whether the agent could take a waiting room that is ahead of this one in the queue, by this process's cache."""
    assert agent.agent is not None
    pools = {None, *agent.agent.department_ids}
    if not change.context.services.agent_cache.has_waiting_rooms(pools):
        return False
    served = await departments.get_many(change.tx, agent.agent.department_ids)
    sources = WaitingSources.of(served.values(), change.context.services.routing, now=change.tx.now).within(pools)
    first_filtered = change.context.services.agent_cache.filtered.first_of(
        agent.id, automatic=sources.automatic, fallback=sources.fallback, now=change.tx.now, excluding=room.id
    )
    if first_filtered is not None and first_filtered < room.queue_position:
        return True
    first = await waiting_rooms.list_waiting(
        change.tx,
        sources.automatic,
        declined=sources.fallback,
        overdue=[overdue for overdue in sources.overdue if overdue.department_id in sources.fallback],
        only_agents=dict.fromkeys(pools, agent.id),
        excluding=[room.id],
        limit=1,
    )
    return any(other.queue_position < room.queue_position for other in first)


@dataclass(frozen=True, slots=True)
class WaitingSources:
    """The departments with waiting rooms that routing may assign or decline at one time. None: no department."""

    #: Departments with an automatic method.
    automatic: set[str | None] = field(default_factory=set)
    #: EXTERNAL departments with an automatic fallback. Routing assigns the rooms about which no app decides.
    fallback: set[str | None] = field(default_factory=set)
    #: The rooms of EXTERNAL departments for which the time of the decision is over.
    overdue: list[OverdueRooms] = field(default_factory=list)

    @classmethod
    def of(cls, departments: Iterable[Department], settings: RoutingSettings, *, now: datetime) -> "WaitingSources":
        sources = cls()
        for department in (None, *departments):
            pool, rule = None if department is None else department.id, rule_for(department, settings)
            if rule.method in AUTOMATIC:
                sources.automatic.add(pool)
            elif rule.is_external:
                seconds = rule.external_timeout_seconds
                since = None if seconds is None else now - timedelta(seconds=seconds)
                sources.overdue.append(OverdueRooms(pool, now, since))
                if rule.fallback in AUTOMATIC:
                    sources.fallback.add(pool)
        return sources

    def within(self, pools: Container[str | None]) -> "WaitingSources":
        """The sources without the departments that are not in `pools`. All overdue rooms remain, to be declined."""
        return WaitingSources(
            {pool for pool in self.automatic if pool in pools},
            {pool for pool in self.fallback if pool in pools},
            self.overdue,
        )
