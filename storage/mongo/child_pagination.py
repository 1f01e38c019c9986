"""Pagination of the children of many parents in one round trip. pagination.py has that of a single list."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from storage.errors import QueryTooComplex
from storage.mongo import counts
from storage.mongo.connection import MAX_BATCH_ROWS, Document
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.read_budget import charge
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortKey, SortOrder
from storage.sizes import size_of_document
from storage.supervisor import spawn

T = TypeVar("T")

#: The largest size in bytes of the children of all parents in one read.
LISTS_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Relation:
    """The children of a parent: documents of `children` with the parent's id at `path`, which an index begins with."""

    parents: str
    children: str
    path: str
    #: The path of the number by which the children of one parent are sorted. None sorts them by id.
    number: str | None = None
    #: The greatest number first.
    descending: bool = False

    @property
    def order(self) -> SortOrder:
        """The sort order of the children of one parent."""
        name = f"{self.parents}.{self.children}"
        if self.number is None:
            return SortOrder(name)
        keys = (SortKey(self.number, (int,), descending=self.descending),)
        return SortOrder(f"{name}.{self.number}", keys, unique=True)


async def read_pages(
    reader: Reader,
    relation: Relation,
    parent_ids: Sequence[str],
    query: Document,
    *,
    decode: Callable[[list[Document]], Awaitable[list[T]]],
    page: PageRequest,
) -> dict[str, Page[T]]:
    """For each parent, a page of the children that match, in the order of the relation. Raises InvalidCursor.

    The child at the cursor is read too. A parent that has it has a child on the other side of the page. For the other
    parents, this takes one more round trip.
    """
    order, totals = relation.order, ChildCounts(lambda: count(reader, relation, parent_ids, query))
    at = None if page.cursor is None else order.position_of(page.cursor, key=page.cursor_argument)
    bounded = query
    if at is not None:
        bounded = {"$and": [query, order.query_beyond(at, backwards=page.backwards, inclusive=True)]}
    limit = page.size + 1 + (at is not None)
    found = await read_documents(reader, relation, parent_ids, bounded, limit=limit, backwards=page.backwards)
    behind: set[str] = set()
    if at is not None:
        for parent_id, documents in found.items():
            if documents and order.is_at(documents[0], at):
                behind.add(parent_id)
                del documents[0]
        if others := [parent_id for parent_id in parent_ids if parent_id not in behind]:
            asked = {"$and": [query, order.query_beyond(at, backwards=not page.backwards)]}
            probed = await read_documents(
                reader, relation, others, asked, limit=1, backwards=not page.backwards, ids_only=True
            )
            behind.update(parent_id for parent_id, documents in probed.items() if documents)
    page_documents = {parent_id: documents[: page.size] for parent_id, documents in found.items()}
    if page.backwards:
        page_documents = {parent_id: documents[::-1] for parent_id, documents in page_documents.items()}
    cursors = {parent_id: [order.cursor(one) for one in documents] for parent_id, documents in page_documents.items()}
    # Decoded together, so that definitions are loaded once.
    items = iter(await decode([document for documents in page_documents.values() for document in documents]))
    pages: dict[str, Page[T]] = {}
    for parent_id, documents in found.items():
        ahead, other = len(documents) > page.size, parent_id in behind
        pages[parent_id] = Page(
            items=[next(items) for _ in page_documents[parent_id]],
            cursors=cursors[parent_id],
            has_next=other if page.backwards else ahead,
            has_previous=ahead if page.backwards else other,
            total=totals.get(parent_id),
        )
    return pages


async def read_documents(
    reader: Reader,
    relation: Relation,
    parent_ids: Sequence[str],
    query: Document,
    *,
    limit: int,
    backwards: bool = False,
    ids_only: bool = False,
) -> dict[str, list[Document]]:
    """For each parent, the first children that match, as documents in the order of the relation.

    If `backwards`, the last children, from the end.
    """
    found: dict[str, list[Document]] = {parent_id: [] for parent_id in parent_ids}
    stages = first_children_stages(relation, query, limit, backwards=backwards)
    pipeline = lookup_pipeline(relation, parent_ids, [*stages, {"$project": {"_id": 1}}] if ids_only else stages)
    total = 0
    rows = reader.collection(relation.parents).aggregate(pipeline, batchSize=MAX_BATCH_ROWS)
    try:
        async for row in rows:
            size_read = size_of_document(row)
            charge(size_read)
            total += size_read
            if total > LISTS_BYTES:
                raise QueryTooComplex(
                    f"The lists of {len(parent_ids)} {relation.parents} take more than {LISTS_BYTES:,} bytes; ask for "
                    "fewer of them, or for fewer items of each with `first`."
                )
            found[row["_id"]].append(row["child"])
    finally:
        await rows.close()
    return found


async def _lookup(
    reader: Reader, relation: Relation, parent_ids: Sequence[str], pipeline: Sequence[Mapping[str, object]]
) -> list[Document]:
    """Run the pipeline on the children of each parent. Each row has one result."""
    rows = reader.collection(relation.parents).aggregate(
        lookup_pipeline(relation, parent_ids, pipeline), batchSize=MAX_BATCH_ROWS
    )
    return await rows.to_list(None)


def lookup_pipeline(
    relation: Relation, parent_ids: Sequence[str], pipeline: Sequence[Mapping[str, object]]
) -> list[Document]:
    """The pipeline that applies `pipeline` to the children of each parent."""
    children = {
        "from": relation.children,
        "localField": "_id",
        "foreignField": relation.path,
        "pipeline": list(pipeline),
        "as": "child",
    }
    return [
        {"$match": {"_id": {"$in": list(parent_ids)}}},
        {"$project": {"_id": 1}},
        {"$lookup": children},
        # One row for each child: the children of one parent may exceed the size of a document.
        {"$unwind": "$child"},
    ]


def first_children_stages(
    relation: Relation, query: Mapping[str, object], limit: int, *, backwards: bool = False
) -> list[Document]:
    """The stages that read the first children of one parent that match; if `backwards`, the last ones."""
    return [{"$match": query}, {"$sort": dict(relation.order.sort(backwards=backwards))}, {"$limit": limit}]


async def count(
    reader: Reader, relation: Relation, parent_ids: Sequence[str], query: Document
) -> dict[str, int | None]:
    """By parent id: the number of children that match, or None beyond the bounds of counts.py."""
    seen: list[Document] = [{"$count": "count"}]
    matching: list[Document] = [{"$match": query}, {"$count": "count"}]
    counting: list[Document] = [
        {"$limit": counts.COUNT_LIMIT + counts.UNMATCHED_LIMIT + 1},
        {"$facet": {"seen": seen, "matching": matching} if query else {"seen": seen}},
    ]
    rows = await _lookup(reader, relation, parent_ids, counting)
    return {row["_id"]: _bounded(row["child"]) for row in rows}


def _bounded(counted: Document) -> int | None:
    """The number of matching children in the result of `$facet`."""
    seen = counted["seen"][0]["count"] if counted["seen"] else 0
    found = counted.get("matching", counted["seen"])
    matching = found[0]["count"] if found else 0
    return None if seen - matching > counts.UNMATCHED_LIMIT else counts.within_limit(matching)


class ChildCounts:
    """The numbers of children of several parents. The first request for one counts those of all parents."""

    def __init__(self, count: Callable[[], Coroutine[Any, Any, dict[str, int | None]]]) -> None:
        self._count = count
        self._counting: asyncio.Future[dict[str, int | None]] | None = None

    def get(self, parent_id: str) -> Callable[[], Awaitable[int | None]]:
        async def total() -> int | None:
            if self._counting is None:
                self._counting = spawn(self._count(), name="count the children of parents")
            return (await asyncio.shield(self._counting)).get(parent_id, 0)

        return total
