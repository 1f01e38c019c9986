"""Rooms about to change, and agents and departments in it: found, seen, in time and fit for it, or refused.

What becomes of them is in rooms.py.
"""

from resolvers import access
from resolvers.operations import Change
from resolvers.room_changes import RoomChange
from resolvers.serving import let_go, require_routable
from storage import departments, rooms, users
from storage.errors import DepartmentDisabled, NotFound, RoomAlreadyAssigned, RoomClosed, StaleRevision, shorten
from storage.facts import AssignmentCause
from storage.matching import matches
from storage.records import Department, Room, RoomStatus, User
from storage.transactions import Conflict


async def open_room(change: Change, room_id: str, if_revision: int | None) -> RoomChange:
    """The room that is to change. Raises NotFound, StaleRevision or RoomClosed."""
    snapshot = await rooms.get_snapshot(change.tx, room_id)
    room = snapshot.room
    if not matches(access.visible_rooms(change.caller), room):
        raise NotFound("room", room_id, key="roomId")
    if if_revision is not None and if_revision != room.revision:
        raise StaleRevision(if_revision, room.revision)
    if room.status is RoomStatus.CLOSED:
        raise RoomClosed("The room is closed; start another one.")
    return RoomChange(change.tx, snapshot)


async def waiting_room(change: Change, room_id: str, if_revision: int | None) -> RoomChange:
    """The room that is to be assigned. Raises RoomAlreadyAssigned, with whoever serves it or keeps it on hold."""
    try:
        room_change = await open_room(change, room_id, if_revision)
    except NotFound:
        # A room that another agent took is out of this one's sight; who took it is no secret to one who tried.
        snapshot = await rooms.get_snapshot(change.tx, room_id)
        if change.caller.user is None or snapshot.served_by is None:
            raise
        room_change = RoomChange(change.tx, snapshot)
    agent = room_change.now.served_by
    if agent is not None:
        raise RoomAlreadyAssigned(agent_id=agent.id, username=agent.username)
    return room_change


async def open_department(change: Change, department_id: str, *, key: str = "departmentId") -> Department:
    department = await departments.get(change.tx, department_id, key=key)
    if not department.enabled:
        raise DepartmentDisabled(f"The department {shorten(department.name)} is disabled and takes no rooms.")
    return department


async def routable_agent(change: Change, agent_id: str, *, key: str) -> User:
    """The agent, held for this change. Raises NotFound, NotAnAgent or AgentNotRoutable."""
    await change.tx.take_turn("user", agent_id)
    agent = await users.get(change.tx, agent_id, key=key)
    require_routable(agent)
    change.tx.until_end(change.context.services.roster.claiming(agent_id))
    return agent


def server_of(room_change: RoomChange) -> User:
    agent = room_change.now.served_by
    assert agent is not None, "a room that is ASSIGNED or ON_HOLD has an agent"
    return agent


async def hold_server(change: Change, room_change: RoomChange) -> User:
    """The agent that serves the room, held for this change, which must not need another one."""
    agent = server_of(room_change)
    await change.tx.take_turn("user", agent.id)
    newest = change.context.services.roster.newest(agent)
    if newest.agent is None and newest.leave is None:  # it was removed meanwhile, and its rooms were queued
        raise Conflict
    room_change.know(newest)
    return server_of(room_change)


async def release(
    change: Change,
    room_change: RoomChange,
    cause: AssignmentCause,
    *,
    next_agent: User | None = None,
    comment: str | None = None,
) -> User:
    """Take the room from its agent, and the agent as it is without it."""
    released = await let_go(change.tx, server_of(room_change), status=room_change.room.status)
    room_change.unassign(released, cause, next_agent=next_agent, comment=comment)
    return released


async def store(change: Change, room_change: RoomChange) -> Room:
    if not room_change.facts:
        return room_change.before
    return await rooms.update(change.tx, room_change.before, room_change.room, room_change.facts)
