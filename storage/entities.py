"""What all entities have in common: how they become documents, are found, inserted, and replaced by compare-and-set.

A document is the record in camelCase. Custom fields are held twice, by definition id: under `fields` for reading and
for unique indexes, and under `attrs` for finding (mongo/field_encoding.py).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import ASCENDING, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from storage import sizes
from storage.errors import NotFound
from storage.mongo import counts, field_encoding, pagination
from storage.mongo.connection import MAX_BATCH_ROWS, Document, to_document, to_record
from storage.mongo.index_use import is_scan
from storage.mongo.reader import Reader
from storage.records import Entity, FieldTarget
from storage.transactions.transaction import Conflict, Transaction

E = TypeVar("E", bound=Entity)

DUPLICATE_KEY = 11_000


class Kind(Generic[E]):
    """How one kind of entity is kept."""

    def __init__(
        self,
        collection: str,
        record: type[E],
        *,
        noun: str,
        target: FieldTarget | None = None,
        derive: Callable[[E, Document], None] = lambda _, __: None,
        given: Callable[[E], object] = lambda entity: entity,
    ) -> None:
        self.collection = collection
        self.record = record
        #: What messages call it.
        self.noun = noun
        #: The target of its custom fields, if it has any.
        self.target = target
        #: Adds to a document what the record does not have, computed from it for the sake of indexes.
        self.derive = derive
        #: What callers decide about an entity, and so can make too large. A change of anything else is never refused.
        self.given = given


def encode(reader: Reader, kind: Kind[E], entity: E) -> Document:
    document = to_document(entity)
    kind.derive(entity, document)
    if kind.target is not None:
        values = document.pop("customFields")
        document["fields"], document["attrs"] = field_encoding.encode(
            values, reader.definition_cache.definitions(kind.target), field_encoding.contexts_of(entity)
        )
    return document


def _to_write(tx: Transaction, kind: Kind[E], entity: E, before: E | None = None) -> Document:
    """The document to store. Starts the change again when definitions changed under it (Conflict).

    Raises Invalid when what callers gave makes it too large.
    """
    if kind.target is not None:
        tx.require_current_definitions()
    document = encode(tx, kind, entity)
    if before is None or kind.given(entity) != kind.given(before):
        sizes.require_storable(kind.noun, document, before=None if before is None else lambda: encode(tx, kind, before))
    return document


async def decode(reader: Reader, kind: Kind[E], documents: Sequence[Document], *, step_around: bool = False) -> list[E]:
    """The entities. With `step_around`, those that cannot be decoded are noted and left out (mongo/undecodable.py)."""
    if kind.target is not None:
        await reader.definition_cache.ensure_loaded(one for document in documents for one in document["fields"])
        for document in documents:
            document["customFields"] = field_encoding.decode(document["fields"], reader.definition_cache.by_id)
    if step_around:
        return reader.database.undecodable.decode(
            kind.collection, documents, lambda document: to_record(document, kind.record)
        )
    return [to_record(document, kind.record) for document in documents]


async def find(reader: Reader, kind: Kind[E], query: Document) -> E | None:
    """The entity that matches, or None."""
    document = await reader.collection(kind.collection).find_one(query, session=await reader.read_session())
    return None if document is None else (await decode(reader, kind, [document]))[0]


async def find_by(reader: Reader, kind: Kind[E], path: str, value: Any) -> E | None:
    """The entity that holds that value at the path, where no two hold the same; None when there is none."""
    if await reader.read_session() is not None or isinstance(value, list):
        return await find(reader, kind, {path: value})
    outside = Reader(reader.database, reader.definition_cache)

    async def read(values: Sequence[Any]) -> dict[Any, E]:
        query = {path: {"$in": list(values)}}
        documents = await outside.collection(kind.collection).find(query, batch_size=MAX_BATCH_ROWS).to_list(None)
        held = [_at(document, path) for document in documents]
        return dict(zip(held, await decode(outside, kind, documents), strict=True))

    found: E | None = await reader.database.batch_loaders.loader((kind.collection, path), read).load(value)
    return found


def _at(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


async def get(reader: Reader, kind: Kind[E], entity_id: str, *, key: str) -> E:
    """The entity with that id. Raises NotFound, naming the argument `key` that the id came in."""
    entity = await find_by(reader, kind, "_id", entity_id)
    if entity is None:
        raise NotFound(kind.noun, entity_id, key=key)
    return entity


async def get_many(reader: Reader, kind: Kind[E], ids: Iterable[str]) -> dict[str, E]:
    """The entities with those ids, by id; those that do not exist are absent."""
    found = await list_all(reader, kind, {"_id": {"$in": list(ids)}})
    return {entity.id: entity for entity in found}


async def list_all(
    reader: Reader,
    kind: Kind[E],
    query: Document,
    *,
    sort: Sequence[tuple[str, int]] = (("_id", ASCENDING),),
    limit: int = 0,
    step_around: bool = False,
) -> list[E]:
    """The entities that match, up to `limit` of them if it is not 0; in the order of their creation by default.

    With `step_around`, without those that cannot be decoded.
    """
    cursor = reader.collection(kind.collection).find(
        query,
        {"attrs": 0},
        sort=list(sort),
        limit=limit,
        batch_size=MAX_BATCH_ROWS,
        session=await reader.read_session(),
    )
    return await decode(reader, kind, await cursor.to_list(limit or None), step_around=step_around)


#: What to raise when a unique index refused a document.
Refusal = Callable[[DuplicateKeyError], Exception]


async def insert(tx: Transaction, kind: Kind[E], entity: E, *, facts: int = 1, refusal: Refusal | None = None) -> E:
    """Store a new entity about which `facts` facts are told in the same change."""
    entity = msgspec.structs.replace(entity, version=entity.version + 1, fact_count=facts)
    document, collection = _to_write(tx, kind, entity), tx.collection(kind.collection).delegate

    def write(session: ClientSession) -> None:
        with _refused(refusal):
            collection.insert_one(document, session=session)

    tx.defer_write(write)
    return entity


async def replace(
    tx: Transaction, kind: Kind[E], before: E, after: E, *, facts: int = 1, refusal: Refusal | None = None
) -> E:
    """Store what became of an entity, if it is still as it was before; else the change starts again (Conflict).

    `after` came from `before`, perhaps by steps that facts told of: its version is the newest there was so far.
    """
    after = msgspec.structs.replace(after, version=after.version + 1, fact_count=before.fact_count + facts)
    collection, replacement = tx.collection(kind.collection).delegate, _replacement(tx, kind, before, after)

    def write(session: ClientSession) -> None:
        with _refused(refusal):
            if collection.bulk_write([replacement], session=session).matched_count == 0:
                raise Conflict

    tx.defer_write(write)
    return after


async def replace_many(tx: Transaction, kind: Kind[E], changes: Sequence[tuple[E, E, int]]) -> list[E]:
    """Store what became of several entities, each (before, after, facts), as `replace` does of one. One round trip.

    None of their unique fields may change.
    """
    if not changes:
        return []
    results = [
        msgspec.structs.replace(after, version=after.version + 1, fact_count=before.fact_count + facts)
        for before, after, facts in changes
    ]
    writes = [_replacement(tx, kind, before, result) for (before, _, _), result in zip(changes, results, strict=True)]
    update_many(tx, kind, writes)
    return results


def _replacement(tx: Transaction, kind: Kind[E], before: E, after: E) -> ReplaceOne[Document] | UpdateOne:
    """How the document of `before`, if it is still that, becomes that of `after`.

    Values of custom fields whose definitions this process cannot decode are in neither record. They stay.
    """
    known, document = {"_id": before.id, "version": before.version}, _to_write(tx, kind, after, before)
    if kind.target is None or not tx.definition_cache.undecodable:
        return ReplaceOne(known, document)
    fields, attrs = field_encoding.kept(tx.definition_cache.undecodable, field_encoding.contexts_of(after))
    merged = {
        "fields": {"$mergeObjects": [{"$literal": document["fields"]}, fields]},
        "attrs": {"$concatArrays": [{"$literal": document["attrs"]}, attrs]},
    }
    return UpdateOne(known, [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, merged]}}])


def update_many(tx: Transaction, kind: Kind[Any], writes: Sequence[ReplaceOne[Document] | UpdateOne]) -> None:
    """Write all of these, each of which names the version that it knows; else the change starts again (Conflict)."""
    collection = tx.collection(kind.collection).delegate

    def write(session: ClientSession) -> None:
        if collection.bulk_write(writes, session=session).matched_count < len(writes):
            raise Conflict

    tx.defer_write(write)


async def delete(tx: Transaction, kind: Kind[Any], entity: Entity) -> None:
    """Remove an entity, if it is still as it was; else the change starts again (Conflict)."""
    collection = tx.collection(kind.collection).delegate
    known = {"_id": entity.id, "version": entity.version}

    def write(session: ClientSession) -> None:
        if collection.delete_one(known, session=session).deleted_count == 0:
            raise Conflict

    tx.defer_write(write)


@contextmanager
def _refused(refusal: Refusal | None) -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError as error:
        if refusal is None:
            raise
        raise refusal(error) from None
    except BulkWriteError as error:
        first: Document = (error.details.get("writeErrors") or [{}])[0]
        if refusal is None or first.get("code") != DUPLICATE_KEY:
            raise
        raise refusal(DuplicateKeyError(str(first["errmsg"]), DUPLICATE_KEY, first)) from None


async def read_page(
    reader: Reader, kind: Kind[E], query: Document, *, order: pagination.SortOrder, first: int, after: str | None
) -> pagination.Page[E]:
    """Up to `first` of the entities that match, after the cursor. Raises InvalidCursor."""
    bounded = query if after is None else {"$and": [query, order.query_after(after)]}

    async def rows(session: AsyncIOMotorClientSession | None) -> tuple[list[Document], bool]:
        # The index of custom fields is for finding alone.
        found = reader.collection(kind.collection).find(
            bounded, {"attrs": 0}, sort=order.sort, limit=first + 1, batch_size=MAX_BATCH_ROWS, session=session
        )
        return await pagination.read_within(found, pagination.PAGE_BYTES)

    scan = is_scan(kind.collection, query)
    documents, more = await (reader.database.scans.run(rows) if scan else rows(None))
    kept = documents[:first]
    cursors = [order.cursor(document) for document in kept]
    return pagination.Page(
        items=await decode(reader, kind, kept),
        cursors=cursors,
        has_next=more or len(documents) > first,
        has_previous=after is not None,
        total=lambda: counts.count(reader.database, kind.collection, query),
    )
