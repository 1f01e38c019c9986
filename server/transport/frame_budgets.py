"""Budgets of one websocket: how many frames of all kinds, and how many bytes, a client may send per second.

Even an empty frame takes time to parse, and a ping needs a pong.
"""

from typing import Final

from server.settings import Settings

#: A burst may have as much as the rate allows in this time.
BURST_SECONDS: Final = 10
#: The share of the rates that a client without a token has, and its burst.
ANONYMOUS_SHARE: Final = 1 / 20
ANONYMOUS_BURST_SECONDS: Final = 2
KIB: Final = 1024


class TokenBucket:
    """A token bucket: `rate` units per second, at most `burst` in one burst."""

    __slots__ = ("_burst", "_rate", "_remaining", "_updated_at")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._remaining = burst
        self._updated_at: float | None = None

    def spend(self, amount: float, now: float) -> bool:
        """Take that amount. Returns False if less was left."""
        if self._updated_at is not None:
            self._remaining = min(self._burst, self._remaining + (now - self._updated_at) * self._rate)
        self._updated_at = now
        self._remaining -= amount
        return self._remaining >= 0


class SocketBudget:
    """The budgets of one websocket."""

    __slots__ = ("_bytes", "_frames", "_frames_rate", "_kb_rate")

    def __init__(self, settings: Settings) -> None:
        self._frames_rate: float = settings.max_frames_per_second
        self._kb_rate: float = settings.max_kb_per_second
        frames, size = self._frames_rate * ANONYMOUS_SHARE, self._kb_rate * KIB * ANONYMOUS_SHARE
        # A message of the allowed size must fit: the limit of messages has its own close code.
        least = 2 * settings.max_message_kb * KIB
        self._frames = TokenBucket(frames, frames * ANONYMOUS_BURST_SECONDS)
        self._bytes = TokenBucket(size, max(size * ANONYMOUS_BURST_SECONDS, least))

    def widen(self) -> None:
        """Give the websocket the full rates, because its client has a valid token."""
        size = self._kb_rate * KIB
        self._frames = TokenBucket(self._frames_rate, self._frames_rate * BURST_SECONDS)
        self._bytes = TokenBucket(size, size * BURST_SECONDS)

    def excess(self, now: float, *, frames: int, size: int) -> str | None:
        """Count received frames and bytes. Returns the reason of a close if a budget is exceeded, otherwise None."""
        if not self._frames.spend(frames, now):
            return "Too many frames a second"
        if not self._bytes.spend(size, now):
            return "Too many bytes a second"
        return None
