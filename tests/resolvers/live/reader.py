"""A client of `roomList` that applies its messages to a list, and verifies them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from resolvers.context import Context
from resolvers.live.list_updates import ListUpdate
from resolvers.live.lists import subscribe_room_list
from resolvers.live.window import ListChange
from resolvers.ordering import Ordering
from storage.facts import AnyFact, RoomFact
from storage.filters.expressions import EVERYTHING, Expression
from storage.filters.predicates import predicate
from storage.mongo.sort_orders import SortOrder
from storage.records import FieldTarget, Room
from storage.rooms import ORDERS

SECONDS = 10.0


class ListReader:
    """One client. It can stop after any message, and resume from its cursor."""

    def __init__(self, context: Context, **arguments: Any) -> None:
        self.context = context
        self.arguments = arguments
        self.rooms: dict[str, Room] = {}
        self.total: int | None = None
        self.cursor: str | None = None
        self.last: ListUpdate | None = None
        self.updates: list[ListUpdate] = []
        self._presenting = False
        self._stream: Any = None

    async def open(self, *, context: Context | None = None) -> None:
        """Subscribe, after the cursor of the last message if there is one."""
        self.context = context or self.context
        self._presenting = False
        self._stream = await subscribe_room_list(self.context, **self.arguments, after=self.cursor)

    async def close(self) -> None:
        await self._stream.aclose()
        self._stream = None

    async def next(self) -> ListUpdate:
        """Receive one message."""
        async with asyncio.timeout(SECONDS):
            update: ListUpdate = await anext(self._stream)
        self._take(update)
        return update

    async def until_ready(self) -> list[ListUpdate]:
        """Receive messages up to READY."""
        found = [await self.next()]
        while found[-1].change is not ListChange.READY:
            found.append(await self.next())
        return found

    async def until_left(self) -> None:
        """Take messages in up to LEFT."""
        while (await self.next()).change is not ListChange.LEFT:
            pass

    def _take(self, update: ListUpdate) -> None:
        self.last, self.cursor = update, update.cursor
        self.updates.append(update)
        room_id, room = update.room_id, update.room
        if update.change is ListChange.PRESENT and not self._presenting:
            self._presenting, self.rooms = True, {}
        if update.change is ListChange.READY:
            self._presenting = False
            if update.total == 0:
                self.rooms = {}
            assert (room_id, room) == (None, None)
        else:
            assert room_id is not None
        match update.change:
            case ListChange.PRESENT | ListChange.ENTERED:
                assert room is not None
                assert room_id not in self.rooms, update
                self.rooms[room.id] = room
            case ListChange.CHANGED:
                assert room is not None
                assert room.revision >= self.rooms[room.id].revision
                self.rooms[room.id] = room
            case ListChange.LEFT:
                assert room_id is not None
                del self.rooms[room_id]
        if update.has_total:
            self.total = update.total

    @property
    def ids(self) -> list[str]:
        """The ids of the list in order."""
        key = stored_order(self.arguments.get("order_by")).sort_key
        return [room.id for room in sorted(self.rooms.values(), key=key)]

    def is_complete(self) -> bool:
        """Whether the client has all changes up to the position of the last message."""
        return self.last is not None and self.last.at.base is None


def stored_order(order_by: Ordering | None) -> SortOrder:
    """The sort order of storage, for orders without a custom field."""
    order = ORDERS[order_by.field if order_by else "STARTED_AT"]
    return order.reversed() if order_by and order_by.descending else order


def expected_list(
    facts: Sequence[AnyFact],
    sequence: int,
    *,
    first: int = 50,
    where: Expression | None = None,
    visible: Expression = EVERYTHING,
    order_by: Ordering | None = None,
) -> tuple[list[Room], int]:
    """The list after that fact, and how many rooms match, computed from all facts."""
    rooms: dict[str, Room] = {}
    for fact in facts:
        if isinstance(fact, RoomFact) and fact.sequence <= sequence:
            rooms[fact.room.room.id] = fact.room.room
    tests = [predicate(one, FieldTarget.ROOM) for one in (where or EVERYTHING, visible)]
    matching = [room for room in rooms.values() if all(test(room) for test in tests)]
    matching.sort(key=stored_order(order_by).sort_key)
    return matching[:first], len(matching)
