"""The queue of work on passwords: a hash takes a tenth of a second of a core, and anybody may ask for one."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import TypeVar

from storage.errors import RateLimited

T = TypeVar("T")

#: Two hashes at a time, so that a wave of people who sign in takes neither all memory nor all cores.
AT_ONCE = 2
#: How much waits in a lane: some seconds of work.
WAITING = 32
_THREADS = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="passwords")


class Lane(IntEnum):
    """On whose behalf a hash is computed, most trusted first."""

    #: A caller with a token, who sets a password.
    CALLER = 0
    #: A sign-in of a user from an address from which that user has signed in before.
    KNOWN = 1
    #: A sign-in with a username and from an address that were not wrong of late.
    NEW = 2
    #: A sign-in with a username or from an address that was wrong of late.
    DOUBTFUL = 3


#: Which lane each of eight hashes is for. The share of an empty lane goes to the first lane that is not empty.
_SHARES = (Lane.KNOWN, Lane.CALLER, Lane.NEW, Lane.KNOWN, Lane.CALLER, Lane.NEW, Lane.KNOWN, Lane.DOUBTFUL)


class HashQueue:
    """Runs work in threads, AT_ONCE at a time, with a share for each lane and a bound on each.

    In the lanes of sign-ins the newest is first and the oldest is refused when a lane is full: after a wave of wrong
    passwords whoever comes next is served next.
    """

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._free = at_once
        self._bound = waiting
        self._lanes: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}
        self._turn = 0

    async def run(self, lane: Lane, work: Callable[[], T]) -> T:
        """What `work` returns. Raises RateLimited when too much work waits in the lane."""
        await self._enter(lane)
        running = asyncio.get_running_loop().run_in_executor(_THREADS, work)
        # A cancelled caller does not stop the thread: the place is free when the thread is.
        running.add_done_callback(lambda _: self._leave())
        return await asyncio.shield(running)

    async def _enter(self, lane: Lane) -> None:
        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._lanes[lane]
        waiting.append(place)
        if len(waiting) > self._bound:
            refused = waiting.pop() if lane is Lane.CALLER else waiting.popleft()
            if not refused.done():
                message = "Too many passwords are waiting to be checked; try again in 1 second."
                refused.set_exception(RateLimited(message, retry_after_seconds=1))
        try:
            await place
        except asyncio.CancelledError:
            if place in waiting:
                waiting.remove(place)
            elif place.done() and not place.cancelled() and place.exception() is None:
                self._leave()
            raise

    def _leave(self) -> None:
        """Give the place to the next in line, or note that it is free."""
        while (lane := self._next_lane()) is not None:
            waiting = self._lanes[lane]
            place = waiting.popleft() if lane is Lane.CALLER else waiting.pop()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _next_lane(self) -> Lane | None:
        filled = [lane for lane in Lane if self._lanes[lane]]
        if not filled:
            return None
        share = _SHARES[self._turn % len(_SHARES)]
        self._turn += 1
        return share if share in filled else filled[0]
