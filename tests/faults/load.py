"""A load of mutations and subscribers that continues while servers and primaries are killed, and records results."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from resolvers.context import Services
from server import app
from server.settings import Settings
from storage.mongo.cursors import event_cursor
from tests.processes import ADMIN_TOKEN, ServerProcess

#: A request without a response for this time counts as hung.
HUNG_SECONDS = 45
#: Shorter than the election of a primary.
SHORT_TIMEOUT_SECONDS = 0.5
WORKERS = 12
AGENTS = 8
#: Timers that are set before the load begins, and elapse while it runs.
TIMERS = 6
BEGINNING = event_cursor(0)
AUTHORIZATION = f"Bearer {ADMIN_TOKEN}"


class Servers:
    """Server processes, each of which restarts on the same port.

    `short_timeout` of them have so short a deadline for mutations that many fail with an unknown outcome.
    """

    def __init__(self, uri: str, database: str, count: int, short_timeout: int, settings: Mapping[str, str]) -> None:
        self._uri = uri
        self._database = database
        self._settings = settings
        self._ports = [free_port() for _ in range(count)]
        self._short_timeout = self._ports[:short_timeout]
        self.urls = [f"http://127.0.0.1:{port}/graphql" for port in self._ports]
        self._running = [self._start(port) for port in self._ports]
        for server in self._running:
            assert server.url in self.urls

    def _start(self, port: int) -> ServerProcess:
        prepare = shorten_timeout if port in self._short_timeout else None
        settings = {"LOG_LEVEL": "error", **self._settings, "PORT": str(port)}
        return ServerProcess(self._uri, self._database, prepare, **settings)

    def kill_and_restart(self, index: int) -> None:
        """Kill a server, start it again and wait until it is ready."""
        self._running[index].kill()
        self._running[index] = self._start(self._ports[index])
        assert self._running[index].url == self.urls[index]

    def replace(self, index: int) -> int:
        """Stop a server by SIGTERM, and start another one on its port when it has ended. Returns the exit code."""
        code = self._running[index].terminate()
        self._running[index] = self._start(self._ports[index])
        assert self._running[index].url == self.urls[index]
        return code

    def signal(self, index: int, number: signal.Signals) -> None:
        os.kill(self._running[index].pid, number)

    def stop(self) -> None:
        for server in self._running:
            server.kill()


@contextmanager
def running_servers(
    uri: str, database: str, *, count: int, short_timeout: int = 0, **settings: str
) -> Iterator[Servers]:
    servers = Servers(uri, database, count, short_timeout, settings)
    try:
        yield servers
    finally:
        servers.stop()


def shorten_timeout() -> None:
    """Shorten the deadline of the mutations of this process, once it has started."""
    start = app.start_services

    @asynccontextmanager
    async def start_and_shorten(uri: str, settings: Settings) -> AsyncIterator[tuple[Services, str | None]]:
        async with start(uri, settings) as (services, admin_token):
            services.storage.transactions.timeout_seconds = SHORT_TIMEOUT_SECONDS
            yield services, admin_token

    app.start_services = start_and_shorten


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---------------------------------------------------------------- mutations


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final response to a mutation: a payload, or the code of an error."""

    name: str
    payload: Any
    refusal: str | None
    #: The clientMutationId of the last attempt. Attempts with other ids were answered as without effect.
    mutation_id: str
    #: The input of the mutation.
    given: Mapping[str, Any]


#: Each mutation also reads a list: a failed read must not make a committed mutation look failed.
ROOM = "room { id messages { nodes { id } } }"
SELECTIONS = {
    "startRoom": ROOM,
    "sendMessage": "message { id }",
    "updateRoom": ROOM,
    "unassignAgent": ROOM,
    "closeRoom": ROOM,
    "setTimer": f"timer {{ name {ROOM} }}",
    "cancelTimer": "cancelled",
}


def timer_input(room_id: str, name: str, *, seconds: int = 1) -> dict[str, Any]:
    return {"roomId": room_id, "name": name, "seconds": seconds, "restartOn": ["MESSAGE_SENT"]}


@dataclass
class Load:
    """Workers that send one mutation after the other, and repeat each until it is answered."""

    urls: Sequence[str]
    chance: random.Random
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    #: Connections that were refused. The mutation was sent to another server.
    refused: int = 0
    #: Sent again after a lost connection or an unknown outcome.
    repeated: int = 0
    #: The error or the response after which each of these was sent again.
    causes: list[str] = field(default_factory=list)
    workers: int = WORKERS
    #: Sent again with a new clientMutationId, because nothing had been changed.
    renewed: int = 0
    hung: int = 0
    stopped: bool = False
    longest_seconds: float = 0.0
    _rooms: list[str] = field(default_factory=list)
    #: The timers that were set and that no worker has cancelled: the room and the name.
    _timers: list[tuple[str, str]] = field(default_factory=list)

    async def prepare(self) -> None:
        async with self._client() as http:
            await self._mutate(http, "saveVisitor", "visitor { id }", {"token": "v"})
            for number in range(AGENTS):
                fields = {"username": f"agent{number}"}
                user = (await self._mutate(http, "createUser", "user { id }", fields)).payload["user"]["id"]
                await self._mutate(http, "setPresence", "user { id }", {"userId": user, "presence": "ONLINE"})
                await self._mutate(http, "addAgent", "added", {"userId": user, "maxRooms": 5})
            room_id = (await self._mutate(http, "startRoom", ROOM, {"visitorToken": "v"})).payload["room"]["id"]
            for number in range(TIMERS):
                mutation_id = f"prepared-{number}"
                given = {**timer_input(room_id, mutation_id, seconds=1 + number), "clientMutationId": mutation_id}
                self.outcomes[mutation_id] = await self._mutate(http, "setTimer", SELECTIONS["setTimer"], given)

    async def run(self, until: float) -> None:
        """Send mutations until that time, or until `stopped` is set, and wait until all are answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.workers):
                group.create_task(self._work(number, until))

    async def _work(self, number: int, until: float) -> None:
        count = 0
        async with self._client() as http:
            while time.monotonic() < until and not self.stopped:
                count += 1
                mutation_id = f"{number}-{count}"
                name, given = self._choose(mutation_id)
                began = time.monotonic()
                outcome = await self._mutate(http, name, SELECTIONS[name], {**given, "clientMutationId": mutation_id})
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
                self.outcomes[outcome.mutation_id] = outcome
                if name == "startRoom":
                    self._rooms.append(outcome.payload["room"]["id"])
                elif name == "setTimer" and outcome.refusal is None:
                    self._timers.append((given["roomId"], given["name"]))

    def _choose(self, mutation_id: str) -> tuple[str, dict[str, Any]]:
        """A random mutation. With many rooms, more are closed than started, so that the queue moves.

        Each timer has a name of its own.
        """
        if self._timers and self.chance.random() < 0.02:
            room_id, name = self._timers.pop(self.chance.randrange(len(self._timers)))
            return "cancelTimer", {"roomId": room_id, "name": name}
        if self._rooms and self.chance.random() < 0.1:
            return "setTimer", timer_input(self.chance.choice(self._rooms), mutation_id)
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

    async def _mutate(self, http: httpx.AsyncClient, name: str, selection: str, given: dict[str, Any]) -> Outcome:
        query = f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {selection} }} }}"
        mutation_id = given.get("clientMutationId", "")
        certain = True
        while True:
            body = {"query": query, "variables": {"input": given}}
            try:
                answer = (await http.post(self.chance.choice(self.urls), json=body)).json()
            except httpx.ConnectError:
                self.refused += 1
                await asyncio.sleep(0.05)
                continue
            except httpx.TimeoutException as error:
                self.causes.append(repr(error))
                self.hung += 1
                certain = False
            except httpx.TransportError as error:
                self.causes.append(repr(error))
                certain = False
                await asyncio.sleep(0.05)
            else:
                if "errors" not in answer:
                    return Outcome(name, answer["data"][name], None, mutation_id, given)
                refused = [error["extensions"] for error in answer["errors"]]
                assert all(one["code"] != "INTERNAL" for one in refused), answer
                if refused[0]["code"] != "UNAVAILABLE":
                    return Outcome(name, None, refused[0]["code"], mutation_id, given)
                self.causes.append(json.dumps(answer["errors"]))
                if not all(one["retryable"] for one in refused):
                    certain = False
                elif certain and mutation_id:
                    # No attempt so far has changed anything, so a new clientMutationId is safe.
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
    """A subscriber that loses its connection repeatedly and resumes each time."""

    urls: Sequence[str]
    chance: random.Random
    #: None for all types.
    types: Sequence[str] | None = None
    consumer: str | None = None
    #: The sequences and ids of delivered events, in order. Redelivered events of a consumer are recorded once.
    seen: list[tuple[int, str]] = field(default_factory=list)
    cuts: int = 0
    #: Events that were delivered out of order, or redelivered without reason.
    wrong: list[str] = field(default_factory=list)
    _cursor: str = BEGINNING
    #: Whether the consumer exists, and the last sequence that the server confirmed as acknowledged.
    _exists: bool = False
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
        """Abort the connection."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _follow(self) -> None:
        url = self.chance.choice(self.urls).replace("http", "ws", 1)
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(url, subprotocols=[protocol], open_timeout=5, close_timeout=0.1) as self._socket:
            await self._send(type="connection_init", payload={"authorization": AUTHORIZATION})
            query = """subscription ($types: [EventType!], $after: Cursor, $consumer: String) {
                events(types: $types, after: $after, consumer: $consumer) { sequence id cursor } }"""
            after = None if self._exists else self._cursor
            variables = {"types": self.types, "after": after, "consumer": self.consumer}
            await self._send(id="events", type="subscribe", payload={"query": query, "variables": variables})
            started_after = self._last_seen if self.consumer is None else self._acked
            async for text in self._socket:
                message = json.loads(text)
                failed = message["type"] == "error" or (message["type"] == "next" and "errors" in message["payload"])
                if failed:  # a mutation that failed has data too: null for its field
                    self._check_error(json.dumps(message["payload"]))
                    if message["id"] == "events":
                        return
                elif message["type"] == "next" and message["id"] == "events":
                    await self._take(message["payload"]["data"]["events"], started_after)
                elif message["type"] == "next":
                    self._acked = max(self._acked, int(message["id"]))

    @property
    def _last_seen(self) -> int:
        return self.seen[-1][0] if self.seen else 0

    async def _take(self, event: dict[str, Any], started_after: int) -> None:
        sequence = event["sequence"]
        if sequence <= started_after:
            self.wrong.append(f"{sequence} was delivered after a start at {started_after}")
        if sequence > self._last_seen:
            self.seen.append((sequence, event["id"]))
        elif self.consumer is None:
            self.wrong.append(f"{sequence} was delivered after {self._last_seen}")
        if self.consumer is None:
            self._cursor = event["cursor"]
        elif not self._exists or sequence % 10 == 0:
            self._exists = True
            query = "mutation ($input: AckEventsInput!) { ackEvents(input: $input) { consumer { lag } } }"
            given = {"input": {"consumer": self.consumer, "cursor": event["cursor"]}}
            await self._send(id=str(sequence), type="subscribe", payload={"query": query, "variables": given})

    def _check_error(self, error: str) -> None:
        if "INVALID_INPUT" in error and self.consumer is not None and not self._exists:
            self._exists = True  # the first subscription created the consumer, and was cut before its first event
        elif "UNAVAILABLE" not in error and "CONSUMER_BUSY" not in error:
            self.wrong.append(error)

    async def _send(self, **message: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(message))


def count_outcomes(outcomes: dict[str, Outcome]) -> Counter[str]:
    """The number of mutations by name that took effect, and of the others by error code."""
    return Counter(outcome.refusal or outcome.name for outcome in outcomes.values())
