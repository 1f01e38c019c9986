"""The cost of signals: visitors and agents type in 1,000 rooms, and each room has one subscriber.

    python -m benchmarks.signals [--quick]

Starts a mongod and two servers. One server receives a TYPING signal for each room every three seconds. The other has
one subscription for each room. The benchmark measures the CPU time of both servers, and the writes by the counters of
the database. The reference is the same number of messages, which are stored.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from websockets.asyncio.client import ClientConnection

from benchmarks.figures import Figure, record
from benchmarks.sockets import connected, cpu, mutate, server, start_rooms, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet

TYPING_SECONDS = 3.0


def writes(client: "MongoClient[dict[str, Any]]") -> int:
    """The documents that clients have inserted, changed and deleted."""
    counters = client.admin.command("serverStatus")["metrics"]["document"]
    return int(counters["inserted"] + counters["updated"] + counters["deleted"])


async def send_all(socket: ClientConnection, rooms: Sequence[str], name: str, fields: dict[str, Any]) -> None:
    """Send one mutation for each room, spread evenly over TYPING_SECONDS."""
    started = time.monotonic()
    for number, room in enumerate(rooms):
        await mutate(socket, f"{room} {started}", name, "clientMutationId", {"roomId": room, **fields})
        await asyncio.sleep(max(0.0, started + (number + 1) * TYPING_SECONDS / len(rooms) - time.monotonic()))


async def read(socket: ClientConnection, on_result: Callable[[], None]) -> None:
    """Call `on_result` for every result, until cancelled."""
    async for message in socket:
        if json.loads(message)["type"] == "next":
            on_result()


async def measure(
    send: Callable[[], Any], rounds: int, processes: Sequence[int], client: "MongoClient[dict[str, Any]]"
) -> tuple[list[float], float, float]:
    """Return the CPU seconds of each process and the writes, both per second, and the duration."""
    before, written, started = [cpu(one) for one in processes], writes(client), time.monotonic()
    for _ in range(rounds):
        await send()
    seconds = time.monotonic() - started
    used = [(cpu(one) - was) / seconds for one, was in zip(processes, before, strict=True)]
    return used, (writes(client) - written) / seconds, seconds


async def main(count_of_rooms: int, rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod,
        server(mongod.uri, "benchmark") as (url, sending),
        server(mongod.uri, "benchmark") as (elsewhere, watching),
        MongoClient[dict[str, Any]](mongod.uri) as client,
    ):
        rooms: list[str] = []
        while len(rooms) < count_of_rooms:
            async with connected(url) as socket:
                rooms += await start_rooms(socket, 100)
        async with connected(url) as control, connected(elsewhere, token=await listener(url)) as watched:
            for room in rooms:
                where = f'(where: {{ids: ["{room}"]}})'
                await subscribe(watched, f"signals{where} {{ kind roomId sender {{ id }} sentAt }}", name=room)
            received: Counter[str] = Counter()
            answered = asyncio.Semaphore(0)
            tasks = [
                asyncio.ensure_future(read(watched, lambda: received.update(["signals"]))),
                asyncio.ensure_future(read(control, answered.release)),
            ]
            processes = [sending, watching]

            async def send(name: str, fields: dict[str, Any]) -> None:
                """Send to all rooms, and wait for the answers."""
                await send_all(control, rooms, name, fields)
                for _ in rooms:
                    await answered.acquire()

            async def signal() -> None:
                await send("sendSignal", {"kind": "TYPING"})

            while received.total() < len(rooms):  # until all subscriptions have begun
                received.clear()
                await signal()
                await asyncio.sleep(5)
            idle = await measure(lambda: asyncio.sleep(TYPING_SECONDS), 2, processes, client)
            report("no signals", *idle, 0)
            received.clear()
            typing = await measure(signal, rounds, processes, client)
            await asyncio.sleep(5)
            sent = rounds * len(rooms)
            report(f"{len(rooms)} rooms type", *typing, sent)
            print(f"{received.total()} of {sent} signals received")
            report(
                "messages", *await measure(lambda: send("sendMessage", {"text": "Hi"}), rounds, processes, client), sent
            )
            for task in tasks:
                task.cancel()


async def listener(url: str) -> str:
    """The token of another app: a caller does not get its own signals."""
    async with connected(url) as socket:
        fields = {"name": "listener", "scopes": ["messages:read"]}
        await mutate(socket, "app", "createApp", "token", fields)
        return str(json.loads(await socket.recv())["payload"]["data"]["createApp"]["token"])


def report(what: str, used: Sequence[float], written: float, seconds: float, sent: int) -> None:
    if sent:
        each = used[0] * seconds / sent * 1_000
        record(Figure(f"{what}: CPU of the server that takes them, for each", each, "ms", lower_is_better=True))
    sending, watching = (f"{one * 100:.0f}%" for one in used)
    print(
        f"{what}: {sent / seconds:.0f} a second, {sending} of a core on the sending server, {watching} on the "
        f"subscribers' server, {written:.1f} documents written a second"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rooms and rounds")
    quick = parser.parse_args().quick
    asyncio.run(main(500 if quick else 1_000, 2 if quick else 5))
