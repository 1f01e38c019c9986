"""Events of a consumer that are acknowledged by themselves: what is sent, how the position moves, and what counts."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from resolvers import consumer_lag, events, rooms, visitors
from resolvers.auth.access import Caller
from resolvers.consumers import consumers
from resolvers.context import Context, EventAck
from storage import acknowledgements
from storage import consumers as stored
from storage.errors import ConsumerBusy, Forbidden, Invalid, NotFound
from storage.facts import AnyFact
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType
from storage.timings import Timings
from tests.resolvers.processes import TwoContexts, read, record_facts, status, two_processes
from tests.storage.support import until

#: Leases that are renewed ten times a second.
QUICK_LEASES = Timings(consumer_lease=0.3)


@pytest.fixture
async def both(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-single-acknowledgements", QUICK_LEASES) as both:
        yield both


async def ack(context: Context, *sequences: int) -> None:
    """Acknowledge these events, each by itself."""
    for sequence in sequences:
        await consumers.ack_events(context, consumer="c", cursor=event_cursor(sequence), only=True)


async def ack_to(context: Context, sequence: int) -> None:
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(sequence))


async def lag(context: Context) -> tuple[int, int]:
    """The lag of the consumer, and how much of it is in flight."""
    found = await consumer_lag.count(context, await status(context))
    return found.total, found.in_flight


async def moved_to(context: Context, sequence: int) -> None:
    """Return when the consumer's position is there."""

    async def has_moved() -> bool:
        return (await status(context)).acked_cursor == event_cursor(sequence)

    await until(has_moved)


async def stored_acknowledgements(context: Context) -> list[int]:
    found = await context.storage.database["acknowledgements"].find({}, sort=[("sequence", 1)]).to_list(None)
    return [document["sequence"] for document in found]


async def waits(facts: AsyncGenerator[AnyFact, None]) -> "asyncio.Future[AnyFact]":
    """The next fact, which is not sent yet."""
    following = asyncio.ensure_future(anext(facts))
    done, _ = await asyncio.wait([following], timeout=0.3)
    assert not done
    return following


async def end(waiting: "asyncio.Future[AnyFact]") -> None:
    waiting.cancel()
    await asyncio.wait([waiting])


# ---------------------------------------------------------------- what is sent


async def test_reconnection_leaves_out_singly_acknowledged_events(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        first, second, third, fourth = await record_facts(context, 4)
        assert await read(facts, 4) == [first, second, third, fourth]
        await ack(elsewhere, second, fourth)

    async with aclosing(await events.subscribe(elsewhere, consumer="c")) as facts:
        (fifth,) = await record_facts(context, 1)
        assert await read(facts, 3) == [first, third, fifth]


async def test_many_acknowledgements_are_read_in_parts(both: TwoContexts, monkeypatch: pytest.MonkeyPatch) -> None:
    from resolvers.consumers import connection

    monkeypatch.setattr(connection, "READ_ACKNOWLEDGEMENTS", 3)
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")):
        happened = await record_facts(context, 20)
        left = [happened[0], happened[7], happened[19]]
        await ack(elsewhere, *(one for one in happened if one not in left))

    async with aclosing(await events.subscribe(elsewhere, consumer="c")) as facts:
        assert await read(facts, 3) == left


async def test_events_acknowledged_before_they_are_sent_are_left_out(both: TwoContexts) -> None:
    """By the process that sends them; another one may send them once more."""
    context, _ = both
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        first, second, third, fourth, fifth = await record_facts(context, 5)
        await ack_to(context, second)
        await ack(context, fourth)

        assert await read(facts, 2) == [third, fifth]
    assert first < second


async def test_consumer_created_again_is_sent_everything(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")):
        first, second = await record_facts(context, 2)
        await ack(context, second)
    await consumers.remove_consumer(context, consumer="c")

    async with aclosing(await events.subscribe(elsewhere, consumer="c", after=event_cursor(first - 1))) as facts:
        assert await read(facts, 2) == [first, second]


# ---------------------------------------------------------------- how the position moves


async def test_position_moves_over_what_is_acknowledged_and_its_acknowledgements_are_deleted(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        first, second, third, fourth = await record_facts(context, 4)
        assert await read(facts, 4) == [first, second, third, fourth]

        await ack(elsewhere, second, fourth)
        assert (await status(context)).acked_cursor == event_cursor(first - 1)
        await ack(elsewhere, first)
        await moved_to(context, second)

        async def only_the_fourth_is_left() -> bool:
            return await stored_acknowledgements(context) == [fourth]

        await until(only_the_fourth_is_left)
        await ack(elsewhere, third)
        await moved_to(context, fourth)

    assert await stored_acknowledgements(context) == []


async def test_position_that_a_cursor_moves_takes_the_acknowledgements_with_it(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")):
        first, second, third = await record_facts(context, 3)
        await ack(elsewhere, second)
    await ack_to(elsewhere, third)
    assert await stored_acknowledgements(context) == [second]

    async with aclosing(await events.subscribe(context, consumer="c")):
        pass

    assert await stored_acknowledgements(context) == []
    assert (await status(context)).acked_cursor == event_cursor(third)
    assert first < second


async def test_connection_that_lost_its_lease_does_not_advance_the_position(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        first, second = await record_facts(context, 2)
        assert await read(facts, 2) == [first, second]
        consumer = await stored.find(context.reader, context.caller.id, "c")
        assert consumer is not None
        key = {"_id": {"owner": consumer.owner_id, "name": "c"}}
        await context.storage.database["consumers"].update_one(key, {"$set": {"connectionId": "another"}})
        await ack(elsewhere, first, second)

        with pytest.raises(ConsumerBusy):
            await read(facts, 1)

    assert (await status(context)).acked_cursor == event_cursor(first - 1)
    assert await stored_acknowledgements(context) == [first, second]


# ---------------------------------------------------------------- maxInFlight


async def test_subscription_waits_when_the_maximum_is_in_flight(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c", max_in_flight=2)) as facts:
        first, second, third, fourth, fifth = await record_facts(context, 5)
        assert await read(facts, 2) == [first, second]

        waiting = await waits(facts)
        await ack(elsewhere, second)  # counted from the first that is not acknowledged
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        await ack(elsewhere, first)
        assert (await waiting).sequence == third
        assert await read(facts, 1) == [fourth]

        waiting = await waits(facts)
        await ack_to(context, third)
        assert (await waiting).sequence == fifth


@pytest.mark.parametrize("maximum", [1, 2, 4])
@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_events_acknowledged_while_the_subscription_waits_are_left_out(
    both: TwoContexts, is_elsewhere: bool, maximum: int
) -> None:
    """A connection before this one was sent them."""
    context, elsewhere = both
    acknowledging = elsewhere if is_elsewhere else context
    async with aclosing(await events.subscribe(context, consumer="c", max_in_flight=maximum)) as facts:
        happened = await record_facts(context, 10)
        assert await read(facts, maximum) == happened[:maximum]
        waiting = await waits(facts)
        await ack(acknowledging, *happened[maximum:9])
        await ack(acknowledging, *happened[:maximum])

        assert (await waiting).sequence == happened[9]


async def test_reconnection_counts_singly_acknowledged_events(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c", max_in_flight=2)) as facts:
        first, second, third = await record_facts(context, 3)
        assert await read(facts, 2) == [first, second]
        await ack(context, second)

    async with aclosing(await events.subscribe(elsewhere, consumer="c", max_in_flight=2)) as facts:
        assert await read(facts, 1) == [first]
        waiting = await waits(facts)
        await ack(context, first)
        assert (await waiting).sequence == third


async def test_waiting_subscription_whose_lease_is_lost_ends(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c", max_in_flight=1)) as facts:
        first, _ = await record_facts(context, 2)
        assert await read(facts, 1) == [first]
        waiting = await waits(facts)
        await elsewhere.storage.database["consumers"].delete_many({})

        with pytest.raises(ConsumerBusy):
            await waiting


@pytest.mark.parametrize("number", [0, 10_001])
async def test_maximum_beyond_its_bounds_is_refused_and_creates_nothing(both: TwoContexts, number: int) -> None:
    context, _ = both

    with pytest.raises(Invalid) as refusal:
        await events.subscribe(context, consumer="c", max_in_flight=number)

    assert refusal.value.data["key"] == "maxInFlight"
    assert await consumers.list_consumers(context) == []


# ---------------------------------------------------------------- lag


async def test_lag_and_in_flight_exclude_acknowledged_events(both: TwoContexts) -> None:
    context, elsewhere = both
    async with aclosing(await events.subscribe(context, consumer="c", max_in_flight=3)) as facts:
        first, second, third, fourth, fifth = await record_facts(context, 5)
        assert await read(facts, 3) == [first, second, third]
        assert await lag(context) == (5, 3)
        await ack(elsewhere, second, fifth)
        assert await lag(context) == (3, 2)

        async def is_known_elsewhere() -> bool:
            return await lag(elsewhere) == (3, 2)

        await until(is_known_elsewhere)
        await ack_to(elsewhere, third)
        assert await lag(context) == (1, 0)
    assert fourth < fifth


async def test_lag_by_type_excludes_acknowledged_events(both: TwoContexts) -> None:
    context, _ = both
    async with aclosing(await events.subscribe(context, consumer="c", types=["VISITOR_SAVED"], not_by_me=True)):
        happened = await record_facts(context, 5)
        await ack(context, happened[2])

    counted = await consumer_lag.count(context, await status(context), consumer_lag.ScanBudget(facts=0))

    assert counted == consumer_lag.Lag(total=4, in_flight=0)


async def test_events_by_the_caller_are_left_out_if_it_asks_for_it(both: TwoContexts) -> None:
    context, _ = both
    other = replace(context, caller=replace(context.caller, actor=Actor(type=ActorType.APP, id="other", name="Other")))
    async with aclosing(await events.subscribe(context, consumer="c", not_by_me=True)) as facts:
        await record_facts(context, 2)
        (theirs,) = await record_facts(other, 1)
        assert await read(facts, 1) == [theirs]
        assert await lag(context) == (1, 1)
        await ack(context, theirs)
        await record_facts(context, 2)
        assert await lag(context) == (0, 0)
        waiting = await waits(facts)
        await moved_to(context, await context.storage.log.head())
        await end(waiting)


# ---------------------------------------------------------------- operators


async def test_admins_see_and_remove_the_consumers_of_everybody(both: TwoContexts) -> None:
    admin, _ = both
    theirs = Caller(actor=Actor(type=ActorType.APP, id="other"), scopes=frozenset({"events:read"}))
    mine = replace(admin, caller=theirs)
    for context in (admin, mine):
        async with aclosing(await events.subscribe(context, consumer="c")):
            pass

    assert [(one.owner.id, one.name) for one in await consumers.list_consumers(admin)] == [("app", "c"), ("other", "c")]
    assert [one.owner.id for one in await consumers.list_consumers(mine)] == ["other"]
    for owner_id in ("app", "other"):
        with pytest.raises(Forbidden):
            await consumers.remove_consumer(mine, consumer="c", owner_id=owner_id)
    with pytest.raises(NotFound):
        await consumers.remove_consumer(admin, consumer="c", owner_id="nobody")
    assert await consumers.remove_consumer(admin, consumer="c", owner_id="other") == "c"
    assert [one.owner.id for one in await consumers.list_consumers(admin)] == ["app"]


async def test_lag_seen_by_an_admin_is_that_of_the_owner(both: TwoContexts) -> None:
    admin, _ = both
    rights = frozenset({"events:read", "visitors:read"})
    other = replace(admin, caller=replace(admin.caller, actor=Actor(type=ActorType.APP, id="other"), scopes=rights))
    async with aclosing(await events.subscribe(other, consumer="c")):
        await visitors.save_visitor(admin, token="v")
        await rooms.start_room(admin, visitor_token="v")

    assert await lag(admin) == (1, 0)
    assert await lag(other) == (1, 0)


async def test_number_of_consumers_has_a_bound(both: TwoContexts, monkeypatch: pytest.MonkeyPatch) -> None:
    from resolvers.consumers import leases

    monkeypatch.setattr(leases, "MAX_CONSUMERS", 1)
    context, _ = both
    async with aclosing(await events.subscribe(context, consumer="c")):
        pass

    with pytest.raises(Invalid) as refusal:
        await events.subscribe(context, consumer="d")

    assert refusal.value.data["key"] == "consumer"
    assert (await status(context)).name == "c"
    async with aclosing(await events.subscribe(context, consumer="c")):
        pass


async def test_consumer_of_version_0_1_0_has_its_owner(both: TwoContexts) -> None:
    context, _ = both
    await record_facts(context, 1)
    await context.storage.database["consumers"].insert_one(
        {"_id": {"owner": "app", "name": "c"}, "ownerId": "app", "name": "c", "acked": 0, "begunAfter": None}
    )
    assert (await status(context)).owner == Actor(type=ActorType.APP, id="app")
    assert await lag(context) == (1, 0)
    mutation = context.mutation(None, EventAck("c", event_cursor(1)))
    await visitors.save_visitor(mutation, token="v")

    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        assert await read(facts, 1) == [2]
    assert await acknowledgements.is_acknowledged(
        context.reader, (await stored.list_all(context.reader, owner_id=None, limit=2))[0], 1
    )
    assert (await status(context)).owner == context.caller.actor
