"""The order and limits of waiting password hashes."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from resolvers.auth.hash_queue import HashQueue, Lane
from storage.errors import RateLimited


class Work:
    """Hashes that end with the block."""

    def __init__(self, queue: HashQueue) -> None:
        self.queue = queue
        self.done: list[str] = []
        self._gate = threading.Event()

    async def enter(self, lane: Lane, name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.queue.run(lane, lambda: self._hash(name)))
        await asyncio.sleep(0)
        return task

    def _hash(self, name: str) -> None:
        assert self._gate.wait(30)
        self.done.append(name)

    @contextmanager
    def busy(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._gate.set()


async def test_lanes_have_their_shares_and_the_newest_login_is_first() -> None:
    work = Work(HashQueue(max_concurrent=1, max_waiting=4))
    with work.busy():
        tasks = [await work.enter(Lane.RECENT_FAILURE, "first")]
        for lane in (Lane.RECENT_FAILURE, Lane.NO_RECENT_FAILURE, Lane.CALLER, Lane.KNOWN_ADDRESS):
            tasks += [await work.enter(lane, f"{lane.name} {number}") for number in (1, 2, 3)]
    await asyncio.gather(*tasks)

    assert work.done == [
        "first",
        "KNOWN_ADDRESS 3",
        "CALLER 1",
        "NO_RECENT_FAILURE 3",
        "KNOWN_ADDRESS 2",
        "CALLER 2",
        "NO_RECENT_FAILURE 2",
        "KNOWN_ADDRESS 1",
        "RECENT_FAILURE 3",
        "CALLER 3",
        "NO_RECENT_FAILURE 1",
        "RECENT_FAILURE 2",
        "RECENT_FAILURE 1",
    ]


@pytest.mark.parametrize(("lane", "done"), [(Lane.NO_RECENT_FAILURE, ["0", "4", "3"]), (Lane.CALLER, ["0", "1", "2"])])
async def test_full_lane_refuses_entries_without_a_wait(lane: Lane, done: list[str]) -> None:
    work = Work(HashQueue(max_concurrent=1, max_waiting=2))
    with work.busy():
        tasks = [await work.enter(lane, str(number)) for number in range(5)]
        refused = [task for number, task in enumerate(tasks) if str(number) not in done]
        for task in refused:
            with pytest.raises(RateLimited) as refusal:
                await task
            assert refusal.value.data == {"retryAfterSeconds": 1}
    await asyncio.gather(*(task for task in tasks if task not in refused))

    assert work.done == done


async def test_slot_of_a_cancelled_caller_is_free_when_its_thread_ends() -> None:
    work = Work(HashQueue(max_concurrent=1, max_waiting=4))
    with work.busy():
        running = await work.enter(Lane.NO_RECENT_FAILURE, "running")
        waiting = await work.enter(Lane.NO_RECENT_FAILURE, "waiting")
        last = await work.enter(Lane.NO_RECENT_FAILURE, "last")
        waiting.cancel()
        running.cancel()
        await asyncio.wait([waiting, running])
        assert work.done == []
    await last

    assert work.done == ["running", "last"]
    assert await work.queue.run(Lane.NO_RECENT_FAILURE, lambda: 1) == 1
