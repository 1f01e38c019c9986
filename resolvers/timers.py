"""Timers of rooms: operations that set, cancel and list them. timer_expiry.py records those that are due."""

from collections.abc import Sequence
from datetime import timedelta

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import rooms, timers
from storage.errors import Invalid, NotFound, RoomClosed
from storage.facts import FACTS, RoomFact
from storage.filters.predicates import matches
from storage.mongo.connection import new_id
from storage.records import Room, RoomStatus
from storage.timers import Timer, with_timers

MAX_SECONDS = 31_536_000
#: The limit of timers in one room.
MAX_TIMERS = 100


@query("rooms:read")
async def list_timers(context: Context, *, room_id: str) -> list[Timer] | None:
    """The timers of a room, in the order in which they are due. None if the caller may not see the room."""
    room = await rooms.find(context.reader, room_id)
    if room is None or not matches(access.visible_rooms(context.caller), room):
        return None
    return await timers.list_by_room(context.reader, room, with_data=True) if room.timer_count else []


@mutation("rooms:write", lock=("room", "room_id"))
async def set_timer(
    change: MutationContext,
    *,
    room_id: str,
    name: str,
    seconds: int,
    restart_on: Sequence[str] | None = None,
    cancel_on: Sequence[str] | None = None,
    data: object = None,
) -> Timer:
    """Set a timer of an open room. It replaces the caller's timer of this name in the room.

    `restart_on` and `cancel_on` are tags of facts about rooms.
    """
    name = validation.name(name, "name")
    validation.number(seconds, "seconds", minimum=1, maximum=MAX_SECONDS)
    restarting, cancelling = _tags_of_rooms(restart_on, "restartOn"), _tags_of_rooms(cancel_on, "cancelOn")
    data_json = None if data is None else validation.json_text(data, "data")
    tx = change.tx
    room = await _get_room(change, room_id)
    if room.status is RoomStatus.CLOSED:
        raise RoomClosed("The room is closed and takes no timers; start another room.")
    # Read after the room: a change of a timer changes its room too, and then this attempt is not committed.
    others = [one for one in await timers.list_by_room(tx, room) if not _is_own(change, one, name)]
    if len(others) >= MAX_TIMERS:
        raise Invalid(f"The room has {MAX_TIMERS} timers, which is the limit; cancel one.", key="roomId")
    timer = Timer(
        id=new_id(tx.now),
        room_id=room.id,
        name=name,
        set_by=change.actor,
        set_at=tx.now,
        set_after=room.fact_count,
        seconds=seconds,
        restart_on=restarting,
        cancel_on=cancelling,
        data_json=data_json,
        due_at=tx.now + timedelta(seconds=seconds),
    )
    timers.replace_all(tx, room.id, keep=others, new=timer)
    await rooms.update(tx, room, with_timers(room, [*others, timer], tx.now), ())
    return timer


@mutation("rooms:write", lock=("room", "room_id"))
async def cancel_timer(change: MutationContext, *, room_id: str, name: str) -> bool:
    """Cancel the caller's timer of this name. Raises NotFound when there is none, or none any more."""
    name = validation.name(name, "name")
    room = await _get_room(change, room_id)
    found = await timers.list_by_room(change.tx, room) if room.timer_count else []
    others = [one for one in found if not _is_own(change, one, name)]
    if len(others) == len(found):
        raise NotFound("timer", name, key="name")
    timers.replace_all(change.tx, room.id, keep=others)
    await rooms.update(change.tx, room, with_timers(room, others, change.tx.now), ())
    return True


async def _get_room(change: MutationContext, room_id: str) -> Room:
    """The room. Raises NotFound if there is none that the caller may see."""
    room = await rooms.get(change.tx, room_id)
    if not matches(access.visible_rooms(change.caller), room):
        raise NotFound("room", room_id, key="roomId")
    return room


def _is_own(change: MutationContext, timer: Timer, name: str) -> bool:
    """Whether it is the caller's timer of this name."""
    actor = change.actor
    return (timer.name, timer.set_by.type, timer.set_by.id) == (name, actor.type, actor.id)


def _tags_of_rooms(tags: Sequence[str] | None, key: str) -> tuple[str, ...]:
    """The tags without duplicates. Raises Invalid for the tag of a fact that is not about a room."""
    for tag in tags or ():
        if not issubclass(FACTS[tag], RoomFact):
            allowed = ", ".join(one for one, kind in FACTS.items() if issubclass(kind, RoomFact))
            raise Invalid(f"{key} takes types of events of rooms: {allowed}; {tag} is not one.", key=key)
    return tuple(dict.fromkeys(tags or ()))
