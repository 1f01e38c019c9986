"""The entities of snapshots as they are now, if the caller may see them.

Whoever may read an event may read its subject, so these reads check no scope of that. A room brings its visitor,
department and agents: whoever sees the room sees them without their own scope. Concurrent reads share queries.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from resolvers.auth import access
from resolvers.context import Context
from resolvers.operations import query
from storage import shared_entities
from storage.filters.expressions import EVERYTHING
from storage.filters.predicates import matches
from storage.message_records import Message
from storage.records import App, Department, FieldDefinition, Role, Room, User, Visitor
from storage.shared_entities import Read

T = TypeVar("T")


class Shown(NamedTuple):
    """An entity that an event shows."""

    id: str
    #: The room that the event is about. None if the entity itself is the subject.
    room_id: str | None = None


@query()
async def find_rooms(context: Context, ids: Sequence[str]) -> dict[str, Room]:
    """Rooms by id; those that the caller may not see are absent."""
    found = await shared_entities.get_rooms(context.reader, ids)
    visible = access.visible_rooms(context.caller)
    return {room_id: room for room_id, room in found.items() if matches(visible, room)}


@query()
async def find_messages(context: Context, shown: Sequence[Shown]) -> dict[Shown, Message]:
    visible = await _in_visible_rooms(context, shown)
    return await _find(context, visible, shared_entities.get_messages)


@query()
async def find_users(context: Context, shown: Sequence[Shown]) -> dict[Shown, User]:
    visible = await _readable(context, shown, "users:read")
    return await _find(context, visible, shared_entities.get_users)


@query()
async def find_visitors(context: Context, shown: Sequence[Shown]) -> dict[Shown, Visitor]:
    visible = await _readable(context, shown, "visitors:read")
    return await _find(context, visible, shared_entities.get_visitors)


@query()
async def find_departments(context: Context, shown: Sequence[Shown]) -> dict[Shown, Department]:
    visible = await _readable(context, shown, "users:read")
    return await _find(context, visible, shared_entities.get_departments)


@query()
async def find_roles(context: Context, ids: Sequence[str]) -> dict[str, Role]:
    return await shared_entities.get_roles(context.reader, ids)


@query()
async def find_definitions(context: Context, ids: Sequence[str]) -> dict[str, FieldDefinition]:
    return await shared_entities.get_definitions(context.reader, ids)


@query()
async def find_apps(context: Context, ids: Sequence[str]) -> dict[str, App]:
    return await shared_entities.get_apps(context.reader, ids)


async def _find(context: Context, shown: Sequence[Shown], read: Read[T]) -> dict[Shown, T]:
    found = await read(context.reader, [one.id for one in shown])
    return {one: found[one.id] for one in shown if one.id in found}


async def _readable(context: Context, shown: Sequence[Shown], scope: str) -> Sequence[Shown]:
    """Those that the caller may read, by the scope of their kind or with a room that it sees now."""
    return shown if context.caller.has_scope(scope) else await _in_visible_rooms(context, shown)


async def _in_visible_rooms(context: Context, shown: Sequence[Shown]) -> Sequence[Shown]:
    """Those that belong to no room, or to one that the caller sees now."""
    if access.visible_rooms(context.caller) == EVERYTHING:
        return shown
    rooms = await find_rooms(context, list({one.room_id for one in shown if one.room_id is not None}))
    return [one for one in shown if one.room_id is None or one.room_id in rooms]
