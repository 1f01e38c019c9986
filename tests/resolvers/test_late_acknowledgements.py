"""A process may learn that its own change is committed after other processes have changed the same room again."""

import asyncio
from typing import Any

import pytest

from resolvers import erasures, rooms, visitors
from storage import rooms as stored_rooms
from storage.facts import RoomFact
from storage.records import RoomStatus, RoutingMethod
from tests.resolvers.world import World
from tests.storage.support import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(world: World, head: int) -> None:
    """Wait until the process has read the log up to this fact."""

    async def has_read() -> bool:
        return world.services.storage.feed.head >= head

    await until(has_read)


async def held_after_the_append(world: World, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """From now on, the callers of this process learn of their facts in the log once the event is set."""
    await read(world, await world.head())
    appender, go_on = world.services.storage.appender, asyncio.Event()
    append = appender._append

    async def held(*arguments: Any) -> None:
        await append(*arguments)
        await go_on.wait()

    monkeypatch.setattr(appender, "_append", held)
    return go_on


async def test_a_room_that_another_process_has_closed_does_not_wait(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    department = await world.department("Manual", RoutingMethod.MANUAL)
    with monkeypatch.context() as patch:
        go_on = await held_after_the_append(world, patch)
        head = await world.head()
        starting = asyncio.create_task(world.start(department))
        await read(other, head + 1)
        (fact, *_) = await world.facts(after=head)
        assert isinstance(fact, RoomFact)
        await rooms.close_room(other.context, room_id=fact.room.room.id)
        await read(world, await world.head())
        go_on.set()
        room = await starting

    assert room.id == fact.room.room.id
    assert not world.services.agent_cache.has_waiting_rooms([department.id])


async def test_a_room_that_another_process_has_returned_to_the_queue_waits(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    department, anna = await world.department("Manual", RoutingMethod.MANUAL), await world.agent("anna")
    room = await world.start(department)
    with monkeypatch.context() as patch:
        go_on = await held_after_the_append(world, patch)
        head = await world.head()
        assigning = asyncio.create_task(rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id))
        await read(other, head + 1)
        await rooms.unassign_agent(other.context, room_id=room.id)
        await read(world, await world.head())
        go_on.set()
        await assigning

    assert (await world.room(room)).status is RoomStatus.QUEUED
    assert world.services.agent_cache.has_waiting_rooms([department.id])


async def test_the_memory_keeps_no_visitor_that_another_process_has_erased(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    department = await world.department("Manual", RoutingMethod.MANUAL)
    visitor = await visitors.save_visitor(world.context, token="v", name="Ada Lovelace")
    with monkeypatch.context() as patch:
        go_on = await held_after_the_append(world, patch)
        head = await world.head()
        starting = asyncio.create_task(world.start(department))
        await read(other, head + 1)
        await erasures.erase_visitor(other.context, visitor_id=visitor.id)
        await read(world, await world.head())
        go_on.set()
        room = await starting

    recent = world.services.storage.database.recent_entities
    snapshot = recent.get(stored_rooms.SNAPSHOTS, room.id, world.services.storage.definition_cache.revision)
    assert snapshot is None or snapshot.visitor.name is None


async def test_changes_succeed_while_the_log_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are committed, and a process appends their facts later."""
    appender, transactions = world.services.storage.appender, world.services.storage.transactions
    append, go_on = appender._append, asyncio.Event()

    async def held(*arguments: Any) -> None:
        await go_on.wait()
        await append(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(appender, "_append", held)
        patch.setattr(transactions, "timeout_seconds", 5)
        saved = await asyncio.gather(
            *(visitors.save_visitor(world.context, token=f"stalled {number}") for number in range(400))
        )
        go_on.set()

    assert [visitor.token for visitor in saved] == [f"stalled {number}" for number in range(400)]
