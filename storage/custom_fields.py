"""Definitions of custom fields: stored, removed with their values, and kept unique by an index of their own.

What removed ones leave to be tidied up is in removals.py.
"""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, OperationFailure

from storage import entities, removals
from storage.database import Collection, Document
from storage.entities import Kind
from storage.errors import Duplicate, shorten
from storage.facts import CustomFieldDefined, CustomFieldRemoved, CustomFieldUpdated
from storage.field_values import ANY, option_key
from storage.records import FieldDefinition, FieldTarget, RoomStatus
from storage.transactions import Conflict, Reader, Transaction

KIND = Kind("custom_fields", FieldDefinition, noun="custom field definition")

#: Where the values of a target's fields are.
HOLDERS: Mapping[FieldTarget, str] = MappingProxyType(
    {FieldTarget.USER: "users", FieldTarget.VISITOR: "visitors", FieldTarget.ROOM: "rooms"}
)
INDEX_NAME = "unique_"
DUPLICATE_KEY = 11_000
INDEX_NOT_FOUND = 27


async def get(reader: Reader, definition_id: str) -> FieldDefinition:
    return await entities.get(reader, KIND, definition_id, key="id")


async def list_all(reader: Reader, target: FieldTarget | None = None) -> list[FieldDefinition]:
    """All definitions, or those of one target, in the order they were defined."""
    query: Document = {} if target is None else {"target": target.value}
    return await entities.list_all(reader, KIND, query)


async def insert(tx: Transaction, definition: FieldDefinition) -> FieldDefinition:
    """Define it. Raises Duplicate when the target has a field of that key."""
    try:
        definition = await entities.insert(tx, KIND, definition)
    except DuplicateKeyError:
        raise Duplicate(
            f"{definition.target.value.capitalize()}s have a custom field {definition.key} already.", key="key"
        ) from None
    tx.tell(CustomFieldDefined, definition, definition=definition)
    return definition


async def update(tx: Transaction, before: FieldDefinition, after: FieldDefinition) -> FieldDefinition:
    after = await entities.replace(tx, KIND, before, after)
    tx.tell(CustomFieldUpdated, after, definition=after)
    return after


async def delete(tx: Transaction, definition: FieldDefinition) -> None:
    """Remove the definition. Its values are out of reach from then on, since documents hold them by definition id."""
    await entities.delete(tx, KIND, definition)
    await removals.insert(tx, definition)
    tx.tell(CustomFieldRemoved, definition, number=definition.fact_count + 1, definition=definition)


async def count(reader: Reader, target: FieldTarget, *, unique: bool | None = None) -> int:
    """How many definitions a target has, or how many of them are unique."""
    query: Document = {"target": target.value} if unique is None else {"target": target.value, "unique": unique}
    return int(await reader.collection(KIND.collection).count_documents(query))


# ---------------------------------------------------------------- values


def _holder(reader: Reader, target: FieldTarget) -> Collection:
    return reader.collection(HOLDERS[target])


def unique_index(definition_id: str) -> str:
    """The name of the index that keeps a unique field unique."""
    return f"{INDEX_NAME}{definition_id}"


async def create_unique_index(reader: Reader, definition: FieldDefinition) -> None:
    """Let MongoDB refuse a second document with the same value. Raises Duplicate when there is one already."""
    path = f"fields.{definition.id}"
    try:
        await _holder(reader, definition.target).create_index(
            [(path, ASCENDING)],
            name=unique_index(definition.id),
            unique=True,
            partialFilterExpression={path: {"$exists": True}},
        )
    except OperationFailure as error:
        if error.code != DUPLICATE_KEY:
            raise
        raise Duplicate(
            f"Several {HOLDERS[definition.target]} hold the same {definition.key}.", key=definition.key
        ) from None


async def list_unique_indexes(reader: Reader) -> list[tuple[FieldTarget, str]]:
    """The indexes of unique fields that there are: each target and definition id."""
    found: list[tuple[FieldTarget, str]] = []
    for target in HOLDERS:
        names = [index["name"] async for index in _holder(reader, target).list_indexes()]
        found += [(target, name.removeprefix(INDEX_NAME)) for name in names if name.startswith(INDEX_NAME)]
    return found


async def drop_unique_index(reader: Reader, target: FieldTarget, definition_id: str) -> None:
    try:
        await _holder(reader, target).drop_index(unique_index(definition_id))
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise


async def duplicates(reader: Reader, definition: FieldDefinition, *, limit: int) -> list[tuple[object, list[str]]]:
    """The first values that several documents hold, each with the ids of the first three of those documents."""
    path = f"fields.{definition.id}"
    groups = _holder(reader, definition.target).aggregate(
        [
            {"$match": {path: {"$exists": True}}},
            {"$group": {"_id": f"${path}", "ids": {"$minN": {"input": "$_id", "n": 3}}}},
            {"$match": {"ids.1": {"$exists": True}}},
            {"$sort": {"ids": ASCENDING}},
            {"$limit": limit},
        ],
        allowDiskUse=True,
    )
    return [(group["_id"], group["ids"]) for group in await groups.to_list(limit)]


async def without_value(reader: Reader, definition: FieldDefinition, *, limit: int) -> list[str]:
    """The ids of the first documents that hold no value, in the order of their creation.

    Rooms that are closed do not count: nobody could give them one any more.
    """
    query: Document = {f"fields.{definition.id}": {"$exists": False}}
    if definition.target is FieldTarget.ROOM:
        query["status"] = {"$ne": RoomStatus.CLOSED.value}
    cursor = _holder(reader, definition.target).find(query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=limit)
    return [document["_id"] for document in await cursor.to_list(limit)]


async def iterate_values(reader: Reader, definition: FieldDefinition) -> AsyncIterator[tuple[str, Any]]:
    """Every value that is held, with the id of the document that holds it, in the order of their creation."""
    path = f"fields.{definition.id}"
    cursor = _holder(reader, definition.target).find({path: {"$exists": True}}, {path: 1}, sort=[("_id", ASCENDING)])
    async for document in cursor:
        yield document["_id"], document["fields"][definition.id]


async def count_held(reader: Reader, target: FieldTarget, definition_id: str) -> int:
    """How many documents hold a value of a definition, which may be removed already."""
    return int(await _holder(reader, target).count_documents(_having(definition_id)))


async def purge(reader: Reader, target: FieldTarget, definition_id: str, *, limit: int) -> int:
    """Take the values of a removed definition out of up to `limit` documents, and how many those were."""
    holder = _holder(reader, target)
    ids = [document["_id"] async for document in holder.find(_having(definition_id), {"_id": 1}, limit=limit)]
    if ids:
        await holder.update_many(
            {"_id": {"$in": ids}},
            {
                "$unset": {f"fields.{definition_id}": ""},
                "$pull": {"attrs": {"k": {"$in": [definition_id, option_key(definition_id)]}}},
                "$inc": {"version": 1},
            },
        )
    return len(ids)


def _having(definition_id: str) -> Document:
    # Found by the index on attrs: every document with a value has an entry there.
    return {"attrs": {"$elemMatch": {"k": definition_id, "c": ANY}}}


def path(definition: FieldDefinition) -> str:
    """Where documents hold the value of a field."""
    return f"fields.{definition.id}"


def refusal(reader: Reader, noun: str, held: Mapping[str, object], error: DuplicateKeyError) -> Exception:
    """What to raise when a unique index refused a document; the error itself when it was not a custom field's."""
    path = next(iter((error.details or {}).get("keyPattern", {})), "")
    if not path.startswith("fields."):
        return error
    definition = reader.catalog.by_id.get(path.removeprefix("fields."))
    if definition is None or not definition.unique:
        return Conflict()  # the field is gone or no longer unique, and its index about to go
    value = shorten(held.get(definition.key, ""))
    return Duplicate(f"Another {noun} holds {definition.key} {value} already; it is unique.", key=definition.key)
