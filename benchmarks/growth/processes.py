"""What 1 and 2 server processes over one mongod reach, and what each fact costs a process that only follows the log."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack

from websockets.asyncio.client import ClientConnection

from benchmarks.growth.measures import SETTINGS, Measured, Measures
from benchmarks.growth.results import ProcessResult
from benchmarks.growth.seed import TEXT, VISITOR
from benchmarks.growth.sizes import Plan
from benchmarks.sockets import connected, cpu, server, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet

COUNTS = (1, 2)
#: Operations at the same time, of all processes together.
CONCURRENCY = 32
#: Messages of a fan-out are sent to as many rooms at the same time.
SPEAKING = 8


class Cluster:
    """Some servers over one database, and the CPU of everything that takes part."""

    def __init__(self, servers: list[Measures], mongod: int) -> None:
        self.servers, self._mongod = servers, mongod

    def used(self) -> tuple[float, float]:
        """The CPU seconds of all servers, and of mongod."""
        return sum(cpu(one.process) for one in self.servers), cpu(self._mongod)

    def facts(self) -> int:
        """The number of the newest fact."""
        newest = self.servers[0].database["log"].find_one({}, {"_id": 1}, sort=[("_id", -1)])
        return int(newest["_id"]) if newest else 0

    async def rate(self, name: str, operations: list[Callable[[], Awaitable[None]]], seconds: float) -> list[Measured]:
        """The rate of an operation, sent to the servers in turn, and its CPU."""
        turns = itertools.cycle(operations)
        done = 0

        async def work() -> None:
            nonlocal done
            until = time.perf_counter() + seconds
            while True:
                await next(turns)()
                done += 1
                if time.perf_counter() > until:
                    return

        await asyncio.gather(*(next(turns)() for _ in range(CONCURRENCY)))  # opens the connections
        servers, mongod = self.used()
        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        elapsed = time.perf_counter() - began
        later_servers, later_mongod = self.used()
        return [
            (f"{name}, {CONCURRENCY} at once", "/s", done / elapsed),
            (f"{name}: CPU of the servers", "ms", 1000 * (later_servers - servers) / done),
            (f"{name}: CPU of mongod", "ms", 1000 * (later_mongod - mongod) / done),
        ]

    async def deliveries(self, subscribers: int, messages: int) -> list[Measured]:
        """The rate at which equal subscriptions, spread over the servers, receive messages."""
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(connected(self.servers[number % len(self.servers)].url))
                for number in range(subscribers)
            ]
            for socket in sockets:
                await subscribe(
                    socket, "messageSent { sequence message { text sender { name } } room { roomId subject } }"
                )
                await socket.send('{"type": "ping"}')
                await socket.recv()
            rooms = await self.speaking_rooms()
            servers, mongod = self.used()
            began = time.perf_counter()
            await asyncio.gather(
                *(receive(socket, messages) for socket in sockets),
                *(self.speak(room, messages // SPEAKING) for room in rooms),
            )
            elapsed, delivered = time.perf_counter() - began, messages * subscribers
            later_servers, later_mongod = self.used()
        await self.servers[0].close_rooms()
        return [
            (f"deliveries to {subscribers} subscribers", "/s", delivered / elapsed),
            (
                "delivery: CPU of the servers, with its share of the message",
                "us",
                1e6 * (later_servers - servers) / delivered,
            ),
            ("delivery: CPU of mongod", "us", 1e6 * (later_mongod - mongod) / delivered),
        ]

    async def speaking_rooms(self) -> list[str]:
        for _ in range(SPEAKING):
            await self.servers[0].start_room()
        return list(self.servers[0].started)

    async def speak(self, room: str, messages: int) -> None:
        for _ in range(messages):
            fields = {"roomId": room, "text": TEXT, "as": {"visitorToken": VISITOR}}
            await self.servers[0].client.mutate("sendMessage", "message { id }", **fields)

    async def following(self, messages: int, seconds: float) -> list[Measured]:
        """The CPU of a fact for a server that has no part in it, beyond what it uses without facts.

        Measured with SPEAKING messages at a time, and at the highest rate of `startRoom`.
        """
        working, idle = self.servers[0], self.servers[1].process
        rooms = await self.speaking_rooms()
        before, began = cpu(idle), time.perf_counter()
        await asyncio.sleep(2)
        at_rest = (cpu(idle) - before) / (time.perf_counter() - began)

        async def used(work: Awaitable[object]) -> tuple[float, float]:
            """The microseconds of a fact, and the facts of a second."""
            before, began, facts = cpu(idle), time.perf_counter(), self.facts()
            await work
            elapsed, facts = time.perf_counter() - began, self.facts() - facts
            return 1e6 * max(cpu(idle) - before - at_rest * elapsed, 0.0) / facts, facts / elapsed

        few, _ = await used(asyncio.gather(*(self.speak(room, messages // SPEAKING) for room in rooms)))
        many, rate = await used(self.rate("startRoom", [working.start_room], seconds))
        await working.close_rooms()
        name = "CPU of a server that only follows the log"
        return [
            (f"a fact, {SPEAKING} messages at once: {name}", "us", few),
            (f"a fact, {CONCURRENCY} startRoom at once: {name}", "us", many),
            (f"facts of {CONCURRENCY} startRoom at once", "/s", rate),
        ]


async def receive(socket: ClientConnection, count: int) -> None:
    for number in range(count):
        text = await socket.recv()
        assert number or json.loads(text)["type"] == "next", text


def measure_processes(
    mongod: EmbeddedReplicaSet, plan: Plan, *, counts: Sequence[int] = COUNTS
) -> Iterator[ProcessResult]:
    """Measure with 1 and 2 processes in turn, as often as the plan says."""
    for turn, count in itertools.product(range(plan.rounds), counts):
        print(f"round {turn + 1} of {plan.rounds}, servers: {count}", flush=True)
        with ExitStack() as stack:
            running = [stack.enter_context(server(mongod.uri, plan.base.database, **SETTINGS)) for _ in range(count)]
            servers = [Measures(mongod.uri, plan.base, url, process, plan.seconds) for url, process in running]
            for one in asyncio.run(everything(Cluster(servers, mongod.nodes[0].pid), plan)):
                yield ProcessResult(count, *one)


async def everything(cluster: Cluster, plan: Plan) -> list[Measured]:
    found = await cluster.rate("startRoom", [one.start_room for one in cluster.servers], 2 * plan.seconds)
    await asyncio.gather(*(one.close_rooms() for one in cluster.servers))
    found += await cluster.rate("page of agents", [one.agents for one in cluster.servers], 2 * plan.seconds)
    messages = SPEAKING * max(round(20 * plan.seconds), 1)
    found += await cluster.deliveries(plan.subscribers, messages)
    if len(cluster.servers) > 1:
        found += await cluster.following(messages, 2 * plan.seconds)
    for one in cluster.servers:
        await one.close()
    return found
