"""Concurrent lookups are sent in batches, with the same results as single lookups."""

import asyncio
from collections.abc import Sequence

import pytest

from storage import visitors
from storage.mongo import batch_loading
from storage.mongo.batch_loading import BatchLoader
from storage.runtime import Storage
from tests.storage.support import opened, save


class Answers:
    """A read that returns numbers as texts when the test releases it."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, keys: Sequence[int]) -> dict[int, str]:
        self.asked.append(list(keys))
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return {key: str(key) for key in keys if key < 100}


async def settled() -> None:
    """Run all tasks that are ready."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_keys_requested_during_a_batch_are_loaded_by_the_next() -> None:
    answers = Answers()
    desk = BatchLoader(answers.read)

    asked = []
    for key in (1, 2, 3, 4, 3, 500):
        asked.append(asyncio.ensure_future(desk.load(key)))
        await settled()
    answers.go_on.set()

    assert await asyncio.gather(*asked) == ["1", "2", "3", "4", "3", None]
    assert answers.asked == [[1], [2], [3, 4, 500]]


async def test_a_batch_has_a_limit_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_loading, "MAX_BATCH_KEYS", 2)
    answers = Answers()
    desk = BatchLoader(answers.read)
    asked = [asyncio.ensure_future(desk.load(key)) for key in range(6)]
    await settled()
    answers.go_on.set()

    assert await asyncio.gather(*asked) == [str(key) for key in range(6)]
    assert max(map(len, answers.asked)) == 2


async def test_values_are_not_cached() -> None:
    answers = Answers()
    answers.go_on.set()
    desk = BatchLoader(answers.read)

    assert [await desk.load(1), await desk.load(1)] == ["1", "1"]
    assert answers.asked == [[1], [1]]


async def test_a_failed_batch_fails_its_keys_and_not_the_next_batch() -> None:
    answers = Answers()
    answers.error = ConnectionError("gone")
    desk = BatchLoader(answers.read)
    asked = [asyncio.ensure_future(desk.load(key)) for key in (1, 2)]
    await settled()
    answers.go_on.set()

    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    failed, answers.error = answers.error, None

    assert outcomes == [failed, failed]
    assert await desk.load(3) == "3"


async def test_an_invalid_key_does_not_fail_the_keys_of_others() -> None:
    async def read(keys: Sequence[int]) -> dict[int, str]:
        await asyncio.sleep(0)
        return {key: "x" * (1 // key) for key in keys}

    desk = BatchLoader(read)
    outcomes = await asyncio.gather(*(desk.load(key) for key in (1, 1, 1, 0, 1, 2)), return_exceptions=True)

    assert [type(one) if isinstance(one, Exception) else one for one in outcomes] == (
        ["x", "x", "x", ZeroDivisionError, "x", ""]
    )


async def test_a_cancelled_caller_does_not_cancel_others() -> None:
    answers = Answers()
    desk = BatchLoader(answers.read)
    gone, stays = (asyncio.ensure_future(desk.load(1)) for _ in range(2))
    await settled()

    gone.cancel()
    await settled()
    answers.go_on.set()

    assert await stays == "1"
    assert gone.cancelled()


async def test_many_concurrent_callers_get_their_own_values(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        for number in range(20):
            await save(storage, f"token {number}", str(number))

        found = await asyncio.gather(*(name_of(storage, f"token {number}") for number in range(25)))

        assert found == [str(number) for number in range(20)] + [None] * 5


async def name_of(storage: Storage, token: str) -> str | None:
    visitor = await visitors.find_by_token(storage.reader, token)
    return None if visitor is None else visitor.name


async def test_a_changed_value_is_loaded_again(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        for name in ("first", "second", "third"):
            others = asyncio.gather(*(name_of(storage, "one") for _ in range(5)))
            await save(storage, "one", name)

            assert await name_of(storage, "one") == name
            await others
