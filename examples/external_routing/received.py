"""Collects and prints the events of the demo's conversations."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from examples.narration import Narrator
from switchboard_client import Api
from switchboard_client.events import (
    EVENTS,
    AgentAssigned,
    AgentUnassigned,
    RoomClosed,
    RoomEvent,
    RoomQueued,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
    RoutingDeclined,
    RoutingRequested,
)
from switchboard_client.types import AgentSnapshot

#: The longest time to wait for an event. An event takes milliseconds, but a busy machine may need longer.
EVENT_TIMEOUT_SECONDS = 60.0
ROOM_EVENTS = [type_ for type_ in EVENTS if issubclass(type_, RoomEvent)]


class Unexpected(Exception):
    """A result is not as expected. The message describes the difference."""


class Received:
    """The events of the rooms of one source, in the order of the log."""

    def __init__(self, api: Api, source: str, narrator: Narrator) -> None:
        self.events: list[RoomEvent] = []
        self._api = api
        self._source = source
        self._narrator = narrator
        self._arrived = asyncio.Condition()

    def of(self, room_id: str) -> list[RoomEvent]:
        return [event for event in self.events if event.room.room_id == room_id]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Collect and print the events until the block ends."""
        cursor = await self._api.event_cursor()
        task = asyncio.create_task(self._listen(cursor))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, cursor: str | None) -> None:
        stream = self._api.events_live(*ROOM_EVENTS, where={"source": {"eq": self._source}}, after=cursor)
        async with aclosing(stream):
            async for event in stream:
                self._narrator.event(event.sequence, type(event).__name__, sentence(event), time.monotonic())
                async with self._arrived:
                    self.events.append(event)
                    self._arrived.notify_all()

    async def until(self, type_: type[RoomEvent], count: int) -> None:
        """Wait for that many events of the type. Raises Unexpected."""
        try:
            async with asyncio.timeout(EVENT_TIMEOUT_SECONDS), self._arrived:
                await self._arrived.wait_for(lambda: sum(isinstance(one, type_) for one in self.events) >= count)
        except TimeoutError:
            raise Unexpected(f"{type_.__name__} did not come within {EVENT_TIMEOUT_SECONDS:.0f} s") from None


def sentence(event: RoomEvent) -> str:
    """A description of the event for people."""
    match event:
        case RoomStarted():
            return f"{event.room.visitor.name}: “{event.room.subject}”, served by nobody yet"
        case RoomQueued():
            return "waits in the queue"
        case RoomTransferred():
            return f"{_name(event.from_agent)} → {_name(event.to_agent)}: “{event.comment}”"
        case RoutingRequested():
            return "the department waits for a decision"
        case RoutingDeclined():
            return f"“{event.reason}”"
        case RoomUpdated():
            return ", ".join(f"{one.field}: {one.before} → {one.after}" for one in event.changes)
        case AgentAssigned():
            return f"{_name(event.agent)}, before: {_name(event.previous_agent)} ({event.cause})"
        case AgentUnassigned():
            return f"{_name(event.agent)}, next: {_name(event.next_agent)} ({event.cause})"
        case RoomClosed():
            return f"by {event.actor.name}: “{event.comment}”"
    return f"by {event.actor.name}"


def _name(agent: AgentSnapshot | None) -> str:
    return "nobody" if agent is None else str(agent.user.name)
