"""The entities of snapshots as they are now, if the caller may see them.

A caller that may read an event may read its subject without a further scope. A caller that may see a room may see its
visitor, department and agents without their scopes. Concurrent reads share queries.
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


class EventEntity(NamedTuple):
    """An entity in an event."""

    id: str
    #: The room that is the subject of the event. None if the entity itself is the subject.
    room_id: str | None = None


@query(visitors=True)
async def find_rooms(context: Context, ids: Sequence[str]) -> dict[str, Room]:
    """Rooms by id; those that the caller may not see are absent."""
    found = await shared_entities.get_rooms(context.reader, ids)
    visible = access.visible_rooms(context.caller)
    return {room_id: room for room_id, room in found.items() if matches(visible, room)}


@query(visitors=True)
async def find_messages(context: Context, entities: Sequence[EventEntity]) -> dict[EventEntity, Message]:
    visible = await _in_visible_rooms(context, entities)
    return await _find(context, visible, shared_entities.get_messages)


@query(visitors=True)
async def find_users(context: Context, entities: Sequence[EventEntity]) -> dict[EventEntity, User]:
    visible = await _readable(context, entities, "users:read")
    return await _find(context, visible, shared_entities.get_users)


@query(visitors=True)
async def find_visitors(context: Context, entities: Sequence[EventEntity]) -> dict[EventEntity, Visitor]:
    visible = await _readable(context, entities, "visitors:read")
    return await _find(context, visible, shared_entities.get_visitors)


@query(visitors=True)
async def find_departments(context: Context, entities: Sequence[EventEntity]) -> dict[EventEntity, Department]:
    visible = await _readable(context, entities, "users:read")
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


async def _find(context: Context, entities: Sequence[EventEntity], read: Read[T]) -> dict[EventEntity, T]:
    found = await read(context.reader, [entity.id for entity in entities])
    return {entity: found[entity.id] for entity in entities if entity.id in found}


async def _readable(context: Context, entities: Sequence[EventEntity], scope: str) -> Sequence[EventEntity]:
    """The entities that the caller may read: by this scope, or because it may see their room now."""
    return entities if context.caller.has_scope(scope) else await _in_visible_rooms(context, entities)


async def _in_visible_rooms(context: Context, entities: Sequence[EventEntity]) -> Sequence[EventEntity]:
    """The entities with a room that the caller may see now, and those without a room if the caller is no visitor."""
    if access.visible_rooms(context.caller) == EVERYTHING:
        return entities
    rooms = await find_rooms(context, list({entity.room_id for entity in entities if entity.room_id is not None}))
    roomless = context.caller.visitor is None
    return [entity for entity in entities if entity.room_id in rooms or (roomless and entity.room_id is None)]
