"""The queue and the event of websockets behave as those of asyncio do for one reader."""

import asyncio

import pytest

from server.transport.small_primitives import SmallEvent, SmallQueue


async def steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_queue_returns_items_in_order_and_waits_for_the_next() -> None:
    queue = SmallQueue[int]()
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert [await queue.get(), await queue.get(), queue.empty()] == [1, 2, True]

    reading = asyncio.create_task(queue.get())
    await steps()
    assert not reading.done()
    queue.put_nowait(3)

    assert await reading == 3


async def test_a_cancelled_reader_takes_no_item_of_the_queue() -> None:
    queue = SmallQueue[int]()
    reading = asyncio.create_task(queue.get())
    await steps()
    queue.put_nowait(1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert await queue.get() == 1


async def test_all_who_wait_for_the_event_continue_when_it_is_set() -> None:
    event = SmallEvent()
    await event.wait()  # it is set at first
    event.clear()
    event.clear()
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    await steps()
    waiting.pop().cancel()
    await steps()
    assert not event.is_set()
    assert not any(one.done() for one in waiting)

    event.set()
    event.set()
    await asyncio.gather(*waiting)

    assert event.is_set()
