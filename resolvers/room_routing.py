"""Routing of single rooms: their assignments, the decisions of apps, and explanations."""

import asyncio
from collections.abc import Sequence

from typing_extensions import Unpack

from resolvers import room_preconditions, validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from resolvers.routing.assignment import SPARE_CANDIDATES, list_tiers, route_or_queue
from resolvers.routing.explanation import Explanation, consider, explain, explain_not_waiting, ordering_of
from resolvers.routing.policy import choose_for, rule_for
from storage import agent_filters, assignments, departments, rooms, users, waiting_rooms
from storage.assignments import Assignment
from storage.errors import RoomNotWaitingForDecision
from storage.filters.predicates import matches
from storage.mongo.counts import COUNT_LIMIT
from storage.mongo.pagination import Page, PageArguments
from storage.records import Room, RoomStatus, RoutingMethod, WaitingRoom

#: The most agents that an explanation considers.
MAX_CONSIDERED = 200


@query("rooms:read")
async def list_assignments(
    context: Context, room_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[Assignment]]:
    """For each of these rooms, which the caller may read, a page of its assignments, oldest first."""
    return await assignments.read_pages(context.reader, room_ids, page=validation.page(**page))


@query("rooms:read", "users:read")
async def explain_routing(context: Context, *, room_id: str) -> Explanation | None:
    """Why nobody serves a waiting room, and what routing does next. None if the caller may not see the room."""
    room = await rooms.find(context.reader, room_id)
    if room is None or not matches(access.visible_rooms(context.caller), room):
        return None
    settings, now = context.services.routing, context.storage.database.now()
    department = None if room.department_id is None else await departments.get(context.reader, room.department_id)
    rule = rule_for(department, settings)
    if room.status is not RoomStatus.QUEUED:
        return explain_not_waiting(room.status, rule)
    waiting = WaitingRoom.from_room(room)
    order = ordering_of(waiting, rule, now)
    where = await agent_filters.in_force(context.reader, waiting, now=now)
    ahead, considered, tiers = await asyncio.gather(
        waiting_rooms.count_ahead(context.reader, waiting, limit=COUNT_LIMIT),
        users.list_considered(
            context.reader,
            room.department_id,
            least_loaded=order is RoutingMethod.LEAST_LOADED,
            bots_first=settings.bots_first,
            limit=MAX_CONSIDERED,
        ),
        list_tiers(context.reader, context, room.department_id, order, where=where, limit=SPARE_CANDIDATES),
    )
    chosen = choose_for(waiting, tiers, order)
    chosen_user = None if chosen is None else await users.find(context.reader, chosen.id)
    return explain(
        waiting,
        rule,
        consider(waiting, considered, order, where=where, bots_first=settings.bots_first),
        position=ahead + 1,
        next_agent=None if chosen_user is None else chosen_user.username,
        is_filtered=where is not None,
        now=now,
    )


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
