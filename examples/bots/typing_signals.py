"""Shows visitors that the bot is thinking."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from examples.bots.rooms import Rooms
from switchboard_client import ApiError, ConnectionLost
from switchboard_client.types import SignalKind

log = logging.getLogger(__name__)

#: Pages clear the sign a few seconds after the last signal.
REPEAT_SECONDS = 3.0


@asynccontextmanager
async def typing(rooms: Rooms, room_id: str) -> AsyncIterator[None]:
    """Signal that the bot is typing until the block ends. A signal that fails changes nothing."""
    task = asyncio.create_task(_repeat(rooms, room_id))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(ApiError, ConnectionLost):
            await rooms.signal(room_id, SignalKind.STOPPED_TYPING)


async def _repeat(rooms: Rooms, room_id: str) -> None:
    try:
        while True:
            await rooms.signal(room_id, SignalKind.TYPING)
            await asyncio.sleep(REPEAT_SECONDS)
    except (ApiError, ConnectionLost) as error:
        log.info("No typing signals for %s: %s", room_id, error)
