"""Timers of rooms: the type, the query and the mutations."""

import json
from datetime import datetime
from typing import Annotated, Self

import strawberry

from resolvers import timers
from schema import rooms
from schema.actors import Actor
from schema.base import ids
from schema.base.fields import api_input, api_type, as_awaitable, field, mutation_field, or_none, query_field
from schema.base.lazy_types import RoomRef
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.scalars import JSON
from schema.events.event_types import EventType
from schema.execution.context import Info
from storage import timers as records


@api_type
class Timer:
    """A timer of a room. When it is due, a `TimerElapsed` is recorded and the timer is deleted."""

    name: str
    """The name, which is unique among the timers of the room that the same app or user set."""
    due_at: datetime
    """When it is due, unless an event restarts it before."""
    data: JSON | None
    """The data that was given with it. Null if there is none."""
    set_by: Actor
    """The app or user who set it."""
    room_id: strawberry.Private[str]

    @classmethod
    def from_record(cls, record: records.Timer) -> Self:
        return cls(
            name=record.name,
            due_at=record.due_at,
            data=None if record.data_json is None else json.loads(record.data_json),
            set_by=Actor.from_record(record.set_by),
            room_id=record.room_id,
        )

    @field
    def room(self, info: Info) -> RoomRef:
        """The room of the timer."""
        return as_awaitable(_room(info, self.room_id))


async def _room(info: Info, room_id: str) -> "rooms.Room":
    return rooms.Room.from_record(await info.context.loaders.rooms.load(room_id))


@api_input
class SetTimerInput(MutationInput):
    """Input of `setTimer`."""

    room_id: strawberry.ID
    """The id of the room. `NOT_FOUND` if there is no such room that you may read, `ROOM_CLOSED` if it is closed,
    `INVALID_INPUT` if it has 100 timers."""
    name: str
    """The name, 1 to 128 characters. Names are per caller: your timer of this name in the room is replaced."""
    seconds: int
    """After how many seconds it is due, from 1 to 31,536,000 (a year)."""
    restart_on: list[EventType] | None = None
    """The types of events of the room that start the time anew. `INVALID_INPUT` for a type that is not about rooms."""
    cancel_on: list[EventType] | None = None
    """The types of events of the room that end the timer without an event, also if `restartOn` names them.
    `INVALID_INPUT` for a type that is not about rooms."""
    data: JSON | None = None
    """Any JSON value of at most 16 KiB, which the `TimerElapsed` shows. `INVALID_INPUT` if it is larger."""


@api_type
class SetTimerPayload(MutationPayload):
    """Result of `setTimer`."""

    timer: Timer
    """The timer."""


@api_input
class CancelTimerInput(MutationInput):
    """Input of `cancelTimer`."""

    room_id: strawberry.ID
    """The id of the room. `NOT_FOUND` if there is no such room that you may read."""
    name: str
    """The name of your timer. `NOT_FOUND` if the room has none, or none any more."""


@api_type
class CancelTimerPayload(MutationPayload):
    """Result of `cancelTimer`."""

    cancelled: bool
    """True. Otherwise the mutation is refused."""


@api_type
class TimerQueries:
    """Queries of timers."""

    @query_field(timers.list_timers)
    async def timers(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the room.")],
    ) -> list[Timer] | None:
        """The timers of a room, those of all callers, in the order in which they are due. Null if there is no such room
        that you may read."""
        found = await timers.list_timers(info.context.resolver_context, room_id=ids.ROOM.parse(room_id, "roomId"))
        return None if found is None else [Timer.from_record(one) for one in found]


@api_type
class TimerMutations:
    """Mutations of timers."""

    @mutation_field(timers.set_timer)
    async def set_timer(self, info: Info, input: Input[SetTimerInput]) -> SetTimerPayload | None:
        """Sets a timer of a room that is not closed, or replaces yours of the same name.

        When it is due, one `TimerElapsed` is recorded. If the servers are stopped at that time, it is recorded when
        they run again. Closing the room cancels its timers. `setTimer` itself records no event.
        """
        timer = await timers.set_timer(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            name=input.name,
            seconds=input.seconds,
            restart_on=_tags(input.restart_on),
            cancel_on=_tags(input.cancel_on),
            data=or_none(input.data),
        )
        return SetTimerPayload(timer=Timer.from_record(timer), client_mutation_id=input.client_mutation_id)

    @mutation_field(timers.cancel_timer)
    async def cancel_timer(self, info: Info, input: Input[CancelTimerInput]) -> CancelTimerPayload | None:
        """Cancels your timer of this name. Records no event."""
        cancelled = await timers.cancel_timer(
            info.context.mutation(input), room_id=ids.ROOM.parse(input.room_id, "roomId"), name=input.name
        )
        return CancelTimerPayload(cancelled=cancelled, client_mutation_id=input.client_mutation_id)


def _tags(types: list[EventType] | None) -> list[str] | None:
    return [one.value for one in types] if types else None
