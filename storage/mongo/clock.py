"""The database's clock. Every process takes the time from it, so that times of different processes are comparable.

A process measures the offset between a timer of its own and the database's clock every MEASURE_SECONDS. Nothing depends
on its own wall clock. Conditions on a single document compare with MongoDB's `$$NOW` (transactions/leases.py).
"""

import logging
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from storage.listeners import Listeners

logger = logging.getLogger(__name__)

#: The interval of `Clock.tick`.
TICK_SECONDS = 1.0
MEASURE_SECONDS = 10.0
#: Samples of one measurement. The one with the shortest round trip is used.
SAMPLES = 3
#: Samples with a longer round trip are ignored.
LONGEST_ROUND_TRIP_SECONDS = 1.0
#: A larger difference between the wall clock and the database's clock is reported.
REPORTED_SECONDS = 3.0
#: A longer suspension of the process is reported.
STOOD_STILL_SECONDS = 5.0
#: `hello` answers in whole milliseconds, rounded down.
_ROUNDING_SECONDS = 0.0005


def boot_seconds() -> float:
    """The seconds of a timer that runs while the process is suspended and, on Linux, while the machine sleeps.

    The event loop's clock does not serve: uvloop updates it only when it wakes up.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class Clock:
    """The time of one database. Before the first measurement it is the time of this process."""

    def __init__(self, *, wall: Callable[[], float] = time.time, timer: Callable[[], float] = boot_seconds) -> None:
        self._wall = wall
        self._timer = timer
        #: The time of the database when the timer is 0.
        self._start: float | None = None
        self._measured_at = 0.0
        self._ticked_at: float | None = None
        self._reported = False
        #: Called when this process runs again after a pause.
        self.listeners = Listeners[[]]("the process runs again after a pause")

    def now(self) -> datetime:
        """The current time of the database in whole milliseconds, the precision of MongoDB."""
        seconds = self._wall() if self._start is None else self._start + self._timer()
        return datetime.fromtimestamp(round(seconds * 1_000_000) // 1_000 / 1_000, UTC)

    @property
    def difference(self) -> timedelta | None:
        """How far this process's wall clock is ahead of the database's. None below REPORTED_SECONDS."""
        if self._start is None:
            return None
        seconds = self._wall() - self._start - self._timer()
        return timedelta(seconds=seconds) if abs(seconds) > REPORTED_SECONDS else None

    async def measure(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Measure the database's clock. `ask` returns the time of the database."""
        samples: list[tuple[float, float]] = []
        for _ in range(SAMPLES):
            sent = self._timer()
            answer = (await ask()).timestamp() + _ROUNDING_SECONDS
            received = self._timer()
            samples.append((received - sent, answer - (sent + received) / 2))
        round_trip, start = min(samples)
        if self._start is not None and round_trip > LONGEST_ROUND_TRIP_SECONDS:
            return
        self._measured_at = self._timer()
        # A smaller change is within the error of a sample. Applying it would make the time jump.
        if self._start is None or abs(start - self._start) > round_trip / 2 + 2 * _ROUNDING_SECONDS:
            self._start = start
        self._report()

    async def tick(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Report a suspension of this process since the last tick, and measure again after MEASURE_SECONDS."""
        ticked_at, self._ticked_at = self._ticked_at, self._timer()
        stood_still = 0.0 if ticked_at is None else self._ticked_at - ticked_at - TICK_SECONDS
        if stood_still > STOOD_STILL_SECONDS:
            logger.warning(
                "This process did not run for %.0f s: the machine slept, the process was stopped, or it was blocked. "
                "Other processes may have taken over its work.",
                stood_still,
            )
            self.listeners.notify()
        if stood_still > STOOD_STILL_SECONDS or self._ticked_at - self._measured_at > MEASURE_SECONDS:
            await self.measure(ask)

    def _report(self) -> None:
        difference = self.difference
        if difference is not None and not self._reported:
            seconds = difference.total_seconds()
            logger.warning(
                "The clock of this machine is %.1f s %s the database's, which Switchboard uses. Synchronize it.",
                abs(seconds),
                "ahead of" if seconds > 0 else "behind",
            )
        self._reported = difference is not None
