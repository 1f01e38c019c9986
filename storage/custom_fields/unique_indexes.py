"""The indexes that keep unique fields unique: each is made before its definition is true, and goes after it."""

from collections.abc import Mapping
from types import MappingProxyType

from pymongo import ASCENDING
from pymongo.errors import OperationFailure

from storage.custom_fields import epochs
from storage.errors import Duplicate, Invalid, quoted
from storage.mongo.connection import Database, new_id
from storage.records import FieldDefinition, FieldTarget
from storage.transactions.heartbeats import ProcessHeartbeat

#: Where the values of a target's fields are.
COLLECTIONS: Mapping[FieldTarget, str] = MappingProxyType(
    {FieldTarget.USER: "users", FieldTarget.VISITOR: "visitors", FieldTarget.ROOM: "rooms"}
)
PREFIX = "unique_"
DUPLICATE_KEY = 11_000
CANNOT_CREATE_INDEX = 67
INDEX_NOT_FOUND = 27


def index_name(definition_id: str) -> str:
    return f"{PREFIX}{definition_id}"


async def create(database: Database, definition: FieldDefinition) -> None:
    """Let MongoDB refuse a second document with the same value; nothing, when it does so already.

    Raises Duplicate when there is one already, and Invalid when MongoDB takes no more indexes.
    """
    path = f"fields.{definition.id}"
    try:
        await database[COLLECTIONS[definition.target]].create_index(
            [(path, ASCENDING)],
            name=index_name(definition.id),
            unique=True,
            partialFilterExpression={path: {"$exists": True}},
        )
    except OperationFailure as error:
        holders = COLLECTIONS[definition.target]
        if error.code == DUPLICATE_KEY:
            message = f"Several {holders} hold the same {definition.key}."
            raise Duplicate(message, key=definition.key) from None
        if error.code == CANNOT_CREATE_INDEX:
            message = f"MongoDB takes no more indexes of {holders}, so that {quoted(definition.key)} cannot be unique."
            raise Invalid(message, key="unique") from None
        raise


async def list_all(database: Database) -> list[tuple[FieldTarget, str]]:
    """Those that there are: each target and definition id."""
    found: list[tuple[FieldTarget, str]] = []
    for target, owner in COLLECTIONS.items():
        names = [index["name"] async for index in database[owner].list_indexes()]
        found += [(target, name.removeprefix(PREFIX)) for name in names if name.startswith(PREFIX)]
    return found


async def drop_if_unused(process: ProcessHeartbeat, definition_id: str) -> None:
    """Drop the index of a definition that is not unique, unless somebody who lives has claimed it and may be at it."""
    owner = new_id(process.database.now())
    if await process.acquire_definition_lease(definition_id, owner=owner) is not None:
        await abandon_lease(process.database, definition_id, owner=owner)


async def abandon_lease(database: Database, definition_id: str, *, owner: str) -> None:
    """End a claim, and before that drop the index that was made under it, unless it serves a unique field by now."""
    if not await epochs.is_lease_held(database, definition_id, owner=owner):
        return  # the change that made it came true, or another goes on with it
    definition = await database["custom_fields"].find_one({"_id": definition_id})
    if definition is None or not definition["unique"]:
        for target, one in await list_all(database):
            if one == definition_id:
                await _drop(database, target, one)
    await epochs.release_lease(database, definition_id, owner=owner)


async def _drop(database: Database, target: FieldTarget, definition_id: str) -> None:
    try:
        await database[COLLECTIONS[target]].drop_index(index_name(definition_id))
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise
