"""Keyset pagination: the cost of a page does not depend on its position, and inserts do not shift it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypedDict, TypeVar

from storage.entity_cache import CachedEntity
from storage.mongo.connection import Document
from storage.mongo.read_budget import charge
from storage.mongo.sort_orders import Position, SortOrder
from storage.mongo.stored_documents import StoredDocument, decode
from storage.sizes import size_of_document

T = TypeVar("T")

#: A page ends after the document with which it exceeds this size in bytes.
PAGE_BYTES = 4 * 1024 * 1024


class PageArguments(TypedDict, total=False):
    """The arguments of a page in the API. `first` and `after` read forwards, `last` and `before` backwards."""

    first: int | None
    after: str | None
    last: int | None
    before: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Up to `size` entries after the cursor, or before it if `backwards`. Without a cursor, from an end of the list."""

    size: int
    cursor: str | None = None
    backwards: bool = False

    @property
    def cursor_argument(self) -> str:
        """The name of the cursor in the arguments of the API."""
        return "before" if self.backwards else "after"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A run of items of a list in the list's order, each with its cursor."""

    items: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    #: Counts the whole list when called. The result is exact, or None beyond the bounds of counts.py.
    total: Callable[[], Awaitable[int | None]]
    #: The cursor from which to continue backwards, if it is not that of the first item.
    start_cursor: str | None = None
    #: The cursor from which to continue forwards, if it is not that of the last item.
    end_cursor: str | None = None
    #: The items with what was made of them before, if they are kept in memory.
    cached: Sequence[CachedEntity[T]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Documents of a list in the order of the list, and whether the list has more before and after them."""

    documents: list[StoredDocument]
    has_next: bool
    has_previous: bool


class Find(Protocol):
    """Reads the first documents that match in a sort order, up to `limit` and about `size` bytes. The result says
    whether documents were left out for their size."""

    async def __call__(
        self, query: Document, sort: list[tuple[str, int]], limit: int, size: int
    ) -> tuple[list[StoredDocument], bool]: ...


async def read_run(find: Find, query: Document, order: SortOrder, request: PageRequest) -> Run:
    """The documents of a page. Raises InvalidCursor.

    The entry at the cursor is read too. If it still exists, the list has an entry on the other side of the page.
    """
    at = None if request.cursor is None else order.position_of(request.cursor, key=request.cursor_argument)
    documents, more = await _read(find, query, order, request, at)
    behind = at is not None and bool(documents) and order.is_at(decode(documents[0]), at)
    if behind:
        documents = documents[1:]
    elif at is not None:
        behind = await _any_behind(find, query, order, request, at)
    items = documents[: request.size]
    ahead = more or len(documents) > request.size
    if request.backwards:
        return Run(items[::-1], has_next=behind, has_previous=ahead)
    return Run(items, has_next=ahead, has_previous=behind)


async def _read(
    find: Find, query: Document, order: SortOrder, request: PageRequest, at: Position | None
) -> tuple[list[StoredDocument], bool]:
    """The entries from the position on, including it, in the direction of reading: one more than the page has."""
    limit, backwards = request.size + 1 + (at is not None), request.backwards
    found: list[StoredDocument] = []
    free = PAGE_BYTES
    for number in _sections(order, at, backwards=backwards):
        conditions = [query, order.sections[number].query]
        if at is not None and number == at.section:
            conditions.append(order.query_beyond(at, backwards=backwards, inclusive=True))
        documents, more = await find(
            _all_of(conditions), order.sort(number, backwards=backwards), limit - len(found), max(free, 0)
        )
        found += documents
        free -= sum(map(len, documents))
        if more:
            return found, True
        if len(found) >= limit:
            break
    return found, False


async def _any_behind(find: Find, query: Document, order: SortOrder, request: PageRequest, at: Position) -> bool:
    """Whether the list has an entry behind the position, if the entry at the position was removed."""
    backwards = not request.backwards
    for number in _sections(order, at, backwards=backwards):
        conditions = [query, order.sections[number].query]
        if number == at.section:
            conditions.append(order.query_beyond(at, backwards=backwards))
        documents, _ = await find(_all_of(conditions), order.sort(number, backwards=backwards), 1, PAGE_BYTES)
        if documents:
            return True
    return False


def _sections(order: SortOrder, at: Position | None, *, backwards: bool) -> range:
    """The sections to read, in the direction of reading, from the section of the position on."""
    last = len(order.sections) - 1
    if backwards:
        return range(last if at is None else at.section, -1, -1)
    return range(0 if at is None else at.section, last + 1)


def _all_of(queries: list[Any]) -> Document:
    conditions = [dict(one) for one in queries if one]
    return conditions[0] if len(conditions) == 1 else {"$and": conditions} if conditions else {}


async def read_within(cursor: Any, size: int) -> tuple[list[Document], bool]:
    """Read documents up to the one with which they exceed `size` bytes. Returns them, and whether more follow.

    Raises QueryTooComplex if the operation has no budget left for them.
    """
    documents: list[Document] = []
    total = 0
    try:
        async for document in cursor:
            if total > size:
                return documents, True
            size_read = size_of_document(document)
            charge(size_read)
            documents.append(document)
            total += size_read
    finally:
        await cursor.close()
    return documents, False
