"""Reads end at their deadline, leave background work its threads, and are counted at a bounded cost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from motor.frameworks import asyncio as motor_asyncio
from pymongo.errors import ExecutionTimeout

from storage.errors import Unavailable
from storage.mongo import counts
from storage.mongo.deadlines import time_limit
from storage.mongo.index_use import indexed_parts, is_scan, is_whole_query
from storage.mongo.retries import read_with_retries
from storage.runtime import Storage
from storage.supervisor import spawn
from storage.threads import SCAN_THREADS, THREADS, Work, WorkThreads, work
from storage.transactions.transaction import Transaction
from tests.storage.support import find, put

#: Takes a minute. It does not use JavaScript, whose engine reports an exceeded time limit as an interruption.
_COUNTED = {"$reduce": {"input": {"$range": [0, 100_000]}, "initialValue": 0, "in": {"$add": ["$$value", 1]}}}
SLOW: dict[str, Any] = {"$expr": {"$lt": [_COUNTED, 0]}}
DOCUMENTS = 1_000


@pytest.fixture
async def storage(mongodb_uri: str, empty_database: str) -> AsyncIterator[Storage]:
    async with Storage.open(mongodb_uri, empty_database) as opened:
        yield opened


@pytest.fixture
async def filled(storage: Storage) -> Storage:
    await storage.database["messages"].insert_many([{"_id": f"{n:05}", "roomId": n % 10} for n in range(DOCUMENTS)])
    return storage


async def slow_reads(storage: Storage) -> int:
    """The number of slow reads that the server executes."""
    busy = {"ns": f"{storage.database.raw.name}.messages", "active": True}
    pipeline: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": busy}]
    running = storage.database.client.admin.aggregate(pipeline)
    return len(await running.to_list(None))


async def until(storage: Storage, count: int) -> None:
    async with asyncio.timeout(60):
        while await slow_reads(storage) != count:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)


async def test_a_read_ends_at_the_server_when_its_deadline_passes(filled: Storage) -> None:
    with time_limit(0.2), pytest.raises(ExecutionTimeout):
        await filled.database["messages"].find(SLOW).to_list(None)

    await until(filled, 0)


async def test_every_kind_of_read_ends_at_its_deadline(filled: Storage) -> None:
    messages = filled.database["messages"].with_options()
    reads: list[Callable[[], Awaitable[Any]]] = [
        lambda: messages.find(SLOW).to_list(None),
        lambda: messages.find_one(SLOW),
        lambda: messages.aggregate([{"$match": SLOW}]).to_list(None),
        lambda: messages.count_documents(SLOW),
        lambda: messages.distinct("roomId", SLOW),
    ]

    for read in reads:
        with time_limit(0.2), pytest.raises(ExecutionTimeout):
            await read()


async def test_the_inner_limit_does_not_extend_the_outer_one(filled: Storage) -> None:
    with time_limit(0.2), time_limit(60), pytest.raises(ExecutionTimeout):
        await filled.database["messages"].count_documents(SLOW)


async def test_a_read_whose_deadline_has_passed_is_not_sent(filled: Storage) -> None:
    with time_limit(0), pytest.raises(ExecutionTimeout):
        await filled.database["messages"].find_one({})


async def test_a_query_is_unavailable_at_its_deadline_and_not_retried(filled: Storage) -> None:
    attempts = 0

    async def read() -> Any:
        nonlocal attempts
        attempts += 1
        return await filled.database["messages"].aggregate([{"$match": SLOW}]).to_list(None)

    with time_limit(2), pytest.raises(Unavailable) as refusal:
        await read_with_retries(filled.database, read)

    assert (attempts, refusal.value.data["retryable"]) == (1, True)


async def test_a_read_of_a_mutation_ends_at_the_server_at_the_deadline_of_the_mutation(filled: Storage) -> None:
    filled.transactions.timeout_seconds = 2
    ended = asyncio.Event()

    async def change(tx: Transaction) -> None:
        await put(tx, "token", "written before the slow read")
        try:
            await tx.database["messages"].find(SLOW, session=tx.session).to_list(None)
        except ExecutionTimeout:
            ended.set()
            raise

    with pytest.raises(Unavailable) as refusal:
        await filled.transactions.run(change)

    assert refusal.value.data["retryable"] is True
    await until(filled, 0)
    async with asyncio.timeout(60):
        await ended.wait()
    assert await find(filled, "token") is None


async def test_a_mutation_that_suspends_its_deadline_has_the_rest_of_its_time_afterwards(filled: Storage) -> None:
    filled.transactions.timeout_seconds = 2

    async def change(tx: Transaction) -> int:
        with tx.state.deadline.without_deadline(), pytest.raises(ExecutionTimeout):
            # Longer than the deadline of the mutation, so that only the limit of this read ends it.
            await tx.database["messages"].find(SLOW, max_time_ms=2_500).to_list(None)
        return await tx.database["messages"].count_documents({})

    count, _ = await filled.transactions.run(change)

    assert count == DOCUMENTS


async def test_a_scan_ends_at_the_server_when_its_caller_is_cancelled(filled: Storage) -> None:
    messages = filled.database["messages"]
    scan = spawn(
        filled.database.scans.run(lambda session: messages.find(SLOW, session=session).to_list(None)), name="scan"
    )
    await until(filled, 1)

    scan.cancel()

    await asyncio.wait({scan})
    assert scan.cancelled()
    await until(filled, 0)


async def test_concurrent_scans_are_limited_to_their_threads(filled: Storage) -> None:
    messages = filled.database["messages"]
    scans = [
        spawn(filled.database.scans.run(lambda session: messages.find(SLOW, session=session).to_list(None)), name="s")
        for _ in range(2 * SCAN_THREADS)
    ]
    await until(filled, SCAN_THREADS)
    assert await messages.find_one({"_id": "00000"}) is not None

    for scan in scans:
        scan.cancel()

    await until(filled, 0)
    found = await filled.database.scans.run(lambda session: messages.count_documents({}, session=session))
    assert found == DOCUMENTS


async def test_reads_cannot_occupy_the_threads_of_background_work_and_changes(filled: Storage) -> None:
    messages = filled.database["messages"]

    async def read() -> None:
        with time_limit(5):
            await messages.find(SLOW).to_list(None)

    reads = [spawn(read(), name="slow read") for _ in range(2 * THREADS[Work.READS])]
    beats = [spawn(filled.process.send_heartbeat(), name="beat", kind=kind) for kind in (Work.BACKGROUND, Work.CHANGES)]

    done, _ = await asyncio.wait(beats, timeout=4)

    assert (done, any(one.done() for one in reads)) == (set(beats), False)
    for one in reads:
        one.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


async def test_motor_runs_calls_on_the_threads_of_their_class_of_work() -> None:
    assert isinstance(motor_asyncio._EXECUTOR, WorkThreads)

    async def thread() -> str:
        name: str = await motor_asyncio.run_on_executor(  # type: ignore[no-untyped-call]
            asyncio.get_running_loop(), lambda: threading.current_thread().name
        )
        return name

    names = [await spawn(thread(), name="name", kind=kind) for kind in Work]
    work.set(Work.SCANS)

    assert [name.rpartition("_")[0] for name in names] == [f"mongodb {kind}" for kind in Work]
    assert (await thread()).startswith("mongodb scans")


# ---------------------------------------------------------------- indexes

NAME = {"$expr": {"$gte": [{"$indexOfBytes": ["$name", {"$literal": "x"}]}, 0]}}
STATUS = {"status": {"$eq": "CLOSED"}}
SERVED = {"lastServedById": {"$eq": "a"}}
TAG = {"tags": {"$eq": "a"}}


@pytest.mark.parametrize(
    ("collection", "query", "parts"),
    [
        ("users", {}, []),
        ("users", NAME, []),
        ("users", {"usernameKey": {"$eq": "a"}}, [{"usernameKey": {"$eq": "a"}}]),
        ("users", {"$and": [{"roles": {"$eq": "a"}}, {"name": {"$eq": "b"}}]}, [{"roles": {"$eq": "a"}}]),
        ("users", {"agent.status": {"$eq": None}}, []),
        ("users", {"name": {"$eq": "a"}}, []),
        ("users", {"$nor": [{"roles": {"$eq": "a"}}]}, []),
        ("rooms", {"$and": [STATUS, SERVED]}, [{"$and": [SERVED, STATUS]}, STATUS]),
        ("rooms", {"$and": [STATUS, TAG]}, [TAG, STATUS]),
        ("rooms", {"$and": [TAG, {"tags": {"$eq": "b"}}]}, [TAG]),
        ("rooms", {"$or": [SERVED, TAG]}, [{"$or": [SERVED, TAG]}]),
        ("rooms", {"$or": [SERVED, {"source": {"$eq": "a"}}]}, []),
        ("rooms", {"departmentId": {"$eq": None}}, [{"departmentId": {"$eq": None}}]),
    ],
)
def test_indexed_parts_of_a_query(collection: str, query: Any, parts: Any) -> None:
    found = indexed_parts(collection, query)

    assert found[:1] == parts[:1]
    assert all(part in found for part in parts)
    assert bool(found) == bool(parts)


def test_a_filter_that_an_index_answers_is_no_scan() -> None:
    assert not is_scan("users", {})
    assert not is_scan("rooms", {"$and": [STATUS, {"source": {"$eq": "a"}}]})
    assert is_scan("users", NAME)
    assert is_scan("users", {"$and": [{"roles": {"$eq": "a"}}, NAME]})
    assert is_scan("users", {"name": {"$eq": "a"}})


def test_a_part_with_the_same_conditions_in_another_order_is_the_whole_query() -> None:
    assert is_whole_query({"$and": [SERVED, STATUS]}, {"$and": [STATUS, SERVED]})
    assert not is_whole_query(STATUS, {"$and": [STATUS, SERVED]})


# ---------------------------------------------------------------- counts


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "COUNT_LIMIT", 100)
    monkeypatch.setattr(counts, "UNMATCHED_LIMIT", 10)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize(
    ("matching", "others", "expected"),
    [(100, 10, 100), (100, 11, None), (101, 0, None), (0, 10, 0), (0, 11, None), (5, 3, 5)],
)
async def test_a_count_is_exact_within_its_bounds(
    storage: Storage, matching: int, others: int, expected: int | None
) -> None:
    names = ["right"] * matching + ["wrong"] * others
    documents = [
        {"_id": f"{n:05}", "usernameKey": str(n), "name": name, "roles": ["a"]} for n, name in enumerate(names)
    ]
    await storage.database["users"].insert_many(documents)
    await storage.database["users"].insert_many(
        [{"_id": f"x{n}", "usernameKey": f"x{n}", "name": "right", "roles": ["b"]} for n in range(200)]
    )
    query = {"$and": [{"roles": {"$eq": "a"}}, {"name": {"$eq": "right"}}]}

    assert await counts.count(storage.database, "users", query) == expected


@pytest.mark.usefixtures("small_bounds")
async def test_a_count_by_an_index_does_not_depend_on_other_documents(storage: Storage) -> None:
    documents = [{"_id": str(n), "usernameKey": str(n), "roles": ["a"] if n < 50 else ["b"]} for n in range(500)]
    await storage.database["users"].insert_many(documents)

    found = [await counts.count(storage.database, "users", {"roles": {"$eq": role}}) for role in ("a", "b", "c")]

    assert found == [50, None, 0]
    assert await counts.count(storage.database, "users", {}) is None


async def test_concurrent_equal_counts_are_executed_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    done = 0
    sift = counts._count_documents

    async def counted(*args: Any) -> int | None:
        nonlocal done
        done += 1
        return await sift(*args)

    monkeypatch.setattr(counts, "_count_documents", counted)
    query = {"name": {"$eq": "right"}}

    found = await asyncio.gather(*(counts.count(storage.database, "users", query) for _ in range(40)))

    assert (found, done) == ([0] * 40, 1)
