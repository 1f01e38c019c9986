"""Routing of single rooms: their assignments, and the decisions of apps."""

from collections.abc import Sequence

from typing_extensions import Unpack

from resolvers import room_preconditions, validation
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from resolvers.routing.assignment import route_or_queue
from resolvers.routing.policy import rule_for
from storage import assignments
from storage.assignments import Assignment
from storage.errors import RoomNotWaitingForDecision
from storage.mongo.pagination import Page, PageArguments
from storage.records import Room, RoomStatus


@query("rooms:read")
async def list_assignments(
    context: Context, room_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[Assignment]]:
    """For each of these rooms, which the caller may read, a page of its assignments, oldest first."""
    return await assignments.read_pages(context.reader, room_ids, page=validation.page(**page))


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
