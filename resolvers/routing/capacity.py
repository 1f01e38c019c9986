"""The capacity of agents: whether an agent can take a room, and the changes of its openRoomCount."""

import msgspec

from storage import users
from storage.errors import AgentNotRoutable, NotAnAgent, quoted
from storage.filters.attributes import BOT_ROLE
from storage.records import AgentStatus, Presence, RoomStatus, User
from storage.transactions.transaction import Transaction

replace = msgspec.structs.replace


def not_routable_reason(user: User) -> str | None:
    """INACTIVE, NOT_AVAILABLE, OFFLINE or AT_CAPACITY. None if the agent is routable.

    It must agree with storage.filters.attributes.is_routable.
    """
    agent = user.agent
    if agent is None or not user.active:
        return "INACTIVE"
    if agent.status is not AgentStatus.AVAILABLE:
        return "NOT_AVAILABLE"
    if user.presence is Presence.OFFLINE and BOT_ROLE not in user.roles:
        return "OFFLINE"
    return "AT_CAPACITY" if is_at_capacity(user) else None


def is_at_capacity(user: User) -> bool:
    agent = user.agent
    return agent is not None and agent.max_rooms is not None and agent.open_room_count >= agent.max_rooms


def require_routable(user: User) -> None:
    """Raise NotAnAgent or AgentNotRoutable unless the user can take a room."""
    if user.agent is None:
        raise NotAnAgent(f"The user {quoted(user.username)} is not an agent; call addAgent first.")
    reason = not_routable_reason(user)
    if reason is not None:
        raise not_routable_error(user, reason=reason)


def not_routable_error(user: User, *, reason: str) -> AgentNotRoutable:
    return AgentNotRoutable(f"The agent {quoted(user.username)} cannot take a room: {_REASONS[reason]}", reason=reason)


_REASONS = {
    "INACTIVE": "its user is deactivated.",
    "NOT_AVAILABLE": "its status is NOT_AVAILABLE.",
    "OFFLINE": "it is OFFLINE and does not have the role bot.",
    "AT_CAPACITY": "it serves as many rooms as its maxRooms allows.",
}


# ---------------------------------------------------------------- counts


def with_room(user: User, tx: Transaction, *, assigned: bool = True) -> User:
    """The next version of the agent, with one more room, which is newly assigned or resumed."""
    user = _with_count(user, +1)
    assert user.agent is not None
    return replace(user, agent=replace(user.agent, last_assigned_at=tx.now)) if assigned else user


def without_room(user: User) -> User:
    """The next version of the agent, with one room less."""
    return _with_count(user, -1)


def _with_count(user: User, by: int) -> User:
    if user.agent is not None:
        profile = replace(user.agent, open_room_count=user.agent.open_room_count + by)
        return replace(user, agent=profile, version=user.version + 1)
    assert user.leave is not None, "a user that serves rooms is an agent, or a removed agent with a leave"
    leave = replace(user.leave, open_room_count=user.leave.open_room_count + by)
    return replace(user, leave=leave, version=user.version + 1)


async def store_room_added(tx: Transaction, agent: User) -> User:
    """Store the agent with one more room. The transaction conflicts if the agent has changed."""
    return await _store_room_count(tx, agent, with_room(agent, tx))


async def store_room_resumed(tx: Transaction, agent: User) -> User:
    """Store the agent with a resumed room. Raises AgentNotRoutable if the agent is INACTIVE or AT_CAPACITY."""
    reason = not_routable_reason(agent)
    if reason == "INACTIVE" or is_at_capacity(agent):
        raise not_routable_error(agent, reason="INACTIVE" if reason == "INACTIVE" else "AT_CAPACITY")
    return await _store_room_count(tx, agent, with_room(agent, tx, assigned=False))


async def store_room_removed(tx: Transaction, agent: User, *, status: RoomStatus) -> User:
    """Store the agent without a room of this status. An ON_HOLD room does not count, so it changes nothing."""
    if status is RoomStatus.ON_HOLD:
        return agent
    return await _store_room_count(tx, agent, without_room(agent))


async def _store_room_count(tx: Transaction, before: User, after: User) -> User:
    await users.update_room_counts(tx, [(before, after)])
    return after
