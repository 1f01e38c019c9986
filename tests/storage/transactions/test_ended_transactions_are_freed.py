"""What a transaction has used is freed when it has ended, and not when the garbage collector runs.

The collector takes time, during which nothing else runs, and until then the facts and documents stay in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from storage.log.reservations import Reservation
from storage.records import Visitor
from storage.runtime import Storage
from storage.transactions import commits
from storage.transactions.transaction import Transaction
from tests.freeing import Freed
from tests.storage.support import opened, put, save


@pytest_asyncio.fixture
async def storage(mongodb_uri: str, empty_database: str) -> AsyncIterator[Storage]:
    """A process that has appended a fact, and knows of no other process."""
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        await save(storage, "first")
        await storage.process.reap_dead_processes()
        yield storage


async def save_all(storage: Storage, tokens: list[str]) -> list[Freed]:
    """Save visitors at once. Returns what waits until their transactions are freed."""
    transactions: list[Freed] = []

    async def save_one(token: str) -> None:
        async def body(tx: Transaction) -> Visitor:
            transactions.append(Freed(tx))
            return await put(tx, token, None)

        await storage.transactions.run(body)

    async with asyncio.TaskGroup() as saving:
        for token in tokens:
            saving.create_task(save_one(token))
    return transactions


@pytest.mark.usefixtures("no_garbage_collector")
async def test_a_transaction_that_inserts_its_facts_into_the_log_is_freed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended: list[Reservation] = []
    end = Reservation.appended

    def recorded(reservation: Reservation) -> None:
        appended.append(reservation)
        end(reservation)

    monkeypatch.setattr(Reservation, "appended", recorded)

    (transaction,) = await save_all(storage, ["one"])

    assert len(appended) == 1
    await transaction.wait()


@pytest.mark.usefixtures("no_garbage_collector")
async def test_transactions_whose_facts_are_appended_behind_their_commit_are_freed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeded: list[bool] = []
    commit_and_append = commits._commit_and_append

    async def recorded(*arguments: Any) -> bool:
        succeeded.append(await commit_and_append(*arguments))
        return succeeded[-1]

    monkeypatch.setattr(commits, "_commit_and_append", recorded)

    first, second = await save_all(storage, ["one", "two"])

    assert succeeded
    assert all(succeeded)
    await first.wait()
    await second.wait()
