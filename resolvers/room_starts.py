"""The start of rooms: what startRoom and ensureRoom have in common, and ensureRoom."""

from collections.abc import Sequence

from resolvers import agent_filters, room_preconditions, validation
from resolvers.agent_filters import GivenFilter
from resolvers.auth import access
from resolvers.custom_fields.definitions import FieldRef, assign, resolve
from resolvers.custom_fields.values import FieldAssignment, other_assignments
from resolvers.operations import MutationContext, mutation
from resolvers.room_transition import RoomTransition
from resolvers.routing.assignment import assign_to_preferred, route_or_queue
from resolvers.visitors import VisitorValues, check_token, require_by_token, save
from storage import rooms, visitors
from storage.custom_fields import definitions
from storage.errors import Duplicate, Invalid, NotFound, RateLimited, UnknownField, quoted
from storage.filters.predicates import matches
from storage.mongo.connection import new_id
from storage.records import FieldTarget, FieldValue, Record, Room, RoomSnapshot, RoomStatus, Visitor
from storage.transactions.conflicts import Conflict


class RoomEnsured(Record, frozen=True, kw_only=False):
    """The answer of ensureRoom. `created` is False if the room existed already."""

    room: Room
    created: bool


class RoomDetails(Record, frozen=True):
    """The attributes of a new room that can be checked alone."""

    source: str
    subject: str | None
    priority: int
    tags: tuple[str, ...]

    @classmethod
    def checked(cls, *, source: str, subject: str | None, priority: int, tags: Sequence[str] | None) -> "RoomDetails":
        """Raises Invalid."""
        return cls(
            source=validation.name(source, "source", max_characters=64),
            subject=validation.optional_text(subject, "subject"),
            priority=validation.number(priority, "priority", minimum=-validation.MAX_INT, maximum=validation.MAX_INT),
            tags=validation.tags(tags, "tags"),
        )


async def visitor_of(change: MutationContext, visitor_token: str | None) -> Visitor:
    """The visitor of a new room."""
    tx, caller = change.tx, change.caller
    if caller.visitor is not None:
        await tx.lock("visitor", caller.visitor.token)
        visitor = await visitors.get(tx, caller.visitor.id)
        if visitor.erased_at is not None:
            raise NotFound("visitor", visitor.id, key="visitorId")
        limit = change.context.services.visitor_open_rooms
        if limit and await rooms.count_open(tx, visitor.id, limit=limit) >= limit:
            raise RateLimited(
                f"You have {limit} open rooms, which is the limit; close one of them first.", retry_after_seconds=1
            )
        # Of rooms that start at once, in any process, only one is committed. The others start again, and count it.
        await visitors.touch(tx, visitor)
        return visitor
    if visitor_token is None:
        raise Invalid("visitorToken is required: the token of the visitor who starts the room.", key="visitorToken")
    return await require_by_token(tx, visitor_token)


async def start(
    change: MutationContext,
    visitor: Visitor,
    details: RoomDetails,
    *,
    department_id: str | None,
    custom_fields: Sequence[FieldAssignment] | None,
    agent_filter: GivenFilter | None,
    agent_filter_seconds: int | None,
    preferred_agent_id: str | None,
) -> Room:
    """Start a room of this visitor and route it, to the preferred agent first if that one is routable.

    Records RoomStarted, and AgentAssigned or RoomQueued.
    """
    tx = change.tx
    department = (
        None if department_id is None else await room_preconditions.require_enabled_department(change, department_id)
    )
    room = Room(
        id=new_id(tx.now),
        status=RoomStatus.QUEUED,
        revision=0,
        visitor_id=visitor.id,
        department_id=department_id,
        source=details.source,
        subject=details.subject,
        priority=details.priority,
        tags=details.tags,
        custom_fields=await _initial_fields(change, custom_fields),
        started_at=tx.now,
        queued_at=tx.now,
        last_queued_at=tx.now,
        **await agent_filters.initial(change, agent_filter, agent_filter_seconds),
    )
    transition = RoomTransition.start(tx, RoomSnapshot(room=room, visitor=visitor, department=department))
    if preferred_agent_id is None or not await assign_to_preferred(change, transition, preferred_agent_id):
        await route_or_queue(change, transition)
    return await rooms.insert(tx, transition.room, transition.facts)


async def _initial_fields(
    change: MutationContext, custom_fields: Sequence[FieldAssignment] | None
) -> dict[str, FieldValue]:
    try:
        return await assign(change.tx, FieldTarget.ROOM, {}, custom_fields, creating=True)
    except UnknownField as error:
        if change.caller.visitor is None:
            raise
        # The message lists the keys of the custom fields, which visitors may not read.
        key = str(error.data["key"])
        raise UnknownField(f"There is no custom field {quoted(key)}.", key=key) from None


@mutation("rooms:write", "visitors:write")
async def ensure_room(
    change: MutationContext,
    *,
    by: FieldRef,
    visitor: VisitorValues,
    department_id: str | None = None,
    source: str = "api",
    subject: str | None = None,
    priority: int = 0,
    tags: Sequence[str] | None = None,
    custom_fields: Sequence[FieldAssignment] | None = None,
    agent_filter: GivenFilter | None = None,
    agent_filter_seconds: int | None = None,
    preferred_agent_id: str | None = None,
) -> RoomEnsured:
    """Find the room whose unique custom field has this value, or save the visitor and start the room.

    A room that exists, open or closed, is returned as it is, and its visitor does not change. Concurrent calls start
    one room. Raises Duplicate if the room exists and the caller may not see it.
    """
    tx = change.tx
    details = RoomDetails.checked(source=source, subject=subject, priority=priority, tags=tags)
    check_token(visitor.token, "visitor.")
    definition, value = await resolve(tx, FieldTarget.ROOM, by)
    other_fields = other_assignments(definition, value, custom_fields or (), noun="room")
    await tx.lock("value", f"{definition.id}={value}")
    present = await rooms.find_by_field(tx, definition, value)
    if present is not None:
        if not matches(access.visible_rooms(change.caller), present):
            raise Duplicate(
                f"Another room holds {definition.key} {quoted(value)} already; it is unique.", key=definition.key
            )
        return RoomEnsured(present, False)
    await tx.lock("visitor", visitor.token)
    room = await start(
        change,
        await save(tx, visitor, prefix="visitor."),
        details,
        department_id=department_id,
        custom_fields=[FieldAssignment(by.key, by.value), *other_fields],
        agent_filter=agent_filter,
        agent_filter_seconds=agent_filter_seconds,
        preferred_agent_id=preferred_agent_id,
    )
    try:
        await tx.flush()
    except Duplicate:
        if await definitions.has_value(change.context.reader, definition, value):
            raise Conflict from None  # a concurrent call started the room: the next attempt finds it
        raise
    return RoomEnsured(room, True)
