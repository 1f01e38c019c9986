"""Keyset pagination: the cost of a page does not depend on its position, and inserts do not shift it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pymongo import ASCENDING, DESCENDING

from storage.errors import InvalidCursor
from storage.mongo.connection import Document
from storage.mongo.cursors import page_cursor, page_values
from storage.sizes import size_of_document

T = TypeVar("T")

#: A page ends after the document with which it exceeds this size in bytes.
PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Consecutive items of a list, each with the cursor after it."""

    items: list[T]
    cursors: list[str]
    has_next: bool
    has_previous: bool
    #: Counts the whole list when called. The result is exact, or None beyond the bounds of counts.py.
    total: Callable[[], Awaitable[int | None]]
    #: The cursor of the next page if that is not the one after the last item.
    end_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class SortOrder:
    """One sort order of one list: by a path of its documents, if any, then by id, both in the same direction."""

    #: Names the list and the order in cursors. A cursor is valid for no other list or order.
    name: str
    path: str | None = None
    #: The type of the values at the path.
    kind: type[str | int] = str
    descending: bool = False
    #: Whether the values at the path are unique, so that the order needs no ids.
    unique: bool = False

    def reversed(self) -> "SortOrder":
        return replace(self, name=f"-{self.name}", descending=not self.descending)

    @property
    def sort(self) -> list[tuple[str, int]]:
        direction = DESCENDING if self.descending else ASCENDING
        if self.path is None:
            return [("_id", direction)]
        return [(self.path, direction)] if self.unique else [(self.path, direction), ("_id", direction)]

    def query_after(self, cursor: str) -> Document:
        """The query for the documents after the cursor. Raises InvalidCursor."""
        beyond = "$lt" if self.descending else "$gt"
        if self.path is None:
            (last,) = _texts(page_values(cursor, self.name, 1)[-1:])
            return {"_id": {beyond: last}}
        value, last = page_values(cursor, self.name, 2)
        _texts([last])
        if type(value) is not self.kind or (isinstance(value, int) and abs(value) >= 2**63):
            raise InvalidCursor
        if self.unique:
            return {self.path: {beyond: value}}
        return {"$or": [{self.path: {beyond: value}}, {self.path: value, "_id": {beyond: last}}]}

    def cursor(self, document: Document) -> str:
        values = [document["_id"]] if self.path is None else [document[self.path], document["_id"]]
        return page_cursor(self.name, values)


def _texts(values: Sequence[object]) -> Sequence[object]:
    if not all(isinstance(value, str) for value in values):
        raise InvalidCursor
    return values


async def read_within(cursor: Any, size: int) -> tuple[list[Document], bool]:
    """Read documents up to the one with which they exceed `size` bytes. Returns them, and whether more follow."""
    documents: list[Document] = []
    total = 0
    try:
        async for document in cursor:
            if total > size:
                return documents, True
            documents.append(document)
            total += size_of_document(document)
    finally:
        await cursor.close()
    return documents, False
