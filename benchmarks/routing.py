"""Measures routing: the rates of startRoom and of assignments from the queue, compared with plain MongoDB transactions.

    python -m benchmarks.routing [--quick]

Starts a mongod and one server of its own. The reference for startRoom is a plain transaction in the same run. It writes
the same documents (agent, room, two facts in the outbox) with the same driver and the same concurrency. It does
nothing else: no choice of an agent, no log, no HTTP.
"""

import argparse
import asyncio
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from pymongo.read_concern import ReadConcern

from benchmarks.figures import Figure, record
from benchmarks.sockets import TOKEN, server
from storage.embedded.replica_set import EmbeddedReplicaSet

CONCURRENCIES = (1, 16, 64)
#: Agents that become available to the queue, and rooms that stay in the queue, one for each measured closing.
AVAILABLE, CLOSINGS = 100, 50


@dataclass(frozen=True)
class Sizes:
    """The sizes of one run."""

    agents: tuple[int, ...]
    seconds: float
    queue: int


FULL = Sizes(agents=(10, 200, 2_000), seconds=5.0, queue=10_050)
QUICK = Sizes(agents=(10, 200), seconds=1.5, queue=1_050)


# ---------------------------------------------------------------- client


class Client:
    """A GraphQL client with a few persistent connections, each with one request at a time."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def mutate(self, name: str, selection: str, /, **fields: Any) -> Any:
        """The payload of the mutation."""
        kind = f"{name[0].upper()}{name[1:]}Input!"
        query = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ {selection} }} }}"
        return (await self.send(query, {"input": fields}))[name]

    async def send(self, query: str, variables: dict[str, Any]) -> Any:
        body = msgspec.json.encode({"query": query, "variables": variables})
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        while True:
            connection = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = connection
            writer.write(head.encode() + body)
            try:
                headers = await reader.readuntil(b"\r\n\r\n")
                break
            except (asyncio.IncompleteReadError, ConnectionResetError):
                continue  # the server has closed the idle connection
        length = int(re.search(rb"content-length: (\d+)", headers.lower())[1])  # type: ignore[index]
        answer = msgspec.json.decode(await reader.readexactly(length))
        self._free.append(connection)
        if "errors" in answer:
            raise RuntimeError(answer["errors"][0])
        return answer["data"]

    async def close(self) -> None:
        """Close the connections, none of which has a request."""
        while self._free:
            _, writer = self._free.pop()
            writer.close()
            await writer.wait_closed()


@dataclass(frozen=True)
class Measured:
    """The rate and the durations of operations."""

    rate: float
    p50_ms: float
    p99_ms: float


async def measure(operation: Callable[[], Awaitable[Any]], concurrency: int, seconds: float) -> Measured:
    """Repeat an operation with that concurrency for that time. The first tenth of the time is not measured."""
    durations: list[float] = []
    began = time.perf_counter()
    counts_from, until = began + seconds / 10, began + seconds

    async def work() -> None:
        while (start := time.perf_counter()) < until:
            await operation()
            if start >= counts_from:
                durations.append(time.perf_counter() - start)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    elapsed = time.perf_counter() - counts_from
    durations.sort()
    return Measured(
        len(durations) / elapsed, 1000 * statistics.median(durations), 1000 * durations[int(len(durations) * 0.99)]
    )


# ---------------------------------------------------------------- measurements


class Deployment:
    """One server and its database."""

    def __init__(self, client: Client, uri: str, name: str) -> None:
        self.client = client
        self.mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, tz_aware=True)
        self.database = self.mongo[name]

    async def prepare(self) -> None:
        await self.client.mutate(
            "defineCustomField", "definition { id }", target="USER", key="external", type="TEXT", unique=True
        )
        await self.client.mutate("saveVisitor", "visitor { id }", token="v")

    async def agents(self, count: int, name: str = "agent", **fields: Any) -> list[str]:
        """Create that many agents with this prefix of their usernames. Returns their ids."""

        async def ensure(number: int) -> str:
            made = await self.client.mutate(
                "ensureAgent",
                "agent { id }",
                by={"key": "external", "value": f"{name}{number}"},
                username=f"{name}{number:05}",
                roles=["bot"],
                **fields,
            )
            return str(made["agent"]["id"])

        ids: list[str] = []
        for first in range(0, count, 32):
            ids += await asyncio.gather(*(ensure(number) for number in range(first, min(first + 32, count))))
        return ids

    async def start_room(self) -> None:
        room = await self.client.mutate("startRoom", "room { id status servedBy { id } }", visitorToken="v")
        if room["room"]["status"] != "ASSIGNED":
            raise RuntimeError("a room was not assigned")

    async def reference_transaction(self) -> Callable[[], Awaitable[None]]:
        """A transaction with the writes of startRoom."""
        room_document: dict[str, Any] = await self.database["rooms"].find_one({"status": "ASSIGNED"}) or {}
        facts = await self.database["log"].find({"fact.room.room.id": room_document["_id"]}).to_list(2)
        users = await self.database["users"].find({"agent": {"$ne": None}}).to_list(200)
        reference = self.mongo["reference"]
        await reference["users"].insert_many(users)
        for name in ("rooms", "outbox"):
            for index in (await self.database[name].index_information()).values():
                if index["key"] != [("_id", 1)] and "expireAfterSeconds" not in index:
                    await reference[name].create_index(index["key"])
        next_user = 0

        async def write() -> None:
            nonlocal next_user
            next_user = (next_user + 1) % len(users)
            one = secrets.token_hex(13)
            async with await self.mongo.start_session() as session:
                session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority"))
                user = users[next_user]
                await reference["users"].replace_one(
                    {"_id": user["_id"], "version": user["version"]}, user, session=session
                )
                await reference["rooms"].insert_one({**room_document, "_id": one}, session=session)
                await reference["outbox"].insert_many(
                    [
                        {
                            "_id": f"{one}-{n}",
                            "subject": one,
                            "number": n,
                            "at": fact["appendedAt"],
                            "fact": fact["fact"],
                        }
                        for n, fact in enumerate(facts)
                    ],
                    session=session,
                )
                await session.commit_transaction()

        return write


async def start_rooms(deployment: Deployment, sizes: Sizes) -> None:
    print("\nstartRoom with routing (LEAST_LOADED), and a plain transaction with the same writes:\n")
    print("| agents | concurrency | startRoom/s | p50 | p99 | transactions/s | p50 | p99 | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for count in sizes.agents:
        await deployment.agents(count)
        await deployment.start_room()
        reference = await deployment.reference_transaction()
        for concurrency in CONCURRENCIES:
            ours = await measure(deployment.start_room, concurrency, sizes.seconds)
            transactions = await measure(reference, concurrency, sizes.seconds)
            what = f"startRoom with routing, {count:,} agents, {concurrency} at once"
            record(Figure(what, ours.rate, "/s", transactions.rate, "plain transactions", 0.5))
            print(
                f"| {count:,} | {concurrency} | {ours.rate:,.0f} | {ours.p50_ms:.1f} ms | {ours.p99_ms:.1f} ms "
                f"| {transactions.rate:,.0f} | {transactions.p50_ms:.1f} ms | {transactions.p99_ms:.1f} ms "
                f"| {ours.rate / transactions.rate:.2f} |",
                flush=True,
            )
        await deployment.mongo.drop_database("reference")


async def measure_queue(deployment: Deployment, sizes: Sizes) -> None:
    """The rate of a queue when many agents become available, and the time from a closed room to the next assignment."""
    client, rooms = deployment.client, deployment.database["rooms"]
    made = await client.mutate("createDepartment", "department { id }", name="Queue")
    department = made["department"]["id"]
    in_department = {"departmentId": department.partition("_")[2]}  # as it is stored
    left = sizes.queue

    async def fill() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await client.mutate("startRoom", "room { id }", visitorToken="v", departmentId=department)

    async def until_waiting(count: int) -> None:
        while await rooms.count_documents({**in_department, "status": "QUEUED"}) > count:  # noqa: ASYNC110 - others change it
            await asyncio.sleep(0.001)

    await asyncio.gather(*(fill() for _ in range(64)))
    places = (sizes.queue - CLOSINGS) // AVAILABLE
    ids = await deployment.agents(
        AVAILABLE, "waiting", status="NOT_AVAILABLE", maxRooms=places, departmentIds=[department]
    )
    began = time.perf_counter()
    await asyncio.gather(
        *(client.mutate("setAgentStatus", "agent { id }", agentId=one, status="AVAILABLE") for one in ids)
    )
    await until_waiting(sizes.queue - AVAILABLE * places)
    elapsed = time.perf_counter() - began
    rate = AVAILABLE * places / elapsed
    record(Figure(f"a queue of {sizes.queue:,} when {AVAILABLE} agents become available", rate, "rooms/s"))
    print(f"\nA queue of {sizes.queue:,} when {AVAILABLE} agents become available: {rate:,.0f} rooms/s assigned.")

    delays = []
    waiting = sizes.queue - AVAILABLE * places
    async for room in rooms.find({**in_department, "status": "ASSIGNED"}, {"_id": 1}).limit(CLOSINGS):
        await client.mutate("closeRoom", "room { id }", roomId=f"room_{room['_id']}")
        began = time.perf_counter()
        waiting -= 1
        await until_waiting(waiting)
        delays.append(1000 * (time.perf_counter() - began))
    record(Figure("closeRoom to the next assignment, p50", statistics.median(delays), "ms", lower_is_better=True))
    print(
        f"From the answer of closeRoom to the next room being assigned: p50 {statistics.median(delays):.1f} ms, "
        f"longest of {len(delays)} {max(delays):.1f} ms."
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some 30 s instead of some minutes")
    sizes = QUICK if parser.parse_args().quick else FULL
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder)) as mongod,
        server(mongod.uri, "routing") as (url, _),
    ):
        deployment = Deployment(Client(url), mongod.uri, "routing")
        await deployment.prepare()
        await start_rooms(deployment, sizes)
        await measure_queue(deployment, sizes)


if __name__ == "__main__":
    asyncio.run(main())
