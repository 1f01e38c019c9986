"""Opens websockets in turn, so that thousands that are opened at the same time do not delay what others are sent.

The steps are the handshake and the first messages of a websocket. In each pass of the event loop, STEPS are taken, and
the others wait. Most of their work is done by tasks, which run in the next passes. Messages come before handshakes: a
websocket whose handshake is over has a deadline for its `connection_init`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

#: With the tasks that they start, these take about a millisecond.
STEPS: Final = 4


class OpeningQueue:
    """The steps of one process that wait."""

    def __init__(self) -> None:
        self._handshakes: deque[Callable[[], None]] = deque()
        self._messages: deque[Callable[[], None]] = deque()
        self._is_scheduled = False

    def add_handshake(self, step: Callable[[], None]) -> None:
        """Call `step`, which answers a handshake, soon."""
        self._handshakes.append(step)
        self._schedule()

    def add_messages(self, step: Callable[[], None]) -> None:
        """Call `step`, which handles the messages of a new websocket, soon."""
        self._messages.append(step)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        try:
            for _ in range(STEPS):
                waiting = self._messages or self._handshakes
                if waiting:
                    waiting.popleft()()
        finally:
            if self._messages or self._handshakes:
                self._schedule()
