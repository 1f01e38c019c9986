"""How many documents match a query: exactly, or None beyond the bounds within which counting is cheap.

Counted are the keys of an index, and of documents no more than COUNT_LIMIT + UNMATCHED_LIMIT are looked at.
"""

from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.mongo.connection import Collection, Database, Document
from storage.mongo.index_use import answers, indexed_parts

#: A larger number of matches is not counted out: it would cost more than it tells.
COUNT_LIMIT = 100_000
#: The most documents that are looked at and do not match.
UNMATCHED_LIMIT = 10_000
#: An index in the order of ids has every document. Counting its keys reads no document.
_EVERYTHING = "_id_"


async def count(database: Database, collection: str, query: Document) -> int | None:
    """How many documents match; None when more than COUNT_LIMIT do, or when more than UNMATCHED_LIMIT that do not match
    would have to be looked at. The same count, asked for while it is under way, is done once."""
    return await database.shared_reads.read(
        ("count", collection, repr(query)), lambda: _count(database, collection, query)
    )


async def count_in_session(
    database: Database, name: str, query: Document, session: AsyncIOMotorClientSession
) -> int | None:
    """The same, counted in the session."""
    collection, parts = database[name], indexed_parts(name, query)
    if not query or any(answers(part, query) for part in parts):
        return within(await _keys(collection, query, COUNT_LIMIT, session))
    return await _sift(collection, query, parts or [{}], session)


async def _count(database: Database, name: str, query: Document) -> int | None:
    collection, parts = database[name], indexed_parts(name, query)
    if not query or any(answers(part, query) for part in parts):
        return within(await _keys(collection, query, COUNT_LIMIT))
    return await database.scans.run(lambda session: _sift(collection, query, parts or [{}], session))


def within(counted: int) -> int | None:
    """The number, or None when it is more than COUNT_LIMIT."""
    return counted if counted <= COUNT_LIMIT else None


async def _sift(
    collection: Collection, query: Document, parts: list[Document], session: AsyncIOMotorClientSession
) -> int | None:
    """The count when documents have to be looked at: those of the smallest part of the query that an index answers."""
    limit = COUNT_LIMIT + UNMATCHED_LIMIT
    sizes = [await _keys(collection, part, limit, session) for part in parts]
    size = min(sizes)
    if size > limit:  # so many more match, or so many more do not
        return None
    looked_at: list[Document] = [{"$match": parts[sizes.index(size)]}, {"$limit": limit}, {"$match": query}]
    counting: list[Document] = [*looked_at, {"$count": "count"}]
    rows = await collection.aggregate(counting, session=session).to_list(1)
    matching = int(rows[0]["count"]) if rows else 0
    return None if size - matching > UNMATCHED_LIMIT else within(matching)


async def _keys(
    collection: Collection, query: Document, limit: int, session: AsyncIOMotorClientSession | None = None
) -> int:
    """How many documents match, counted to just above the limit."""
    hint = {} if query else {"hint": _EVERYTHING}
    return int(await collection.count_documents(query, limit=limit + 1, session=session, **hint))
