"""Views of live lists: sharing, limits, and the removal of their fields."""

from typing import Any

import pytest

from resolvers import live_views, rooms
from resolvers.custom_fields import definitions
from resolvers.live import list_updates
from resolvers.ordering import Ordering
from storage import room_views
from storage.errors import QueryTooComplex, RateLimited, UnknownField
from storage.filters.expressions import FieldCondition, Operator
from storage.mongo import counts
from storage.records import FieldTarget, FieldType
from tests.resolvers.live.reader import ListReader
from tests.resolvers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_subscribers_of_the_same_list_share_one_view(world: World) -> None:
    readers = [ListReader(world.context, first=5) for _ in range(3)]
    another = ListReader(world.context, first=6)
    for reader in (*readers, another):
        await reader.open()
    assert len(world.services.live_views) == 2
    for reader in (*readers, another):
        await reader.close()
    assert len(world.services.live_views) == 0


async def test_a_process_has_a_bounded_number_of_views(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.live_views.MAX_VIEWS", 1)
    one, same, another = ListReader(world.context), ListReader(world.context), ListReader(world.context, first=1)
    await one.open()
    await same.open()
    with pytest.raises(RateLimited):
        await another.open()
    assert len(world.services.live_views) == 1
    await one.close()
    await same.close()


async def test_a_list_ends_when_a_field_of_its_filter_is_removed(world: World) -> None:
    defined = await definitions.define_custom_field(
        world.context, target=FieldTarget.ROOM, key="vip", type=FieldType.BOOLEAN
    )
    reader = ListReader(world.context, where=FieldCondition("vip", Operator.EQ, True))
    await reader.open()
    await reader.until_ready()
    await definitions.remove_custom_field(world.context, id=defined.id)
    with pytest.raises(UnknownField):
        await reader.next()
    assert len(world.services.live_views) == 0


async def test_a_list_without_an_index_that_is_too_long_to_sort_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "SORT_LIMIT", 1)
    await definitions.define_custom_field(world.context, target=FieldTarget.ROOM, key="score", type=FieldType.NUMBER)
    await world.start()
    await world.start()
    reader = ListReader(world.context, order_by=Ordering("CUSTOM_FIELD", False, "score"))
    await reader.open()
    with pytest.raises(QueryTooComplex):
        await reader.next()
    assert len(world.services.live_views) == 0


async def test_a_reader_that_falls_behind_gets_the_current_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_updates, "MAX_UPDATES", 2)
    room = await world.start()
    slow = ListReader(world.context)
    await slow.open()
    await slow.until_ready()
    for number in range(6):
        await rooms.update_room(world.context, room_id=room.id, subject=str(number))
    while slow.rooms[room.id].subject != "5":
        await slow.next()
    assert len(slow.updates) < 2 + 6
    await slow.close()


@pytest.mark.parametrize("use", ["filter", "order"])
async def test_a_list_ends_if_its_field_is_removed_before_the_list_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    defined = await definitions.define_custom_field(
        world.context, target=FieldTarget.ROOM, key="score", type=FieldType.NUMBER
    )
    read_window = room_views.read_window

    async def removing(*args: Any, **kwargs: Any) -> Any:
        await definitions.remove_custom_field(world.context, id=defined.id)
        return await read_window(*args, **kwargs)

    monkeypatch.setattr(room_views, "read_window", removing)
    uses: dict[str, Any] = {
        "filter": {"where": FieldCondition("score", Operator.EXISTS, False)},
        "order": {"order_by": Ordering("CUSTOM_FIELD", False, "score")},
    }
    reader = ListReader(world.context, **uses[use])
    await reader.open()
    with pytest.raises(UnknownField, match="score"):
        await reader.next()
    assert len(world.services.live_views) == 0


async def test_a_list_that_grows_beyond_the_memory_of_all_lists_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = world.services.live_views
    reader = ListReader(world.context)
    await reader.open()
    await reader.until_ready()
    monkeypatch.setattr(live_views, "MAX_BYTES", views.bytes + 100)

    await world.start(subject="x" * 200)

    with pytest.raises(RateLimited) as caught:
        await reader.until_left()
    assert caught.value.data["retryAfterSeconds"] == live_views.RETRY_AFTER_SECONDS
    assert (len(views), views.bytes) == (0, 0)


async def test_lists_drop_old_updates_when_the_memory_of_all_lists_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = world.services.live_views
    room = await world.start()
    reader, idle = ListReader(world.context), ListReader(world.context, first=1)
    for one in (reader, idle):
        await one.open()
        await one.until_ready()
    for number in range(5):
        await rooms.update_room(world.context, room_id=room.id, subject=f"first {number}")
    while reader.rooms[room.id].subject != "first 4":
        await reader.next()
    monkeypatch.setattr(live_views, "MAX_BYTES", views.bytes)
    for number in range(5):
        await rooms.update_room(world.context, room_id=room.id, subject=f"other {number}")

    for one in (reader, idle):
        while one.rooms[room.id].subject != "other 4":
            await one.next()
    assert 0 < views.bytes <= live_views.MAX_BYTES
    for one in (reader, idle):
        await one.close()
    assert views.bytes == 0
