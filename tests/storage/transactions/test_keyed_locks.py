"""Mutations of one process wait for keyed locks, up to their deadline."""

import asyncio

import pytest

from storage.errors import Unavailable
from storage.records import Visitor
from storage.transactions.keyed_locks import LockKey
from storage.transactions.transaction import Transaction
from tests.storage.support import find, opened, put, save


async def test_waiting_for_a_lock_until_the_deadline_is_unavailable_and_retryable(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = float("inf")
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        head = await storage.log.head()

        async def within(tx: Transaction) -> None:
            await put(tx, "two", None)
            await tx.lock("visitor", "one")

        with monkeypatch.context() as patch:
            patch.setattr(storage.transactions, "timeout_seconds", 0.1)
            async with storage.transactions.locks.lock(LockKey("visitor", "one"), deadline=never):
                with pytest.raises(Unavailable) as before:
                    await save(storage, "one")
                with pytest.raises(Unavailable) as amid:
                    await storage.transactions.run(within)
            await storage.transactions.wait_for_running()

        assert (before.value.data, amid.value.data) == ({"retryable": True}, {"retryable": True})
        assert await find(storage, "one") is None
        assert await find(storage, "two") is None
        assert await storage.log.head() == head
        await save(storage, "one")
        assert await find(storage, "one") is not None


async def test_deadline_excludes_blocks_without_deadline_only(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        storage.transactions.timeout_seconds = 0.2
        working, may_end = asyncio.Event(), asyncio.Event()

        async def large(tx: Transaction) -> Visitor:
            with tx.state.deadline.without_deadline():
                working.set()
                await may_end.wait()
            return await put(tx, "one", None)

        async def endless(tx: Transaction) -> None:
            with tx.state.deadline.without_deadline():
                pass
            await asyncio.Event().wait()

        change = asyncio.create_task(storage.transactions.run(large))
        await working.wait()
        with pytest.raises(Unavailable) as gave_up:
            await storage.transactions.run(endless)
        assert not change.done()  # it began before the other mutation, whose deadline has passed
        may_end.set()
        await change

        assert gave_up.value.data == {"retryable": True}
        assert await find(storage, "one") is not None


async def test_locks_of_different_kinds_are_independent(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        async with storage.transactions.locks.lock(LockKey("room", "one"), deadline=float("inf")), asyncio.timeout(60):
            await save(storage, "one")

        assert await find(storage, "one") is not None
