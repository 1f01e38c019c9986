"""Definitions of custom fields as documents, and queries over the values of one definition.

The values of removed definitions are deleted by purges.py. unique_indexes.py enforces uniqueness.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from storage import entities
from storage.changes import changes_between
from storage.custom_fields import definition_leases, purges, unique_indexes
from storage.custom_fields.unique_indexes import COLLECTIONS
from storage.entities import Kind
from storage.errors import Duplicate, UniqueKey, quoted
from storage.facts import CustomFieldDefined, CustomFieldRemoved, CustomFieldUpdated
from storage.mongo.connection import Collection, Document
from storage.mongo.field_encoding import ANY, option_key
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, RoomStatus
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

KIND = Kind("custom_fields", FieldDefinition, noun="custom field definition")


async def get(reader: Reader, definition_id: str) -> FieldDefinition:
    return await entities.get(reader, KIND, definition_id, key="id")


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, FieldDefinition]:
    """The definitions with those ids, by id; those that do not exist are absent."""
    return await entities.get_many(reader, KIND, ids)


async def list_all(reader: Reader, target: FieldTarget | None = None) -> list[FieldDefinition]:
    """All definitions, or those of one target, in the order they were defined."""
    query: Document = {} if target is None else {"target": target.value}
    return await entities.list_all(reader, KIND, query, skip_undecodable=True)


async def insert(tx: Transaction, definition: FieldDefinition) -> FieldDefinition:
    """Insert a definition. Raises Duplicate if the target has a definition with that key."""
    definition = await entities.insert(tx, KIND, definition, refusal=lambda _: _duplicate_key_error(definition))
    await _increment_epoch(tx, definition.id)
    tx.record_fact(CustomFieldDefined, definition, definition=definition)
    return definition


async def update(tx: Transaction, before: FieldDefinition, after: FieldDefinition) -> FieldDefinition:
    after = await entities.replace(tx, KIND, before, after)
    await _increment_epoch(tx, after.id)
    changes = changes_between(before, after, CustomFieldUpdated.fields)
    tx.record_fact(CustomFieldUpdated, after, definition=after, changes=changes)
    return after


async def delete(tx: Transaction, definition: FieldDefinition) -> None:
    """Remove the definition. Its values are unreachable at once, because documents have them by definition id."""
    await entities.delete(tx, KIND, definition)
    await purges.insert(tx, definition)
    await _increment_epoch(tx, definition.id)
    tx.record_fact(CustomFieldRemoved, definition, number=definition.fact_count + 1, definition=definition)


async def count(reader: Reader, target: FieldTarget, *, unique: bool | None = None) -> int:
    """The number of definitions of a target: all, the unique ones, or the others."""
    query: Document = {"target": target.value} if unique is None else {"target": target.value, "unique": unique}
    return int(await reader.collection(KIND.collection).count_documents(query))


async def require_key_free(reader: Reader, definition: FieldDefinition) -> None:
    """Raise Duplicate if the target has a definition with that key."""
    query: Document = {"target": definition.target.value, "key": definition.key}
    if await reader.collection(KIND.collection).find_one(query, {"_id": 1}) is not None:
        raise _duplicate_key_error(definition)


def _duplicate_key_error(definition: FieldDefinition) -> Duplicate:
    message = f"{definition.target.value.capitalize()}s have a custom field {definition.key} already."
    refusal = Duplicate(message, key="key")
    query = {"target": definition.target.value, "key": definition.key}
    refusal.taken = UniqueKey(KIND.noun, KIND.collection, query)
    return refusal


# ---------------------------------------------------------------- changes in two steps


async def acquire_lease(tx: Transaction, definition: FieldDefinition, *, pending: bool = False) -> int:
    """Acquire the definition lease for this mutation, until it has ended. Raises Conflict while another one has it.

    With `pending`, every process that reads the definitions at the returned epoch or later enforces the definition.
    """
    owner = tx.state.id
    tx.state.undo_steps[definition.id] = lambda: unique_indexes.abandon_lease(tx.database, definition.id, owner=owner)
    epoch = await definition_leases.acquire(
        tx.process, definition.id, owner=owner, pending=definition if pending else None
    )
    if epoch is None:
        raise Conflict
    tx.state.leased_definitions.add(definition.id)
    return epoch


async def publish_pending(tx: Transaction, definition: FieldDefinition) -> None:
    """Make the definition pending, and return when every transaction of every process enforces it.

    Raises Unavailable if a process does not confirm that in time.
    """
    epoch = await acquire_lease(tx, definition, pending=True)
    await definition_leases.wait_for_epoch(tx.process, tx.definition_cache, epoch)


async def _increment_epoch(tx: Transaction, definition_id: str) -> None:
    owner = tx.state.id if definition_id in tx.state.leased_definitions else None
    session = await tx.write_session()
    if not await definition_leases.commit_and_release(tx.database, session, definition_id, owner=owner):
        raise Conflict  # another process considered this one dead, and released its leases


# ---------------------------------------------------------------- values


def _collection(reader: Reader, target: FieldTarget) -> Collection:
    return reader.collection(COLLECTIONS[target])


async def duplicates(reader: Reader, definition: FieldDefinition, *, limit: int) -> list[tuple[object, list[str]]]:
    """The first values that several documents have, each with the ids of the first three of these documents."""
    path = f"fields.{definition.id}"
    groups = _collection(reader, definition.target).aggregate(
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
    """The ids of the first documents without a value, in the order of their creation.

    Leaves out closed rooms, which cannot be changed any more.
    """
    query: Document = {f"fields.{definition.id}": {"$exists": False}}
    if definition.target is FieldTarget.ROOM:
        query["status"] = {"$ne": RoomStatus.CLOSED.value}
    cursor = _collection(reader, definition.target).find(query, {"_id": 1}, sort=[("_id", ASCENDING)], limit=limit)
    return [document["_id"] for document in await cursor.to_list(limit)]


async def iterate_values(reader: Reader, definition: FieldDefinition) -> AsyncIterator[tuple[str, Any]]:
    """Iterate over all values, each after the id of its document, in the order of the creation of the documents."""
    path = f"fields.{definition.id}"
    cursor = _collection(reader, definition.target).find(
        {path: {"$exists": True}}, {path: 1}, sort=[("_id", ASCENDING)]
    )
    async for document in cursor:
        yield document["_id"], document["fields"][definition.id]


async def count_with_value(reader: Reader, target: FieldTarget, definition_id: str) -> int:
    """The number of documents with a value of a definition, which may be removed."""
    return int(await _collection(reader, target).count_documents(_has_value(definition_id)))


async def purge_values(reader: Reader, target: FieldTarget, definition_id: str, *, limit: int) -> int:
    """Delete the values of a removed definition from up to `limit` documents. Returns the number of documents."""
    collection = _collection(reader, target)
    found = collection.find(_has_value(definition_id), {"_id": 1}, limit=limit)
    ids = [document["_id"] async for document in found]
    if ids:
        await collection.update_many(
            {"_id": {"$in": ids}},
            {
                "$unset": {f"fields.{definition_id}": ""},
                "$pull": {"attrs": {"k": {"$in": [definition_id, option_key(definition_id)]}}},
                "$inc": {"version": 1},
            },
        )
    return len(ids)


def _has_value(definition_id: str) -> Document:
    # The index on attrs has an entry for every value.
    return {"attrs": {"$elemMatch": {"k": definition_id, "c": ANY}}}


def path(definition: FieldDefinition) -> str:
    """The path of the values of a definition in documents."""
    return f"fields.{definition.id}"


async def has_value(reader: Reader, definition: FieldDefinition, value: object) -> bool:
    """Whether an entity has that value of a unique field, by a local read that includes recent writes."""
    found = _collection(reader, definition.target).with_options(read_concern=ReadConcern("local"))
    return await found.find_one({path(definition): value}, {"_id": 1}) is not None


def unique_violation(tx: Transaction, noun: str, values: Mapping[str, object], error: DuplicateKeyError) -> Exception:
    """The error to raise when a unique index refused a document. `values` are those of the document by key."""
    path = next(iter((error.details or {}).get("keyPattern", {})), "")
    if not path.startswith("fields."):
        return error
    definition_id = path.removeprefix("fields.")
    definition = tx.definition_cache.by_id.get(definition_id)
    if definition is None or not definition.unique:

        async def refresh_and_drop() -> None:
            await tx.definition_cache.refresh()
            await unique_indexes.drop_if_unused(tx.process, definition_id)

        return Conflict(refresh_and_drop)  # the definition is removed or not unique, in this cache or in the database
    value = quoted(values.get(definition.key, ""))
    return Duplicate(f"Another {noun} holds {definition.key} {value} already; it is unique.", key=definition.key)
