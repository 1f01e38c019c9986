"""A load of mutations and subscribers that goes on while servers and primaries are killed, and notes what it hears."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from storage.mongo.cursors import event_cursor
from tests.processes import ADMIN_TOKEN, ServerProcess

#: A request that got no answer for so long hangs.
HUNG_SECONDS = 45
#: Shorter than it takes to elect a primary.
IMPATIENT_SECONDS = 0.5
WORKERS = 12
AGENTS = 8
BEGINNING = event_cursor(0)
AUTHORIZATION = f"Bearer {ADMIN_TOKEN}"


class Servers:
    """Server processes, each on a port that it keeps when it is killed and started again.

    Those on the `impatient` ports give changes up so soon that their callers have to be told what became of them.
    """

    def __init__(self, uri: str, database: str, count: int, impatient: int) -> None:
        self._uri = uri
        self._database = database
        self._ports = [free_port() for _ in range(count)]
        self._impatient = self._ports[:impatient]
        self.urls = [f"http://127.0.0.1:{port}/graphql" for port in self._ports]
        self._running = [self._start(port) for port in self._ports]
        for server in self._running:
            assert server.url in self.urls

    def _start(self, port: int) -> ServerProcess:
        patience = IMPATIENT_SECONDS if port in self._impatient else None
        return ServerProcess(self._uri, self._database, patience, PORT=str(port), LOG_LEVEL="error")

    def kill_and_restart(self, index: int) -> None:
        """Return when it serves again."""
        self._running[index].kill()
        self._running[index] = self._start(self._ports[index])
        assert self._running[index].url == self.urls[index]

    def signal(self, index: int, number: signal.Signals) -> None:
        os.kill(self._running[index].pid, number)

    def stop(self) -> None:
        for server in self._running:
            server.kill()


@contextmanager
def running_servers(uri: str, database: str, *, count: int, impatient: int = 0) -> Iterator[Servers]:
    servers = Servers(uri, database, count, impatient)
    try:
        yield servers
    finally:
        servers.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---------------------------------------------------------------- mutations


@dataclass(frozen=True, slots=True)
class Told:
    """What a mutation was answered in the end: a payload, or the code of a refusal."""

    name: str
    payload: Any
    refusal: str | None
    #: Under which it was sent in the end. What was sent under others before was said to have changed nothing.
    mutation_id: str


#: With something that is read beside the change: a change is true, and is not said to be otherwise, when that fails.
ROOM = "room { id messages { nodes { id } } }"
SELECTIONS = {
    "startRoom": ROOM,
    "sendMessage": "message { id }",
    "updateRoom": ROOM,
    "unassignAgent": ROOM,
    "closeRoom": ROOM,
}


@dataclass
class Load:
    """Workers that each send one mutation after the other, and each again until it is answered."""

    urls: Sequence[str]
    chance: random.Random
    told: dict[str, Told] = field(default_factory=dict)
    #: Sent again after the connection died or the server did not know.
    repeated: int = 0
    #: Sent again as something new, since nothing had been changed.
    renewed: int = 0
    hung: int = 0
    longest_seconds: float = 0.0
    _rooms: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        async with self._client() as http:
            await self._mutate(http, "saveVisitor", "visitor { id }", {"token": "v"})
            for number in range(AGENTS):
                given = {"username": f"agent{number}"}
                user = (await self._mutate(http, "createUser", "user { id }", given)).payload["user"]["id"]
                await self._mutate(http, "setPresence", "user { id }", {"userId": user, "presence": "ONLINE"})
                await self._mutate(http, "addAgent", "added", {"userId": user, "maxRooms": 5})

    async def run(self, until: float) -> None:
        """Send until then, and on until everything that was sent is answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(WORKERS):
                group.create_task(self._work(number, until))

    async def _work(self, number: int, until: float) -> None:
        count = 0
        async with self._client() as http:
            while time.monotonic() < until:
                count += 1
                name, given = self._choose()
                mutation_id = f"{number}-{count}"
                began = time.monotonic()
                told = await self._mutate(http, name, SELECTIONS[name], {**given, "clientMutationId": mutation_id})
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
                self.told[told.mutation_id] = told
                if name == "startRoom":
                    self._rooms.append(told.payload["room"]["id"])

    def _choose(self) -> tuple[str, dict[str, Any]]:
        """More rooms are closed than started once there are many, so that the queue moves."""
        dice = self.chance.random()
        if len(self._rooms) < 20 or dice < 0.25:
            return "startRoom", {"visitorToken": "v"}
        room_id = self._rooms[self.chance.randrange(len(self._rooms))]
        if dice < 0.5:
            return "sendMessage", {"roomId": room_id, "text": "hello", "as": {"visitorToken": "v"}}
        if dice < 0.65:
            return "updateRoom", {"roomId": room_id, "subject": f"subject {dice}"}
        if dice < 0.7:
            return "unassignAgent", {"roomId": room_id}
        return "closeRoom", {"roomId": self._rooms.pop(self.chance.randrange(len(self._rooms)))}

    async def _mutate(self, http: httpx.AsyncClient, name: str, selection: str, given: dict[str, Any]) -> Told:
        query = f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {selection} }} }}"
        mutation_id = given.get("clientMutationId", "")
        certain = True
        while True:
            body = {"query": query, "variables": {"input": given}}
            try:
                answer = (await http.post(self.chance.choice(self.urls), json=body)).json()
            except httpx.TimeoutException:
                self.hung += 1
                certain = False
            except httpx.TransportError:
                certain = False
                await asyncio.sleep(0.05)
            else:
                if "errors" not in answer:
                    return Told(name, answer["data"][name], None, mutation_id)
                refused = [error["extensions"] for error in answer["errors"]]
                assert all(one["code"] != "INTERNAL" for one in refused), answer
                if refused[0]["code"] != "UNAVAILABLE":
                    return Told(name, None, refused[0]["code"], mutation_id)
                if not all(one["retryable"] for one in refused):
                    certain = False
                elif certain and mutation_id:
                    # Nothing was changed, if that is true, by anything sent so far: as another one it takes effect.
                    self.renewed += 1
                    mutation_id += "+"
                    given = {**given, "clientMutationId": mutation_id}
            self.repeated += 1

    @staticmethod
    def _client() -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=HUNG_SECONDS, headers={"authorization": AUTHORIZATION})


# ---------------------------------------------------------------- subscribers


@dataclass
class Follower:
    """A subscriber that is cut off again and again, and resumes each time where it was."""

    urls: Sequence[str]
    chance: random.Random
    #: None: all types.
    types: Sequence[str] | None = None
    consumer: str | None = None
    #: The sequences and ids of what was delivered, in order; of what a consumer got again, the first time only.
    seen: list[tuple[int, str]] = field(default_factory=list)
    cuts: int = 0
    #: Out of order, or again without a reason.
    wrong: list[str] = field(default_factory=list)
    _cursor: str = BEGINNING
    #: Whether the consumer exists, and what it was heard to have acknowledged.
    _known: bool = False
    _acked: int = 0
    _socket: ClientConnection | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError, EOFError):
                await self._follow()
            self.cuts += 1
            await asyncio.sleep(0.05)

    def cut(self) -> None:
        """Lose the connection, without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _follow(self) -> None:
        url = self.chance.choice(self.urls).replace("http", "ws", 1)
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(url, subprotocols=[protocol], open_timeout=5, close_timeout=0.1) as self._socket:
            await self._send(type="connection_init", payload={"authorization": AUTHORIZATION})
            query = """subscription ($types: [EventType!], $after: Cursor, $consumer: String) {
                events(types: $types, after: $after, consumer: $consumer) { sequence id cursor } }"""
            after = None if self._known else self._cursor
            variables = {"types": self.types, "after": after, "consumer": self.consumer}
            await self._send(id="events", type="subscribe", payload={"query": query, "variables": variables})
            begun_after = self._last_seen if self.consumer is None else self._acked
            async for text in self._socket:
                message = json.loads(text)
                data = message["payload"].get("data") if message["type"] == "next" else None
                if data and message["id"] == "events":
                    await self._take(data["events"], begun_after)
                elif data:
                    self._acked = max(self._acked, int(message["id"]))
                elif message["type"] in ("next", "error"):
                    self._understand(json.dumps(message["payload"]))
                    if message["id"] == "events":
                        return

    @property
    def _last_seen(self) -> int:
        return self.seen[-1][0] if self.seen else 0

    async def _take(self, event: dict[str, Any], begun_after: int) -> None:
        sequence = event["sequence"]
        if sequence <= begun_after:
            self.wrong.append(f"{sequence} came although {begun_after} was named")
        if sequence > self._last_seen:
            self.seen.append((sequence, event["id"]))
        elif self.consumer is None:
            self.wrong.append(f"{sequence} came after {self._last_seen}")
        if self.consumer is None:
            self._cursor = event["cursor"]
        elif not self._known or sequence % 10 == 0:
            self._known = True
            query = "mutation ($input: AckEventsInput!) { ackEvents(input: $input) { consumer { lag } } }"
            given = {"input": {"consumer": self.consumer, "cursor": event["cursor"]}}
            await self._send(id=str(sequence), type="subscribe", payload={"query": query, "variables": given})

    def _understand(self, told: str) -> None:
        if "INVALID_INPUT" in told and self.consumer is not None and not self._known:
            self._known = True  # the first subscription made it, and was cut before it brought anything
        elif "UNAVAILABLE" not in told and "CONSUMER_BUSY" not in told:
            self.wrong.append(told)

    async def _send(self, **message: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(message))


def counted(told: dict[str, Told]) -> Counter[str]:
    """How many mutations took effect, and how many were refused for what."""
    return Counter(one.refusal or one.name for one in told.values())
