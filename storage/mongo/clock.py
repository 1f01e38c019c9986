"""The database's clock, as every process uses it: times of different processes can be compared, whatever their own say.

A process measures how far a timer of its own is from the database's clock, and measures again every MEASURE_SECONDS.
Its own wall clock decides nothing. Where one document decides, MongoDB compares with its `$$NOW` itself
(transactions/leases.py).
"""

import logging
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from storage.listeners import Listeners

logger = logging.getLogger(__name__)

#: How often the clock is looked at: whether the process stood still, and whether it is to be measured again.
TICK_SECONDS = 1.0
MEASURE_SECONDS = 10.0
#: Of so many samples the one with the shortest round trip counts.
SAMPLES = 3
#: A sample that took longer says too little.
LONGEST_ROUND_TRIP_SECONDS = 1.0
#: A wall clock that differs from the database's by more is reported.
REPORTED_SECONDS = 3.0
#: A process that did not run for longer is reported.
STOOD_STILL_SECONDS = 5.0
#: `hello` answers in whole milliseconds, rounded down.
_ROUNDING_SECONDS = 0.0005


def boot_seconds() -> float:
    """Seconds, of a timer that runs on while the process is stopped and, on Linux, while the machine sleeps.

    The time of an event loop may be that of when it last woke up, which a process that was stopped since is behind.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class Clock:
    """The time of one database. Until it is measured for the first time, that of the process."""

    def __init__(self, *, wall: Callable[[], float] = time.time, timer: Callable[[], float] = boot_seconds) -> None:
        self._wall = wall
        self._timer = timer
        #: What the database's clock shows when the timer is 0.
        self._start: float | None = None
        self._measured_at = 0.0
        self._ticked_at: float | None = None
        self._reported = False
        #: Called when this process runs again after a pause.
        self.listeners = Listeners[[]]("the process runs again after a pause")

    def now(self) -> datetime:
        """The present by the database's clock, to the millisecond, as MongoDB keeps it."""
        seconds = self._wall() if self._start is None else self._start + self._timer()
        moment = datetime.fromtimestamp(seconds, UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    @property
    def difference(self) -> timedelta | None:
        """How far the wall clock of this process is ahead of the database's, if that is far enough to be reported."""
        if self._start is None:
            return None
        seconds = self._wall() - self._start - self._timer()
        return timedelta(seconds=seconds) if abs(seconds) > REPORTED_SECONDS else None

    async def measure(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Measure the difference to the database's clock. `ask` asks the database for its time."""
        samples: list[tuple[float, float]] = []
        for _ in range(SAMPLES):
            sent = self._timer()
            told = (await ask()).timestamp() + _ROUNDING_SECONDS
            received = self._timer()
            samples.append((received - sent, told - (sent + received) / 2))
        round_trip, start = min(samples)
        if self._start is not None and round_trip > LONGEST_ROUND_TRIP_SECONDS:
            return
        self._measured_at = self._timer()
        # Within what a sample can tell, nothing is changed: time would jump back and forth.
        if self._start is None or abs(start - self._start) > round_trip / 2 + 2 * _ROUNDING_SECONDS:
            self._start = start
        self._report()

    async def tick(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Report when this process stood still since the last tick, and measure again when that is due."""
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
                "The clock of this machine is %.1f s %s the database's, which Switchboard uses; set it, by NTP say.",
                abs(seconds),
                "ahead of" if seconds > 0 else "behind",
            )
        self._reported = difference is not None
