"""Servers that deliver for a webhook are killed and stopped, and no event is lost or sent before an earlier one."""

import asyncio
import itertools
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from storage.facts import VisitorSaved
from storage.log.log import Log
from storage.mongo.connection import Database
from tests.faults.clients import Client
from tests.faults.load import free_port
from tests.processes import ServerProcess
from tests.server.webhooks.receiver import CUT, Received, Receiver, Reply, receiving
from tests.server.webhooks.support import SUBSCRIPTION, VISITORS
from tests.storage.support import until

EVENTS_BETWEEN_KILLS = 12
KILLS = 4
#: The share of requests that the receiver refuses, or to which it closes the connection.
FAILING_SHARE = 0.1


class Servers:
    """Two servers, each of which starts again on its port."""

    def __init__(self, uri: str, database: str) -> None:
        self._uri, self._database = uri, database
        self._ports = [free_port(), free_port()]
        self._running = [self._start(port) for port in self._ports]
        self.urls = [server.url for server in self._running]

    def _start(self, port: int) -> ServerProcess:
        return ServerProcess(
            self._uri, self._database, PORT=str(port), LOG_LEVEL="error", WEBHOOK_NETWORKS="127.0.0.0/8"
        )

    def kill(self, index: int) -> None:
        self._running[index].kill()

    def start(self, index: int) -> None:
        self._running[index] = self._start(self._ports[index])
        assert self._running[index].url == self.urls[index]

    def signal(self, index: int, number: signal.Signals) -> None:
        os.kill(self._running[index].pid, number)

    def stop(self) -> None:
        for server in self._running:
            server.kill()


@contextmanager
def running_servers(uri: str, database: str) -> Iterator[Servers]:
    with ExitStack() as stack:
        servers = Servers(uri, database)
        stack.callback(servers.stop)
        yield servers


async def create(client: Client, receiver: Receiver) -> None:
    await client.mutate("createWebhook", "secret", name="crm", url=receiver.url, query=SUBSCRIPTION, variables=VISITORS)


async def received_all(database: Database, receiver: Receiver) -> tuple[list[int], list[int]]:
    """The sequences of all events, and of those that were received, when the last one was received."""
    expected = [fact.sequence for fact in await Log(database).read(0, 10_000) if isinstance(fact, VisitorSaved)]

    async def has_received_last() -> bool:
        return bool(receiver.requests) and receiver.requests[-1].event["sequence"] == expected[-1]

    await until(has_received_last)
    return expected, [request.event["sequence"] for request in receiver.requests]


async def test_servers_are_killed_and_every_event_is_received_in_order(mongodb_uri: str, database_name: str) -> None:
    chance = random.Random()

    def reply(request: Received) -> Reply:
        failures: list[Reply] = [500, CUT]
        return chance.choice(failures) if chance.random() < FAILING_SHARE else 200

    with running_servers(mongodb_uri, database_name) as servers:
        async with (
            receiving() as receiver,
            Client(servers.urls) as client,
            Database(mongodb_uri, database_name) as database,
        ):
            receiver.reply = reply
            await create(client, receiver)
            names = map(str, itertools.count())
            for kill in range(KILLS):
                # A server that was started again does not deliver: each kill but perhaps the first ends deliveries.
                sent, dead = len(receiver.requests), kill % 2
                killing: asyncio.Task[None] | None = None
                for number in range(EVENTS_BETWEEN_KILLS):
                    name = next(names)
                    await client.mutate("saveVisitor", "visitor { id }", at=1 - dead, token=f"t{name}", name=name)
                    if number == EVENTS_BETWEEN_KILLS // 2:
                        await receiver.wait_for(sent + 1)
                        killing = asyncio.create_task(asyncio.to_thread(servers.kill, dead))
                assert killing is not None
                await killing
                await asyncio.to_thread(servers.start, dead)
            expected, received = await received_all(database, receiver)
            assert len(expected) == KILLS * EVENTS_BETWEEN_KILLS
            assert received == sorted(received)
            assert list(dict.fromkeys(received)) == expected
            assert len({request.id for request in receiver.requests}) == len(expected)


async def test_a_server_that_was_stopped_sends_no_event_of_the_past(mongodb_uri: str, database_name: str) -> None:
    """Each server is stopped until the other one has delivered, and goes on then. Only an event whose request was on
    its way at the stop may come late."""
    with running_servers(mongodb_uri, database_name) as servers:
        async with (
            receiving() as receiver,
            Client(servers.urls) as client,
            Database(mongodb_uri, database_name) as database,
        ):
            await create(client, receiver)
            names = map(str, itertools.count())
            for stopped in (0, 1):
                # No request is on its way: all events were received, and their positions are stored.
                servers.signal(stopped, signal.SIGSTOP)
                sent = len(receiver.requests)
                for _ in range(EVENTS_BETWEEN_KILLS):
                    name = next(names)
                    await client.mutate("saveVisitor", "visitor { id }", at=1 - stopped, token=f"t{name}", name=name)
                await receiver.wait_for(sent + EVENTS_BETWEEN_KILLS)
                await received_all(database, receiver)
                servers.signal(stopped, signal.SIGCONT)
                for _ in range(EVENTS_BETWEEN_KILLS):
                    name = next(names)
                    await client.mutate("saveVisitor", "visitor { id }", at=stopped, token=f"t{name}", name=name)
                await received_all(database, receiver)
                await until(positions_are_stored(database))
            expected, received = await received_all(database, receiver)
            assert len(expected) == 4 * EVENTS_BETWEEN_KILLS
            assert received == expected


def positions_are_stored(database: Database) -> Callable[[], Awaitable[bool]]:
    """Whether all events are acknowledged."""

    async def are_stored() -> bool:
        consumer = await database["consumers"].find_one({})
        return consumer is not None and consumer["acked"] >= await Log(database).head()

    return are_stored
