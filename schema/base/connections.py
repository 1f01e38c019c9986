"""Lists that are read a page at a time, in the form that Relay gave the world; which lists there are is elsewhere."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, Self, TypeVar

import strawberry

from schema.base.fields import api_type, field
from schema.base.scalars import Cursor
from storage.mongo.pagination import Page

Node = TypeVar("Node")
Item = TypeVar("Item")

DEFAULT_FIRST = 50

First = Annotated[
    int | None,
    strawberry.argument(description="How many to answer at most, from 1 to 200; `INVALID_INPUT` beyond. 50 when null."),
]
After = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Go on after this position: the `endCursor` of the page before, or any cursor of this list. From the start "
            "when null. A text that is no cursor of this list is `INVALID_CURSOR`."
        )
    ),
]


def page_size(first: int | None) -> int:
    """How many to answer at most; whether that is too many is for the resolvers to say."""
    return DEFAULT_FIRST if first is None else first


@api_type
class PageInfo:
    """Where a page stands in its list, and how to get the next one."""

    has_next_page: bool
    """Whether more follows: ask again with `after: endCursor`."""
    has_previous_page: bool
    """Whether anything stands before this page."""
    start_cursor: Cursor | None
    """The position of the page's first entry; null when the page is empty."""
    end_cursor: Cursor | None
    """Where to go on: the position of the page's last entry, or a later one when what follows was searched already;
    null when there is nothing before it."""


@api_type
class Edge(Generic[Node]):
    """One entry of a page: what stands there, and the position itself."""

    cursor: Cursor
    """The position of this entry in the list, good for `after`. Among events it is the event's own cursor."""
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
    last_cursor: strawberry.Private[Cursor | None]
    has_next: strawberry.Private[bool]
    has_previous: strawberry.Private[bool]
    total: strawberry.Private[Callable[[], Awaitable[int | None]]]

    @classmethod
    def from_page(cls, page: Page[Item], node: Callable[[Item], Node]) -> Self:
        return cls(
            nodes=[node(item) for item in page.items],
            cursors=[Cursor(cursor) for cursor in page.cursors],
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
            start_cursor=self.cursors[0] if self.cursors else None,
            end_cursor=self.last_cursor or (self.cursors[-1] if self.cursors else None),
        )

    @field
    async def total_count(self) -> int | None:
        """How many entries the whole list has, on all pages together.

        Exact, and null when there are more than 100,000, or when more than 10,000 entries that do not match would have
        to be looked at. Counted only when you ask for it: leave it out if you need not know.
        """
        return await self.total()
