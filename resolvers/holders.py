"""Which entity has a unique value: its id, for callers that may read that entity."""

from collections.abc import Mapping
from types import MappingProxyType

from resolvers.auth import access
from resolvers.context import Context
from storage import rooms
from storage.entities import find_holder
from storage.errors import EntityId, Taken

#: The scopes that reading the entities with unique values needs, by their noun.
_SCOPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "user": ("users:read",),
        "role": ("users:read",),
        "visitor": ("visitors:read",),
        "room": ("rooms:read",),
        "custom field definition": (),
    }
)


async def name_holder(context: Context, refusal: Taken) -> None:
    """Add `holder` to the data of the refusal, if the caller may read the entity that has the value.

    The refused transaction has ended, so this is a read of its own. If it fails, the refusal has no `holder`.
    """
    key = refusal.taken
    if key is None or key.noun not in _SCOPES or not all(map(context.caller.has_scope, _SCOPES[key.noun])):
        return
    visible = rooms.room_query(access.visible_rooms(context.caller)) if key.noun == "room" else {}
    holder = await find_holder(context.reader, key, visible)
    if holder is not None:
        refusal.data["holder"] = {"id": EntityId(key.noun, holder)}
