"""The window of events sent to a consumer begins with the first one that is not acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from resolvers.consumers.delivery_window import DeliveryWindow


def window(limit: int, *sequences: int) -> DeliveryWindow:
    made = DeliveryWindow(limit)
    for sequence in sequences:
        made.add(sequence)
    return made


def test_events_acknowledged_behind_the_first_one_count() -> None:
    made = window(3, 5, 7, 9)
    assert made.is_full

    made.acknowledge([7, 9])

    assert (made.is_full, made.pending) == (True, [5])
    made.acknowledge([5])
    assert (made.is_full, made.pending) == (False, [])


def test_cursor_advances_over_singly_acknowledged_events_after_it() -> None:
    made = window(4, 5, 7, 9, 11)
    made.acknowledge([9])

    made.acknowledge_up_to(8)

    assert (made.first, made.pending, made.has_acknowledged) == (11, [11], False)


def test_event_acknowledged_before_it_was_sent_counts_only_behind_pending_events() -> None:
    made = window(2)
    made.add(5, acknowledged=True)
    made.add(7)
    made.add(9, acknowledged=True)

    assert (made.is_full, made.first, made.pending) == (True, 7, [7])


@given(st.lists(st.tuples(st.sampled_from(["send", "one", "up to"]), st.integers(1, 40)), max_size=60))
def test_window_equals_a_model_with_a_list_of_all_events(steps: list[tuple[str, int]]) -> None:
    made, sent, acknowledged, position = DeliveryWindow(1_000), list[int](), set[int](), 0
    for what, number in steps:
        if what == "send":
            sent.append((sent[-1] if sent else 0) + number)
            made.add(sent[-1])
        elif what == "one":
            known = {sequence for sequence in sent if sequence == number}
            acknowledged |= known
            made.acknowledge([number])
        else:
            position = max(position, min(number, sent[-1] if sent else 0))
            made.acknowledge_up_to(number)
            acknowledged |= {sequence for sequence in sent if sequence <= number}

        pending = [sequence for sequence in sent if sequence not in acknowledged]
        assert made.pending == pending
        assert made.first == (pending[0] if pending else None)
