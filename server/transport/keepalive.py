"""The deadlines of pings and pongs of all websockets of one process, with one timer.

A timer for each websocket would be started and cancelled twice in every interval.
"""

import asyncio
import secrets
from typing import Final, Protocol

#: Deadlines are met as late as this. Websockets whose deadlines are that close are served together.
TICK_SECONDS: Final = 0.1
#: Websockets that are served before other callbacks of the event loop may run.
SLICE: Final = 100
PAYLOAD_BYTES: Final = 4


class Kept(Protocol):
    """A websocket that is kept alive."""

    def keep_alive(self, payload: bytes) -> None:
        """Send a ping with this payload, or close the websocket if there was no pong for the last one."""


class KeepaliveTimer:
    """The websockets of one process by the time of their next deadline."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[Kept, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0

    def add(self, kept: Kept, seconds: float) -> dict[Kept, None]:
        """Call `keep_alive` after that time. Remove `kept` from the returned slot to cancel it."""
        number = int((asyncio.get_running_loop().time() + seconds) / TICK_SECONDS) + 1
        slot = self._slots.setdefault(number, {})
        slot[kept] = None
        if self._timer is None or number < self._next:
            self._start(number)
        return slot

    def _start(self, number: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = number
        self._timer = asyncio.get_running_loop().call_at(number * TICK_SECONDS, self._serve)

    def _serve(self) -> None:
        """Serve a slice of the websockets that are due, and start the timer for those that are next."""
        loop = asyncio.get_running_loop()
        payload = secrets.token_bytes(PAYLOAD_BYTES)
        left = SLICE
        try:
            for number in sorted(number for number in self._slots if number * TICK_SECONDS <= loop.time()):
                slot = self._slots[number]
                while slot and left:
                    kept, _ = slot.popitem()
                    kept.keep_alive(payload)
                    left -= 1
                if not slot:
                    del self._slots[number]
        finally:
            # An error of one websocket must not end the pings of all others.
            self._start_next()

    def _start_next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._slots:
            self._start(min(self._slots))
