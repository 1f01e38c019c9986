"""Bounded counts: the exact number of documents that match a query, or None if counting it would be expensive.

A count reads index keys, and at most COUNT_LIMIT + UNMATCHED_LIMIT documents.
"""

from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.errors import QueryTooComplex
from storage.mongo.connection import Collection, Database, Document
from storage.mongo.index_use import indexed_parts, is_scan, is_whole_query
from storage.mongo.sort_orders import SORT_LIMIT

#: The largest count that is returned.
COUNT_LIMIT = 100_000
#: The largest number of documents that a count reads although they do not match.
UNMATCHED_LIMIT = 10_000
#: The index on _id has every document. Counting its keys reads no document.
_EVERYTHING = "_id_"


async def count(database: Database, collection: str, query: Document) -> int | None:
    """The number of documents that match the query.

    None if it exceeds COUNT_LIMIT, or if the count would read more than UNMATCHED_LIMIT documents that do not match.
    Concurrent callers share one count.
    """
    return await database.shared_reads.read(
        ("count", collection, repr(query)), lambda: _count(database, collection, query)
    )


async def count_in_session(
    database: Database, name: str, query: Document, session: AsyncIOMotorClientSession
) -> int | None:
    """Like `count`, in the snapshot of the session."""
    collection, parts = database[name], indexed_parts(name, query)
    if not query or any(is_whole_query(part, query) for part in parts):
        return within_limit(await _keys(collection, query, COUNT_LIMIT, session))
    return await _count_documents(collection, query, parts or [{}], session)


async def require_sortable(database: Database, name: str, query: Document) -> None:
    """Raise QueryTooComplex when more documents match than are sorted without an index."""
    collection = database[name]

    async def keys(session: AsyncIOMotorClientSession | None) -> int:
        return await _keys(collection, query, SORT_LIMIT, session)

    counted = await (database.scans.run(keys) if is_scan(name, query) else keys(None))
    if counted > SORT_LIMIT:
        raise QueryTooComplex(
            f"No index gives this order, and more than {SORT_LIMIT:,} {name} match: name fewer of them with `where`, "
            "or sort by a unique custom field."
        )


async def _count(database: Database, name: str, query: Document) -> int | None:
    collection, parts = database[name], indexed_parts(name, query)
    if not query or any(is_whole_query(part, query) for part in parts):
        return within_limit(await _keys(collection, query, COUNT_LIMIT))
    return await database.scans.run(lambda session: _count_documents(collection, query, parts or [{}], session))


def within_limit(counted: int) -> int | None:
    """The number, or None if it exceeds COUNT_LIMIT."""
    return counted if counted <= COUNT_LIMIT else None


async def _count_documents(
    collection: Collection, query: Document, parts: list[Document], session: AsyncIOMotorClientSession
) -> int | None:
    """Count by reading documents: those that match the part of the query with the fewest keys in an index."""
    limit = COUNT_LIMIT + UNMATCHED_LIMIT
    sizes = [await _keys(collection, part, limit, session) for part in parts]
    size = min(sizes)
    if size > limit:  # either bound is exceeded
        return None
    candidates: list[Document] = [{"$match": parts[sizes.index(size)]}, {"$limit": limit}, {"$match": query}]
    counting: list[Document] = [*candidates, {"$count": "count"}]
    rows = await collection.aggregate(counting, session=session).to_list(1)
    matching = int(rows[0]["count"]) if rows else 0
    return None if size - matching > UNMATCHED_LIMIT else within_limit(matching)


async def _keys(
    collection: Collection, query: Document, limit: int, session: AsyncIOMotorClientSession | None = None
) -> int:
    """The number of index keys that match, counted up to one above the limit."""
    hint = {} if query else {"hint": _EVERYTHING}
    return int(await collection.count_documents(query, limit=limit + 1, session=session, **hint))
