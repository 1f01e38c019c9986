"""When a failed attempt is repeated: after pauses that double, with a random part, up to a limit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom

from storage.webhook_records import Failure

_random = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """The pauses between attempts, in seconds."""

    first: float = 1.0
    longest: float = 600.0
    #: The longest Retry-After of a receiver that is respected.
    longest_requested: float = 3_600.0
    #: A webhook is paused when every attempt has failed for so long.
    give_up_after: timedelta = timedelta(days=3)

    def pause(self, attempts: int, requested: float | None) -> float:
        """The pause after so many failed attempts at an event. `requested`: what the receiver asks for."""
        limit = min(self.first * 2.0 ** min(attempts - 1, 30), self.longest)
        return max(limit * _random.uniform(0.5, 1.0), min(requested or 0.0, self.longest_requested))

    def next_failure(self, before: Failure | None, *, sequence: int, now: datetime, requested: float | None) -> Failure:
        """The failure after one more failed attempt at the event."""
        attempts = 1 + failed_attempts(before, sequence)
        return Failure(
            sequence=sequence,
            attempts=attempts,
            # A failure of another event is over, also if that was not stored.
            since=before.since if before is not None and attempts > 1 else now,
            next_attempt_at=now + timedelta(seconds=self.pause(attempts, requested)),
        )


DEFAULT_RETRIES = Retries()


def failed_attempts(failure: Failure | None, sequence: int) -> int:
    """The failed attempts at the event."""
    return failure.attempts if failure is not None and failure.sequence == sequence else 0
