"""Other processes abort the transactions of a dead process, and a slow process repeats its own."""

import asyncio
from typing import Any

from storage.runtime import Storage
from storage.timings import Timings
from storage.transactions import heartbeats
from storage.transactions.deadline import Deadline
from storage.transactions.runner import TransactionRequest
from storage.transactions.transaction import Transaction
from tests.storage.support import names, opened, put, read_all, save, until

#: Only the test sends heartbeats and reaps.
NO_HEARTBEATS = Timings(heartbeat=3_600, heartbeat_poll=3_600)


async def hang(tx: Transaction) -> None:
    """Write and do not commit, as a process that is killed in a transaction."""
    await put(tx, "one", "half a change")
    await tx.flush()
    await asyncio.Event().wait()


async def test_transactions_of_a_killed_process_are_aborted_by_others(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_HEARTBEATS) as (dying, living):
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


async def test_a_process_with_heartbeats_is_not_reaped(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_HEARTBEATS) as (slow, other):
        await save(slow, "one")

        for _ in range(3 * heartbeats.MISSED_HEARTBEATS):
            await slow.process.send_heartbeat()
            await other.process.reap_dead_processes()

        process: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        assert process["sessions"]


async def test_a_reaped_process_registers_its_sessions_again_with_a_heartbeat(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_HEARTBEATS) as (slow, other):
        await save(slow, "one")
        before: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        for _ in range(heartbeats.MISSED_HEARTBEATS + 1):
            await other.process.reap_dead_processes()

        await slow.process.send_heartbeat()

        async def is_registered() -> bool:
            return await other.database["processes"].find_one({"_id": slow.process.id}) is not None

        await until(is_registered)
        after: Any = await other.database["processes"].find_one({"_id": slow.process.id})
        assert set(after["sessions"]) == set(before["sessions"])
        assert (await save(slow, "one", "again")).name == "again"


async def test_a_reaped_process_registers_all_its_sessions_with_a_new_session(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_HEARTBEATS) as (slow, other):
        processes = other.database["processes"]
        running = [asyncio.create_task(slow.transactions.run_until(Deadline(60), TransactionRequest(body=hang)))]
        await _wrote(slow)
        before: Any = await processes.find_one({"_id": slow.process.id})

        async def is_reaped() -> bool:
            await other.process.reap_dead_processes()
            return await processes.find_one({"_id": slow.process.id}) is None

        await until(is_reaped)

        # The driver may have all but one of these sessions free. So as many transactions need a session more.
        for _ in before["sessions"]:
            work = slow.transactions.run_until(Deadline(60), TransactionRequest(body=hang))
            running.append(asyncio.create_task(work))

        async def has_a_new_session() -> bool:
            after: Any = await processes.find_one({"_id": slow.process.id})
            return after is not None and len(after["sessions"]) > len(before["sessions"])

        await until(has_a_new_session)
        after: Any = await processes.find_one({"_id": slow.process.id})
        assert set(before["sessions"]) < set(after["sessions"])
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _wrote(storage: Storage) -> None:
    """Wait until the process has an open transaction. Those of earlier tests may be open, too."""
    command = {"aggregate": 1, "pipeline": [{"$currentOp": {"idleSessions": True}}], "cursor": {}}

    async def has_an_open_transaction() -> bool:
        answer = await storage.database.client.admin.command(command)
        process: Any = await storage.database["processes"].find_one({"_id": storage.process.id})
        return any(_is_open(one, process["sessions"]) for one in answer["cursor"]["firstBatch"])

    await until(has_an_open_transaction)


def _is_open(operation: dict[str, Any], session_ids: list[Any]) -> bool:
    is_transaction = operation.get("type") == "idleSession" and "transaction" in operation
    return is_transaction and operation["lsid"]["id"] in session_ids


async def test_a_mutation_whose_session_was_killed_runs_again(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=2, timings=NO_HEARTBEATS) as (slow, other):
        head = await other.log.head()
        attempts = 0

        async def killed(tx: Transaction) -> None:
            nonlocal attempts
            attempts += 1
            await put(tx, "one", f"attempt {attempts}")
            await tx.flush()
            if attempts == 1:
                process: Any = await other.database["processes"].find_one({"_id": slow.process.id})
                sessions = [{"id": one} for one in process["sessions"]]
                await other.database.client.admin.command("killSessions", sessions)

        await slow.transactions.run(killed)

        assert names(await read_all(other, after=head)) == ["attempt 2"]


async def test_processes_have_different_places_among_those_that_are_alive(
    mongodb_uri: str, empty_database: str
) -> None:
    async with opened(mongodb_uri, empty_database, processes=3, timings=NO_HEARTBEATS) as processes:
        alone = processes[0].process.place
        for one in processes:
            await one.process.send_heartbeat()
        for one in processes:
            await one.process.reap_dead_processes()

        assert alone == (0, 1)
        assert sorted(one.process.place for one in processes) == [(0, 3), (1, 3), (2, 3)]
