"""How much one websocket may send in a second: frames of every kind, and bytes.

A frame costs the server time even when it is empty, and a ping an answer.
"""

from typing import Final

from server.settings import Settings

#: How many seconds' worth may be sent at once.
BURST_SECONDS: Final = 10
#: The share of a peer that has shown no token, which has little to say.
SHARE: Final = 1 / 20
BURST_SECONDS_OF_SHARE: Final = 2
KIB: Final = 1024


class Budget:
    """A number that is spent, and grows again with time."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._left = most
        self._at: float | None = None

    def spend(self, amount: float, now: float) -> bool:
        """Whether so much was left."""
        if self._at is not None:
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        self._left -= amount
        return self._left >= 0


class SocketBudget:
    """What one websocket may send."""

    __slots__ = ("_bytes", "_frames", "_frames_rate", "_kb_rate")

    def __init__(self, settings: Settings) -> None:
        self._frames_rate: float = settings.max_frames_per_second
        self._kb_rate: float = settings.max_kb_per_second
        frames, size = self._frames_rate * SHARE, self._kb_rate * KIB * SHARE
        # The largest message is for another limit to refuse.
        least = 2 * settings.max_message_kb * KIB
        self._frames = Budget(frames, frames * BURST_SECONDS_OF_SHARE)
        self._bytes = Budget(size, max(size * BURST_SECONDS_OF_SHARE, least))

    def widen(self) -> None:
        """The peer has shown a token: from now on it may send as much as the settings say."""
        size = self._kb_rate * KIB
        self._frames = Budget(self._frames_rate, self._frames_rate * BURST_SECONDS)
        self._bytes = Budget(size, size * BURST_SECONDS)

    def excess(self, now: float, *, frames: int, size: int) -> str | None:
        """Count what was received. Returns what there was too much of, None when it was within the budget."""
        if not self._frames.spend(frames, now):
            return "Too many frames a second"
        if not self._bytes.spend(size, now):
            return "Too many bytes a second"
        return None
