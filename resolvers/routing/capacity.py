"""Agents and the rooms on them: taking a room on and letting it go. departures.py has the rooms of those who leave."""

import msgspec

from storage import users
from storage.errors import AgentNotRoutable, NotAnAgent, quoted
from storage.filters.attributes import BOT_ROLE
from storage.records import AgentStatus, Presence, RoomStatus, User
from storage.transactions.transaction import Transaction

replace = msgspec.structs.replace


def not_routable_reason(user: User) -> str | None:
    """Why the agent is not routable: INACTIVE, NOT_AVAILABLE, OFFLINE or AT_CAPACITY; None when it is.

    The negation of storage.filters.attributes.is_routable, with a reason.
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
    """Raise NotAnAgent or AgentNotRoutable, with the reason, unless the user can take a room on."""
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
    """The agent with one room more, newly assigned or resumed, in its next version."""
    user = _with_count(user, +1)
    assert user.agent is not None
    return replace(user, agent=replace(user.agent, last_assigned_at=tx.now)) if assigned else user


def without_room(user: User) -> User:
    """The agent with one room less, in its next version."""
    return _with_count(user, -1)


def _with_count(user: User, by: int) -> User:
    if user.agent is not None:
        profile = replace(user.agent, open_room_count=user.agent.open_room_count + by)
        return replace(user, agent=profile, version=user.version + 1)
    assert user.leave is not None, "a user who serves rooms is an agent, or was one until just now"
    leave = replace(user.leave, open_room_count=user.leave.open_room_count + by)
    return replace(user, leave=leave, version=user.version + 1)


async def store_room_added(tx: Transaction, agent: User) -> User:
    """Store that the agent has one room more. Starts again when the agent has changed meanwhile."""
    return await _store_room_count(tx, agent, with_room(agent, tx))


async def store_room_resumed(tx: Transaction, agent: User) -> User:
    """Store that a room on hold counts again. Raises AgentNotRoutable for an agent that is INACTIVE or AT_CAPACITY."""
    reason = not_routable_reason(agent)
    if reason == "INACTIVE" or is_at_capacity(agent):
        raise not_routable_error(agent, reason="INACTIVE" if reason == "INACTIVE" else "AT_CAPACITY")
    return await _store_room_count(tx, agent, with_room(agent, tx, assigned=False))


async def store_room_removed(tx: Transaction, agent: User, *, status: RoomStatus) -> User:
    """Store that the agent no longer serves a room that was ASSIGNED or ON_HOLD; the latter did not count."""
    if status is RoomStatus.ON_HOLD:
        return agent
    return await _store_room_count(tx, agent, without_room(agent))


async def _store_room_count(tx: Transaction, before: User, after: User) -> User:
    await users.update_room_counts(tx, [(before, after)])
    return after
