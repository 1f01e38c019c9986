"""Promise 7 of the log: an event brings the room and its people as they were, at no cost to the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent

from resolvers import rooms, users
from resolvers.access import ADMIN, Caller
from resolvers.context import Context, Services
from schema.context import RequestContext
from schema.schema import schema
from storage.positions import event_cursor
from storage.records import RoutingMethod
from storage.storage import Storage
from tests.resolvers.worlds import APP, World

#: Everything that an event of a room carries.
SUBSCRIPTION = """
subscription ($after: Cursor) {
  agentAssigned(after: $after) {
    sequence actor { name } roomRevision cause
    agent { status openRoomCount routable user { username name roles { name } } departments { name } }
    room {
      status subject customFields { key value } visitor { name } department { name routing }
      servedBy { user { username emails } } lastServedBy { id }
    }
  }
}
"""


class Reads(CommandListener):
    """The collections that were read, but for the log and what every process does beside its operations."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        name = event.command.get("find") or event.command.get("aggregate")
        if name in {"users", "rooms", "visitors", "departments", "roles", "custom_fields", "messages"}:
            self.names.append(name)

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


@pytest.fixture
async def reading(mongodb_uri: str, database_name: str, world: World) -> AsyncIterator[tuple[Context, Reads]]:
    """Another process on the database of `world`, which only listens."""
    reads = Reads()
    async with Storage.open(mongodb_uri, database_name, listeners=[reads]) as storage:
        yield Context(Services(storage), Caller(actor=APP, scopes=frozenset({ADMIN}))), reads


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


async def test_delivery_reads_nothing_and_shows_everybody_as_they_were(
    world: World, reading: tuple[Context, Reads]
) -> None:
    context, reads = reading
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    anna = await world.agent("anna", departments=[department])
    after = event_cursor(context.storage.feed.head)
    started = [await world.start(department, subject=subject) for subject in ("first", "second")]
    await users.update_user(world.context, user_id=anna.id, username="anna-b")
    for room in started:
        await rooms.close_room(world.context, room_id=room.id)
    reads.names.clear()

    stream = await schema.subscribe(
        SUBSCRIPTION, variable_values={"after": after}, context_value=RequestContext(context)
    )
    assert hasattr(stream, "__anext__"), stream
    async with aclosing(stream) as results, asyncio.timeout(10):
        first, second = [((await anext(results)).data or {})["agentAssigned"] for _ in started]

    assert reads.names == []
    assert [one["room"]["subject"] for one in (first, second)] == ["first", "second"]
    assert [one["room"]["status"] for one in (first, second)] == ["ASSIGNED", "ASSIGNED"]
    assert [one["agent"]["user"]["username"] for one in (first, second)] == ["anna", "anna"]
    assert [one["agent"]["openRoomCount"] for one in (first, second)] == [1, 2]
    assert first["room"]["department"] == {"name": "Sales", "routing": "LEAST_LOADED"}
