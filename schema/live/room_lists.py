"""`roomList`: a list of rooms that keeps itself."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

import strawberry

from resolvers.live import lists
from resolvers.live.list_watch import ListUpdate
from resolvers.live.window import ListChange
from schema.base import ids
from schema.base.fields import api_type, describe_enum, subscription_field
from schema.base.filters import RoomFilter, optional
from schema.base.scalars import Cursor
from schema.execution.context import Info
from schema.rooms import Room, RoomOrder

describe_enum(
    ListChange,
    "What a message of `roomList` tells of a room.",
    PRESENT="The room is in the list. These come first, in the order of the list; the client begins with none.",
    READY="The list is complete as of `cursor`. There is no room. Comes again when `totalCount` alone changed.",
    ENTERED="The room is in the list now.",
    CHANGED="The room was in the list, is in it still, and something about it changed; its place may have, too.",
    LEFT="The room is not in the list any more.",
)


@api_type
class RoomListChange:
    """One message of a list that keeps itself."""

    cursor: Cursor
    """The position of this message. With it as `after` another `roomList` of the same list goes on from here. A cursor
    is good for this list alone: for the same filter, order and size."""
    change: ListChange
    """What the message tells."""
    room: Room | None
    """The room as it is at `cursor`, with its visitor, department and agents as they are now. Null with `READY`, and
    with `LEFT` where you cannot see it any more."""
    room_id: strawberry.ID | None
    """The id of the room. Null with `READY` alone."""
    total_count: int | None
    """How many rooms match, on the list and beyond it. Told with `READY` and when it changed; null otherwise, and when
    it is not known (see `RoomConnection.totalCount`)."""


class ListUpdateSource:
    """A change of a list, as deliveries take it."""

    shares_reads = True

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
            room_id=ids.ROOM.add_optional(update.room_id),
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
    """Lists of rooms that keep themselves."""

    @subscription_field(lists.subscribe_room_list)
    async def room_list(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None, strawberry.argument(description="Only rooms of which this holds; all when null.")
        ] = None,
        order_by: Annotated[
            RoomOrder | None, strawberry.argument(description="How to sort; those that started first when null.")
        ] = None,
        first: Annotated[
            int,
            strawberry.argument(
                description="How many rooms the list has at most, from 1 to 200; else `INVALID_INPUT`."
            ),
        ] = 50,
        after: Annotated[
            Cursor | None,
            strawberry.argument(
                description=(
                    "Go on after this position: the `cursor` of the last message of an earlier `roomList` of the same "
                    "list. What changed since comes first, then `READY`. When that cannot be told any more, `PRESENT` "
                    "comes again, and the client empties its list first. `INVALID_CURSOR` for the cursor of another "
                    "list."
                )
            ),
        ] = None,
    ) -> AsyncGenerator[RoomListChange, None]:
        """A list of rooms that keeps itself: first its rooms (`PRESENT`, in order, then one `READY`), then what enters
        it, changes in it and leaves it, in the order of the event log.

        Of the rooms that match and that you may see, only the first `first` are told of. One that moves in because
        another left is `ENTERED`; one that is pushed out has `LEFT`. Messages in a room are changes of it for those
        with the scope `messages:read`. The client sorts: the order of what is told is that of the log.
        """
        updates = await lists.subscribe_room_list(
            info.context.resolver_context,
            where=optional(where),
            order_by=None if order_by is None else order_by.ordering(),
            first=first,
            after=info.context.resume_after or after,
        )
        return cast(AsyncGenerator[RoomListChange, None], _sources(updates))
