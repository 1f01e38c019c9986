"""What is measured at one database, through the API of one server."""

import asyncio
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from websockets.asyncio.client import ClientConnection

from benchmarks.custom_fields import PLANS, SELECTION, USERS_PER_TEAM, user
from benchmarks.growth.seed import ROOMS_PER_TOPIC, TOPIC, VISITOR
from benchmarks.growth.sizes import Sizes
from benchmarks.routing import Client
from benchmarks.sockets import ROOT, connected, cpu, mutate, receive_payload, server, subscribe
from storage.mongo.cursors import event_cursor

Operation = Callable[[], Awaitable[Any]]
#: A measure, its unit and its figure.
Measured = tuple[str, str, float]

#: The server keeps all facts, and no log of requests.
SETTINGS = {"EVENT_RETENTION_DAYS": "3650", "LOG_REQUESTS": "off"}
#: Operations before those that are measured.
WARM = 5
#: The operations whose examined keys are counted together.
PROFILED = 10
#: The collections whose examined keys count. The others are small, or the server reads them without a request.
EXAMINED = ("rooms", "users", "visitors", "departments", "roles")
REPLAYED = 1_000

USERS = (
    "query ($t: FieldValue!, $p: FieldValue!, $r: [String!]) { users(where: { hasRoles: $r, customFields: "
    f'[{{ key: "team", eq: $t }}, {{ key: "plan", eq: $p }}] }}) {{ nodes {{ {SELECTION} }} }} }}'
)
ROOMS = (
    "query ($v: FieldValue!) { rooms(where: { status: [QUEUED, ASSIGNED], customFields: "
    f'[{{ key: "{TOPIC}", eq: $v }}] }}) {{ nodes {{ id status subject visitor {{ name }} }} }} }}'
)
AGENTS = (
    "query ($after: Cursor) { agents(first: 50, after: $after) { nodes { status openRoomCount "
    f"departments {{ name }} user {{ {SELECTION} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
)
LIST = "roomList(first: 50, where: {status: [QUEUED]}) { change totalCount room { id subject visitor { name } } }"


class Costs:
    """CPU of the server and durations of an operation that is repeated for some seconds."""

    def __init__(self, cpu_ms: float, durations: list[float]) -> None:
        self.cpu_ms = cpu_ms
        self.p50_ms = 1000 * statistics.median(durations)
        self.p99_ms = 1000 * sorted(durations)[int(len(durations) * 0.99)]


class Measures:
    """The measures of one database, with one server."""

    def __init__(self, uri: str, sizes: Sizes, url: str, process: int, seconds: float) -> None:
        self.client = Client(url)
        self.mongo: MongoClient[dict[str, Any]] = MongoClient(uri)
        self.database = self.mongo[sizes.database]
        self.sizes, self.url, self.process, self.seconds = sizes, url, process, seconds
        self.department = f"dep_{self._department('Sales')}"
        self.started: list[str] = []
        self._next = 0

    def _department(self, name: str) -> str:
        found = self.database["departments"].find_one({"name": name})
        assert found is not None
        return str(found["_id"])

    async def close(self) -> None:
        await self.client.close()
        self.mongo.close()

    async def costs(self, operation: Operation) -> Costs:
        for _ in range(WARM):
            await operation()
        durations: list[float] = []
        used, began = cpu(self.process), time.perf_counter()
        while not durations or time.perf_counter() < began + self.seconds:
            start = time.perf_counter()
            await operation()
            durations.append(time.perf_counter() - start)
        return Costs(1000 * (cpu(self.process) - used) / len(durations), durations)

    async def keys(self, operation: Operation) -> float:
        """The index keys that MongoDB examines for one operation."""
        profile = self.database["system.profile"]
        self.database.command("profile", 0)
        profile.drop()
        self.database.command("profile", 2)
        for _ in range(PROFILED):
            await operation()
        self.database.command("profile", 0)
        among = {"ns": {"$in": [f"{self.database.name}.{name}" for name in EXAMINED]}}
        return sum(int(one.get("keysExamined", 0)) for one in profile.find(among)) / PROFILED

    async def all(self) -> list[Measured]:
        found: list[Measured] = []
        for name, operation, share in (
            ("startRoom with routing", self.start_room, 1),
            ("users by two fields and a role", self.users, 1),
            ("rooms by a field", self.rooms, 1),
            ("page of agents", self.agents, min(self.sizes.agents, 50)),
        ):
            unit, of = ("us", ", of each") if share > 1 else ("ms", "")
            costs = await self.costs(operation)
            found += [
                (f"{name}: CPU{of}", unit, costs.cpu_ms * (1000 / share if share > 1 else 1)),
                (f"{name}: p50", "ms", costs.p50_ms),
                (f"{name}: p99", "ms", costs.p99_ms),
                (f"{name}: keys{of}", "keys", await self.keys(operation) / share),
            ]
        await self.close_rooms()
        async with connected(self.url) as socket:
            found += await self.room_list(socket)
        for name, after in (("the end", self.sizes.facts - REPLAYED), ("the middle", self.sizes.facts // 2)):
            costs = await self.costs(lambda after=after: self.replay(max(after, 1)))  # type: ignore[misc]
            found.append((f"replay from {name}: CPU of an event", "us", 1000 * costs.cpu_ms / REPLAYED))
            first = await self.costs(lambda after=after: self.replay(max(after, 1), 1))  # type: ignore[misc]
            found.append((f"replay from {name}: first event", "ms", first.p50_ms))
        await self.close()
        return found

    # ---------------------------------------------------------------- operations

    async def start_room(self) -> None:
        made = await self.client.mutate(
            "startRoom", "room { id status }", visitorToken=VISITOR, departmentId=self.department
        )
        assert made["room"]["status"] == "ASSIGNED", "an agent has free capacity"
        self.started.append(made["room"]["id"])

    async def close_rooms(self) -> None:
        """Close the rooms that were started, so that the sizes stay."""

        async def close() -> None:
            while self.started:
                await self.client.mutate("closeRoom", "room { id }", roomId=self.started.pop())

        await asyncio.gather(*(close() for _ in range(16)))

    def _number(self, count: int) -> int:
        """Numbers that spread over all, in the same order in each run."""
        self._next += 7919
        return self._next % count

    async def users(self) -> None:
        number = self._number(self.sizes.users)
        variables = {
            "t": f"team-{number // USERS_PER_TEAM}",
            "p": PLANS[number % len(PLANS)],
            "r": [user(number).roles[0]],
        }
        assert (await self.client.send(USERS, variables))["users"]["nodes"], "the user with this number matches"

    async def rooms(self) -> None:
        variables = {"v": f"topic-{self._number(self.sizes.rooms) // ROOMS_PER_TOPIC}"}
        assert (await self.client.send(ROOMS, variables))["rooms"]["nodes"], "the room with this number matches"

    async def agents(self) -> None:
        page = (await self.client.send(AGENTS, {}))["agents"]
        assert len(page["nodes"]) == min(self.sizes.agents, 50)

    async def room_list(self, control: ClientConnection) -> list[Measured]:
        """The start of a list whose first 50 rooms are shown, and changes of a room that it shows."""
        shown = ""

        async def start() -> None:
            nonlocal shown
            async with connected(self.url) as socket:
                shown = await self.until_ready(socket)

        costs = await self.costs(start)
        found: list[Measured] = [
            ("roomList, 50 shown: CPU of its start", "ms", costs.cpu_ms),
            ("roomList, 50 shown: until READY, p50", "ms", costs.p50_ms),
            ("roomList, 50 shown: keys of its start", "keys", await self.keys(start)),
        ]
        async with connected(self.url) as socket:
            await self.until_ready(socket)

            async def change() -> None:
                fields = {"roomId": shown, "subject": f"Order {secrets.token_hex(4)}"}  # an equal one is no change
                await mutate(control, "change", "updateRoom", "room { id }", fields)
                await receive_payload(control, "updateRoom")
                await socket.recv()

            costs = await self.costs(change)
        found.append(("roomList, 50 shown: CPU of a change", "ms", costs.cpu_ms))
        found.append(("roomList, 50 shown: updateRoom to message, p50", "ms", costs.p50_ms))
        return found

    async def until_ready(self, socket: ClientConnection) -> str:
        """Subscribe, and read until the list is complete. Returns the id of a room in it."""
        await subscribe(socket, LIST, name="list")
        shown = ""
        while True:
            message = json.loads(await socket.recv())["payload"]["data"]["roomList"]
            if message["change"] == "READY":
                return shown
            shown = message["room"]["id"]

    async def replay(self, after: int, count: int = REPLAYED) -> None:
        count = min(count, self.sizes.facts - after - 1)
        async with connected(self.url) as socket:
            await subscribe(socket, f'events(after: "{event_cursor(after)}") {{ sequence type }}')
            for expected in range(after + 1, after + 1 + count):
                text = await socket.recv()
                if expected in (after + 1, after + count):
                    assert json.loads(text)["payload"]["data"]["events"]["sequence"] == expected
            socket.transport.abort()


def measure(uri: str, sizes: Sizes, seconds: float) -> Iterator[Measured]:
    """Start a server, and measure everything at the database."""
    began = time.perf_counter()
    with server(uri, sizes.database, **SETTINGS) as (url, process):
        yield "start of a server", "s", time.perf_counter() - began
        yield "start of a server: CPU", "s", cpu(process)
        yield "memory of a server that has started", "MiB", resident(process) / 2**20
        measures = Measures(uri, sizes, url, process, seconds)
        yield from asyncio.run(measures.all())
    yield "doctor", "s", doctor(uri, sizes.database)


def resident(process: int) -> int:
    """The memory of a process, in bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def doctor(uri: str, database: str) -> float:
    """The seconds that `switchboard doctor` takes. It finds no problem."""
    began = time.perf_counter()
    variables = os.environ | {"SWITCHBOARD_MONGODB_URI": uri, "SWITCHBOARD_DATABASE": database}
    done = subprocess.run(
        [sys.executable, "-m", "server", "doctor"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return time.perf_counter() - began
