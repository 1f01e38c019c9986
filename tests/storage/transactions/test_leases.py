"""A lease is had by one owner at a time, and is released when its owner stops."""

import asyncio

import pytest

from storage.runtime import Storage
from storage.transactions import leases
from storage.transactions.leases import Lease
from tests.databases import emptied


async def test_second_owner_acquires_the_lease_after_the_first_released_it(mongodb_uri: str) -> None:
    async with Storage.open(mongodb_uri, emptied(mongodb_uri, "test-leases")) as storage:
        first, second = Lease(storage.database, "work"), Lease(storage.database, "work")

        assert [await first.acquire(), await first.acquire(), await second.acquire()] == [True, True, False]
        await second.release()
        assert not await second.acquire()
        await first.release()
        assert [await second.acquire(), await first.acquire()] == [True, False]


async def test_lease_is_renewed_after_the_given_time_and_not_before(mongodb_uri: str) -> None:
    async with Storage.open(mongodb_uri, emptied(mongodb_uri, "test-leases")) as storage:
        always, later = Lease(storage.database, "always"), Lease(storage.database, "later", renew_after=3_600)
        assert await always.acquire()
        assert await later.acquire()
        await storage.database["leases"].update_many({"_id": {"$in": ["always", "later"]}}, {"$set": {"holder": "x"}})

        assert [await always.acquire(), await later.acquire()] == [False, True]


async def test_release_after_an_interrupted_acquire_leaves_no_lease(
    mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = leases.acquire

    async def acquire_and_be_cancelled(*args: object, **kwargs: object) -> bool:
        assert await acquire(*args, **kwargs)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    async with Storage.open(mongodb_uri, emptied(mongodb_uri, "test-leases")) as storage:
        lease = Lease(storage.database, "work")
        with monkeypatch.context() as patch:
            patch.setattr(leases, "acquire", acquire_and_be_cancelled)
            with pytest.raises(asyncio.CancelledError):
                await lease.acquire()

        await lease.release()

        assert await Lease(storage.database, "work").acquire()
