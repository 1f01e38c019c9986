"""`roomList`: who may watch which list, and what each who watches it is sent."""

from collections.abc import AsyncGenerator, Callable
from hashlib import blake2b
from typing import cast

import msgspec

from resolvers import validation
from resolvers.auth import access
from resolvers.consumers.consumers import require_existing
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.live.list_watch import ListSpec, ListUpdate, ListWatch
from resolvers.live.orders import list_order
from resolvers.live.positions import ListName, ListPosition
from resolvers.operations import query
from resolvers.ordering import Ordering
from resolvers.rooms import room_order
from storage.filters.expressions import EVERYTHING, Expression
from storage.records import FieldTarget


@query("rooms:read")
async def subscribe_room_list(
    context: Context,
    *,
    where: Expression | None = None,
    order_by: Ordering | None = None,
    first: int = 50,
    after: str | None = None,
) -> AsyncGenerator[ListUpdate, None]:
    """The first `first` rooms that match, in the order, and then every change of that list, for as long as the caller
    listens. With `after`, what changed since that position first.

    Raises InvalidCursor for a cursor of another list, UnknownField, and Invalid.
    """
    size = validation.page_size(first, "first")
    expression = await bind(context.reader, FieldTarget.ROOM, where)
    visible = access.visible_rooms(context.caller)
    with_messages = context.caller.has_scope("messages:read")
    order = await room_order(context, order_by)
    name = ListName(digest(where or EVERYTHING, order.name, size, length=8), digest(visible, with_messages, length=8))
    position = None if after is None else name.position(after)
    if position is not None:
        await require_existing(context.storage, position.sequence, key="after")
    spec = ListSpec(expression, visible, list_order(order), size, with_messages, name)
    key = f"list {digest(expression, visible, order.name, size, with_messages, where or EVERYTHING)}"
    head = await context.storage.log.head()
    updates = _follow(context, key, lambda: ListWatch(context.storage, spec), head, position)
    # A generator that was never asked for anything gives nothing back when it is closed. So it has been asked once.
    await anext(updates)
    return cast(AsyncGenerator[ListUpdate, None], updates)


async def _follow(
    context: Context, key: str, make: Callable[[], ListWatch], head: int, after: ListPosition | None
) -> AsyncGenerator[ListUpdate | None, None]:
    """Nothing, and then the updates."""
    with context.services.watches.join(key, make, context.storage.supervisor) as watch:
        yield None
        await watch.reached(head)
        updates, number = await watch.start(after)
        while True:
            for update in updates:
                yield update
            updates, number = await watch.following(number, updates[-1].at)


def digest(*parts: object, length: int = 16) -> str:
    """A text that stands for what a list or a count is of."""
    return blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=length).hexdigest()
