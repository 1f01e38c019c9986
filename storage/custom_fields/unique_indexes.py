"""The unique index of each unique field: created before the definition is committed, dropped after its removal."""

from collections.abc import Mapping
from types import MappingProxyType

from pymongo import ASCENDING
from pymongo.errors import OperationFailure

from storage.custom_fields import definition_leases
from storage.errors import Duplicate, Invalid, quoted
from storage.mongo.connection import Database, new_id
from storage.records import FieldDefinition, FieldTarget
from storage.transactions.heartbeats import ProcessHeartbeat

#: The collection of each target.
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
    """Create the index unless it exists.

    Raises Duplicate if several documents have the same value, and Invalid if the collection has as many indexes as
    MongoDB allows.
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
        collection = COLLECTIONS[definition.target]
        if error.code == DUPLICATE_KEY:
            message = f"Several {collection} hold the same {definition.key}."
            raise Duplicate(message, key=definition.key) from None
        if error.code == CANNOT_CREATE_INDEX:
            key = quoted(definition.key)
            message = f"MongoDB takes no more indexes of {collection}, so that {key} cannot be unique."
            raise Invalid(message, key="unique") from None
        raise


async def list_all(database: Database) -> list[tuple[FieldTarget, str]]:
    """The target and the definition id of every unique index."""
    found: list[tuple[FieldTarget, str]] = []
    for target, collection in COLLECTIONS.items():
        names = [index["name"] async for index in database[collection].list_indexes()]
        found += [(target, name.removeprefix(PREFIX)) for name in names if name.startswith(PREFIX)]
    return found


async def drop_if_unused(process: ProcessHeartbeat, definition_id: str) -> None:
    """Drop the index of a definition that is not unique, unless a mutation has the lease of the definition."""
    owner = new_id(process.database.now())
    if await definition_leases.acquire(process, definition_id, owner=owner) is not None:
        await abandon_lease(process.database, definition_id, owner=owner)


async def abandon_lease(database: Database, definition_id: str, *, owner: str) -> None:
    """Drop the index that was created under the lease, unless the definition is unique now, and release the lease."""
    if not await definition_leases.is_held(database, definition_id, owner=owner):
        return  # the mutation is committed, or has lost the lease
    definition = await database["custom_fields"].find_one({"_id": definition_id})
    if definition is None or not definition["unique"]:
        for target, indexed_id in await list_all(database):
            if indexed_id == definition_id:
                await _drop(database, target, definition_id)
    await definition_leases.release(database, definition_id, owner=owner)


async def _drop(database: Database, target: FieldTarget, definition_id: str) -> None:
    try:
        await database[COLLECTIONS[target]].drop_index(index_name(definition_id))
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise
