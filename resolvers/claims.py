"""Claiming an agent for a room that is being routed, and who may be claimed. Rooms that wait are served in queue.py."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resolvers.context import Context
from resolvers.operations import Change
from resolvers.room_changes import RoomChange
from resolvers.routing import AUTOMATIC, choose_for, fallback_of, method_for
from resolvers.serving import take_on
from storage import departments, rooms, users
from storage.attributes import BOT_ROLE, accepts_rooms
from storage.facts import AssignmentCause
from storage.records import Candidate, Department, RoutingMethod, User, WaitingRoom
from storage.rooms import Overdue
from storage.transactions import Conflict, Reader

#: Agents looked at beyond those to whom changes of this process bring rooms.
SPARE_CANDIDATES = 4


async def route(change: Change, room_change: RoomChange) -> bool:
    """Assign the room to the agent that its routing method chooses, and whether there was one.

    Rooms that wait already, come first and could be served by this agent are not overtaken.
    """
    room = WaitingRoom.of(room_change.room)
    method = _method(change, room_change)
    if method not in AUTOMATIC:
        return False
    # What this very change made of the agent that it took the room from has not been heard of yet.
    agent = await _claim(change, room, method, released=room_change.before.served_by_id is not None)
    if agent is None or await _others_come_first(change, room, agent):
        return False
    room_change.assign(await take_on(change.tx, agent), AssignmentCause.ROUTED)
    return True


def _method(change: Change, room_change: RoomChange) -> RoutingMethod:
    room, department = WaitingRoom.of(room_change.room), room_change.now.department
    return method_for(room, department, default=change.context.services.routing.method, moment=change.tx.now)


async def _claim(change: Change, room: WaitingRoom, method: RoutingMethod, *, released: bool) -> User | None:
    """The agent to serve the room, held for this change; None when nobody is routable."""
    roster = change.context.services.roster
    pool = room.department_id
    # What was heard may be behind what other processes did. Then the claim loses, and the next attempt asks the
    # database; and so does this one before it says that nobody is there.
    trusting = change.tx.attempt == 1 and not released
    chosen = None
    if trusting:
        known = roster.tiers(pool, method, bots_first=change.context.services.routing.bots_first)
        chosen = choose_for(room, known, method, claims=roster.claims)
    if chosen is None:
        trusting = False
        tiers = await list_tiers(change.tx, change.context, pool, method, limit=SPARE_CANDIDATES + roster.claimed)
        chosen = choose_for(room, tiers, method, claims=roster.claims)
    if chosen is None:
        return None
    change.tx.until_end(roster.claiming(chosen.id))
    await change.tx.take_turn("user", chosen.id)
    agent = roster.agent(chosen.id) if trusting else await users.find(change.tx, chosen.id)
    if agent is None or not accepts_rooms(agent) or not works_in(agent, room.department_id):
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


def works_in(agent: User, pool: str | None) -> bool:
    """Whether the agent serves rooms of that department; those without department are everybody's."""
    return agent.agent is not None and (pool is None or pool in agent.agent.department_ids)


async def _others_come_first(change: Change, room: WaitingRoom, agent: User) -> bool:
    """Whether a room that the agent may be offered waits ahead of this one, as far as this process has heard."""
    assert agent.agent is not None
    pools = {None, *agent.agent.department_ids}
    if not change.context.services.roster.anybody_waits(pools):
        return False
    known = await departments.get_many(change.tx, agent.agent.department_ids)
    sources = Sources.of(known.values(), default=change.context.services.routing.method, moment=change.tx.now)
    first = await rooms.list_waiting(
        change.tx,
        sources.automatic & pools,
        overdue=sources.overdue,
        only_agents=dict.fromkeys(pools, agent.id),
        excluding=[room.id],
        limit=1,
    )
    return any(other.place < room.place for other in first)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where rooms wait that routing serves at one moment."""

    #: Departments whose rooms are routed at once; None: rooms without department.
    automatic: set[str | None] = field(default_factory=set)
    overdue: list[Overdue] = field(default_factory=list)

    @classmethod
    def of(cls, known: Iterable[Department], *, default: RoutingMethod, moment: datetime) -> "Sources":
        sources = cls({None} if default in AUTOMATIC else set())
        for one in known:
            if one.routing in AUTOMATIC:
                sources.automatic.add(one.id)
            elif one.routing is RoutingMethod.EXTERNAL and fallback_of(one) in AUTOMATIC:
                seconds = one.external_timeout_seconds
                since = None if seconds is None else moment - timedelta(seconds=seconds)
                sources.overdue.append(Overdue(one.id, moment, since))
        return sources

    def within(self, pools: Container[str | None]) -> "Sources":
        """Of these, those that are in `pools`."""
        return Sources(
            {pool for pool in self.automatic if pool in pools},
            [one for one in self.overdue if one.department_id in pools],
        )
