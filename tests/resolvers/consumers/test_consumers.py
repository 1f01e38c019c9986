"""Promise 6 of the log: a consumer resumes after its last acknowledged event. test_leases.py tests its leases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from resolvers import consumer_lag, events
from resolvers.consumers import consumers
from storage.errors import (
    ConsumerBusy,
    CursorExpired,
    IdempotencyMismatch,
    Invalid,
    InvalidCursor,
    NotFound,
    Unavailable,
)
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType
from tests.resolvers.processes import TwoContexts, read, record_facts, status, two_processes
from tests.storage.support import outbox_is_empty


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-consumers") as contexts:
        yield contexts


# ---------------------------------------------------------------- positions


async def test_first_subscription_starts_at_after_and_later_ones_at_the_acknowledged_event(
    contexts: TwoContexts,
) -> None:
    context, elsewhere = contexts
    happened = await record_facts(context, 5)
    after = event_cursor(happened[0])

    async with aclosing(await events.subscribe(context, consumer="c", after=after)) as facts:
        assert await read(facts, 4) == happened[1:]
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(happened[2]))

    async with aclosing(await events.subscribe(elsewhere, consumer="c")) as facts:
        assert await read(facts, 2) == happened[3:]


async def test_new_consumer_without_after_starts_now(contexts: TwoContexts) -> None:
    context, _ = contexts
    await record_facts(context, 2)

    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        assert await read(facts, 0) == []
        assert await read(facts, len(await record_facts(context, 1))) == [await context.storage.log.head()]


async def test_events_that_were_not_acknowledged_are_sent_again(contexts: TwoContexts) -> None:
    context, _ = contexts
    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        happened = await record_facts(context, 3)
        assert await read(facts, 3) == happened

    async with aclosing(await events.subscribe(context, consumer="c")) as facts:
        assert await read(facts, 3) == happened


async def test_consumer_that_exists_refuses_after(contexts: TwoContexts) -> None:
    context, _ = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        pass

    with pytest.raises(Invalid) as refusal:
        await events.subscribe(context, consumer="c", after=event_cursor(0))

    assert refusal.value.data["key"] == "after"
    assert not (await status(context)).connected


async def test_first_after_of_a_consumer_may_be_repeated(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    happened = await record_facts(context, 3)
    after = event_cursor(happened[0])
    async with aclosing(await events.subscribe(context, consumer="c", after=after)):
        await consumers.ack_events(context, consumer="c", cursor=event_cursor(happened[1]))

    async with aclosing(await events.subscribe(elsewhere, consumer="c", after=after)) as facts:
        assert await read(facts, 1) == happened[2:]
    with pytest.raises(Invalid):
        await events.subscribe(context, consumer="c", after=event_cursor(happened[1]))


async def test_acknowledgement_never_moves_back(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        happened = await record_facts(context, 30)

        await asyncio.gather(
            *(
                consumers.ack_events((context, elsewhere)[one % 2], consumer="c", cursor=event_cursor(one))
                for one in reversed(happened)
            )
        )

    assert (await status(context)).acked_cursor == event_cursor(happened[-1])


async def test_an_acknowledgement_that_is_answered_as_without_effect_has_none(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = contexts

    async def fail(*_: object) -> None:
        raise Unavailable("The database does not answer; try again.", retryable=True)

    async with aclosing(await events.subscribe(context, consumer="c")):
        before, happened = (await status(context)).acked_cursor, await record_facts(context, 1)
        with monkeypatch.context() as patched:
            patched.setattr(consumers, "_statuses", fail)
            with pytest.raises(Unavailable):
                await consumers.ack_events(context, consumer="c", cursor=event_cursor(happened[0]))

        assert (await status(context)).acked_cursor == before


async def test_of_two_acknowledgements_with_one_mutation_id_only_the_first_moves_the_position(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, elsewhere = contexts
    find_statuses, first = consumers._statuses, True

    async def acknowledge_elsewhere(*arguments: Any) -> list[consumers.ConsumerStatus]:
        nonlocal first
        if first:
            first = False
            await consumers.ack_events(elsewhere.mutation("once"), consumer="c", cursor=event_cursor(happened[0]))
        return await find_statuses(*arguments)

    async with aclosing(await events.subscribe(context, consumer="c")):
        happened = await record_facts(context, 2)
        monkeypatch.setattr(consumers, "_statuses", acknowledge_elsewhere)
        with pytest.raises(IdempotencyMismatch):
            await consumers.ack_events(context.mutation("once"), consumer="c", cursor=event_cursor(happened[1]))

        assert (await status(context)).acked_cursor == event_cursor(happened[0])


async def test_cursor_beyond_the_log_cannot_be_acknowledged(contexts: TwoContexts) -> None:
    context, _ = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        before = (await status(context)).acked_cursor

        with pytest.raises(InvalidCursor):
            await consumers.ack_events(context, consumer="c", cursor=event_cursor(await context.storage.log.head() + 1))

        assert (await status(context)).acked_cursor == before


async def test_consumer_of_another_app_is_another_consumer(contexts: TwoContexts) -> None:
    context, _ = contexts
    other = replace(context, caller=replace(context.caller, actor=Actor(type=ActorType.APP, id="other", name="Other")))
    async with aclosing(await events.subscribe(context, consumer="c")):
        async with aclosing(await events.subscribe(other, consumer="c")):
            pass

        with pytest.raises(NotFound):
            await consumers.ack_events(
                replace(context, caller=replace(other.caller, actor=Actor(type=ActorType.APP, id="third"))),
                consumer="c",
                cursor=event_cursor(0),
            )


async def test_status_shows_lag_and_whether_a_connection_reads(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        happened = await record_facts(context, 3)
        await consumers.ack_events(context, consumer="c", cursor=event_cursor(happened[0]))

        read_for = await status(elsewhere)

    left = await status(elsewhere)
    assert (read_for.name, read_for.acked_cursor) == ("c", event_cursor(happened[0]))
    assert (await consumer_lag.count(context, read_for)).total == 2
    assert (read_for.connected, left.connected) == (True, False)
    assert read_for.last_seen_at is not None
    assert left.last_seen_at is not None
    assert context.storage.log.now() - timedelta(minutes=1) < read_for.last_seen_at <= left.last_seen_at


# ---------------------------------------------------------------- expired consumers


async def test_consumer_behind_the_trimmed_log_is_refused_and_can_be_created_again(contexts: TwoContexts) -> None:
    context, _ = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        happened = await record_facts(context, 5)
    assert await outbox_is_empty(context.storage)
    await context.storage.log.trim(context.storage.log.now() + timedelta(seconds=1))

    with pytest.raises(CursorExpired) as refusal:
        await events.subscribe(context, consumer="c")

    assert 'Events that the consumer "c" has not acknowledged' in refusal.value.message
    assert "Call removeConsumer, subscribe with the consumer and `after: oldestCursor`" in refusal.value.message
    oldest = refusal.value.data["oldestCursor"]
    assert oldest == event_cursor(happened[-1] - 1)
    assert not (await status(context)).connected
    await consumers.remove_consumer(context, consumer="c")
    async with aclosing(await events.subscribe(context, consumer="c", after=event_cursor(happened[-1] - 1))) as facts:
        assert await read(facts, 1) == happened[-1:]


async def test_consumer_that_is_read_cannot_be_removed(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        with pytest.raises(ConsumerBusy):
            await consumers.remove_consumer(elsewhere, consumer="c")

        assert (await status(context)).connected


async def test_repeated_removal_returns_the_first_result(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    async with aclosing(await events.subscribe(context, consumer="c")):
        pass
    first = await consumers.remove_consumer(context.mutation("m"), consumer="c")

    assert await consumers.remove_consumer(elsewhere.mutation("m"), consumer="c") == first == "c"
    with pytest.raises(NotFound):
        await consumers.remove_consumer(elsewhere, consumer="c")
