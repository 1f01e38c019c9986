"""Equal subscriptions share results: at the end of the log, a group sends them; before it, tasks send batches."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest

from resolvers import messages
from resolvers.context import Services
from schema.events.deliveries import DeliveryWriter
from schema.events.live_groups import LiveGroup
from schema.events.pushed_subscriptions import BATCH_FACTS, LogFollower, PushedSubscription
from schema.execution.cohorts import Cohorts, Delivery
from schema.execution.context import RequestContext
from schema.schema import schema
from storage.facts import AnyFact
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from tests.resolvers.world import World
from tests.storage.support import make_facts, until

STARTED = "subscription { roomStarted { sequence room { subject } } }"
FILTERED = 'subscription { roomStarted(where: {subject: {eq: "mine"}}) { sequence room { subject } } }'
READ_LIVE = "subscription { roomStarted { room { subject current { subject } } } }"
SENT_READ_LIVE = "subscription { messageSent { message { text } room { current { subject } } } }"
EVENTS = "subscription($after: Cursor) { events(after: $after) { sequence } }"


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


class Client:
    """A client with a transport that takes frames while it is writable."""

    def __init__(self, world: World, cohorts: Cohorts) -> None:
        self._world = world
        self._cohorts = cohorts
        self._writable = asyncio.Event()
        self._writable.set()
        self.is_open = True
        self.prefix = b"1"
        #: The frames, and how many were made for this client.
        self.written: list[bytes] = []
        self.made = 0
        self.reading: asyncio.Task[None] | None = None
        #: How often it had to read the log.
        self.reads = 0
        self.subscription: PushedSubscription

    @asynccontextmanager
    async def following(self, text: str, **variables: object) -> AsyncIterator[None]:
        """Run the subscription."""
        context = RequestContext(self._world.context, cohorts=self._cohorts)
        context.follower = LogFollower()
        stream: Any = await schema.subscribe(text, context_value=context, variable_values=variables)
        assert [result async for result in stream] == []
        self.subscription = context.pushed
        self.subscription.connect(self, prefix=self.prefix, write=self.write)
        if not self.subscription.join():
            self.resume()
        try:
            yield
        finally:
            self.subscription.close()
            if self.reading is not None:
                self.reading.cancel()
                await asyncio.gather(self.reading, return_exceptions=True)

    def pause(self) -> None:
        self._writable.clear()

    def proceed(self) -> None:
        self._writable.set()

    def frame(self, prefix: bytes, delivery: Delivery) -> bytes:
        assert prefix == self.prefix
        self.made += 1
        return delivery.encoded + b"\n"

    def write(self, frames: bytes) -> bool:
        if self._writable.is_set() and self.is_open:
            self.written.append(frames)
            return True
        return False

    async def wait_until_writable(self) -> bool:
        await self._writable.wait()
        return self.is_open

    def resume(self) -> None:
        self.reads += 1
        self.reading = asyncio.create_task(self.subscription.read())

    @property
    def results(self) -> list[Any]:
        return [next(iter(msgspec.json.decode(line)["data"].values())) for line in b"".join(self.written).splitlines()]

    @property
    def subjects(self) -> list[str]:
        return [result["room"]["subject"] for result in self.results]


@asynccontextmanager
async def following(world: World, cohorts: Cohorts, count: int, text: str) -> AsyncIterator[list[Client]]:
    """Clients whose subscriptions have had their first result, and are at the end of the log."""
    clients = [Client(world, cohorts) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client.following(text))
        await world.start(subject="mine")
        await until_all_have(clients, 1)
        await until_members(world, count)
        yield clients


async def until_members(world: World, count: int) -> None:
    """Return when so many subscriptions are at the end of the log."""
    live = world.services.storage.feed.live

    async def have_joined() -> bool:
        groups = {reader for readers in live._readers.values() for reader in readers}
        return sum(len(group._members) for group in groups if isinstance(group, LiveGroup)) == count

    await until(have_joined)


async def until_read(world: World) -> None:
    """Return when the process has read the log to its end."""
    storage = world.services.storage
    head = await storage.log.head()

    async def has_read() -> bool:
        return storage.feed.head >= head

    await until(has_read)


async def until_all_have(clients: list[Client], count: int) -> None:
    async def have() -> bool:
        return all(len(client.results) >= count for client in clients)

    await until(have)


async def test_results_are_sent_to_all_members_at_once_each_once_and_in_order(world: World) -> None:
    cohorts, live = Cohorts(), world.services.storage.feed.live
    async with following(world, cohorts, 3, STARTED) as clients:
        assert len(live) == 1
        for number in range(5):
            await world.start(subject=str(number))
        await until_all_have(clients, 6)

        assert [client.subjects for client in clients] == [["mine", "0", "1", "2", "3", "4"]] * 3
        assert [client.reads for client in clients] == [1] * 3
        assert cohorts.deliveries.count == 18
    assert len(live) == 0
    assert cohorts.count == 0


async def test_a_client_that_reads_slowly_reads_the_log_and_joins_again(world: World) -> None:
    async with following(world, Cohorts(), 2, STARTED) as (slow, fast):
        slow.pause()
        await world.start(subject="0")
        await world.start(subject="1")
        await until_all_have([fast], 3)
        assert slow.subjects == ["mine"]
        slow.proceed()
        await until_all_have([slow], 3)
        await until_members(world, 2)
        await world.start(subject="2")
        await until_all_have([slow, fast], 4)

        assert slow.subjects == fast.subjects == ["mine", "0", "1", "2"]
        assert (slow.reads, fast.reads) == (2, 1)


async def test_a_client_that_disconnects_while_it_reads_slowly_is_sent_nothing_more(world: World) -> None:
    async with following(world, Cohorts(), 1, STARTED) as (client,):
        client.pause()
        await world.start(subject="0")

        async def is_reading() -> bool:
            return client.reads == 2

        await until(is_reading)
        client.is_open = False
        client.proceed()
        assert client.reading is not None
        await client.reading

        assert client.subjects == ["mine"]
        assert len(world.services.storage.feed.live) == 0


async def test_a_group_sends_only_what_passes_its_filter(world: World) -> None:
    async with following(world, Cohorts(), 1, FILTERED) as (client,):
        await world.start(subject="other")
        await world.start(subject="mine")
        await until_all_have([client], 2)

        assert (client.subjects, client.reads) == (["mine", "mine"], 1)


async def test_a_result_that_reads_the_database_is_made_by_the_members(world: World) -> None:
    async with following(world, Cohorts(), 2, READ_LIVE) as clients:
        for number in range(2):
            await world.start(subject=str(number))
        await until_all_have(clients, 3)

        assert [client.subjects for client in clients] == [["mine", "0", "1"]] * 2


async def test_a_message_that_is_redacted_while_its_result_waits_for_a_slow_client_is_sent_without_text(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, room = Client(world, Cohorts()), await world.start(subject="mine")
    is_made, write = asyncio.Event(), DeliveryWriter.write

    async def write_before_a_pause(writer: DeliveryWriter, item: Any) -> Delivery:
        delivery = await write(writer, item)
        if not is_made.is_set():
            client.pause()
            is_made.set()
        return delivery

    monkeypatch.setattr(DeliveryWriter, "write", write_before_a_pause)
    async with client.following(SENT_READ_LIVE):
        sent = await messages.send_message(world.context, room_id=room.id, text="secret")
        await asyncio.wait_for(is_made.wait(), 60)
        await messages.redact_message(world.context, message_id=sent.id)
        await until_read(world)
        assert client.written == []
        client.proceed()
        await until_all_have([client], 1)

        assert [result["message"]["text"] for result in client.results] == [""]


async def test_members_continue_by_themselves_after_a_gap(world: World) -> None:
    async with following(world, Cohorts(), 2, STARTED) as clients:
        world.services.storage.feed.live.lose_all()
        await world.start(subject="0")
        await until_all_have(clients, 2)

        assert [client.subjects for client in clients] == [["mine", "0"]] * 2


async def append_past_facts(storage: Storage, count: int) -> int:
    """Append facts, and return the sequence before them when the process has read them."""
    first = await storage.log.head()
    await storage.appender.append(make_facts(count, subject="old"))

    async def is_appended() -> bool:
        return storage.feed.head >= first + count

    await until(is_appended)
    return first


async def test_equal_subscriptions_behind_the_end_of_the_log_share_batches(world: World) -> None:
    storage, cohorts = world.services.storage, Cohorts()
    count = 3 * BATCH_FACTS
    first = await append_past_facts(storage, count)
    clients = [Client(world, cohorts) for _ in range(2)]
    async with AsyncExitStack() as stack:
        for client in clients:
            client.pause()
            await stack.enter_async_context(client.following(EVENTS, after=event_cursor(first)))
        for client in clients:
            client.proceed()
        await until_all_have(clients, count)

        sequences = [[result["sequence"] for result in client.results] for client in clients]
        assert sequences == [list(range(first + 1, first + count + 1))] * 2
        # The first result of a cohort shows that the others need nothing but their facts.
        assert [len(client.written[-1].splitlines()) for client in clients] == [BATCH_FACTS] * 2
        assert sum(client.made for client in clients) <= count + BATCH_FACTS
        assert cohorts.deliveries.count == 2 * count


async def test_what_equal_subscriptions_were_sent_is_sent_without_reading_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, cohorts = world.services.storage, Cohorts()
    count = 4 * BATCH_FACTS
    first = await append_past_facts(storage, count)
    read, positions = storage.feed.read, list[int]()

    async def recorded(after: int, limit: int) -> Sequence[AnyFact]:
        positions.append(after)
        return await read(after, limit)

    ahead, behind = Client(world, cohorts), Client(world, cohorts)
    behind.pause()
    async with (
        behind.following(EVENTS, after=event_cursor(first)),
        ahead.following(EVENTS, after=event_cursor(first)),
    ):
        await until_all_have([ahead], count)
        monkeypatch.setattr(storage.feed, "read", recorded)
        behind.proceed()
        await until_all_have([behind], count)

        assert behind.results == ahead.results
        # It had read the first facts before it could write.
        assert positions == []
