"""Fixtures of the tests of resolvers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo.errors import OperationFailure

from resolvers.context import SESSION_LENGTH, RoutingSettings, Services
from resolvers.routing.agent_cache import AgentCache
from storage.custom_fields.unique_indexes import COLLECTIONS
from storage.mongo.connection import Collection
from tests.conftest import ADMIN_TOKEN
from tests.resolvers.world import World

#: The collections that are emptied before each test. The log is kept: a test reads the facts after its own start.
EMPTIED = (
    "app_data",
    "assignments",
    "custom_fields",
    "departments",
    "erasures",
    "idempotency",
    "messages",
    "passwords",
    "removals",
    "rooms",
    "timers",
    "tokens",
    "users",
    "visitors",
    "webhook_deliveries",
    "webhooks",
)

#: The processes of the deployment. The second one goes on after the test that started it, and assigns rooms too, so all
#: of them have the settings of the running test.
PROCESSES: list[Services] = []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_services(mongodb_uri: str) -> AsyncIterator[Services]:
    """Services over one database for all tests, because creating a database takes longer than most tests."""
    from server.app import start_services
    from server.settings import Settings

    async with start_services(mongodb_uri, Settings(database="test-worlds", admin_token=ADMIN_TOKEN)) as (opened, _):
        PROCESSES.append(opened)
        yield opened
        PROCESSES.remove(opened)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def other_services(shared_services: Services, mongodb_uri: str) -> AsyncIterator[Services]:
    """The services of a second process over the same database."""
    from server.app import start_services
    from server.settings import Settings

    async with start_services(mongodb_uri, Settings(database="test-worlds", admin_token=ADMIN_TOKEN)) as (opened, _):
        PROCESSES.append(opened)
        yield opened
        PROCESSES.remove(opened)


@pytest_asyncio.fixture(loop_scope="session")
async def other(world: World, other_services: Services) -> World:
    """The same deployment, in the second process."""
    other_services.routing = world.services.routing
    await other_services.storage.definition_cache.refresh()
    return World(other_services)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_services: Services) -> World:
    """An empty deployment with one visitor, whose token is "v"."""
    return await empty_world(shared_services, PROCESSES)


async def empty_world(services: Services, processes: Sequence[Services] = ()) -> World:
    """Empty the deployment of these services but for the built-in roles, and save a visitor with the token "v"."""
    database = services.storage.database
    await database["rooms"].delete_many({})  # first: background tasks read what rooms refer to
    await asyncio.gather(
        *(database[name].delete_many({}) for name in EMPTIED if name != "rooms"),
        database["roles"].delete_many({"builtIn": False}),
        *(_drop_unique_indexes(database[name]) for name in COLLECTIONS.values()),
    )
    await services.storage.definition_cache.refresh()
    for process in (services, *processes):
        process.routing = RoutingSettings()
    services.session_length = SESSION_LENGTH
    services.agent_cache = AgentCache()
    world = World(services, processes)
    await world.visitor()
    return world


async def _drop_unique_indexes(collection: Collection) -> None:
    """Drop the indexes of unique custom fields."""
    async for index in collection.list_indexes():
        if index["name"].startswith("unique_"):
            with suppress(OperationFailure):  # maintenance may have dropped it in the meantime
                await collection.drop_index(index["name"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests with the `world` fixture of this folder on the event loop of its services."""
    here = Path(__file__).parent
    for item in items:
        if "world" in getattr(item, "fixturenames", ()) and item.path.is_relative_to(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
