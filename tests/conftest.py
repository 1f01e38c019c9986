"""The fixtures of all tests: one mongod for the whole run, empty databases, and servers over them."""

import asyncio
import gc
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from server.pages.built import BuiltPages
from server.settings import Settings
from storage.embedded.replica_set import EmbeddedReplicaSet
from tests.databases import emptied
from tests.temporary_folders import find_memory

if TYPE_CHECKING:
    from resolvers.context import Services

# A shell that starts the tests in the background can make them ignore SIGINT, and the processes that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The collection of tests allocates millions of objects that stay, and looking for garbage among them takes long.
gc.set_threshold(50_000, 10, 10)

# pytest creates its temporary folders there, and the data of every mongod is in them.
if (memory := find_memory()) is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))

FOLDER = Path(__file__).parent
#: The tests in tests/browser use the pages that `make pages` builds. All others pass without them.
PLAIN_PAGES = BuiltPages({"graphiql": "<title>GraphiQL</title>"}, {})
ADMIN_TOKEN = "the-admin-token-of-the-tests"

# A busy machine may need seconds to generate an input.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In parallel runs, take files from all folders in turn.

    The files that start processes and take longest are in folders with few files. So they run beside quick ones, not
    beside each other, and not at the end, when one worker would wait for another.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    files: dict[str, dict[Path, list[pytest.Item]]] = {}
    for item in items:
        files.setdefault(item.path.relative_to(FOLDER).parts[0], {}).setdefault(item.path, []).append(item)
    turns = zip_longest(*(folder.values() for folder in files.values()), fillvalue=())
    items[:] = [item for turn in turns for tests in turn for item in tests]


def pytest_collection_finish() -> None:
    """Exclude all modules and tests from the garbage collections of the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    """Objects in reference cycles are not freed during the test."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedReplicaSet]:
    # SIGTERM (of `timeout`, of a CI runner) ends a run as Ctrl-C does, and its mongod with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with EmbeddedReplicaSet(tmp_path_factory.mktemp("mongod")) as running:
        yield running


@pytest.fixture(scope="session")
def mongodb_uri(mongod: EmbeddedReplicaSet) -> str:
    return mongod.uri


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hash the passwords of tests with the smallest parameters: the real ones take tens of milliseconds."""
    from resolvers.auth import passwords

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        yield


@pytest.fixture
def database_name() -> str:
    """The name of a database that does not exist yet."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
async def services(mongodb_uri: str) -> AsyncIterator["Services"]:
    """The services of a process over an empty database, in which ADMIN_TOKEN has all scopes."""
    # Imported here because it imports the whole schema, which tests of storage do not need.
    from server.app import start_services

    settings = Settings(database=emptied(mongodb_uri, "test-services"), admin_token=ADMIN_TOKEN)
    async with start_services(mongodb_uri, settings) as (opened, _):
        yield opened


@pytest.fixture
async def url(services: "Services") -> AsyncIterator[str]:
    """The GraphQL address of a server over `services`, for HTTP and, with ws:, for websockets."""
    async with served(services) as address:
        yield address


@pytest.fixture(scope="module")
def shared_url(mongodb_uri: str) -> Iterator[str]:
    """The address of one server for all tests of a file, which tolerate data of each other. It is faster than `url`.

    The deployment is empty at the beginning of the file: agents of other files would be assigned its rooms.
    """
    with served_in_thread(mongodb_uri, emptied(mongodb_uri, "test-shared")) as address:
        yield address


@pytest.fixture(scope="module")
def shared_elsewhere_url(mongodb_uri: str, shared_url: str) -> Iterator[str]:
    """A second server over the database of `shared_url`."""
    with served_in_thread(mongodb_uri) as address:
        yield address


@contextmanager
def served_in_thread(mongodb_uri: str, database: str = "test-shared", **options: Any) -> Iterator[str]:
    """The address of a server in a thread. `options` are arguments of create_app."""
    from server.app import start_services

    address: Future[str] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        settings = Settings(database=database, admin_token=ADMIN_TOKEN)
        async with start_services(mongodb_uri, settings) as (opened, _), served(opened, settings, **options) as shared:
            address.set_result(shared)
            await ended.wait()

    with asyncio.Runner() as runner, ThreadPoolExecutor() as threads:
        running = threads.submit(runner.run, serve())
        running.add_done_callback(lambda _: address.cancel())
        try:
            yield address.result()
        finally:
            runner.get_loop().call_soon_threadsafe(ended.set)
        running.result()


@asynccontextmanager
async def served(services: "Services", settings: Settings | None = None, **options: Any) -> AsyncIterator[str]:
    """The address of a server over these services, until the block ends. `options` are arguments of create_app."""
    from server.app import create_app
    from server.process.run import bind
    from server.process.uvicorn_server import Server, make_config

    ready = asyncio.Event()
    options.setdefault("built", PLAIN_PAGES)
    server = Server(make_config(create_app(services, settings, **options), settings or Settings()), ready.set)
    with bind("127.0.0.1", 0) as bound:
        running = asyncio.create_task(server.serve(sockets=[bound]))
        await ready.wait()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/graphql"
        server.should_exit = True
        await running
