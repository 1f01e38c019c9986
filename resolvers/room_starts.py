"""What a new room starts with: its visitor and its custom fields."""

from collections.abc import Sequence

from resolvers.custom_fields.definitions import assign
from resolvers.custom_fields.values import FieldAssignment
from resolvers.operations import MutationContext
from resolvers.visitors import find_by_token
from storage import rooms, visitors
from storage.errors import Invalid, NotFound, RateLimited, UnknownField, quoted
from storage.records import FieldTarget, FieldValue, Visitor


async def visitor_of(change: MutationContext, visitor_token: str | None) -> Visitor:
    """The visitor of a new room."""
    tx, caller = change.tx, change.caller
    if caller.visitor is not None:
        await tx.lock("visitor", caller.visitor.token)
        visitor = await visitors.get(tx, caller.visitor.id)
        limit = change.context.services.visitor_open_rooms
        if limit and await rooms.count_open(tx, visitor.id, limit=limit) >= limit:
            raise RateLimited(
                f"You have {limit} open rooms, which is the limit; close one of them first.", retry_after_seconds=1
            )
        # Of rooms that start at once, in any process, only one is committed. The others start again, and count it.
        await visitors.touch(tx, visitor)
        return visitor
    if visitor_token is None:
        raise Invalid("visitorToken is required: the token of the visitor who starts the room.", key="visitorToken")
    found = await find_by_token(tx, visitor_token)
    if found is None:
        raise NotFound("visitor with the token", visitor_token, key="visitorToken")
    return found


async def initial_fields(
    change: MutationContext, custom_fields: Sequence[FieldAssignment] | None
) -> dict[str, FieldValue]:
    """The custom fields of a new room."""
    try:
        return await assign(change.tx, FieldTarget.ROOM, {}, custom_fields, creating=True)
    except UnknownField as error:
        if change.caller.visitor is None:
            raise
        # The message lists the keys of the custom fields, which visitors may not read.
        key = str(error.data["key"])
        raise UnknownField(f"There is no custom field {quoted(key)}.", key=key) from None
