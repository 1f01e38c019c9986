"""The agent filters that clients give rooms: checked, bound to the definitions of custom fields, and with an end."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from resolvers import validation
from resolvers.context import Context
from resolvers.custom_fields.definitions import bind
from resolvers.operations import MutationContext
from resolvers.room_transition import RoomTransition
from storage import agent_filters
from storage.errors import Invalid
from storage.filters.expressions import Expression
from storage.records import FieldTarget, Record, Room

#: The longest time after which a filter ends: a year.
MAX_SECONDS = 31_536_000
_NONE: dict[str, Any] = {"agent_filter": None, "agent_filter_expression": None, "agent_filter_until": None}


class GivenFilter(Record, frozen=True):
    """A filter of users as a client gave it: as a JSON value, and as an expression."""

    given: Any
    expression: Expression


async def find_in_force(context: Context, room: Room) -> Room | None:
    """The room if its filter is in force, or None."""
    found = await agent_filters.in_force(context.reader, room, now=context.storage.database.now())
    return None if found is None else room


async def initial(change: MutationContext, given: GivenFilter | None, seconds: int | None) -> dict[str, Any]:
    """The attributes of a new room with this filter, which ends after `seconds` (None: never)."""
    if given is not None:
        return {
            "agent_filter": validation.json_text(given.given, "agentFilter"),
            "agent_filter_expression": agent_filters.encode(
                await bind(change.tx, FieldTarget.USER, given.expression, path="agentFilter")
            ),
            "agent_filter_until": _until(change, seconds),
        }
    if seconds is not None:
        raise Invalid(
            "agentFilterSeconds limits the time of an agentFilter; give an agentFilter too.", key="agentFilterSeconds"
        )
    return {}


async def changed(
    change: MutationContext,
    transition: RoomTransition,
    given: GivenFilter | UnsetType | None,
    seconds: int | UnsetType | None,
) -> dict[str, Any]:
    """The changed attributes of a room. A new filter without `seconds` does not end by itself."""
    if given is UNSET and seconds is UNSET:
        return {}
    room = transition.room
    is_in_force = await agent_filters.in_force(change.tx, room, now=change.tx.now) is not None
    if not is_in_force and room.agent_filter is not None:
        transition.forget_agent_filter()
    change.after_commit.append(change.context.services.notify_queue)
    if not isinstance(given, UnsetType):
        return {**_NONE, **await initial(change, given, None if isinstance(seconds, UnsetType) else seconds)}
    if not isinstance(seconds, UnsetType) and (is_in_force or seconds is None):
        return {"agent_filter_until": _until(change, seconds)}
    raise Invalid(
        "agentFilterSeconds limits the time of an agentFilter, and the room has none in force.",
        key="agentFilterSeconds",
    )


def _until(change: MutationContext, seconds: int | None) -> datetime | None:
    if seconds is None:
        return None
    validation.number(seconds, "agentFilterSeconds", minimum=1, maximum=MAX_SECONDS)
    return change.tx.now + timedelta(seconds=seconds)
