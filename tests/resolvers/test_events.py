"""Promises 4 and 5 of the log in the resolvers: pages and subscriptions from any position."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from resolvers import events, visitors
from resolvers.context import Context
from storage import roles
from storage import visitors as stored_visitors
from storage.errors import CursorExpired, InvalidCursor
from storage.facts import AnyFact, VisitorSaved
from storage.filters.expressions import EVERYTHING
from storage.mongo.connection import new_id
from storage.mongo.cursors import event_cursor, event_sequence
from storage.mongo.pagination import PageRequest
from storage.records import Role, Visitor
from storage.transactions.transaction import Transaction
from tests.resolvers.processes import TwoContexts, record_facts, two_processes
from tests.storage.support import outbox_is_empty


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-events") as contexts:
        yield contexts


async def read(facts: AsyncGenerator[AnyFact, None], count: int) -> list[int]:
    async with asyncio.timeout(30):
        return [(await anext(facts)).sequence for _ in range(count)]


async def test_subscription_after_a_cursor_gets_history_and_then_new_facts(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    past = await record_facts(here, 5)

    async with aclosing(await events.subscribe(elsewhere, after=event_cursor(past[1]))) as facts:
        assert await read(facts, 3) == past[2:]
        future = await record_facts(here, 5)
        assert await read(facts, 5) == future


async def test_subscription_without_after_starts_with_the_next_event(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    await record_facts(here, 3)

    async with aclosing(await events.subscribe(elsewhere)) as facts:
        assert await read(facts, len(future := await record_facts(here, 2))) == future


async def test_subscription_skips_facts_that_do_not_match(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    async with aclosing(await events.subscribe(here, types=("ROOM_STARTED", "VISITOR_SAVED"))) as facts:
        head = await here.storage.log.head()
        await elsewhere.storage.transactions.run(_role)
        await record_facts(elsewhere, 1)

        assert await read(facts, 1) == [head + 2]


async def _role(tx: Transaction) -> None:
    await roles.insert(tx, Role(id=new_id(tx.now), name=f"role {new_id(tx.now)}", description=None, built_in=False))


@pytest.mark.parametrize("text", ["", "nonsense", event_cursor(10**12)])
async def test_cursor_of_nothing_is_refused(contexts: TwoContexts, text: str) -> None:
    here, _ = contexts

    with pytest.raises(InvalidCursor):
        await events.subscribe(here, after=text)
    with pytest.raises(InvalidCursor):
        await events.list_events(here, after=text)


async def test_cursor_beyond_the_feed_of_this_process_is_valid(contexts: TwoContexts) -> None:
    """The cursor may come from a process whose feed is ahead. After a failover, even the database may be behind."""
    here, elsewhere = contexts
    here.storage.feed.publish = lambda *_: None  # type: ignore[method-assign]
    (sequence,) = await record_facts(elsewhere, 1)
    here.storage.feed.head = 0
    here.storage.log.head = _behind  # type: ignore[method-assign]

    async with aclosing(await events.subscribe(here, after=event_cursor(sequence))):
        pass


async def _behind() -> int:
    return 0


# ---------------------------------------------------------------- trimming


async def test_cursor_that_is_no_longer_kept_is_refused_everywhere(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    happened = await record_facts(here, 5)
    assert await outbox_is_empty(here.storage)
    await here.storage.log.trim(here.storage.log.now() + timedelta(seconds=1))
    oldest = {"oldestCursor": event_cursor(happened[-1] - 1)}

    with pytest.raises(CursorExpired) as subscription:
        await events.subscribe(elsewhere, after=event_cursor(happened[0]))
    with pytest.raises(CursorExpired) as page:
        await events.list_events(elsewhere, after=event_cursor(happened[0]))

    assert subscription.value.data == page.value.data == oldest
    async with aclosing(await events.subscribe(elsewhere, after=oldest["oldestCursor"])) as facts:
        assert await read(facts, 1) == happened[-1:]


async def test_page_read_during_the_trimming_is_refused(contexts: TwoContexts) -> None:
    here, _ = contexts
    happened = await record_facts(here, 5)
    assert await outbox_is_empty(here.storage)
    read_log = here.storage.log.read_within

    async def trimmed_meanwhile(*args: object, **kwargs: object) -> tuple[list[AnyFact], bool]:
        await here.storage.log.trim(here.storage.log.now() + timedelta(seconds=1))
        return await read_log(*args, **kwargs)  # type: ignore[arg-type]

    here.storage.log.read_within = trimmed_meanwhile  # type: ignore[method-assign]

    with pytest.raises(CursorExpired):
        await events.list_events(here, after=event_cursor(happened[0]))


# ---------------------------------------------------------------- state and later facts


async def test_state_read_after_a_cursor_and_later_facts_miss_nothing(contexts: TwoContexts) -> None:
    """While two processes write, a state that was read and the later facts give the final state."""
    here, elsewhere = contexts
    writing = asyncio.gather(*(_write(contexts[number % 2], number) for number in range(6)))
    mirrors = []
    while not writing.done():
        cursor = await events.head_cursor(elsewhere)
        mirrors.append((cursor, await _all(elsewhere)))
    await writing

    final = await _all(here)
    head = await here.storage.log.head()
    assert len(mirrors) > 5
    for cursor, state in mirrors:
        async with aclosing(await events.subscribe(here, after=cursor)) as facts:
            for _ in range(head - event_sequence(cursor)):
                fact = await anext(facts)
                assert isinstance(fact, VisitorSaved)
                previous = state.get(fact.visitor.id)
                if previous is None or previous.version < fact.visitor.version:
                    state[fact.visitor.id] = fact.visitor
        assert state == final


async def _write(context: Context, number: int) -> None:
    for name in range(15):
        await visitors.save_visitor(context, token=f"v{number % 4}", name=f"{number} {name}")


async def _all(context: Context) -> dict[str, Visitor]:
    page = await stored_visitors.read_page(context.reader, EVERYTHING, page=PageRequest(200))
    return {visitor.id: visitor for visitor in page.items}
