"""The cost of a change of a list for the server, with 10 and with 1,000 subscribers of the list.

    python -m benchmarks.live_lists [--quick]

Starts a mongod and a server. 10,000 rooms match the filter, and the list shows 50 of them. A change is an update of a
room that the list shows. The figures are the CPU time of the server process, also for the same change without a
subscriber, which is the cost of the mutation itself.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from benchmarks.figures import Figure, record
from benchmarks.sockets import connected, cpu, mutate, receive_payload, server, start_rooms, subscribe
from storage.embedded.replica_set import EmbeddedReplicaSet

#: The subscribers of one list.
MANY = 1_000
LIST = """roomList(first: 50, where: {status: [QUEUED]}) {
  cursor change roomId totalCount room { id status revision subject priority tags startedAt }
}"""


async def until_ready(socket: ClientConnection) -> None:
    while json.loads(await socket.recv())["payload"]["data"]["roomList"]["change"] != "READY":
        pass


async def receive(socket: ClientConnection, count: int) -> None:
    for _ in range(count):
        await socket.recv()


async def measure(url: str, process: int, control: ClientConnection, room: str, watching: int, changes: int) -> float:
    """The seconds of CPU for each change, with `watching` subscribers."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(connected(url)) for _ in range(watching)]
        for socket in sockets:
            await subscribe(socket, LIST)
        await asyncio.gather(*map(until_ready, sockets))
        before = cpu(process)
        receiving = asyncio.gather(*(receive(socket, changes) for socket in sockets))
        for number in range(changes):
            fields = {"roomId": room, "subject": f"{watching} {number}"}
            await mutate(control, "change", "updateRoom", "room { id }", fields)
            await receive_payload(control, "updateRoom")
        await receiving
        return (cpu(process) - before) / changes


async def main(rooms: int, changes: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod,
        server(mongod.uri, "benchmark") as (url, process),
    ):
        started = time.monotonic()
        found: list[str] = []
        while len(found) < rooms:
            async with connected(url) as socket:
                found += await start_rooms(socket, 500)
        first = found[0]
        async with connected(url) as control:
            print(f"{rooms} rooms match the filter, started in {time.monotonic() - started:.0f} s")
            alone = await measure(url, process, control, first, 0, changes)
            print(f"no subscriber: {alone * 1e3:.2f} ms of CPU for each change")
            for watching in (10, MANY):
                used = await measure(url, process, control, first, watching, changes)
                each = (used - alone) / watching * 1e6
                if watching == MANY:  # the cost of a few is within the noise of the mutation's own
                    what = f"CPU of a change for each of {watching:,} subscribers of one roomList"
                    record(Figure(what, each, "us", lower_is_better=True))
                print(
                    f"{watching} subscribers: {used * 1e3:.2f} ms of CPU for each change, "
                    f"{(used - alone) * 1e3:.2f} ms more than without subscribers, "
                    f"{each:.0f} us for each subscriber"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rooms and changes")
    quick = parser.parse_args().quick
    asyncio.run(main(1_000 if quick else 10_000, 20 if quick else 200))
