"""What tests of resolvers share."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo.errors import OperationFailure

from resolvers.context import RoutingSettings, Services
from resolvers.routing.agent_cache import AgentCache
from storage.custom_fields.unique_indexes import COLLECTIONS
from tests.conftest import ADMIN_TOKEN
from tests.resolvers.world import World

#: What a world begins without; the built-in roles and the log stay, in which a world looks at its own part alone.
EMPTIED = (
    "custom_fields",
    "departments",
    "idempotency",
    "messages",
    "passwords",
    "removals",
    "rooms",
    "tokens",
    "users",
    "visitors",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_services(mongodb_uri: str) -> AsyncIterator[Services]:
    """Services of one database for all worlds, one after the other: a database for each takes longer than the test."""
    from server.app import start_services
    from server.settings import Settings

    async with start_services(mongodb_uri, Settings(database="test-worlds", admin_token=ADMIN_TOKEN)) as (opened, _):
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def other_services(shared_services: Services, mongodb_uri: str) -> AsyncIterator[Services]:
    """What a second process over the same database has."""
    from server.app import start_services
    from server.settings import Settings

    async with start_services(mongodb_uri, Settings(database="test-worlds", admin_token=ADMIN_TOKEN)) as (opened, _):
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def other(world: World, other_services: Services) -> World:
    """The same world, seen by another process."""
    other_services.routing = RoutingSettings()
    await other_services.storage.definition_cache.refresh()
    return World(other_services)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared_services: Services) -> World:
    """A deployment where nothing has happened yet but that a visitor with the token "v" came."""
    return await empty_world(shared_services)


async def empty_world(services: Services) -> World:
    """The deployment of these services, emptied: but for the built-in roles, and a visitor with the token "v"."""
    for name in EMPTIED:
        await services.storage.database[name].delete_many({})
    await services.storage.database["roles"].delete_many({"builtIn": False})
    for name in COLLECTIONS.values():
        holder = services.storage.database[name]
        async for index in holder.list_indexes():
            if index["name"].startswith("unique_"):
                with suppress(OperationFailure):  # what is tended in the background may have dropped it just now
                    await holder.drop_index(index["name"])
    await services.storage.definition_cache.refresh()
    services.routing = RoutingSettings()
    services.agent_cache = AgentCache()
    world = World(services)
    await world.visitor()
    return world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use a world of this folder run on the loop that its services run on."""
    here = Path(__file__).parent
    for item in items:
        if "world" in getattr(item, "fixturenames", ()) and item.path.is_relative_to(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
