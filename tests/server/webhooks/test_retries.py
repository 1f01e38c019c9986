"""The pauses between attempts."""

from datetime import UTC, datetime, timedelta

import pytest

from server.webhooks.retries import Retries, failed_attempts
from storage.webhook_records import Failure

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RETRIES = Retries(first=1.0, longest=600.0, longest_requested=3_600.0)


@pytest.mark.parametrize(("attempts", "limit"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (1_000_000, 600)])
def test_pauses_double_up_to_a_limit_with_a_random_part(attempts: int, limit: float) -> None:
    pauses = {RETRIES.pause(attempts, None) for _ in range(100)}

    assert len(pauses) > 1
    assert all(limit / 2 <= pause <= limit for pause in pauses)


def test_a_requested_pause_lengthens_up_to_a_limit_and_does_not_shorten() -> None:
    assert RETRIES.pause(1, 30.0) == 30.0
    assert RETRIES.pause(1, 1e9) == 3_600.0
    assert RETRIES.pause(1, 0.0) >= 0.5


def test_the_attempts_at_one_event_count_and_its_failure_keeps_its_beginning() -> None:
    first = RETRIES.next_failure(None, sequence=7, now=NOW, requested=60.0)
    second = RETRIES.next_failure(first, sequence=7, now=NOW + timedelta(seconds=61), requested=60.0)
    other = RETRIES.next_failure(second, sequence=8, now=NOW + timedelta(seconds=200), requested=60.0)

    assert first == Failure(sequence=7, attempts=1, since=NOW, next_attempt_at=NOW + timedelta(seconds=60))
    assert (second.attempts, second.since, second.next_attempt_at) == (2, NOW, NOW + timedelta(seconds=121))
    assert (other.attempts, other.since) == (1, NOW + timedelta(seconds=200))
    assert [failed_attempts(second, 7), failed_attempts(second, 8), failed_attempts(None, 7)] == [2, 0, 0]
