"""Checks before a room changes: it exists, the caller may see it, and its status, agent and department allow it."""

from resolvers.auth import access
from resolvers.operations import MutationContext
from resolvers.room_transition import RoomTransition
from resolvers.routing.capacity import require_routable, store_room_removed
from storage import departments, rooms, users
from storage.errors import DepartmentDisabled, NotFound, RoomAlreadyAssigned, RoomClosed, StaleRevision, quoted
from storage.facts import AssignmentCause
from storage.filters.predicates import matches
from storage.records import Department, Room, RoomStatus, User
from storage.transactions.conflicts import Conflict


async def require_open_room(change: MutationContext, room_id: str, if_revision: int | None) -> RoomTransition:
    """The room to change. Raises NotFound, StaleRevision or RoomClosed."""
    newest = change.context.services.agent_cache.newest
    snapshot = await rooms.get_recent_snapshot(change.tx, room_id, newest=newest)
    room = snapshot.room
    if not matches(access.visible_rooms(change.caller), room):
        raise NotFound("room", room_id, key="roomId")
    if if_revision is not None and if_revision != room.revision:
        raise StaleRevision(if_revision, room.revision)
    if room.status is RoomStatus.CLOSED:
        raise RoomClosed("The room is closed and cannot change; start another room.")
    return RoomTransition(change.tx, snapshot)


async def require_waiting_room(change: MutationContext, room_id: str, if_revision: int | None) -> RoomTransition:
    """The room to assign. Raises RoomAlreadyAssigned if it has an agent."""
    try:
        transition = await require_open_room(change, room_id, if_revision)
    except NotFound:
        # An agent may not read a room that another agent took. RoomAlreadyAssigned is more helpful than NotFound.
        snapshot = await rooms.get_snapshot(change.tx, room_id)
        if change.caller.user is None or snapshot.served_by is None:
            raise
        transition = RoomTransition(change.tx, snapshot)
    agent = transition.now.served_by
    if agent is not None:
        raise RoomAlreadyAssigned(agent_id=agent.id, username=agent.username)
    return transition


async def require_enabled_department(
    change: MutationContext, department_id: str, *, key: str = "departmentId"
) -> Department:
    department = await departments.get_recent(change.tx, department_id, key=key)
    if not department.enabled:
        raise DepartmentDisabled(f"The department {quoted(department.name)} is disabled and takes no rooms.")
    return department


async def require_routable_agent(change: MutationContext, agent_id: str, *, key: str) -> User:
    """The agent, locked and reserved for this mutation. Raises NotFound, NotAnAgent or AgentNotRoutable."""
    await change.tx.lock("user", agent_id)
    agent = change.tx.recent_of(change.context.services.agent_cache.agent(agent_id))
    if agent is None:
        agent = await users.get(change.tx, agent_id, key=key)
    require_routable(agent)
    change.tx.enter_context(change.context.services.agent_cache.reserve(agent_id))
    return agent


def serving_agent_of(transition: RoomTransition) -> User:
    agent = transition.now.served_by
    assert agent is not None, "a room that is ASSIGNED or ON_HOLD has an agent"
    return agent


async def lock_serving_agent(change: MutationContext, transition: RoomTransition) -> User:
    """The agent that serves the room, locked for this mutation. The mutation must lock no other agent."""
    agent = serving_agent_of(transition)
    await change.tx.lock("user", agent.id)
    newest = change.context.services.agent_cache.newest(agent)
    if newest.agent is None and newest.leave is None:  # the agent was removed, and its rooms are queued
        raise Conflict
    transition.update_serving_agent(newest)
    return serving_agent_of(transition)


async def release_agent(
    change: MutationContext,
    transition: RoomTransition,
    cause: AssignmentCause,
    *,
    next_agent: User | None = None,
    comment: str | None = None,
    keep_place: bool = False,
) -> User:
    """Unassign the room and store the agent without it. Returns the agent."""
    released = await store_room_removed(change.tx, serving_agent_of(transition), status=transition.room.status)
    transition.unassign(released, cause, next_agent=next_agent, comment=comment, keep_place=keep_place)
    return released


async def store(change: MutationContext, transition: RoomTransition) -> Room:
    if not transition.facts:
        return transition.before
    return await rooms.update(change.tx, transition.before, transition.room, transition.facts)
