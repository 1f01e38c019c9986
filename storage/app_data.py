"""What apps keep beside rooms, users, visitors and themselves: values by app, entity and key.

A value is a document of its own, so that an app changes different keys of one entity at the same time. One more
document for each app and entity counts the keys and has the versions of removed keys. It is written only when a key is
added or removed. Both are written by compare-and-set. No fact is recorded.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from bson.max_key import MaxKey
from pymongo import DeleteMany
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from storage.mongo.connection import MAX_BATCH_ROWS, Document, from_builtins, to_builtins
from storage.mongo.read_budget import charge
from storage.mongo.reader import Reader
from storage.records import Record
from storage.sizes import size_of_document
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

COLLECTION = "app_data"
#: The most keys that one app has beside one entity.
MAX_KEYS = 100
#: The removed keys of one app and entity whose own versions are stored. Of older ones only the highest version is.
MAX_REMOVED_KEYS = 100
#: The key of the document that counts the keys. Keys are not empty.
_INDEX = ""


class DataOwner(StrEnum):
    """The kinds of entities beside which apps keep data."""

    ROOM = "ROOM"
    USER = "USER"
    VISITOR = "VISITOR"
    APP = "APP"


class DatumKey(NamedTuple):
    """Identifies a value: who wrote it, beside which entity, under which key."""

    app_id: str
    owner: DataOwner
    owner_id: str
    key: str


class AppDatum(Record, frozen=True):
    """A value that an app keeps beside an entity."""

    key: str
    #: The value as compact JSON text.
    value_json: str
    #: Grows with every write, also after the key was removed.
    version: int
    updated_at: datetime


class RemovedKey(Record, frozen=True):
    """A removed key and its last version."""

    key: str
    version: int


class KeyIndex(Record, frozen=True):
    """How many keys an app has beside an entity, and the versions of those that it removed."""

    #: 0 if it is not stored.
    revision: int = 0
    count: int = 0
    #: The keys that were removed last, in that order.
    removed: tuple[RemovedKey, ...] = ()
    #: The highest version of all other removed keys.
    max_other_version: int = 0

    def next_version(self, key: str) -> int:
        """The version of a key that is written and not present: higher than its versions before it was removed."""
        own = (removed.version for removed in self.removed if removed.key == key)
        return 1 + next(own, self.max_other_version)

    def with_key(self, key: str) -> "KeyIndex":
        return msgspec.structs.replace(
            self,
            revision=self.revision + 1,
            count=self.count + 1,
            removed=tuple(removed for removed in self.removed if removed.key != key),
        )

    def without_key(self, datum: AppDatum) -> "KeyIndex":
        removed = (*self.removed, RemovedKey(key=datum.key, version=datum.version))
        forgotten, kept = removed[:-MAX_REMOVED_KEYS], removed[-MAX_REMOVED_KEYS:]
        return KeyIndex(
            revision=self.revision + 1,
            count=self.count - 1,
            removed=kept,
            max_other_version=max([self.max_other_version, *(one.version for one in forgotten)]),
        )


def _id(key: DatumKey) -> Document:
    return {"app": key.app_id, "owner": key.owner.value, "ownerId": key.owner_id, "key": key.key}


def _key(document_id: Document) -> DatumKey:
    return DatumKey(document_id["app"], DataOwner(document_id["owner"]), document_id["ownerId"], document_id["key"])


async def get_many(reader: Reader, keys: Sequence[DatumKey]) -> dict[DatumKey, AppDatum]:
    """Return the values with these keys, in one round trip. Missing ones are left out."""
    return {key: from_builtins(document, AppDatum) for key, document in (await _find(reader, keys)).items()}


async def find_with_index(reader: Reader, key: DatumKey) -> tuple[AppDatum | None, KeyIndex]:
    """Return the value, and the index of its app and entity, in one round trip."""
    index_key = key._replace(key=_INDEX)
    found = await _find(reader, (key, index_key))
    datum = from_builtins(found[key], AppDatum) if key in found else None
    return datum, from_builtins(found.get(index_key, {}), KeyIndex)


async def _find(reader: Reader, keys: Sequence[DatumKey]) -> dict[DatumKey, Document]:
    cursor = reader.collection(COLLECTION).find(
        {"_id": {"$in": [_id(key) for key in keys]}}, batch_size=MAX_BATCH_ROWS, session=await reader.read_session()
    )
    found: dict[DatumKey, Document] = {}
    async for document in cursor:
        charge(size_of_document(document))
        found[_key(document["_id"])] = document
    return found


def insert(tx: Transaction, key: DatumKey, datum: AppDatum, index: KeyIndex) -> None:
    """Add a key, counted in `index` as it was read. Conflicts if the index has changed."""
    _write_index(tx, key, index, index.with_key(key.key))
    _insert(tx, {"_id": _id(key), **to_builtins(datum)})


def update(tx: Transaction, key: DatumKey, before: AppDatum, after: AppDatum) -> None:
    """Replace a value. Conflicts if it is not `before` any more."""
    _replace(tx, {"_id": _id(key), "version": before.version}, {"_id": _id(key), **to_builtins(after)})


def delete(tx: Transaction, key: DatumKey, datum: AppDatum, index: KeyIndex) -> None:
    """Remove a key, counted in `index` as it was read. Conflicts if the value or the index has changed."""
    _write_index(tx, key, index, index.without_key(datum))
    collection, query = tx.collection(COLLECTION).delegate, {"_id": _id(key), "version": datum.version}

    def write(session: ClientSession) -> None:
        if collection.delete_one(query, session=session).deleted_count == 0:
            raise Conflict

    tx.defer_write(write)


def delete_of_app(tx: Transaction, app_id: str) -> None:
    """Delete all that an app keeps."""
    _delete_ranges(tx, [({"app": app_id}, {"app": app_id, "owner": MaxKey()})])


def delete_of_owners(tx: Transaction, app_ids: Sequence[str], owner: DataOwner, owner_ids: Sequence[str]) -> None:
    """Delete all that these apps keep beside entities."""
    ranges = []
    for app_id in app_ids:
        for owner_id in owner_ids:
            first = {"app": app_id, "owner": owner.value, "ownerId": owner_id}
            ranges.append((first, {**first, "key": MaxKey()}))
    _delete_ranges(tx, ranges)


async def list_of_owner(
    reader: Reader, owner: DataOwner, owner_id: str, *, skip: int, limit: int
) -> list[tuple[DatumKey, AppDatum]]:
    """What apps keep beside an entity, by app and key, after the first `skip` values."""
    ranges = [
        {"_id": {"$gt": {"app": app_id, "owner": owner.value, "ownerId": owner_id, "key": _INDEX}, "$lt": end}}
        for app_id in await reader.collection("apps").distinct("_id")
        for end in ({"app": app_id, "owner": owner.value, "ownerId": owner_id, "key": MaxKey()},)
    ]
    if not ranges:
        return []
    found = reader.collection(COLLECTION).find({"$or": ranges}, sort=[("_id", 1)], skip=skip, limit=limit)
    return [(_key(one["_id"]), from_builtins(one, AppDatum)) for one in await found.to_list(limit)]


async def delete_of_owner(reader: Reader, owner: DataOwner, owner_id: str) -> int:
    """Delete all that apps keep beside an entity, also apps that are revoked. Returns the number of documents."""
    app_ids = await reader.collection("apps").distinct("_id")
    deletions = []
    for app_id in app_ids:
        first = {"app": app_id, "owner": owner.value, "ownerId": owner_id}
        deletions.append(DeleteMany({"_id": {"$gte": first, "$lt": {**first, "key": MaxKey()}}}))
    if not deletions:
        return 0
    return (await reader.collection(COLLECTION).bulk_write(deletions, ordered=False)).deleted_count


def _delete_ranges(tx: Transaction, ranges: Sequence[tuple[Document, Document]]) -> None:
    collection = tx.collection(COLLECTION).delegate
    deletions = [DeleteMany({"_id": {"$gte": first, "$lt": end}}) for first, end in ranges]
    if deletions:
        tx.defer_write(lambda session: collection.bulk_write(deletions, session=session))


def _write_index(tx: Transaction, key: DatumKey, before: KeyIndex, after: KeyIndex) -> None:
    index_id = _id(key._replace(key=_INDEX))
    document = {"_id": index_id, **to_builtins(after)}
    if before.revision == 0:
        _insert(tx, document)
    else:
        _replace(tx, {"_id": index_id, "revision": before.revision}, document)


def _insert(tx: Transaction, document: Document) -> None:
    collection = tx.collection(COLLECTION).delegate

    def write(session: ClientSession) -> None:
        try:
            collection.insert_one(document, session=session)
        except DuplicateKeyError:
            raise Conflict from None

    tx.defer_write(write)


def _replace(tx: Transaction, query: dict[str, Any], document: Document) -> None:
    collection = tx.collection(COLLECTION).delegate

    def write(session: ClientSession) -> None:
        if collection.replace_one(query, document, session=session).matched_count == 0:
            raise Conflict

    tx.defer_write(write)
