"""A window computes the changes of the rooms that are shown without comparing lists."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.live.window import ListChange, Window, changes
from storage.records import Room, RoomStatus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def room(number: int, priority: int) -> Room:
    return Room(
        id=f"r{number}", status=RoomStatus.QUEUED, revision=1, visitor_id="v", priority=priority, started_at=NOON
    )


@settings(max_examples=200, deadline=None)
@given(
    size=st.integers(1, 4),
    slack=st.integers(0, 3),
    changed=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5), st.booleans()), max_size=30),
)
def test_changes_of_a_move_equal_those_between_the_lists(
    size: int, slack: int, changed: list[tuple[int, int, bool]]
) -> None:
    window = Window(lambda one: (one.priority, one.id), size=size, capacity=size + slack)
    shown: list[Room] = []
    matching: dict[str, Room] = {}

    for number, priority, matches in changed:
        one, before = room(number, priority), [room.id for room in shown]
        move = window.apply(one, matched=one.id in matching, matches=matches)
        matching = {key: value for key, value in {**matching, one.id: one}.items() if key != one.id or matches}
        if window.needs_reload:
            return
        steps = window.update_shown(shown, move)

        assert shown == window.visible
        assert [(change, room.id) for change, room in steps] == changes(before, [room.id for room in shown], ())
        assert all(room.id in matching for change, room in steps if change is ListChange.ENTERED)
