"""Reads and writes entities of all kinds: encodes them as documents, and replaces them by compare-and-set.

A document is the record in camelCase. Custom fields are stored twice, by definition id: in `fields` for reads and
unique indexes, and in `attrs` for filters (mongo/field_encoding.py).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from storage import sizes
from storage.entity_cache import CachedEntity
from storage.errors import NotFound, Taken, UniqueKey
from storage.mongo import counts, field_encoding, pagination, stored_documents
from storage.mongo.connection import Document, to_document, to_record
from storage.mongo.deadlines import time_limit
from storage.mongo.index_use import is_scan
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortOrder
from storage.mongo.stored_documents import StoredDocument
from storage.records import Entity, FieldTarget
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction
from storage.transactions.writes import Write, insertion, replacement, to_bson, update

E = TypeVar("E", bound=Entity)
D = TypeVar("D")

#: The projection of reads. `attrs` is for filters only.
_WITHOUT_COPY: Mapping[str, int] = {"attrs": 0}

#: The time limit of reading which entity has a unique value, after the refusal of another one.
HOLDER_SECONDS = 1.0


class Kind(Generic[E]):
    """How one kind of entity is stored."""

    def __init__(
        self,
        collection: str,
        record: type[E],
        *,
        noun: str,
        target: FieldTarget | None = None,
        derive: Callable[[E, Document], None] = lambda _, __: None,
        client_values: Callable[[E], object] = lambda entity: entity,
    ) -> None:
        self.collection = collection
        self.record = record
        #: The word for it in error messages.
        self.noun = noun
        #: The target of its custom fields; None if it has none.
        self.target = target
        #: Adds computed values to a document, for indexes.
        self.derive = derive
        #: Returns the parts of an entity that clients set. The size is checked only if one of them changes.
        self.client_values = client_values


def encode(reader: Reader, kind: Kind[E], entity: E) -> Document:
    document = to_document(entity)
    kind.derive(entity, document)
    if kind.target is not None:
        values = document.pop("customFields")
        document["fields"], document["attrs"] = field_encoding.encode(
            values, reader.definition_cache.definitions(kind.target), field_encoding.contexts_of(entity)
        )
    return document


def _to_write(tx: Transaction, kind: Kind[E], entity: E, before: E | None = None) -> tuple[Document, RawBSONDocument]:
    """Return the document to store, and its BSON. Raises Conflict if the definitions of custom fields changed.

    Raises Invalid if a value of the client makes it too large.
    """
    if kind.target is not None:
        tx.require_current_definitions()
    document = encode(tx, kind, entity)
    encoded = to_bson(document)
    if before is None or kind.client_values(entity) != kind.client_values(before):
        sizes.require_storable(
            kind.noun,
            document,
            whole=len(encoded.raw),
            before=None if before is None else lambda: encode(tx, kind, before),
        )
    return document, encoded


async def decode(
    reader: Reader, kind: Kind[E], documents: Sequence[Document], *, skip_undecodable: bool = False
) -> list[E]:
    """Decode documents. With `skip_undecodable`, those that cannot be decoded are left out (mongo/undecodable.py)."""
    if kind.target is not None:
        await reader.definition_cache.ensure_loaded(
            definition_id for document in documents for definition_id in document["fields"]
        )
        for document in documents:
            document["customFields"] = field_encoding.decode(document["fields"], reader.definition_cache.by_id)
    if skip_undecodable:
        return reader.database.undecodable.decode(
            kind.collection, documents, lambda document: to_record(document, kind.record)
        )
    return [to_record(document, kind.record) for document in documents]


async def decode_stored(
    reader: Reader, kind: Kind[E], stored: Sequence[StoredDocument], name: str, derive: Callable[[Document], D]
) -> list[tuple[E, D]]:
    """Decode documents, each with what `derive` computes from it. `name` identifies `derive` among those of the kind.

    Both are cached (entity_cache.py).
    """
    return [
        (cached.entity, cached.derived[name]) for cached in await cached_entities(reader, kind, stored, name, derive)
    ]


async def cached_entities(
    reader: Reader, kind: Kind[E], stored: Sequence[StoredDocument], name: str, derive: Callable[[Document], Any]
) -> list[CachedEntity[E]]:
    """The entities in documents, with what `derive` computes from each under that name."""
    cache, definitions = reader.database.entity_cache, reader.definition_cache
    found = [cache.get(kind.collection, one, definitions.revision) for one in stored]
    if missing := [number for number, cached in enumerate(found) if cached is None]:
        documents = [stored_documents.decode(stored[number]) for number in missing]
        derived = [derive(document) for document in documents]
        for number, entity, value in zip(missing, await decode(reader, kind, documents), derived, strict=True):
            new = found[number] = CachedEntity(entity, definitions.revision)
            new.add(name, value)
            cache.put(kind.collection, stored[number], new)
    results: list[CachedEntity[E]] = []
    for one, cached in zip(stored, found, strict=True):
        assert cached is not None
        if name not in cached.derived:
            cached.add(name, derive(stored_documents.decode(one)))
        results.append(cached)
    return results


async def find(reader: Reader, kind: Kind[E], query: Document) -> E | None:
    """Return the entity that matches, or None."""
    document = await reader.collection(kind.collection).find_one(query, session=await reader.read_session())
    return None if document is None else (await decode(reader, kind, [document]))[0]


async def find_by(reader: Reader, kind: Kind[E], path: str, value: Any) -> E | None:
    """Return the entity with that value at a path with a unique index, or None. Concurrent calls share one query."""
    if await reader.read_session() is not None or isinstance(value, list):
        return await find(reader, kind, {path: value})
    reader_without_session = Reader(reader.database, reader.definition_cache)

    async def read(values: Sequence[Any]) -> dict[Any, E]:
        found, _ = await stored_documents.find(
            reader.database, kind.collection, {path: {"$in": list(values)}}, projection=_WITHOUT_COPY
        )
        cached = await decode_stored(reader_without_session, kind, found, path, partial(_value_at, path=path))
        return {value: entity for entity, value in cached}

    found: E | None = await reader.database.batch_loaders.loader((kind.collection, path), read).load(value)
    return found


def _value_at(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


async def get(reader: Reader, kind: Kind[E], entity_id: str, *, key: str) -> E:
    """Return the entity with that id. Raises NotFound, with `key` as the name of the argument."""
    entity = await find_by(reader, kind, "_id", entity_id)
    if entity is None:
        raise NotFound(kind.noun, entity_id, key=key)
    return entity


async def get_many(
    reader: Reader, kind: Kind[E], ids: Iterable[str], *, skip_undecodable: bool = False
) -> dict[str, E]:
    """Return the entities with those ids, by id. Missing ones are left out.

    With `skip_undecodable`, those that cannot be decoded are left out too.
    """
    found = await list_all(reader, kind, {"_id": {"$in": list(ids)}}, skip_undecodable=skip_undecodable)
    return {entity.id: entity for entity in found}


async def list_all(
    reader: Reader,
    kind: Kind[E],
    query: Document,
    *,
    sort: Sequence[tuple[str, int]] | None = (("_id", ASCENDING),),
    limit: int = 0,
    skip_undecodable: bool = False,
) -> list[E]:
    """Return the entities that match, up to `limit` (0: all), in the order of creation by default (None: in no order).

    With `skip_undecodable`, those that cannot be decoded are left out.
    """
    found, _ = await stored_documents.find(
        reader.database,
        kind.collection,
        query,
        projection=_WITHOUT_COPY,
        sort=sort,
        limit=limit,
        session=await reader.read_session(),
    )
    documents = list(map(stored_documents.decode, found))
    return await decode(reader, kind, documents, skip_undecodable=skip_undecodable)


#: Returns the error to raise for a violation of a unique index.
Refusal = Callable[[DuplicateKeyError], Exception]


async def insert(tx: Transaction, kind: Kind[E], entity: E, *, facts: int = 1, refusal: Refusal | None = None) -> E:
    """Insert a new entity. `facts` is the number of facts that the transaction records about it."""
    entity = msgspec.structs.replace(entity, version=entity.version + 1, fact_count=facts)
    _, encoded = _to_write(tx, kind, entity)
    tx.defer_write(insertion(tx.collection(kind.collection).delegate, encoded, refusal=_refusal(kind, refusal)))
    return entity


async def replace(
    tx: Transaction,
    kind: Kind[E],
    before: E,
    after: E,
    *,
    facts: int = 1,
    refusal: Refusal | None = None,
    entirely: bool = False,
) -> E:
    """Replace an entity if its version is still that of `before`. Raises Conflict otherwise.

    `after` results from one or more changes of `before`, each with a version of its own. It has the last version.
    `entirely`: values of custom fields that this process cannot decode do not stay.
    """
    after = msgspec.structs.replace(after, version=after.version + 1, fact_count=before.fact_count + facts)
    replaced = _replacement(tx, kind, before, after, refusal=_refusal(kind, refusal), entirely=entirely)
    tx.defer_write(replaced)
    return after


async def replace_many(tx: Transaction, kind: Kind[E], changes: Sequence[tuple[E, E, int]]) -> list[E]:
    """Replace several entities, each (before, after, number of facts), in one round trip, as `replace` does.

    Their unique fields must not change.
    """
    if not changes:
        return []
    results = [
        msgspec.structs.replace(after, version=after.version + 1, fact_count=before.fact_count + facts)
        for before, after, facts in changes
    ]
    for (before, _, _), result in zip(changes, results, strict=True):
        tx.defer_write(_replacement(tx, kind, before, result))
    return results


def _replacement(
    tx: Transaction,
    kind: Kind[E],
    before: E,
    after: E,
    *,
    refusal: Refusal | None = None,
    entirely: bool = False,
) -> Write:
    """Return the write that replaces `before` with `after` if the version matches.

    It preserves the values of custom fields whose definitions this process cannot decode, unless it replaces entirely.
    No record has them.
    """
    collection = tx.collection(kind.collection).delegate
    query = {"_id": before.id, "version": before.version}
    document, encoded = _to_write(tx, kind, after, before)
    if entirely or kind.target is None or not tx.definition_cache.undecodable:
        return replacement(collection, query, encoded, refusal=refusal)
    fields, attrs = field_encoding.stored_value_expressions(
        tx.definition_cache.undecodable, field_encoding.contexts_of(after)
    )
    merged = {
        "fields": {"$mergeObjects": [{"$literal": document["fields"]}, fields]},
        "attrs": {"$concatArrays": [{"$literal": document["attrs"]}, attrs]},
    }
    changed = [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, merged]}}]
    return update(collection, query, changed, must_match=True, refusal=refusal, size=len(encoded.raw))


async def delete(tx: Transaction, kind: Kind[Any], entity: Entity) -> None:
    """Delete an entity if its version is unchanged. Raises Conflict otherwise."""
    collection = tx.collection(kind.collection).delegate
    query = {"_id": entity.id, "version": entity.version}

    def write(session: ClientSession) -> None:
        if collection.delete_one(query, session=session).deleted_count == 0:
            raise Conflict

    tx.defer_write(write)


def _refusal(kind: Kind[Any], refusal: Refusal | None) -> Refusal | None:
    return None if refusal is None else partial(_refused, kind, refusal)


def _refused(kind: Kind[Any], refusal: Refusal, error: DuplicateKeyError) -> Exception:
    refused, key = refusal(error), (error.details or {}).get("keyValue")
    if isinstance(refused, Taken) and key:
        refused.taken = UniqueKey(kind.noun, kind.collection, dict(key))
    return refused


async def find_holder(reader: Reader, key: UniqueKey, visible: Document) -> str | None:
    """The id of the document that has the key, if it matches the query `visible`.

    None also if one attempt to read it fails or takes longer than HOLDER_SECONDS.
    """
    query: Document = {"$and": [key.query, visible]}
    try:
        async with asyncio.timeout(HOLDER_SECONDS):
            with time_limit(HOLDER_SECONDS):
                document = await reader.collection(key.collection).find_one(query, {"_id": 1})
    except (PyMongoError, TimeoutError):
        return None
    return None if document is None else str(document["_id"])


async def read_page(
    reader: Reader, kind: Kind[E], query: Document, *, order: SortOrder, page: pagination.PageRequest
) -> pagination.Page[E]:
    """Return a page of the entities that match.

    Raises InvalidCursor, and QueryTooComplex when no index gives the order and too many match to sort them.
    """

    async def read(session: AsyncIOMotorClientSession | None) -> pagination.Run:
        async def find(
            query: Document, sort: list[tuple[str, int]], limit: int, size: int
        ) -> tuple[list[StoredDocument], bool]:
            documents, more = await stored_documents.find(
                reader.database,
                kind.collection,
                query,
                projection=_WITHOUT_COPY,
                sort=sort,
                limit=limit,
                size=size,
                session=session,
            )
            stored_documents.charge_all(documents)
            return documents, more

        return await pagination.read_run(find, query, order, page)

    if not order.indexed:
        await counts.require_sortable(reader.database, kind.collection, query)
    run = await (reader.database.scans.run(read) if is_scan(kind.collection, query) else read(None))
    name = f"cursor {order.name}"
    found = await cached_entities(reader, kind, run.documents, name, order.cursor)
    return pagination.Page(
        items=[cached.entity for cached in found],
        cursors=[cached.derived[name] for cached in found],
        cached=found,
        has_next=run.has_next,
        has_previous=run.has_previous,
        total=lambda: counts.count(reader.database, kind.collection, query),
    )
