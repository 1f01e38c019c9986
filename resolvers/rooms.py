"""Rooms: operations that find, list, start, assign, transfer, hold, change and close them.

Each mutation reads the room, checks that the change is allowed, and stores the result only if the room has not changed
since. If the room has changed, the mutation runs again on the new room. The room and its agent's openRoomCount change
in one transaction.
"""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import agent_filters, room_preconditions, room_starts, validation
from resolvers.agent_filters import GivenFilter
from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, assign, bind, resolve
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from resolvers.operations import MutationContext, mutation, query
from resolvers.ordering import Ordering, sort_order
from resolvers.room_starts import RoomDetails
from resolvers.room_transition import RoomTransition
from resolvers.routing.assignment import route_or_queue
from resolvers.routing.capacity import store_room_added, store_room_removed, store_room_resumed
from storage import rooms
from storage.errors import (
    Invalid,
    NotAnAgent,
    RoomAlreadyAssigned,
    RoomNotAssigned,
    RoomNotOnHold,
    RoomOnHold,
    quoted,
)
from storage.facts import AssignmentCause
from storage.filters.expressions import And, Expression
from storage.filters.predicates import matches
from storage.mongo.pagination import Page, PageArguments
from storage.mongo.sort_orders import SortOrder
from storage.records import FieldTarget, Room, RoomStatus, User

SERVED_STATUSES = frozenset({RoomStatus.ASSIGNED, RoomStatus.ON_HOLD})


@query("rooms:read", visitors=True)
async def find_room(context: Context, *, id: str | None = None, custom_field: FieldRef | None = None) -> Room | None:
    """Find a room by one of the arguments. None if the caller may not see it."""
    if id is not None:
        room = await rooms.find(context.reader, id)
    elif custom_field is not None:
        definition, value = await resolve(context.reader, FieldTarget.ROOM, custom_field)
        room = await rooms.find_by_field(context.reader, definition, value)
    else:
        raise Invalid("Identify the room by id or customField.", key="by")
    return room if room is not None and matches(access.visible_rooms(context.caller), room) else None


@query("rooms:read", visitors=True)
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Room]:
    """Rooms by id; those that do not exist, or that the caller may not see, are absent."""
    found = await rooms.get_many(context.reader, ids)
    visible = access.visible_rooms(context.caller)
    return {room_id: room for room_id, room in found.items() if matches(visible, room)}


@query("rooms:read", visitors=True)
async def list_rooms(
    context: Context,
    *,
    where: Expression | None = None,
    order_by: Ordering | None = None,
    **page: Unpack[PageArguments],
) -> Page[Room]:
    """A page of the rooms that match `where` and that the caller may see, in the order of their creation by default."""
    request = validation.page(**page)
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    return await rooms.read_page(
        context.reader,
        And((expression, access.visible_rooms(context.caller))),
        order=await room_order(context, order_by),
        page=request,
    )


async def room_order(context: Context, order_by: Ordering | None) -> SortOrder:
    """The order of storage for lists of rooms. Raises UnknownField and Invalid."""
    return await sort_order(
        context.reader,
        FieldTarget.ROOM,
        order_by,
        orders=rooms.ORDERS,
        default="STARTED_AT",
        by_field=rooms.order_by_field,
    )


@query("rooms:read")
async def list_rooms_by_agent(
    context: Context,
    agent_ids: Sequence[str],
    *,
    where: Expression | None = None,
    **page: Unpack[PageArguments],
) -> dict[str, Page[Room]]:
    """For each agent, a page of the rooms that it serves and that the caller may see, in one round trip."""
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    visible = And((expression, access.visible_rooms(context.caller)))
    return await rooms.read_pages_by_agent(context.reader, agent_ids, visible, page=validation.page(**page))


def agent_after_change(context: Context, room: Room) -> User | None:
    """The agent that serves a room, as this process cached it after its last change."""
    return None if room.served_by_id is None else context.services.agent_cache.agent(room.served_by_id)


async def get_many(context: Context, ids: Iterable[str]) -> dict[str, Room]:
    """Rooms by id, for fields of objects that the caller may read. Checks no scope."""
    return await rooms.get_many(context.reader, ids)


# ---------------------------------------------------------------- start and close


@mutation("rooms:write", visitors=True)
async def start_room(
    change: MutationContext,
    *,
    visitor_token: str | None = None,
    department_id: str | None = None,
    source: str = "api",
    subject: str | None = None,
    priority: int = 0,
    tags: Sequence[str] | None = None,
    custom_fields: Sequence[FieldAssignment] | None = None,
    agent_filter: GivenFilter | None = None,
    agent_filter_seconds: int | None = None,
    preferred_agent_id: str | None = None,
) -> Room:
    """Start a room and route it, to the preferred agent first if that one is routable.

    Records RoomStarted, and AgentAssigned or RoomQueued. A visitor starts a room of its own, unless it
    has too many open rooms.
    """
    return await room_starts.start(
        change,
        await room_starts.visitor_of(change, visitor_token),
        RoomDetails.checked(source=source, subject=subject, priority=priority, tags=tags),
        department_id=department_id,
        custom_fields=custom_fields,
        agent_filter=agent_filter,
        agent_filter_seconds=agent_filter_seconds,
        preferred_agent_id=preferred_agent_id,
    )


@mutation("rooms:write", lock=("room", "room_id"), visitors=True)
async def close_room(
    change: MutationContext,
    *,
    room_id: str,
    comment: str | None = None,
    tags: Sequence[str] | None = None,
    custom_fields: Sequence[FieldAssignment] | None = None,
    if_revision: int | None = None,
) -> Room:
    """Close a room, with tags to add and custom fields to set."""
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    room = transition.room
    fields = await assign(change.tx, FieldTarget.ROOM, room.custom_fields, custom_fields)
    if room.status in SERVED_STATUSES:
        await room_preconditions.lock_serving_agent(change, transition)
        await room_preconditions.release_agent(change, transition, AssignmentCause.CLOSED)
    transition.close(
        comment=validation.optional_text(comment, "comment"),
        tags=validation.tags([*room.tags, *(tags or ())], "tags", current=room.tags),
        custom_fields=fields,
    )
    return await room_preconditions.store(change, transition)


# ---------------------------------------------------------------- assignment


@mutation("rooms:assign", lock=("room", "room_id"))
async def assign_agent(change: MutationContext, *, room_id: str, agent_id: str, if_revision: int | None = None) -> Room:
    """Assign a waiting room to a routable agent of any department."""
    transition = await room_preconditions.require_waiting_room(change, room_id, if_revision)
    agent = await room_preconditions.require_routable_agent(change, agent_id, key="agentId")
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.ASSIGNED)
    return await room_preconditions.store(change, transition)


@mutation(lock=("room", "room_id"))
async def take_room(change: MutationContext, *, room_id: str, if_revision: int | None = None) -> Room:
    """Assign a waiting room to the logged-in user, which must be a routable agent."""
    user = access.require_user(change.caller)
    if user.agent is None:  # a user that is not an agent sees no room, so NotFound would not explain the refusal
        raise NotAnAgent(f"The user {quoted(user.username)} is not an agent, and only agents take rooms.")
    transition = await room_preconditions.require_waiting_room(change, room_id, if_revision)
    agent = await room_preconditions.require_routable_agent(change, user.id, key="agentId")
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.TAKEN)
    return await room_preconditions.store(change, transition)


@mutation("rooms:assign", lock=("room", "room_id"))
async def unassign_agent(
    change: MutationContext,
    *,
    room_id: str,
    comment: str | None = None,
    keep_place: bool = False,
    same_agent_again: bool = False,
    if_revision: int | None = None,
) -> Room:
    """Return a room to the queue. Routing does not assign it to the same agent before another agent has served it.

    `keep_place`: to its previous place. `same_agent_again`: routing may assign it to the same agent.
    """
    comment = validation.optional_text(comment, "comment")
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    if transition.room.status not in SERVED_STATUSES:
        raise RoomNotAssigned("The room has no agent that could be unassigned.")
    released = await room_preconditions.release_agent(
        change, transition, AssignmentCause.UNASSIGNED, comment=comment, keep_place=keep_place
    )
    transition.skip_agent(None if same_agent_again else released)
    await route_or_queue(change, transition)
    return await room_preconditions.store(change, transition)


@mutation("rooms:assign", lock=("room", "room_id"))
async def transfer_room(
    change: MutationContext,
    *,
    room_id: str,
    to_agent_id: str | None = None,
    to_department_id: str | None = None,
    comment: str | None = None,
    if_revision: int | None = None,
) -> Room:
    """Transfer a room to a routable agent, or to a department, which routes it by its own method."""
    comment = validation.optional_text(comment, "comment")
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    if to_agent_id is not None:
        await _transfer_to_agent(change, transition, to_agent_id, comment)
    elif to_department_id is not None:
        await _transfer_to_department(change, transition, to_department_id, comment)
    else:
        raise Invalid("Name an agent or a department to transfer to.", key="to")
    return await room_preconditions.store(change, transition)


async def _transfer_to_agent(
    change: MutationContext, transition: RoomTransition, agent_id: str, comment: str | None
) -> None:
    current = transition.now.served_by
    if current is not None and current.id == agent_id:
        raise RoomAlreadyAssigned(agent_id=current.id, username=current.username)
    agent = await room_preconditions.require_routable_agent(change, agent_id, key="to.agentId")
    if current is not None:
        current = await room_preconditions.release_agent(
            change, transition, AssignmentCause.TRANSFERRED, next_agent=agent
        )
    transition.transfer(from_agent=current, to_agent=agent, comment=comment)
    transition.assign(await store_room_added(change.tx, agent), AssignmentCause.TRANSFERRED)


async def _transfer_to_department(
    change: MutationContext, transition: RoomTransition, department_id: str, comment: str | None
) -> None:
    department = await room_preconditions.require_enabled_department(change, department_id, key="to.departmentId")
    current = transition.now.served_by
    if current is not None:
        current = await room_preconditions.release_agent(change, transition, AssignmentCause.TRANSFERRED)
    transition.transfer(from_agent=current, to_department=department, comment=comment)
    await route_or_queue(change, transition)


# ---------------------------------------------------------------- hold, resume, update


@mutation("rooms:write", lock=("room", "room_id"))
async def hold_room(
    change: MutationContext, *, room_id: str, comment: str | None = None, if_revision: int | None = None
) -> Room:
    """Put an ASSIGNED room on hold. It stays with its agent and does not count toward the agent's maxRooms."""
    comment = validation.optional_text(comment, "comment")
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    if transition.room.status is RoomStatus.ON_HOLD:
        raise RoomOnHold("The room is on hold already.")
    if transition.room.status is not RoomStatus.ASSIGNED:
        raise RoomNotAssigned("The room has no agent; only an ASSIGNED room can be put on hold.")
    agent = await room_preconditions.lock_serving_agent(change, transition)
    transition.hold(await store_room_removed(change.tx, agent, status=RoomStatus.ASSIGNED), comment=comment)
    return await room_preconditions.store(change, transition)


@mutation("rooms:write", lock=("room", "room_id"))
async def resume_room(change: MutationContext, *, room_id: str, if_revision: int | None = None) -> Room:
    """Resume a room on hold. Raises AgentNotRoutable if its agent is deactivated or serves maxRooms rooms."""
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    if transition.room.status is not RoomStatus.ON_HOLD:
        raise RoomNotOnHold("The room is not on hold.")
    transition.resume(
        await store_room_resumed(change.tx, await room_preconditions.lock_serving_agent(change, transition))
    )
    return await room_preconditions.store(change, transition)


@mutation("rooms:write", lock=("room", "room_id"))
async def update_room(
    change: MutationContext,
    *,
    room_id: str,
    subject: str | UnsetType | None = UNSET,
    priority: int | UnsetType | None = UNSET,
    tags: Sequence[str] | UnsetType | None = UNSET,
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET,
    increment: Sequence[FieldIncrement] | UnsetType | None = UNSET,
    agent_filter: GivenFilter | UnsetType | None = UNSET,
    agent_filter_seconds: int | UnsetType | None = UNSET,
    if_revision: int | None = None,
) -> Room:
    """Change the given attributes. Custom fields merge key by key. Without a change, no fact is recorded."""
    transition = await room_preconditions.require_open_room(change, room_id, if_revision)
    changes: dict[str, object] = {}
    if subject is not UNSET:
        changes["subject"] = validation.optional_text(subject, "subject")
    if priority is not UNSET:
        changes["priority"] = validation.number(
            priority or 0, "priority", minimum=-validation.MAX_INT, maximum=validation.MAX_INT
        )
    if tags is not UNSET:
        changes["tags"] = validation.tags(tags, "tags", current=transition.room.tags)
    if custom_fields or increment:
        changes["custom_fields"] = await assign(
            change.tx,
            FieldTarget.ROOM,
            transition.room.custom_fields,
            custom_fields or (),
            increments=increment or (),
        )
    changes.update(await agent_filters.changed(change, transition, agent_filter, agent_filter_seconds))
    transition.update(**changes)
    return await room_preconditions.store(change, transition)
