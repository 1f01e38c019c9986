"""Relay connections: lists that are read in pages."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, Self, TypeVar

import strawberry

from schema.base.fields import api_type, entry_field, field
from schema.base.scalars import Cursor
from storage.entity_cache import CachedEntity
from storage.mongo.pagination import Page

Node = TypeVar("Node")
Item = TypeVar("Item")

First = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "Returns up to this many entries from the start of the list, or after `after`: 1 to 200, "
            "`INVALID_INPUT` for another number. 50 if neither `first` nor `last` is given. `INVALID_INPUT` "
            "together with `last` or `before`."
        )
    ),
]
After = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Returns the entries after this position: the `endCursor` of the previous page, or any cursor of this "
            "list. `INVALID_CURSOR` if it is not a cursor of this list. `INVALID_INPUT` together with `last` or "
            "`before`."
        )
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "Returns up to this many entries from the end of the list, or before `before`, in the order of the "
            "list: 1 to 200, `INVALID_INPUT` for another number. `INVALID_INPUT` together with `first` or "
            "`after`."
        )
    ),
]
Before = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Returns the entries before this position: the `startCursor` of a page, or any cursor of this list. "
            "The last 50 of them if `last` is null. `INVALID_CURSOR` if it is not a cursor of this list. "
            "`INVALID_INPUT` together with `first` or `after`."
        )
    ),
]


@api_type
class PageInfo:
    """Whether there are pages before and after a page, and the cursors to read them with."""

    has_next_page: bool
    """Whether there are entries after this page. Read them with `after: endCursor`."""
    has_previous_page: bool
    """Whether there are entries before this page. Read them with `last` and `before: startCursor`."""
    start_cursor: Cursor | None
    """The position of the page's first entry, or an earlier position if the entries between were searched and do not
    match. Null if there is neither."""
    end_cursor: Cursor | None
    """The position of the page's last entry, or a later position if the entries between were searched and do not match.
    Null if there is neither."""


class Entry(Generic[Item, Node]):
    """An item of a list, whose node is made when it is asked for."""

    __slots__ = ("_item", "_make", "cached")

    def __init__(self, item: Item, make: Callable[[Item], Node], cached: CachedEntity[Item] | None = None) -> None:
        self._item = item
        self._make = make
        #: What was made of the item before.
        self.cached = cached

    def node(self) -> Node:
        return self._make(self._item)


@api_type
class Edge(Generic[Node]):
    """An entry of a page, with its position in the list."""

    cursor: Cursor
    """The position of the entry in the list, for `after` and `before`. In lists of events, the cursor of the event."""
    entry: strawberry.Private[Entry[Any, Node]]

    @entry_field("entry")
    def node(self) -> Node:
        """The entry."""
        return self.entry.node()


@api_type
class Connection(Generic[Node]):
    """A page of a list.

    Entries that are added or removed while you read pages neither repeat nor hide other entries. Entries that are
    committed during the read may be missing, and may later appear before the page's last entry. This does not apply to
    `events` and to the messages of a room: later entries always come last.
    """

    entries: strawberry.Private[list[Entry[Any, Node]]]
    cursors: strawberry.Private[list[Cursor]]
    first_cursor: strawberry.Private[Cursor | None]
    last_cursor: strawberry.Private[Cursor | None]
    has_next: strawberry.Private[bool]
    has_previous: strawberry.Private[bool]
    total: strawberry.Private[Callable[[], Awaitable[int | None]]]

    @classmethod
    def from_page(cls, page: Page[Item], node: Callable[[Item], Node]) -> Self:
        return cls(
            entries=(
                [Entry(item, node) for item in page.items]
                if page.cached is None
                else [Entry(item, node, cached) for item, cached in zip(page.items, page.cached, strict=True)]
            ),
            cursors=[Cursor(cursor) for cursor in page.cursors],
            first_cursor=None if page.start_cursor is None else Cursor(page.start_cursor),
            last_cursor=None if page.end_cursor is None else Cursor(page.end_cursor),
            has_next=page.has_next,
            has_previous=page.has_previous,
            total=page.total,
        )

    @entry_field("entries")
    def nodes(self) -> list[Node]:
        """The entries of this page, in the order of the list."""
        return [entry.node() for entry in self.entries]

    @field
    def edges(self) -> list[Edge[Node]]:
        """The entries of this page with their positions, in the order of the list."""
        return [Edge(cursor=cursor, entry=entry) for cursor, entry in zip(self.cursors, self.entries, strict=True)]

    @field
    def page_info(self) -> PageInfo:
        """Whether there are more pages, and the cursors to read them with."""
        return PageInfo(
            has_next_page=self.has_next,
            has_previous_page=self.has_previous,
            start_cursor=self.first_cursor or (self.cursors[0] if self.cursors else None),
            end_cursor=self.last_cursor or (self.cursors[-1] if self.cursors else None),
        )

    @field
    async def total_count(self) -> int | None:
        """The number of entries on all pages of the list.

        It is exact. Null if there are more than 100,000, or if more than 10,000 entries that do not match would have to
        be read. The entries are counted only if you select this field.
        """
        return await self.total()
