"""Routing of single rooms: the decisions of apps."""

from resolvers import room_preconditions, validation
from resolvers.operations import MutationContext, mutation
from resolvers.routing.assignment import route_or_queue
from resolvers.routing.policy import rule_for
from storage.errors import RoomNotWaitingForDecision
from storage.records import Room, RoomStatus


@mutation("rooms:assign", lock=("room", "room_id"))
async def decline_routing(change: MutationContext, *, room_id: str, reason: str | None = None) -> Room:
    """Let the fallback route a room that waits for the decision of an app. Raises RoomNotWaitingForDecision."""
    reason = validation.optional_text(reason, "reason")
    transition = await room_preconditions.require_open_room(change, room_id, None)
    rule = rule_for(transition.now.department, change.context.services.routing)
    if transition.room.status is not RoomStatus.QUEUED:
        raise RoomNotWaitingForDecision("The room has an agent, so it does not wait for a decision.")
    if not rule.is_external:
        raise RoomNotWaitingForDecision(f"The room does not wait for a decision: its routing is {rule.method}.")
    if transition.room.declined:
        raise RoomNotWaitingForDecision("The decision was declined before, or its time was over.")
    transition.decline(reason=reason)
    await route_or_queue(change, transition)
    return await room_preconditions.store(change, transition)
