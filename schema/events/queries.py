"""Queries of the event log: its events and its end."""

from typing import Annotated

import strawberry

from resolvers import events
from schema.base.connections import Connection, First, Last
from schema.base.fields import api_type, query_field
from schema.base.filters import RoomFilter, optional
from schema.base.scalars import Cursor
from schema.events.conversion import event_from_fact
from schema.events.event_types import Event, EventType
from schema.execution.context import Info

Types = Annotated[
    list[EventType] | None,
    strawberry.argument(description="Returns only events of these types. All types if null, no events if empty."),
]
Where = Annotated[
    RoomFilter | None,
    strawberry.argument(
        description=(
            "Returns only events of rooms that match this filter before or after the event. Events that do not "
            "concern a room do not match. All events if null."
        )
    ),
]
AfterEvent = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Continues after this event: its `cursor`, or an `eventCursor`. `INVALID_CURSOR` for another text. "
            "`CURSOR_EXPIRED` (with `oldestCursor`) if the events after it are no longer in the log."
        )
    ),
]
BeforeEvent = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Returns the events before this event: its `cursor`, or an `eventCursor`. The last 50 of them if "
            "`last` is null. `INVALID_CURSOR` for another text. `INVALID_INPUT` together with `first` or `after`."
        )
    ),
]


@api_type
class LogQueries:
    """Queries of the event log."""

    @query_field(events.head_cursor, visitors=True)
    async def event_cursor(self, info: Info) -> Cursor | None:
        """The cursor of the last event in the log.

        It is read before all other fields of the operation. So read your state in the same operation, and subscribe
        with this cursor as `after`: you miss no event in between.
        """
        return Cursor(await info.context.head())

    @query_field(events.list_events)
    async def events(
        self,
        info: Info,
        types: Types = None,
        where: Where = None,
        first: First = None,
        after: AfterEvent = None,
        last: Last = None,
        before: BeforeEvent = None,
    ) -> Connection[Event] | None:
        """The events in the log, oldest first. Events are deleted after the retention time.

        Events about objects that you may not read are left out.
        """
        page = await events.list_events(
            info.context.resolver_context,
            types=fact_tags(types),
            where=optional(where),
            first=first,
            after=after,
            last=last,
            before=before,
        )
        return Connection.from_page(page, event_from_fact)


def fact_tags(types: list[EventType] | None) -> frozenset[str] | None:
    """The types as the tags of facts. None for all."""
    return None if types is None else frozenset(kind.value for kind in types)
