"""The event log as a list that can be read, and where it ends."""

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
    strawberry.argument(description="Only events of these types; of all types when null, of none when empty."),
]
Where = Annotated[
    RoomFilter | None,
    strawberry.argument(
        description=(
            "Only events of rooms of which this holds, either as the room was before the event or as it was after it. "
            "Events that are not about a room never pass a filter. No filter when null."
        )
    ),
]
AfterEvent = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Go on after this event: its `cursor`, or an `eventCursor`. `INVALID_CURSOR` for any other text, "
            "`CURSOR_EXPIRED` (with `oldestCursor`) when what came after it is no longer kept."
        )
    ),
]
BeforeEvent = Annotated[
    Cursor | None,
    strawberry.argument(
        description=(
            "Answers what came before this event: its `cursor`, or an `eventCursor`; the last 50 of it when `last` is "
            "null. `INVALID_CURSOR` for any other text. Not together with `first` or `after` (`INVALID_INPUT`)."
        )
    ),
]


@api_type
class LogQueries:
    """Reading the event log."""

    @query_field(events.head_cursor)
    async def event_cursor(self, info: Info) -> Cursor | None:
        """Where the event log ends now.

        It is read before anything else in the same operation: read your state together with it, then subscribe with
        `after` set to it, and you miss nothing that happened in between.
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
        """The event log, oldest first, from the oldest event that is still kept.

        It passes no event about something that your token may not read.
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
    """The types as the log names them; None for all."""
    return None if types is None else frozenset(kind.value for kind in types)
