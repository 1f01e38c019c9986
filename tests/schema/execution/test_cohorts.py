"""Cohorts cache results, and nothing of what the results were made of."""

import weakref
from datetime import UTC, datetime

import pytest

from schema.execution import cohorts as caches
from schema.execution.cohorts import BATCH_OVERHEAD, Batch, Cohorts, Delivery
from schema.signals import SignalSource
from storage.records import SYSTEM
from storage.signals import Signal, SignalKind


class LargeSource:
    """A source whose memory is not counted."""

    key = 1
    cursor = "c"
    message_id = "m"

    def root(self) -> object:
        return self


def test_cached_result_does_not_refer_to_its_source() -> None:
    cohorts, source = Cohorts(), LargeSource()
    reference = weakref.ref(source)
    with cohorts.join("key") as cohort, cohorts.join("key"):
        cohort.put(source.key, Delivery(source, {"text": "x"}, None))
        del source

        cached = cohort.get(1)

    assert reference() is None
    assert cached is not None
    assert (cached.cursor, cached.message_id) == ("c", "m")


def test_key_of_a_signal_is_small_and_the_same_for_all_subscribers() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    signals = [
        Signal(kind=SignalKind.CUSTOM, room_id="r", sender=SYSTEM, sent_by_id="a", data=data, sent_at=noon)
        for data in ("1" * 16_000, "1" * 16_000, "2" * 16_000)
    ]

    first, same, other = [SignalSource(signal).key for signal in signals]

    assert first == same != other
    assert len(first) == 16


def test_batches_without_results_are_evicted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_BATCH_BYTES", 10 * BATCH_OVERHEAD)
    cache = Cohorts()

    for number in range(100):
        cache.put_batch(number, Batch(b"", 0, number))

    assert [number for number in range(100) if cache.get_batch(number) is not None] == list(range(90, 100))
