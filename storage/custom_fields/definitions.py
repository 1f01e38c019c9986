"""Definitions of custom fields: stored, changed in steps, removed with their values; and who holds which values.

What removed ones leave to be tidied up is in purges.py, what keeps values unique in unique_indexes.py.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from storage import entities
from storage.custom_fields import epochs, purges, unique_indexes
from storage.custom_fields.unique_indexes import COLLECTIONS
from storage.entities import Kind
from storage.errors import Duplicate, quoted
from storage.facts import CustomFieldDefined, CustomFieldRemoved, CustomFieldUpdated
from storage.mongo.connection import Collection, Document
from storage.mongo.field_encoding import ANY, option_key
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, RoomStatus
from storage.transactions.transaction import Conflict, Transaction

KIND = Kind("custom_fields", FieldDefinition, noun="custom field definition")


async def get(reader: Reader, definition_id: str) -> FieldDefinition:
    return await entities.get(reader, KIND, definition_id, key="id")


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, FieldDefinition]:
    """The definitions with those ids, by id; those that do not exist are absent."""
    return await entities.get_many(reader, KIND, ids)


async def list_all(reader: Reader, target: FieldTarget | None = None) -> list[FieldDefinition]:
    """All definitions, or those of one target, in the order they were defined."""
    query: Document = {} if target is None else {"target": target.value}
    return await entities.list_all(reader, KIND, query, step_around=True)


async def insert(tx: Transaction, definition: FieldDefinition) -> FieldDefinition:
    """Define it. Raises Duplicate when the target has a field of that key."""
    definition = await entities.insert(tx, KIND, definition, refusal=lambda _: _duplicate_key_error(definition))
    await _commit_rules(tx, definition.id)
    tx.record_fact(CustomFieldDefined, definition, definition=definition)
    return definition


async def update(tx: Transaction, before: FieldDefinition, after: FieldDefinition) -> FieldDefinition:
    after = await entities.replace(tx, KIND, before, after)
    await _commit_rules(tx, after.id)
    tx.record_fact(CustomFieldUpdated, after, definition=after)
    return after


async def delete(tx: Transaction, definition: FieldDefinition) -> None:
    """Remove the definition. Its values are out of reach from then on, since documents hold them by definition id."""
    await entities.delete(tx, KIND, definition)
    await purges.insert(tx, definition)
    await _commit_rules(tx, definition.id)
    tx.record_fact(CustomFieldRemoved, definition, number=definition.fact_count + 1, definition=definition)


async def count(reader: Reader, target: FieldTarget, *, unique: bool | None = None) -> int:
    """How many definitions a target has, or how many of them are unique."""
    query: Document = {"target": target.value} if unique is None else {"target": target.value, "unique": unique}
    return int(await reader.collection(KIND.collection).count_documents(query))


async def require_key_free(reader: Reader, definition: FieldDefinition) -> None:
    """Raise Duplicate when its target has a field of that key."""
    query: Document = {"target": definition.target.value, "key": definition.key}
    if await reader.collection(KIND.collection).find_one(query, {"_id": 1}) is not None:
        raise _duplicate_key_error(definition)


def _duplicate_key_error(definition: FieldDefinition) -> Duplicate:
    message = f"{definition.target.value.capitalize()}s have a custom field {definition.key} already."
    return Duplicate(message, key="key")


# ---------------------------------------------------------------- changes in steps


async def acquire_lease(tx: Transaction, definition: FieldDefinition, *, pending: bool = False) -> int:
    """Keep everybody else from changing the rules of a definition, and its index, until this change is at its end.

    With `announced`, whoever writes values keeps to the definition from the epoch on that is returned. Starts again
    while another has a claim (Conflict).
    """
    holder = tx.state.id
    tx.state.undo_steps[definition.id] = lambda: unique_indexes.abandon_lease(tx.database, definition.id, owner=holder)
    epoch = await tx.process.acquire_definition_lease(
        definition.id, owner=holder, pending=definition if pending else None
    )
    if epoch is None:
        raise Conflict
    tx.state.leased_definitions.add(definition.id)
    return epoch


async def publish_pending(tx: Transaction, definition: FieldDefinition) -> None:
    """Return when all values that anybody will write from now on fit the definition that is to be.

    Raises Unavailable when a process does not say so in time.
    """
    await tx.process.wait_for_epoch(await acquire_lease(tx, definition, pending=True))


async def _commit_rules(tx: Transaction, definition_id: str) -> None:
    holder = tx.state.id if definition_id in tx.state.leased_definitions else None
    if not await epochs.commit_and_release(tx.database, await tx.write_session(), definition_id, owner=holder):
        raise Conflict  # others took this process for dead, and what it had claimed from it


# ---------------------------------------------------------------- values


def _holder(reader: Reader, target: FieldTarget) -> Collection:
    return reader.collection(COLLECTIONS[target])


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
    return int(await _holder(reader, target).count_documents(_holds_value(definition_id)))


async def purge_values(reader: Reader, target: FieldTarget, definition_id: str, *, limit: int) -> int:
    """Take the values of a removed definition out of up to `limit` documents, and how many those were."""
    holder = _holder(reader, target)
    ids = [document["_id"] async for document in holder.find(_holds_value(definition_id), {"_id": 1}, limit=limit)]
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


def _holds_value(definition_id: str) -> Document:
    # Found by the index on attrs: every document with a value has an entry there.
    return {"attrs": {"$elemMatch": {"k": definition_id, "c": ANY}}}


def path(definition: FieldDefinition) -> str:
    """Where documents hold the value of a field."""
    return f"fields.{definition.id}"


def unique_violation(tx: Transaction, noun: str, held: Mapping[str, object], error: DuplicateKeyError) -> Exception:
    """What to raise when a unique index refused a document; the error itself when it was not a custom field's."""
    path = next(iter((error.details or {}).get("keyPattern", {})), "")
    if not path.startswith("fields."):
        return error
    definition_id = path.removeprefix("fields.")
    definition = tx.definition_cache.by_id.get(definition_id)
    if definition is None or not definition.unique:

        async def look_again() -> None:
            await tx.definition_cache.refresh()
            await unique_indexes.drop_if_unused(tx.process, definition_id)

        return Conflict(look_again)  # the index is of a field that is no more, or not unique, here or by now
    value = quoted(held.get(definition.key, ""))
    return Duplicate(f"Another {noun} holds {definition.key} {value} already; it is unique.", key=definition.key)
