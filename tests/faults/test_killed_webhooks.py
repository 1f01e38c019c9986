"""Servers that deliver for a webhook are killed, and no event is lost or sent before an earlier one."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from storage.facts import VisitorSaved
from storage.log.log import Log
from storage.mongo.connection import Database
from tests.faults.clients import Client
from tests.faults.load import free_port
from tests.processes import ServerProcess
from tests.server.webhooks.receiver import CUT, Received, Reply, receiving
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

    def stop(self) -> None:
        for server in self._running:
            server.kill()


@contextmanager
def running_servers(uri: str, database: str) -> Iterator[Servers]:
    with ExitStack() as stack:
        servers = Servers(uri, database)
        stack.callback(servers.stop)
        yield servers


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
            await client.mutate(
                "createWebhook", "secret", name="crm", url=receiver.url, query=SUBSCRIPTION, variables=VISITORS
            )
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
            expected = [fact.sequence for fact in await Log(database).read(0, 10_000) if isinstance(fact, VisitorSaved)]
            assert len(expected) == KILLS * EVENTS_BETWEEN_KILLS

            async def has_received_all() -> bool:
                return bool(receiver.requests) and receiver.requests[-1].event["sequence"] == expected[-1]

            await until(has_received_all)
            received = [request.event["sequence"] for request in receiver.requests]
            assert received == sorted(received)
            assert list(dict.fromkeys(received)) == expected
            assert len({request.id for request in receiver.requests}) == len(expected)
