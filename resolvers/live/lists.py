"""Subscriptions to lists of rooms (`roomList`): permissions, cursors, and the updates for each subscriber."""

from collections.abc import AsyncGenerator, Callable
from hashlib import blake2b
from typing import cast

import msgspec

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.live.list_history import ListSpec
from resolvers.live.list_updates import ListUpdate
from resolvers.live.list_view import ListView
from resolvers.live.orders import list_order
from resolvers.live.positions import ListName, ListPosition
from resolvers.log_positions import require_existing
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
    """The first `first` rooms that match, in the order, and then the changes of this list. With `after`, the changes
    since that position instead of the list.

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
    sorted_by = dict.fromkeys(order.field_ids, order_by.custom_field or "") if order_by else {}
    spec = ListSpec(expression, visible, list_order(order), sorted_by, size, with_messages, name)
    key = f"list {digest(expression, visible, order.name, size, with_messages, where or EVERYTHING)}"
    head = await context.storage.log.head()
    updates = _follow(context, key, lambda: ListView(context.storage, spec), head, position)
    # aclose() does not run the `finally` of a generator that was not started. So it is started here.
    await anext(updates)
    return cast(AsyncGenerator[ListUpdate, None], updates)


async def _follow(
    context: Context, key: str, create: Callable[[], ListView], head: int, after: ListPosition | None
) -> AsyncGenerator[ListUpdate | None, None]:
    """Yields None once, and then the updates."""
    with context.services.live_views.subscribe(key, create, context.storage.supervisor) as view:
        yield None
        await view.wait_until(head)
        updates, number = await view.start(after)
        while True:
            for update in updates:
                yield update
            updates, number = await view.next_updates(number, updates[-1].at)


def digest(*parts: object, length: int = 16) -> str:
    """A digest that identifies a list or counts by their arguments."""
    return blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=length).hexdigest()
