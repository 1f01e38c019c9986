"""Helpers of the tests of timers: they make timers due and record them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from pymongo import UpdateOne

from resolvers import timer_expiry, timers
from resolvers.context import Context
from resolvers.timer_expiry import TimerExpiry
from storage.facts import TimerElapsed
from storage.records import Room
from storage.timers import Timer
from storage.transactions import leases
from tests.resolvers.world import World

#: The test, as owner of the lease.
OWNER = "test"


async def set_timer(world: World, room: Room, name: str = "t", context: Context | None = None, **values: Any) -> Timer:
    """Set a timer of a minute, unless another time is given."""
    return await timers.set_timer(context or world.context, room_id=room.id, name=name, **{"seconds": 60, **values})


async def move_back(world: World, *moved: Timer, seconds: float = 60) -> None:
    """Store the timers as if they had been set so many seconds earlier."""
    earlier = timedelta(seconds=seconds)
    await world.services.storage.database["timers"].bulk_write(
        [
            UpdateOne({"_id": one.id}, {"$set": {"setAt": one.set_at - earlier, "dueAt": one.due_at - earlier}})
            for one in moved
        ]
    )


async def stored_timers(world: World) -> list[dict[str, Any]]:
    return await world.services.storage.database["timers"].find({}, {"_id": 0}).sort("_id").to_list(None)


async def elapsed(world: World, room: Room) -> list[str]:
    """The names of the timers of a room whose end is recorded, in order."""
    return [fact.name for fact in await world.facts_of(room) if isinstance(fact, TimerElapsed)]


async def names(world: World, room: Room) -> list[str]:
    """The names of the timers of a room, in the order in which they are due."""
    return [one.name for one in await timers.list_timers(world.context, room_id=room.id) or ()]


# ---------------------------------------------------------------- the lease


@asynccontextmanager
async def lease_held(world: World) -> AsyncIterator[None]:
    """The test has the lease, so that no background task records timers."""
    await acquire_lease(world)
    try:
        yield
    finally:
        await leases.release(world.services.storage.database, timer_expiry.LEASE_NAME, owner=OWNER)


async def acquire_lease(world: World) -> None:
    database = world.services.storage.database
    await until(lambda: leases.acquire(database, timer_expiry.LEASE_NAME, owner=OWNER, seconds=3_600))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(3_000):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("The condition does not become true.")


async def elapse_due(*worlds: World) -> int:
    """Record the due timers in each of these processes, with the lease of the test. Returns the number of timers."""
    found = await asyncio.gather(*(TimerExpiry(world.services, owner=OWNER).elapse_due() for world in worlds))
    await acquire_lease(worlds[0])
    return sum(found)
