"""Calls at the same time share a read that begins after each of them."""

import asyncio

import pytest

from storage.shared_reads import SharedRead


class Source:
    """A value whose reads end when the test says so."""

    def __init__(self) -> None:
        self.value = 0
        self.reads: list[asyncio.Future[None]] = []

    async def read(self) -> int:
        value, end = self.value, asyncio.get_running_loop().create_future()
        self.reads.append(end)
        await end
        return value


async def steps() -> None:
    """Let all tasks run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_calls_during_a_read_share_the_next_one_which_sees_what_was_written_before_them() -> None:
    source = Source()
    shared = SharedRead(source.read, name="read a value")
    first = asyncio.create_task(shared())
    await steps()
    source.value = 1
    others = [asyncio.create_task(shared()) for _ in range(3)]
    await steps()
    assert len(source.reads) == 1
    source.reads[0].set_result(None)
    await steps()
    source.reads[1].set_result(None)

    assert await asyncio.gather(first, *others) == [0, 1, 1, 1]
    assert len(source.reads) == 2


async def test_an_error_is_raised_by_the_calls_that_share_the_read_and_by_no_other() -> None:
    source = Source()
    shared = SharedRead(source.read, name="read a value")
    first = asyncio.create_task(shared())
    await steps()
    second = asyncio.create_task(shared())
    source.reads[0].set_exception(ConnectionError("no primary"))
    await steps()
    source.reads[1].set_result(None)

    with pytest.raises(ConnectionError):
        await first
    assert await second == 0


async def test_a_cancelled_call_does_not_cancel_the_read_of_the_others() -> None:
    source = Source()
    shared = SharedRead(source.read, name="read a value")
    first, second = asyncio.create_task(shared()), asyncio.create_task(shared())
    await steps()
    first.cancel()
    await steps()
    source.reads[0].set_result(None)

    assert await second == 0
