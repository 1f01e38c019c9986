"""What an app keeps beside rooms, users, visitors and itself. Nobody else reads it, and no event has it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import app_data, rooms, users, visitors
from storage.app_data import MAX_KEYS, AppDatum, DataOwner, DatumKey
from storage.errors import Invalid, NotFound, StaleVersion, quoted
from storage.filters.predicates import matches
from storage.mongo.reader import Reader

#: The scopes that an app needs to read and write what it keeps beside entities of each kind.
SCOPES: Mapping[DataOwner, tuple[str, ...]] = MappingProxyType(
    {
        DataOwner.ROOM: ("rooms:read",),
        DataOwner.USER: ("users:read",),
        DataOwner.VISITOR: ("visitors:read",),
        DataOwner.APP: (),
    }
)


def require_access(caller: Caller, owner: DataOwner) -> None:
    """Raise Unauthenticated or Forbidden unless the caller is an app with the scope for such entities."""
    access.require_app(caller)
    access.require(caller, SCOPES[owner])


def datum_key(caller: Caller, owner: DataOwner, owner_id: str, key: str) -> DatumKey:
    """Identifies what the caller keeps under a key. Raises Invalid if the key is not one."""
    return DatumKey(caller.id, owner, owner_id, validation.name(key, "key"))


@query()
async def find_many(context: Context, keys: Sequence[DatumKey]) -> dict[DatumKey, AppDatum]:
    """What the caller keeps under these keys, in one round trip. Missing keys are absent."""
    for owner in {key.owner for key in keys}:
        require_access(context.caller, owner)
    return await app_data.get_many(context.reader, [key for key in keys if key.app_id == context.caller.id])


@mutation()
async def set_app_data(
    change: MutationContext,
    *,
    owner: DataOwner,
    owner_id: str,
    key: str,
    value: object,
    if_version: int | None = None,
) -> AppDatum | None:
    """Store a value, or remove it if it is None. Returns the value as stored.

    `if_version`: the version that it must have, 0 if there must be none. Raises StaleVersion otherwise.
    """
    tx = change.tx
    require_access(change.caller, owner)
    wanted = datum_key(change.caller, owner, owner_id, key)
    value_json = None if value is None else validation.json_text(value, "value")
    if if_version is not None:
        validation.number(if_version, "ifVersion", minimum=0)
    await tx.lock("value", f"app data {owner} {owner_id} {change.caller.id}")
    await _require_owner(tx, change.caller, owner, owner_id)
    change.subjects.add(owner_id)
    before, index = await app_data.find_with_index(tx, wanted)
    version = 0 if before is None else before.version
    if if_version is not None and if_version != version:
        raise StaleVersion(if_version, version)
    if value_json is None:
        if before is not None:
            app_data.delete(tx, wanted, before, index)
        return None
    if before is not None:
        after = AppDatum(key=wanted.key, value_json=value_json, version=version + 1, updated_at=tx.now)
        app_data.update(tx, wanted, before, after)
        return after
    if index.count >= MAX_KEYS:
        raise Invalid(
            f"An app keeps at most {MAX_KEYS} keys beside one entity, and you have {index.count}; remove one of them "
            f"before you add {quoted(wanted.key)}.",
            key="key",
        )
    added = AppDatum(key=wanted.key, value_json=value_json, version=index.next_version(wanted.key), updated_at=tx.now)
    app_data.insert(tx, wanted, added, index)
    return added


async def _require_owner(reader: Reader, caller: Caller, owner: DataOwner, owner_id: str) -> None:
    """Raise NotFound unless there is such an entity that the caller may read."""
    match owner:
        case DataOwner.ROOM:
            room = await rooms.find(reader, owner_id)
            if room is None or room.erased_at is not None or not matches(access.visible_rooms(caller), room):
                raise NotFound("room", owner_id, key="of.roomId")
        case DataOwner.USER:
            await users.get(reader, owner_id, key="of.userId")
        case DataOwner.VISITOR:
            visitor = await visitors.get(reader, owner_id, key="of.visitorId")
            if visitor.erased_at is not None:
                raise NotFound("visitor", owner_id, key="of.visitorId")
        case DataOwner.APP:
            if owner_id != caller.id:
                raise NotFound("app", owner_id, key="of.app")
