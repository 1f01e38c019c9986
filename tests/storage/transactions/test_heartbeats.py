"""What a process that died has open is closed by the others, and nobody who lives is harmed."""

import asyncio
from typing import Any

import pytest

from storage.runtime import Storage
from storage.transactions import heartbeats
from storage.transactions.deadline import Deadline
from storage.transactions.runner import TransactionRequest
from storage.transactions.transaction import Transaction
from tests.storage.support import names, opened, put, read_all, save, until


async def hang(tx: Transaction) -> None:
    """Write, and get no further: what a process has open that is killed now."""
    await put(tx, "one", "half a change")
    await tx.flush()
    await asyncio.Event().wait()


async def test_what_a_killed_process_had_open_is_closed_by_the_others(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 3600)  # nobody beats or looks but when told to
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 3600)
    async with opened(mongodb_uri, empty_database, processes=2) as (dying, living):
        await save(living, "one", "whole")
        running = asyncio.create_task(dying.transactions.run_until(Deadline(60), TransactionRequest(body=hang)))
        await _wrote(dying)

        for _ in range(heartbeats.MISSED_HEARTBEATS + 1):
            await living.process.send_heartbeat()
            await living.process.reap_dead_processes()

        async with asyncio.timeout(30):
            await save(living, "one", "after")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await living.database["processes"].count_documents({"_id": dying.process.id}) == 0


async def test_process_that_beats_is_not_taken_for_dead(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 3600)
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 3600)
    async with opened(mongodb_uri, empty_database, processes=2) as (slow, other):
        await save(slow, "one")

        for _ in range(3 * heartbeats.MISSED_HEARTBEATS):
            await slow.process.send_heartbeat()
            await other.process.reap_dead_processes()

        known: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        assert known["sessions"]


async def test_process_that_was_taken_for_dead_names_its_sessions_again(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 3600)
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 3600)
    async with opened(mongodb_uri, empty_database, processes=2) as (slow, other):
        await save(slow, "one")
        before: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        for _ in range(heartbeats.MISSED_HEARTBEATS + 1):
            await other.process.reap_dead_processes()

        await slow.process.send_heartbeat()

        async def known_again() -> bool:
            return await other.database["processes"].find_one({"_id": slow.process.id}) is not None

        await until(known_again)
        after: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        assert set(after["sessions"]) == set(before["sessions"])
        assert (await save(slow, "one", "again")).name == "again"


async def test_process_taken_for_dead_names_all_its_sessions_with_the_first_new_one(
    mongodb_uri: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 3600)
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 3600)
    async with opened(mongodb_uri, empty_database, processes=2) as (slow, other):
        known = other.database["processes"]
        running = [asyncio.create_task(slow.transactions.run_until(Deadline(60), TransactionRequest(body=hang)))]
        await _wrote(slow)
        before: Any = await known.find_one({"_id": slow.process.id})

        async def buried() -> bool:
            await other.process.reap_dead_processes()
            return await known.find_one({"_id": slow.process.id}) is None

        await until(buried)

        running.append(asyncio.create_task(slow.transactions.run_until(Deadline(60), TransactionRequest(body=hang))))

        async def named_a_new_one() -> bool:
            after: Any = await known.find_one({"_id": slow.process.id})
            return after is not None and len(after["sessions"]) > len(before["sessions"])

        await until(named_a_new_one)
        after: Any = await known.find_one({"_id": slow.process.id})
        assert set(before["sessions"]) < set(after["sessions"])
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _wrote(storage: Storage) -> None:
    """Wait until the process has written something in a transaction that it has not committed."""
    command = {"aggregate": 1, "pipeline": [{"$currentOp": {"idleSessions": True}}], "cursor": {}}
    async with asyncio.timeout(30):
        while True:
            answer = await storage.database.client.admin.command(command)
            if any(_is_open(one) for one in answer["cursor"]["firstBatch"]):
                return
            await asyncio.sleep(0.01)


def _is_open(operation: dict[str, Any]) -> bool:
    return operation.get("type") == "idleSession" and "transaction" in operation


async def test_change_whose_process_was_taken_for_dead_starts_again(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2) as (slow, other):
        head = await other.log.head()
        attempts = 0

        async def buried(tx: Transaction) -> None:
            nonlocal attempts
            attempts += 1
            await put(tx, "one", f"attempt {attempts}")
            await tx.flush()
            if attempts == 1:
                known: Any = await other.database["processes"].find_one({"_id": slow.process.id})
                sessions = [{"id": one} for one in known["sessions"]]
                await other.database.client.admin.command("killSessions", sessions)

        await slow.transactions.run(buried)

        assert names(await read_all(other, after=head)) == ["attempt 2"]
