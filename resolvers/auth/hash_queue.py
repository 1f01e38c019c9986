"""A bounded queue of password hashes. A hash takes 0.1 seconds of a core, and anonymous callers can request one."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import TypeVar

from storage.errors import RateLimited

T = TypeVar("T")

#: The limit of concurrent hashes, which bounds the memory and cores that many logins take.
MAX_CONCURRENT_HASHES = 2
#: The limit of waiting hashes in a lane: some seconds of work.
MAX_WAITING = 32
_THREADS = ThreadPoolExecutor(max_workers=MAX_CONCURRENT_HASHES, thread_name_prefix="passwords")


class Lane(IntEnum):
    """The trust in the caller that needs a hash, highest first."""

    #: A caller with a token, which sets a password.
    CALLER = 0
    #: A login from an address from which the user has logged in before.
    KNOWN_ADDRESS = 1
    #: A login without a recent failure of the username or the address.
    NO_RECENT_FAILURE = 2
    #: A login after a recent failure of the username or the address.
    RECENT_FAILURE = 3


#: The lane of each of eight successive hashes. If it is empty, the first lane that is not empty is served.
_SCHEDULE = (
    Lane.KNOWN_ADDRESS,
    Lane.CALLER,
    Lane.NO_RECENT_FAILURE,
    Lane.KNOWN_ADDRESS,
    Lane.CALLER,
    Lane.NO_RECENT_FAILURE,
    Lane.KNOWN_ADDRESS,
    Lane.RECENT_FAILURE,
)


class HashQueue:
    """Runs hashes in threads, with a limit of concurrent ones, a share for each lane, and a bound on each lane.

    The lanes of logins are served newest first, and a full one refuses its oldest entry. So new logins are served even
    during an attack that fills the lane.
    """

    def __init__(self, *, max_concurrent: int = MAX_CONCURRENT_HASHES, max_waiting: int = MAX_WAITING) -> None:
        self._free_slots = max_concurrent
        self._max_waiting = max_waiting
        self._lanes: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}
        self._served = 0

    async def run(self, lane: Lane, work: Callable[[], T]) -> T:
        """The result of `work`. Raises RateLimited if too many entries wait in the lane."""
        await self._acquire_slot(lane)
        running = asyncio.get_running_loop().run_in_executor(_THREADS, work)
        # Cancelling the caller does not stop the thread, so the slot is free only when the thread ends.
        running.add_done_callback(lambda _: self._release_slot())
        return await asyncio.shield(running)

    async def _acquire_slot(self, lane: Lane) -> None:
        if self._free_slots:
            self._free_slots -= 1
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._lanes[lane]
        waiting.append(slot)
        if len(waiting) > self._max_waiting:
            refused = waiting.pop() if lane is Lane.CALLER else waiting.popleft()
            if not refused.done():
                message = "Too many passwords are waiting to be checked; try again in 1 second."
                refused.set_exception(RateLimited(message, retry_after_seconds=1))
        try:
            await slot
        except asyncio.CancelledError:
            if slot in waiting:
                waiting.remove(slot)
            elif slot.done() and not slot.cancelled() and slot.exception() is None:
                self._release_slot()
            raise

    def _release_slot(self) -> None:
        """Give the slot to the next entry, or count it as free."""
        while (lane := self._next_lane()) is not None:
            waiting = self._lanes[lane]
            slot = waiting.popleft() if lane is Lane.CALLER else waiting.pop()
            if not slot.done():
                slot.set_result(None)
                return
        self._free_slots += 1

    def _next_lane(self) -> Lane | None:
        occupied = [lane for lane in Lane if self._lanes[lane]]
        if not occupied:
            return None
        share = _SCHEDULE[self._served % len(_SCHEDULE)]
        self._served += 1
        return share if share in occupied else occupied[0]
