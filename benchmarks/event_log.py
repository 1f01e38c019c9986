"""Measures the event log: the rate of appends, the latency from a mutation to its event, and the rate of replays.

    python -m benchmarks.event_log [--quick]

Starts a mongod and servers of its own. Each figure has a reference, measured in the same run: inserts of documents of
the same size by the driver alone, a change stream of the driver alone, and one subscriber alone.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import secrets
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient, WriteConcern
from websockets.asyncio.client import ClientConnection

from benchmarks.figures import Figure, record
from benchmarks.sockets import connected, mutate, server, start_rooms, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.facts import VisitorSaved
from storage.log.log import Log
from storage.log.outbox import BATCH, Appender
from storage.mongo.connection import Database, to_document
from storage.mongo.cursors import event_cursor
from storage.records import SYSTEM, Visitor
from storage.runtime import Storage

OCCURRED_AT = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS_PER_SECOND = 200
#: Writers that contend for the next number. In the experiment of decision 0001, they appended half of what one does.
CONTENDING = 8
#: Each room has its own subscriber. The subscribers share some websockets.
ROOMS = 1_000
SOCKETS = 10


@dataclass(frozen=True)
class Sizes:
    """The sizes of one run."""

    appended: int
    replayed: int
    #: The number of events that each of the subscribers replays at the same time.
    shared: int
    subscribers: int
    seconds: float
    slow: int


FULL = Sizes(appended=100_000, replayed=100_000, shared=1_000, subscribers=500, seconds=15, slow=100_000)
QUICK = Sizes(appended=20_000, replayed=10_000, shared=1_000, subscribers=100, seconds=4, slow=10_000)


def facts(count: int, subject: str) -> list[VisitorSaved]:
    """Facts of a typical size, some 700 bytes."""
    fields = {f"field_{number}": f"value {number}" * 2 for number in range(12)}
    visitor = Visitor(id=subject, token=subject, name="Ada Lovelace", custom_fields=fields, created_at=OCCURRED_AT)
    return [
        VisitorSaved(id=f"{subject}-{number}", occurred_at=OCCURRED_AT, actor=SYSTEM, visitor=visitor)
        for number in range(1, count + 1)
    ]


def row(what: str, figure: str, reference: str) -> None:
    print(f"| {what} | {figure} | {reference} |", flush=True)


# ---------------------------------------------------------------- appending


def append_rate(uri: str, writers: int, count: int) -> float:
    """The rate of facts that several processes append to one log at the same time."""
    return measure_processes(append, uri, writers, count)


def insert_rate(uri: str, writers: int, count: int) -> float:
    """The rate of the same documents, inserted in the same batches with ids that do not conflict."""
    return measure_processes(insert, uri, writers, count)


def measure_processes(work: Any, uri: str, writers: int, count: int) -> float:
    context = multiprocessing.get_context("spawn")
    name = f"append_{secrets.token_hex(4)}"
    asyncio.run(prepare(uri, name))
    barrier = context.Barrier(writers + 1)
    processes = [
        context.Process(target=work, args=(uri, name, f"writer{number}", count // writers, barrier))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    elapsed = time.perf_counter() - began
    if work is append:
        assert asyncio.run(head(uri, name)) == count, "every fact has a number, without gaps"
    return count / elapsed


async def prepare(uri: str, name: str) -> None:
    async with Storage.open(uri, name) as storage:
        await storage.database["log"].delete_many({})


async def head(uri: str, name: str) -> int:
    async with Database(uri, name) as database:
        return await Log(database).head()


def append(uri: str, name: str, subject: str, count: int, barrier: Barrier) -> None:
    async def work() -> None:
        async with Database(uri, name) as database:
            appender = Appender(database, lambda *_: None)
            running = asyncio.create_task(appender.run())
            await Log(database).head()
            batch_facts = facts(count, subject)
            await asyncio.to_thread(barrier.wait)
            # As many appends are pending as when many mutations commit at the same time.
            for start in range(0, count, 4 * BATCH):
                await appender.append(batch_facts[start : start + 4 * BATCH])
            running.cancel()
            await appender.cleanup.wait()

    asyncio.run(work())


def insert(uri: str, name: str, subject: str, count: int, barrier: Barrier) -> None:
    with MongoClient[dict[str, Any]](uri) as client:
        collection = client[name].get_collection("log", write_concern=WriteConcern(w="majority"))
        collection.find_one({})
        batch_facts = facts(count, subject)
        barrier.wait()
        for start in range(0, count, BATCH):
            batch = batch_facts[start : start + BATCH]
            documents = [
                {"_id": f"{subject} {start + index}", "appendedAt": OCCURRED_AT, "fact": to_document(fact, id_key="id")}
                for index, fact in enumerate(batch)
            ]
            collection.insert_many(documents)


# ---------------------------------------------------------------- latency


async def delivery_latency(url: str, seconds: float) -> list[float]:
    """Milliseconds from a mutation to its event at the only matching subscriber, at 200 mutations per second."""
    sent: dict[str, float] = {}
    latencies: list[float] = []
    run = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        mutating = await stack.enter_async_context(connected(url))
        listening = [await stack.enter_async_context(connected(url)) for _ in range(SOCKETS)]
        rooms = await start_rooms(mutating, ROOMS)
        for number, room_id in enumerate(rooms):
            selection = f'messageSent(where: {{ ids: ["{room_id}"] }}) {{ clientMutationId }}'
            await subscribe(listening[number % SOCKETS], selection, name=str(number))
        for socket in listening:  # the response shows that earlier messages were handled
            await socket.send('{"type": "ping"}')
            await socket.recv()
        await asyncio.sleep(1)
        count = int(seconds * EVENTS_PER_SECOND)
        all_received = asyncio.Event()

        async def listen(socket: ClientConnection) -> None:
            async for text in socket:
                message = json.loads(text)
                mutation_id = message["payload"]["data"]["messageSent"]["clientMutationId"]
                latencies.append(1000 * (time.perf_counter() - sent[mutation_id]))
                if len(latencies) == count:
                    all_received.set()

        async def discard_responses() -> None:
            async for _ in mutating:
                pass

        tasks = [asyncio.create_task(listen(socket)) for socket in listening] + [
            asyncio.create_task(discard_responses())
        ]
        began = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - time.perf_counter()))
            mutation_id = f"{run}-{number}"
            sent[mutation_id] = time.perf_counter()
            room_id = rooms[number % ROOMS]
            fields = {"roomId": room_id, "text": "hello", "as": {"visitorToken": "v"}, "clientMutationId": mutation_id}
            await mutate(mutating, mutation_id, "sendMessage", "message { id }", fields)
        await asyncio.wait_for(all_received.wait(), 60)
        for task in tasks:
            task.cancel()
    return latencies


async def change_stream_latency(uri: str, seconds: float, per_second: int = EVENTS_PER_SECOND) -> list[float]:
    """Milliseconds from an insert to its event in a change stream on another connection."""
    inserting, watching = AsyncIOMotorClient[dict[str, Any]](uri), AsyncIOMotorClient[dict[str, Any]](uri)
    collection = inserting["bare"].get_collection("inserts", write_concern=WriteConcern(w="majority"))
    await collection.drop()
    await collection.insert_one({"_id": -1})
    sent: dict[int, float] = {}
    latencies: list[float] = []
    count = int(seconds * per_second)
    async with watching["bare"]["inserts"].watch(max_await_time_ms=500) as stream:
        await stream.try_next()

        async def listen() -> None:
            async for change in stream:
                latencies.append(1000 * (time.perf_counter() - sent[change["documentKey"]["_id"]]))
                if len(latencies) == count:
                    return

        listening_task = asyncio.create_task(listen())
        began = time.perf_counter()
        inserts = []
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            sent[number] = time.perf_counter()
            inserts.append(asyncio.ensure_future(collection.insert_one({"_id": number, "text": "hello"})))
        await asyncio.wait_for(listening_task, 60)
        await asyncio.gather(*inserts)
    inserting.close()
    watching.close()
    return latencies


# ---------------------------------------------------------------- replay


async def replay(url: str, after: int, count: int, subscribers: int) -> float:
    """The rate of events of all subscribers together, each of which replays `count` events."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(url)) for _ in range(subscribers)]

        async def read(socket: ClientConnection) -> None:
            await subscribe(socket, f'events(after: "{event_cursor(after)}") {{ sequence cursor type }}')
            for _ in range(count):
                await socket.recv()
            socket.transport.abort()

        began = time.perf_counter()
        await asyncio.gather(*(read(socket) for socket in sockets))
        return count * subscribers / (time.perf_counter() - began)


async def memory_of_a_stopped_subscriber(uri: str, name: str, url: str, pid: int, count: int) -> tuple[int, int]:
    """The growth of the server while `count` facts pass a subscriber that does not read, and their size, in bytes."""
    async with Storage.open(uri, name) as storage, connected(url) as stopped, connected(url) as reading:
        selection = "{ sequence ... on VisitorSaved { visitor { customFields { key value } } } }"
        await subscribe(stopped, f"events {selection}")
        await subscribe(reading, f"events {selection}")
        await asyncio.sleep(0.5)
        await storage.appender.append(facts(5_000, "warm"))  # fill the cache of recent facts
        size = max([len(await reading.recv()) for _ in range(5_000)])
        reading.transport.abort()
        before = resident_bytes(pid)
        batch_facts = facts(count, "passing")
        for start in range(0, count, BATCH):
            await storage.appender.append(batch_facts[start : start + BATCH])
        await asyncio.sleep(2)
        stopped.transport.abort()
        return resident_bytes(pid) - before, size * count


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


# ---------------------------------------------------------------- main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some 40 s instead of some minutes")
    sizes = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as folder, EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod:
        row("what", "measured", "reference, in the same run")
        row("---", "---", "---")
        alone = 0.0
        for writers in (1, CONTENDING):
            rate, reference = (
                append_rate(mongod.uri, writers, sizes.appended),
                insert_rate(mongod.uri, writers, sizes.appended),
            )
            alone = alone or rate
            record(
                Figure("append, one writer", rate, "facts/s", reference, "inserted by the driver alone", 0.9)
                if writers == 1
                else Figure(f"append, {writers} writers that contend", rate, "facts/s", alone, "one writer", 0.5)
            )
            row(
                f"append, {writers} writer{'s' if writers > 1 else ''}",
                f"{rate:,.0f} facts/s",
                f"{reference:,.0f}/s inserted by the driver alone: {rate / reference:.2f} x",
            )
        with server(mongod.uri, "latency") as (url, _):
            asyncio.run(delivery_latency(url, 1))  # warm
            ours = asyncio.run(delivery_latency(url, sizes.seconds))
        change_stream_latencies = asyncio.run(change_stream_latency(mongod.uri, sizes.seconds))
        for name, share, times in (("p50", 0.5, 3), ("p99", 0.99, 4)):
            ours_ms, reference_ms = quantile(ours, share), quantile(change_stream_latencies, share)
            what = f"mutation to event, {EVENTS_PER_SECOND}/s, {ROOMS:,} subscribers, {name}"
            record(
                Figure(
                    what, ours_ms, "ms", reference_ms, "an insert to a change stream", 1 / times, lower_is_better=True
                )
            )
            row(
                f"mutation sent to event received, {EVENTS_PER_SECOND} events/s, {ROOMS:,} subscribers, {name}",
                f"{ours_ms:.1f} ms",
                f"{reference_ms:.1f} ms from an insert to a change stream: {ours_ms / reference_ms:.1f} x",
            )
        with server(mongod.uri, "replay") as (url, pid):
            asyncio.run(fill(mongod.uri, "replay", sizes.replayed))
            one = asyncio.run(replay(url, 10, sizes.replayed - 10, 1))
            record(Figure(f"replay of {sizes.replayed:,} events to one", one, "events/s", target=20_000))
            row(f"replay of {sizes.replayed:,} events to one", f"{one:,.0f}/s", "the goal is 20,000/s")
            reads = count_reads(mongod.uri)
            many = asyncio.run(replay(url, 10, sizes.shared, sizes.subscribers))
            reads = count_reads(mongod.uri) - reads
            what = f"replay of {sizes.shared:,} events to each of {sizes.subscribers} at once"
            record(Figure(what, many, "events/s", target=150_000))
            row(
                f"replay of {sizes.shared:,} events to each of {sizes.subscribers} at the same time",
                f"{many:,.0f}/s, {reads} reads of the database",
                f"{one:,.0f}/s to one",
            )
            grown, passed = asyncio.run(memory_of_a_stopped_subscriber(mongod.uri, "replay", url, pid, sizes.slow))
            record(
                Figure(
                    f"memory while {sizes.slow:,} facts pass a subscriber that does not read",
                    max(grown, 0) / 2**20,
                    "MiB",
                    target=16,
                    lower_is_better=True,
                )
            )
            row(
                f"memory while {sizes.slow:,} facts pass a subscriber that does not read",
                f"{grown / 2**20:+.1f} MiB",
                f"{passed / 2**20:.0f} MiB of events",
            )


async def fill(uri: str, name: str, count: int) -> None:
    async with Storage.open(uri, name) as storage:
        batch_facts = facts(count, "history")
        for start in range(0, count, BATCH):
            await storage.appender.append(batch_facts[start : start + BATCH])


def count_reads(uri: str) -> int:
    """The number of reads that the database has answered."""
    with MongoClient[dict[str, Any]](uri) as client:
        counters = client.admin.command("serverStatus")["opcounters"]
        return int(counters["query"]) + int(counters["getmore"])


def quantile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


if __name__ == "__main__":
    main()
