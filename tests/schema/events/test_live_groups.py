"""At the end of the log, equal subscriptions get one result through their transports, without their own tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from resolvers.context import Services
from schema.execution.cohorts import Cohorts, Delivery
from schema.execution.context import RequestContext
from schema.schema import schema
from tests.resolvers.world import World
from tests.storage.support import until

STARTED = "subscription { roomStarted { sequence room { subject } } }"
FILTERED = 'subscription { roomStarted(where: {subject: {eq: "mine"}}) { sequence room { subject } } }'


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


class Client:
    """A client with a transport that takes results at once while it is writable."""

    def __init__(self) -> None:
        self.writable = True
        #: The subjects of the rooms in the results, and how many of them the transport took at once.
        self.subjects: list[str] = []
        self.sent_now = 0

    def take(self, result: Any) -> None:
        self.subjects.append(result.data["roomStarted"]["room"]["subject"])

    def send_now(self, delivery: Delivery) -> bool:
        if self.writable:
            self.take(delivery)
            self.sent_now += 1
        return self.writable


async def follow(world: World, cohorts: Cohorts, client: Client, text: str) -> None:
    """Run the subscription of a client."""
    context = RequestContext(world.context, cohorts=cohorts)
    context.send_now = client.send_now
    stream: Any = await schema.subscribe(text, context_value=context)
    async for result in stream:
        client.take(result)


@asynccontextmanager
async def following(world: World, cohorts: Cohorts, clients: list[Client], text: str) -> AsyncIterator[None]:
    """Clients whose subscriptions have had their first result, and are at the end of the log."""
    tasks = [asyncio.create_task(follow(world, cohorts, client, text)) for client in clients]
    members = cohorts.members + len(clients)

    async def all_are_subscribed() -> bool:
        return cohorts.members == members

    async def all_have_joined() -> bool:
        return len(world.services.storage.feed.live) > 0 and all(client.subjects for client in clients)

    try:
        await until(all_are_subscribed)
        await world.start(subject="mine")
        await until(all_have_joined)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_all_have(clients: list[Client], count: int) -> None:
    async def have() -> bool:
        return all(len(client.subjects) >= count for client in clients)

    await until(have)


async def test_results_are_sent_to_all_members_at_once_each_once_and_in_order(world: World) -> None:
    cohorts, clients = Cohorts(), [Client() for _ in range(3)]
    async with following(world, cohorts, clients, STARTED):
        for number in range(5):
            await world.start(subject=str(number))
        await until_all_have(clients, 6)

        assert [client.subjects for client in clients] == [["mine", "0", "1", "2", "3", "4"]] * 3
        assert [client.sent_now for client in clients] == [5] * 3
        assert cohorts.deliveries.count == 18
    assert len(world.services.storage.feed.live) == 0
    assert cohorts.count == 0


async def test_a_client_that_reads_slowly_gets_the_rest_by_its_generator_and_joins_again(world: World) -> None:
    slow, fast = Client(), Client()
    async with following(world, Cohorts(), [slow, fast], STARTED):
        slow.writable = False
        await world.start(subject="0")
        await until_all_have([slow, fast], 2)
        assert slow.sent_now == 0
        slow.writable = True
        await world.start(subject="1")
        await until_all_have([slow, fast], 3)

        assert slow.subjects == fast.subjects == ["mine", "0", "1"]
        assert (slow.sent_now, fast.sent_now) == (1, 2)


async def test_a_group_sends_only_what_passes_its_filter(world: World) -> None:
    client = Client()
    async with following(world, Cohorts(), [client], FILTERED):
        await world.start(subject="other")
        await world.start(subject="mine")
        await until_all_have([client], 2)

        assert (client.subjects, client.sent_now) == (["mine", "mine"], 1)


async def test_a_result_that_reads_the_database_is_made_by_the_generators(world: World) -> None:
    text = "subscription { roomStarted { room { subject current { subject } } } }"
    cohorts, client = Cohorts(), Client()
    running = asyncio.create_task(follow(world, cohorts, client, text))

    async def is_subscribed() -> bool:
        return cohorts.members == 1

    await until(is_subscribed)
    for number in range(2):
        await world.start(subject=str(number))
    await until_all_have([client], 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert (client.subjects, client.sent_now) == (["0", "1"], 0)


async def test_members_continue_by_themselves_after_a_gap(world: World) -> None:
    clients = [Client(), Client()]
    async with following(world, Cohorts(), clients, STARTED):
        world.services.storage.feed.live.lose_all()
        await world.start(subject="0")
        await until_all_have(clients, 2)

        assert [client.subjects for client in clients] == [["mine", "0"]] * 2
