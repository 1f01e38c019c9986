"""Who served an imported room: assignments of the past."""

from resolvers import room_preconditions
from resolvers.operations import MutationContext, mutation
from resolvers.routing.capacity import store_room_added
from storage import users
from storage.errors import NotAnAgent, quoted
from storage.facts import AssignmentCause
from storage.records import Room


@mutation("rooms:assign", lock=("room", "room_id"))
async def serve_in_the_past(change: MutationContext, *, room_id: str, agent_id: str) -> Room:
    """Assign or transfer an open room to an agent, whatever its presence, status and capacity. Raises NotAnAgent.

    A room that the agent serves does not change.
    """
    transition = await room_preconditions.require_open_room(change, room_id, None)
    current = transition.now.served_by
    if current is not None and current.id == agent_id:
        return transition.room
    await change.tx.lock("user", agent_id)
    agent = await users.get(change.tx, agent_id, key="agentId")
    if agent.agent is None:
        raise NotAnAgent(f"The user {quoted(agent.username)} is not an agent.")
    cause = AssignmentCause.ASSIGNED
    if current is not None:
        cause = AssignmentCause.TRANSFERRED
        current = await room_preconditions.release_agent(change, transition, cause, next_agent=agent)
        transition.transfer(from_agent=current, to_agent=agent, comment=None)
    transition.assign(await store_room_added(change.tx, agent), cause)
    return await room_preconditions.store(change, transition)
