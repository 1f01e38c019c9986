"""Connections in Relay's form: lists that are read a page at a time. Which lists there are is in the nouns' files."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, Self, TypeVar

import strawberry

from schema.base.fields import api_type, field
from schema.base.scalars import Cursor
from storage.mongo.pagination import Page

Node = TypeVar("Node")
Item = TypeVar("Item")

First = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "Answers up to this many entries from the start of the list, or after `after`: 1 to 200, `INVALID_INPUT` "
            "for another number. 50 when neither `first` nor `last` is given. Not together with `last` or `before` "
            "(`INVALID_INPUT`)."
        )
    ),
]
After = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Answers what comes after this position: the `endCursor` of the page before, or any cursor of this list. "
            "`INVALID_CURSOR` for a text that is no cursor of this list. Not together with `last` or `before` "
            "(`INVALID_INPUT`)."
        )
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "Answers up to this many entries from the end of the list, or before `before`, in the order of the list: "
            "1 to 200, `INVALID_INPUT` for another number. Not together with `first` or `after` (`INVALID_INPUT`)."
        )
    ),
]
Before = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Answers what comes before this position: the `startCursor` of a page, or any cursor of this list; the "
            "last 50 of it when `last` is null. `INVALID_CURSOR` for a text that is no cursor of this list. Not "
            "together with `first` or `after` (`INVALID_INPUT`)."
        )
    ),
]


@api_type
class PageInfo:
    """Where a page stands in its list, and how to get the next one."""

    has_next_page: bool
    """Whether more follows this page: read it with `after: endCursor`."""
    has_previous_page: bool
    """Whether more comes before this page: read it with `last` and `before: startCursor`."""
    start_cursor: Cursor | None
    """Where to go on backwards: the position of the page's first entry, or an earlier one when what comes before was
    searched already; null when there is neither."""
    end_cursor: Cursor | None
    """Where to go on: the position of the page's last entry, or a later one when what follows was searched already;
    null when there is neither."""


@api_type
class Edge(Generic[Node]):
    """One entry of a page: what stands there, and the position itself."""

    cursor: Cursor
    """The position of this entry in the list, for `after` and `before`. Among events it is the event's own cursor."""
    node: Node
    """What stands at this position."""


@api_type
class Connection(Generic[Node]):
    """A page of a list.

    Paging is stable: what is added or removed while you read neither repeats nor hides another entry, and a page costs
    the same wherever in the list it lies. What is being committed at the moment of the read may be missing, and may
    then stand before the page's last entry in lists in the order of creation. Messages of a room always come after
    those that were sent before them, and `events` misses nothing.
    """

    nodes: list[Node]
    """The entries of this page in the list's order, without their positions."""
    cursors: strawberry.Private[list[Cursor]]
    first_cursor: strawberry.Private[Cursor | None]
    last_cursor: strawberry.Private[Cursor | None]
    has_next: strawberry.Private[bool]
    has_previous: strawberry.Private[bool]
    total: strawberry.Private[Callable[[], Awaitable[int | None]]]

    @classmethod
    def from_page(cls, page: Page[Item], node: Callable[[Item], Node]) -> Self:
        return cls(
            nodes=[node(item) for item in page.items],
            cursors=[Cursor(cursor) for cursor in page.cursors],
            first_cursor=None if page.start_cursor is None else Cursor(page.start_cursor),
            last_cursor=None if page.end_cursor is None else Cursor(page.end_cursor),
            has_next=page.has_next,
            has_previous=page.has_previous,
            total=page.total,
        )

    @field
    def edges(self) -> list[Edge[Node]]:
        """The entries of this page in the list's order, each with its position."""
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(self.cursors, self.nodes, strict=True)]

    @field
    def page_info(self) -> PageInfo:
        """Whether there is more, and where to go on."""
        return PageInfo(
            has_next_page=self.has_next,
            has_previous_page=self.has_previous,
            start_cursor=self.first_cursor or (self.cursors[0] if self.cursors else None),
            end_cursor=self.last_cursor or (self.cursors[-1] if self.cursors else None),
        )

    @field
    async def total_count(self) -> int | None:
        """How many entries the whole list has, on all pages together.

        Exact, and null when there are more than 100,000, or when more than 10,000 entries that do not match would have
        to be looked at. Counted only when you ask for it: leave it out if you need not know.
        """
        return await self.total()
