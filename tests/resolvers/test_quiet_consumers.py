"""Consumers with few matching events: their positions advance, they do not expire, and they have no lag."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import pytest

from resolvers import consumer_lag, events, rooms, visitors
from resolvers.consumers import consumers
from resolvers.consumers.connection import ConsumerConnection
from resolvers.context import Context
from resolvers.custom_fields import definitions
from resolvers.custom_fields.values import FieldAssignment
from storage import consumers as stored
from storage.consumer_records import Consumer
from storage.facts import AnyFact
from storage.filters.expressions import FieldCondition, Operator
from storage.log.subscription_index import Waiter
from storage.mongo.cursors import event_cursor
from storage.records import FieldTarget, FieldType
from storage.timings import Timings
from tests.resolvers.processes import TwoContexts, read, record_facts, status, two_processes
from tests.storage.support import outbox_is_empty, until

STARTED = ["ROOM_STARTED"]
#: Leases that are renewed ten times a second.
QUICK_LEASES = Timings(consumer_lease=0.3)


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-quiet-consumers") as contexts:
        yield contexts


@asynccontextmanager
async def listening(context: Context, **asked: object) -> AsyncIterator[AsyncGenerator[AnyFact, None]]:
    """A connection whose reader waits at the end of the log for the next event."""
    async with aclosing(await events.subscribe(context, consumer="c", **asked)) as facts:  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(anext(facts))
        await asyncio.sleep(0)
        try:
            yield facts
        finally:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting


async def moved_to(context: Context, sequence: int) -> None:
    """Wait until the consumer has this position."""

    async def has_moved() -> bool:
        return (await status(context)).acked_cursor == event_cursor(sequence)

    await until(has_moved)


async def renewed(context: Context) -> None:
    """Wait for two renewals of the lease. The second one began after this call."""
    seen = [(await status(context)).last_seen_at]

    async def has_been_renewed() -> bool:
        last_seen_at = (await status(context)).last_seen_at
        if last_seen_at != seen[-1]:
            seen.append(last_seen_at)
        return len(seen) > 2

    await until(has_been_renewed)


async def start_room(context: Context, subject: str) -> int:
    """Start a room, and return the sequence of its RoomStarted."""
    head = await context.storage.log.head()
    await visitors.save_visitor(context, token="v")
    await rooms.start_room(context, visitor_token="v", custom_fields=[FieldAssignment("subject", subject)])
    facts = await context.storage.log.read(head, 10)
    return next(fact.sequence for fact in facts if type(fact).__name__ == "RoomStarted")


async def define_subject(context: Context) -> None:
    await definitions.define_custom_field(context, target=FieldTarget.ROOM, key="subject", type=FieldType.TEXT)


async def test_position_of_a_consumer_advances_over_other_events_while_connected(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    context.storage.database.timings = QUICK_LEASES
    async with listening(context, types=STARTED):
        for _ in range(2):
            happened = await record_facts(elsewhere, 5)
            await moved_to(elsewhere, happened[-1])
            assert (await consumer_lag.count(elsewhere, await status(elsewhere))).total == 0


async def test_position_of_a_consumer_advances_when_its_connection_ends(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with listening(context, types=STARTED):
        happened = await record_facts(context, 5)
    assert (await status(context)).acked_cursor == event_cursor(happened[-1])
    assert await outbox_is_empty(context.storage)
    await context.storage.log.trim(context.storage.database.now() + timedelta(seconds=1))

    async with listening(elsewhere, types=STARTED):
        assert (await status(elsewhere)).connected


async def test_position_never_advances_over_unacknowledged_events(contexts: TwoContexts) -> None:
    context, _ = contexts
    context.storage.database.timings = QUICK_LEASES
    await define_subject(context)
    async with aclosing(await events.subscribe(context, consumer="c", types=STARTED)) as facts:
        first, second = await start_room(context, "a"), await start_room(context, "b")
        assert await read(facts, 2) == [first, second]
        waiting = asyncio.ensure_future(anext(facts))
        happened = await record_facts(context, 5)
        await renewed(context)

        assert (await status(context)).acked_cursor == event_cursor(first - 1)
        await consumers.ack_events(context, consumer="c", cursor=event_cursor(first))
        await renewed(context)
        assert (await status(context)).acked_cursor == event_cursor(second - 1)
        assert (await consumer_lag.count(context, await status(context))).total == 1

        await consumers.ack_events(context, consumer="c", cursor=event_cursor(second))
        await moved_to(context, happened[-1])
        waiting.cancel()
        await asyncio.wait([waiting])

    async with aclosing(await events.subscribe(context, consumer="c", types=STARTED)) as facts:
        third = await start_room(context, "c")
        assert await read(facts, 1) == [third]


async def test_connection_without_the_lease_does_not_advance_the_position(contexts: TwoContexts) -> None:
    context, _ = contexts
    reader, owner = context.reader, context.caller.id
    async with listening(context, types=STARTED):
        happened = await record_facts(context, 1)
        collection = context.storage.database["consumers"]
        await collection.update_one({"_id": {"owner": owner, "name": "c"}}, {"$set": {"connectionId": "another"}})
        before = (await status(context)).acked_cursor

        consumer = await stored.find(reader, owner, "c")
        assert consumer is not None
        position = happened[-1]
        assert not await stored.renew_lease(reader, consumer, connection_id="this", seconds=5, position=position)
        await stored.release_lease(reader, consumer, connection_id="this", position=position)

    assert (await status(context)).acked_cursor == before


async def test_lag_counts_by_the_filter_of_the_last_subscription(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    await define_subject(context)
    vip = FieldCondition("subject", Operator.EQ, "vip")
    async with listening(context, types=STARTED, where=vip):
        pass

    await record_facts(context, 5)
    await start_room(context, "other")
    assert (await consumer_lag.count(elsewhere, await status(elsewhere))).total == 0
    starts = [await start_room(context, "vip") for _ in range(3)]
    assert (await consumer_lag.count(elsewhere, await status(elsewhere))).total == 3
    await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(starts[1]))
    assert (await consumer_lag.count(elsewhere, await status(elsewhere))).total == 1

    async with listening(context, types=STARTED):
        assert (await consumer_lag.count(elsewhere, await status(elsewhere))).total == 1
    (definition,) = await definitions.list_definitions(context, target=FieldTarget.ROOM)
    async with listening(context, types=STARTED, where=vip):
        pass
    await definitions.remove_custom_field(context, id=definition.id)
    assert (await consumer_lag.count(context, await status(context))).total == 1


def test_position_does_not_advance_over_the_fact_that_woke_the_waiter() -> None:
    class AtTwenty:
        head = 20

    async def run() -> None:
        consumer = Consumer(name="c", owner_id="app", acked=10)
        reader, at_twenty = cast(Any, None), cast(Any, AtTwenty())
        connection = ConsumerConnection(consumer, reader, seconds=5, max_in_flight=1)
        assert connection.passed(at_twenty) == 10
        connection.waiter = Waiter(10, frozenset())
        assert connection.passed(at_twenty) == 20
        connection.waiter.woken.set_result(14)
        assert connection.passed(at_twenty) == 10

    asyncio.run(run())
