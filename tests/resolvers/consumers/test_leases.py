"""Guarantee 6 of the log: one connection at a time has the lease of a consumer, also if a process dies or stalls."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime

import pytest

from resolvers import events
from resolvers.consumers import consumers
from resolvers.context import Context
from storage import consumers as stored
from storage.consumer_records import Consumer
from storage.errors import ConsumerBusy, Unavailable
from storage.facts import AnyFact
from storage.mongo.cursors import event_cursor
from storage.timings import Timings
from tests.resolvers.processes import TwoContexts, read, record_facts, status, two_processes
from tests.storage.support import until


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-leases") as contexts:
        yield contexts


# ---------------------------------------------------------------- one connection at a time


def with_timings(contexts: TwoContexts, timings: Timings) -> TwoContexts:
    for context in contexts:
        context.storage.database.timings = timings
    return contexts


async def leased_until(context: Context) -> datetime:
    document = await context.storage.database["consumers"].find_one({"_id.name": "c"})
    assert document is not None
    until: datetime = document["leasedUntil"]
    return until


async def test_second_connection_is_refused_until_the_first_ends(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        for second in contexts:
            with pytest.raises(ConsumerBusy):
                await events.subscribe(second, consumer="c")

    async with aclosing(await events.subscribe(elsewhere, consumer="c")):
        assert (await status(context)).connected


async def test_one_of_many_concurrent_connections_gets_the_lease(contexts: TwoContexts) -> None:
    calls = [events.subscribe(contexts[number % 2], consumer="c") for number in range(10)]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    reading = [one for one in answers if not isinstance(one, BaseException)]
    assert len(reading) == 1
    assert [type(one) for one in answers if isinstance(one, BaseException)] == [ConsumerBusy] * 9
    await reading[0].aclose()


async def test_connection_renews_its_lease(contexts: TwoContexts) -> None:
    context, elsewhere = with_timings(contexts, Timings(consumer_lease=3))
    async with aclosing(await events.subscribe(context, consumer="c")):
        first = await leased_until(context)

        async def is_renewed() -> bool:
            return await leased_until(context) > first

        await until(is_renewed)

        with pytest.raises(ConsumerBusy):
            await events.subscribe(elsewhere, consumer="c")


async def test_connection_of_a_stalled_process_loses_its_lease_with_an_error(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, elsewhere = with_timings(contexts, Timings(consumer_lease=0.5))
    renew, still = stored.renew_lease, asyncio.Event()

    async def renew_later(*args: object, **kwargs: object) -> bool:
        await still.wait()
        return await renew(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "renew_lease", renew_later)
    async with aclosing(await events.subscribe(context, consumer="c")) as dead:
        waiting = asyncio.create_task(read(dead, 1))
        taken: list[AsyncGenerator[AnyFact, None]] = []

        async def take_over() -> bool:
            try:
                taken.append(await events.subscribe(elsewhere, consumer="c"))
            except ConsumerBusy:
                return False
            return True

        await until(take_over)
        monkeypatch.setattr(stored, "renew_lease", renew)
        still.set()

        # The error comes without a new fact.
        with pytest.raises(ConsumerBusy):
            await waiting
        assert await read(taken[0], len(await record_facts(context, 1))) == [await context.storage.log.head()]
        await taken[0].aclose()


async def test_connection_with_an_unconfirmed_lease_delivers_nothing(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, elsewhere = with_timings(contexts, Timings(consumer_lease=0.2, consumer_lease_retry=0.01))
    renew, asked = stored.renew_lease, asyncio.Event()

    async def away(*args: object, **kwargs: object) -> bool:
        asked.set()
        raise Unavailable("The database does not answer.", retryable=True)

    monkeypatch.setattr(stored, "renew_lease", away)
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        await asyncio.sleep(0.25)
        await asked.wait()
        happened = await record_facts(elsewhere, 1)
        waiting = asyncio.create_task(read(facts, 1))
        await context.storage.feed.wait(happened[0] - 1)
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done

        monkeypatch.setattr(stored, "renew_lease", renew)

        assert await waiting == happened


async def test_leases_of_a_process_considered_dead_last_until_they_expire(mongodb_uri: str) -> None:
    """The process may only be slow. It then uses its leases until they expire."""
    no_heartbeats = Timings(heartbeat=3_600, heartbeat_poll=3_600)
    async with (
        two_processes(mongodb_uri, "test-leases", no_heartbeats) as (context, elsewhere),
        aclosing(await events.subscribe(context, consumer="c")),
    ):
        process = {"_id": context.storage.process.id}
        processes = elsewhere.storage.database["processes"]

        async def is_reaped() -> bool:
            await elsewhere.storage.process.reap_dead_processes()
            return await processes.find_one(process) is None

        await until(is_reaped)

        with pytest.raises(ConsumerBusy):
            await events.subscribe(elsewhere, consumer="c")
        assert (await status(context)).connected


# ---------------------------------------------------------------- reads that a new primary answers too early


async def test_a_connection_starts_at_the_position_that_its_lease_was_written_with(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, elsewhere = contexts
    await (await events.subscribe(context, consumer="c", after=event_cursor(0))).aclose()
    older, happened = await stored.find(context.reader, context.caller.id, "c"), await record_facts(context, 3)
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(happened[1]))

    async def outdated(*_: object) -> Consumer | None:
        return older

    monkeypatch.setattr(stored, "find", outdated)

    async with aclosing(await events.subscribe(elsewhere, consumer="c")) as facts:
        assert await read(facts, 1) == happened[2:]


@pytest.mark.parametrize("consumer", [None, "c"])
async def test_a_subscription_starts_after_the_newest_fact_that_its_process_has_seen(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch, consumer: str | None
) -> None:
    context, _ = contexts
    happened = await record_facts(context, 3)
    await context.storage.feed.wait(happened[-1] - 1)

    async def outdated() -> int:
        return happened[0]

    monkeypatch.setattr(context.storage.log, "shared_head", outdated)

    async with aclosing(await events.subscribe(context, consumer=consumer)) as facts:
        (following,) = await record_facts(context, 1)
        assert await read(facts, 1) == [following]


# ---------------------------------------------------------------- releases


async def test_subscription_that_was_never_read_releases_its_lease(contexts: TwoContexts) -> None:
    context, elsewhere = contexts

    await (await events.subscribe(context, consumer="c")).aclose()

    async with aclosing(await events.subscribe(elsewhere, consumer="c")):
        pass


async def leased_to(context: Context) -> str | None:
    consumer = await stored.find(context.reader, context.caller.id, "c")
    assert consumer is not None
    return consumer.connection_id


async def test_subscription_cancelled_during_the_acquisition_releases_the_lease(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, elsewhere = contexts
    take, asked, go_on = stored.acquire_lease, asyncio.Event(), asyncio.Event()

    async def acquire_when_allowed(*args: object, **kwargs: object) -> Consumer | None:
        asked.set()
        await go_on.wait()
        return await take(*args, **kwargs)  # type: ignore[arg-type]

    async def take_slowly(*args: object, **kwargs: object) -> Consumer | None:
        return await asyncio.shield(asyncio.create_task(acquire_when_allowed(*args, **kwargs)))

    monkeypatch.setattr(stored, "acquire_lease", take_slowly)
    subscribing = asyncio.create_task(events.subscribe(context, consumer="c"))
    await asked.wait()
    subscribing.cancel()
    go_on.set()
    await asyncio.gather(subscribing, return_exceptions=True)
    monkeypatch.setattr(stored, "acquire_lease", take)

    assert subscribing.cancelled()
    async with aclosing(await events.subscribe(elsewhere, consumer="c")):
        pass


async def test_subscription_cancelled_at_any_point_releases_the_lease(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    await (await events.subscribe(context, consumer="c")).aclose()

    for steps in range(40):
        subscribing = asyncio.create_task(events.subscribe(context, consumer="c"))
        for _ in range(5 * steps):
            await asyncio.sleep(0)
        subscribing.cancel()
        (answer,) = await asyncio.gather(subscribing, return_exceptions=True)
        if not isinstance(answer, BaseException):
            await answer.aclose()

    assert await leased_to(elsewhere) is None


async def test_next_connection_in_this_process_waits_for_a_running_release(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = contexts
    release, asked, go_on = stored.release_lease, asyncio.Event(), asyncio.Event()

    async def release_slowly(*args: object, **kwargs: object) -> bool:
        asked.set()
        await go_on.wait()
        return await release(*args, **kwargs)  # type: ignore[arg-type]

    first = await events.subscribe(context, consumer="c")
    monkeypatch.setattr(stored, "release_lease", release_slowly)
    ending = asyncio.ensure_future(first.aclose())
    await asked.wait()

    following = asyncio.create_task(events.subscribe(context, consumer="c"))
    await context.storage.log.head()  # while another subscription is refused
    await context.storage.log.head()
    assert not following.done()
    monkeypatch.setattr(stored, "release_lease", release)
    go_on.set()

    async with aclosing(await following):
        assert (await status(context)).connected
    await ending
