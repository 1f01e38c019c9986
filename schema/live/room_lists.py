"""The subscription `roomList`: a list of rooms, and the changes of it."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

import strawberry

from resolvers.live import lists
from resolvers.live.list_updates import ListUpdate
from resolvers.live.window import ListChange
from schema.base import ids
from schema.base.fields import api_type, describe_enum, subscription_field
from schema.base.filters import RoomFilter, optional
from schema.base.scalars import Cursor
from schema.execution.context import Info
from schema.rooms import Room, RoomOrder

describe_enum(
    ListChange,
    "The kinds of messages of `roomList`.",
    PRESENT="The room is in the list at the start. These messages come first, in the order of the list.",
    READY="The list is complete as of `cursor`. The message has no room. Sent again if only `totalCount` changed. If "
    "`totalCount` is 0, the list is empty, and the client removes all its rooms.",
    ENTERED="The room entered the list.",
    CHANGED="A room in the list changed, and perhaps its place in the list.",
    LEFT="The room left the list.",
)


@api_type
class RoomListChange:
    """A message of `roomList`."""

    cursor: Cursor
    """The position of this message. A `roomList` with this `after` continues from here. It must have the same `where`,
    `orderBy` and `first`."""
    change: ListChange
    """The kind of the message."""
    room: Room | None
    """The room as of `cursor`, with its current visitor, department and agents. Null for READY, and for LEFT if you may
    no longer read the room."""
    room_id: strawberry.ID | None
    """The id of the room. Null for READY."""
    total_count: int | None
    """The number of rooms that match, in the list and beyond `first`. Set for READY and if it changed, null otherwise.
    Null also if there are too many to count (see `RoomConnection.totalCount`)."""


class ListUpdateSource:
    """A change of a list, to be delivered to subscribers (schema/events/deliveries.py)."""

    message_id = None

    def __init__(self, update: ListUpdate) -> None:
        self.key = update.number
        self._update = update

    @property
    def cursor(self) -> str:
        return self._update.cursor

    def root(self) -> RoomListChange:
        update = self._update
        return RoomListChange(
            cursor=Cursor(update.cursor),
            change=update.change,
            room=None if update.room is None else Room.from_record(update.room),
            room_id=ids.ROOM.format_optional(update.room_id),
            total_count=update.total,
        )


async def _sources(updates: AsyncGenerator[ListUpdate, None]) -> AsyncGenerator[ListUpdateSource, None]:
    try:
        async for update in updates:
            yield ListUpdateSource(update)
    finally:
        await updates.aclose()


@api_type
class RoomListSubscriptions:
    """Subscriptions to lists of rooms."""

    @subscription_field(lists.subscribe_room_list)
    async def room_list(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None,
            strawberry.argument(description="Returns only rooms that match this filter. All rooms if null."),
        ] = None,
        order_by: Annotated[
            RoomOrder | None,
            strawberry.argument(description="The order of the list. By start time, oldest first, if null."),
        ] = None,
        first: Annotated[
            int,
            strawberry.argument(
                description="The maximum number of rooms in the list, 1 to 200. `INVALID_INPUT` for another number."
            ),
        ] = 50,
        after: Annotated[
            Cursor | None,
            strawberry.argument(
                description=(
                    "Continues after this position: the `cursor` of the last message of an earlier `roomList` "
                    "with the same arguments. The changes since then come first, then READY. If these changes are "
                    "no longer available, the list starts again with PRESENT, and the client must empty its list "
                    "first. If it has no rooms any more, only READY comes, with `totalCount` 0. "
                    "`INVALID_CURSOR` for the cursor of another list."
                )
            ),
        ] = None,
    ) -> AsyncGenerator[RoomListChange, None]:
        """A list of rooms and its changes: first the rooms (PRESENT, in the order of the list, then one READY), then
        each room that enters the list, changes or leaves it, in the order of the event log.

        The list has the first `first` rooms that match and that you may read. If a room leaves, the next one enters
        with ENTERED; if a room enters a full list, the last one leaves with LEFT. A new message in a room changes the
        room if you have the scope `messages:read`. The messages are not sorted by `orderBy`: the client sorts the list.

        `RATE_LIMITED`, also later, if this server has too many different lists and counts. `UNKNOWN_FIELD`, also later,
        if a custom field of `where` or `orderBy` is removed. `QUERY_TOO_COMPLEX` if the list is too large or would have
        to sort too many rooms.
        """
        updates = await lists.subscribe_room_list(
            info.context.resolver_context,
            where=optional(where),
            order_by=None if order_by is None else order_by.ordering(),
            first=first,
            after=info.context.resume_after or after,
        )
        return cast(AsyncGenerator[RoomListChange, None], _sources(updates))
