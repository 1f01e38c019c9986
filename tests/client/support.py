"""Apps and rooms for the tests of the client."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from typing_extensions import override

from switchboard_client import Api, App, Backoff, Observer
from switchboard_client.inputs import RoomFilter
from tests.conftest import ADMIN_TOKEN

#: The longest wait for a condition, also on a slow machine.
PATIENCE_SECONDS = 120
#: The longest pause between two looks at a condition.
LONGEST_PAUSE_SECONDS = 0.15
QUICK = Backoff(first=0.01, longest=0.05)


class Disconnects(Observer):
    """Counts the lost connections."""

    count = 0

    @override
    def disconnected(self, reason: Exception) -> None:
        self.count += 1


def new_app(url: str, **options: Any) -> App:
    """An app with a consumer of its own."""
    name = options.pop("name", f"app-{secrets.token_hex(6)}")
    return App(name, **{"url": url, "token": ADMIN_TOKEN, "backoff": QUICK, **options})


def only(source: str) -> RoomFilter:
    """Rooms of this source: other tests use the same server."""
    return {"source": {"eq": source}}


@asynccontextmanager
async def served(app: App) -> AsyncIterator[Api]:
    """The app serves until the block ends."""
    serving = asyncio.create_task(app.serve())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await app.ready()
        yield app.api
    finally:
        app.stop()
        await serving


async def start_room(api: Api, source: str) -> str:
    """The id of a new room of that source."""
    token = f"visitor-{secrets.token_hex(6)}"
    await api.save_visitor(token=token)
    return (await api.start_room(visitor_token=token, source=source)).room.id


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition is met. The pauses grow, because most conditions are queries that take CPU time."""
    pause = 0.01
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            result = condition()
            if await result if isinstance(result, Awaitable) else result:
                return
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)


async def lag(app: App) -> int:
    """How many events the consumer of the app has not acknowledged."""
    (consumer,) = [one for one in await app.api.consumers() or () if one.name == app.name]
    return consumer.lag
