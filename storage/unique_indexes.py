"""The indexes that keep unique fields unique: each is made before its definition is true, and goes after it."""

from collections.abc import Mapping
from types import MappingProxyType

from pymongo import ASCENDING
from pymongo.errors import OperationFailure

from storage import rules
from storage.database import Database, new_id
from storage.errors import Duplicate, Invalid, shorten
from storage.processes import Process
from storage.records import FieldDefinition, FieldTarget

#: Where the values of a target's fields are.
HOLDERS: Mapping[FieldTarget, str] = MappingProxyType(
    {FieldTarget.USER: "users", FieldTarget.VISITOR: "visitors", FieldTarget.ROOM: "rooms"}
)
PREFIX = "unique_"
DUPLICATE_KEY = 11_000
CANNOT_CREATE_INDEX = 67
INDEX_NOT_FOUND = 27


def name_of(definition_id: str) -> str:
    return f"{PREFIX}{definition_id}"


async def create(database: Database, definition: FieldDefinition) -> None:
    """Let MongoDB refuse a second document with the same value; nothing, when it does so already.

    Raises Duplicate when there is one already, and Invalid when MongoDB takes no more indexes.
    """
    path = f"fields.{definition.id}"
    try:
        await database[HOLDERS[definition.target]].create_index(
            [(path, ASCENDING)],
            name=name_of(definition.id),
            unique=True,
            partialFilterExpression={path: {"$exists": True}},
        )
    except OperationFailure as error:
        holders = HOLDERS[definition.target]
        if error.code == DUPLICATE_KEY:
            message = f"Several {holders} hold the same {definition.key}."
            raise Duplicate(message, key=definition.key) from None
        if error.code == CANNOT_CREATE_INDEX:
            message = f"MongoDB takes no more indexes of {holders}, so that {shorten(definition.key)} cannot be unique."
            raise Invalid(message, key="unique") from None
        raise


async def list_all(database: Database) -> list[tuple[FieldTarget, str]]:
    """Those that there are: each target and definition id."""
    found: list[tuple[FieldTarget, str]] = []
    for target, holder in HOLDERS.items():
        names = [index["name"] async for index in database[holder].list_indexes()]
        found += [(target, name.removeprefix(PREFIX)) for name in names if name.startswith(PREFIX)]
    return found


async def tidy(process: Process, definition_id: str) -> None:
    """Drop the index of a definition that is not unique, unless somebody who lives has claimed it and may be at it."""
    holder = new_id(process.database.now())
    if await process.claim(definition_id, holder=holder) is not None:
        await give_up(process.database, definition_id, holder=holder)


async def give_up(database: Database, definition_id: str, *, holder: str) -> None:
    """End a claim, and before that drop the index that was made under it, unless it serves a unique field by now."""
    if not await rules.is_held(database, definition_id, holder=holder):
        return  # the change that made it came true, or another goes on with it
    definition = await database["custom_fields"].find_one({"_id": definition_id})
    if definition is None or not definition["unique"]:
        for target, one in await list_all(database):
            if one == definition_id:
                await _drop(database, target, one)
    await rules.release(database, definition_id, holder=holder)


async def _drop(database: Database, target: FieldTarget, definition_id: str) -> None:
    try:
        await database[HOLDERS[target]].drop_index(name_of(definition_id))
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise
