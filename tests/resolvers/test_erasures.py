"""Erasing a visitor: nothing of the person is left in any collection, and in the memory of no process."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from resolvers import agents, app_data, erasures, events, messages, rooms, visitors
from resolvers.auth import access
from resolvers.erasures import Eraser, ErasureWorker, erase_now, erase_visitor
from resolvers.live.counts import subscribe_room_counts
from resolvers.live.lists import subscribe_room_list
from resolvers.live.window import ListChange
from resolvers.visitor_sessions import create_visitor_session
from schema.events.deliveries import FactSource, drop_redacted
from schema.execution.cohorts import Cohorts, Delivery
from storage import erasures as stored_erasures
from storage import rooms as stored_rooms
from storage.app_data import DataOwner
from storage.errors import IdempotencyMismatch, Invalid, NotFound, RateLimited
from storage.facts import AnyFact, MessageSent, RoomClosed, RoomFact, RoomUpdated, VisitorSaved
from storage.filters.expressions import AttributeCondition, Operator
from storage.log.feed import Feed
from storage.log.log import Log
from storage.records import AgentStatus, RoomStatus
from storage.transactions.runner import TransactionRunner
from tests.resolvers.known_visitors import Known, found_in, known_visitor
from tests.resolvers.world import World
from tests.storage.support import KilledAppender, until


async def erase(world: World, known: Known) -> stored_erasures.Erasure:
    await erase_visitor(world.context, visitor_id=known.visitor.id)
    return await erase_now(world.services, known.visitor.id)


async def facts_about(world: World, known: Known) -> list[AnyFact]:
    return [
        fact
        for fact in await world.facts()
        if (isinstance(fact, RoomFact) and fact.room.visitor.id == known.visitor.id)
        or (isinstance(fact, VisitorSaved) and fact.visitor.id == known.visitor.id)
    ]


async def test_no_collection_has_anything_of_the_person_and_the_log_has_no_gap(world: World) -> None:
    known = await known_visitor(world)
    await world.services.storage.appender.cleanup.wait()
    everywhere = ["app_data", "assignments", "idempotency", "log", "messages", "rooms", "timers", "visitors"]
    assert await found_in(world, known.text) == everywhere
    before = await facts_about(world, known)

    erasure = await erase(world, known)

    assert await found_in(world, known.text) == []
    after = await facts_about(world, known)
    assert [(one.sequence, one.id, type(one), one.occurred_at) for one in after[: len(before)]] == [
        (one.sequence, one.id, type(one), one.occurred_at) for one in before
    ]
    sequences = [fact.sequence for fact in await world.facts()]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert (erasure.rooms, erasure.messages) == (2, 2)
    assert erasure.facts >= len(before)
    assert erasure.done_at is not None


async def test_the_visitor_its_room_and_its_agent_are_as_after_an_ordinary_end(world: World) -> None:
    known = await known_visitor(world)
    assert known.room.served_by_id == known.agent.id

    await erase(world, known)

    erased = await visitors.find_visitor(world.context, id=known.visitor.id)
    assert erased is not None
    assert erased.erased_at is not None
    assert (erased.id, erased.name, erased.email, erased.phone, erased.custom_fields, erased.created_at) == (
        *(known.visitor.id, None, None, None, {}),
        known.visitor.created_at,
    )
    room = await world.room(known.room)
    assert (room.status, room.subject, room.tags, room.custom_fields) == (RoomStatus.CLOSED, None, (), {})
    assert (await world.profile(known.agent)).open_room_count == 0
    types = [type(fact) for fact in (await world.facts_of(known.room))][-3:]
    assert types[0] is RoomUpdated
    assert types[-1] is RoomClosed
    (saved,) = [one for one in await facts_about(world, known) if isinstance(one, VisitorSaved)][-1:]
    assert [(change.field, change.before) for change in saved.changes] == [
        (name, None) for name in ("name", "email", "phone", "customFields.customer")
    ]


async def test_access_ends_and_the_token_makes_another_visitor(world: World) -> None:
    known = await known_visitor(world)

    erased = await erase_visitor(world.context, visitor_id=known.visitor.id)

    assert (await access.authenticate(world.services.storage, known.session)).actor is None
    again = await visitors.save_visitor(world.context, token=known.text)
    assert again.id != known.visitor.id
    assert again.erased_at is None
    with pytest.raises(Invalid):
        await visitors.save_visitor(world.context, token=erased.token)
    with pytest.raises(NotFound):
        await rooms.start_room(world.context, visitor_token=erased.token)
    with pytest.raises(NotFound):
        await create_visitor_session(world.context, visitor_token=erased.token)
    await erase_now(world.services, known.visitor.id)
    for owner, owner_id in ((DataOwner.ROOM, known.room.id), (DataOwner.VISITOR, known.visitor.id)):
        with pytest.raises(NotFound):
            await app_data.set_app_data(world.context, owner=owner, owner_id=owner_id, key="k", value=1)


async def test_a_repeated_mutation_whose_answer_was_erased_is_refused_and_changes_nothing(world: World) -> None:
    text = f"s3cret{uuid.uuid4().hex}"
    context = world.context.mutation("once")
    visitor = await visitors.save_visitor(context, token=text, name=text)
    await erase_visitor(world.context, visitor_id=visitor.id)
    await erase_now(world.services, visitor.id)
    head = await world.head()

    with pytest.raises(Invalid) as refusal:
        await visitors.save_visitor(context, token=text, name=text)

    assert refusal.value.data == {"key": "clientMutationId"}
    assert await world.head() == head
    assert await visitors.find_visitor(world.context, token=text) is None


async def test_the_same_erasing_repeated_with_its_id_returns_the_first_answer(world: World) -> None:
    known = await known_visitor(world)
    other = await visitors.save_visitor(world.context, token=f"other-{uuid.uuid4().hex}")
    context = world.context.mutation("erase-once")
    first = await erase_visitor(context, visitor_id=known.visitor.id)
    await erase_now(world.services, known.visitor.id)
    head = await world.head()

    repeated = await erase_visitor(context, visitor_id=known.visitor.id)
    with pytest.raises(IdempotencyMismatch):
        await erase_visitor(context, visitor_id=other.id)

    assert repeated == first
    assert first.erased_at is not None
    assert await world.head() == head
    assert await visitors.find_visitor(world.context, id=other.id) == other


async def test_erasing_again_changes_nothing(world: World) -> None:
    known = await known_visitor(world)
    first = await erase(world, known)
    head = await world.head()

    assert await erase(world, known) == first
    assert await world.head() == head


async def test_other_visitors_keep_everything(world: World) -> None:
    known = await known_visitor(world)
    other = await visitors.save_visitor(world.context, token="other", name="Otto")
    room = await rooms.start_room(world.context, visitor_token="other", subject="Subject", tags=["tag"])
    message = await messages.send_message(world.context.mutation("x"), room_id=room.id, text="Hello")
    facts = await world.facts_of(room)

    await erase(world, known)

    assert await visitors.find_visitor(world.context, id=other.id) == other
    assert (await world.room(room)).subject == "Subject"
    assert await world.facts_of(room) == facts
    assert await messages.send_message(world.context.mutation("x"), room_id=room.id, text="Hello") == message


# ---------------------------------------------------------------- in memory


async def read_memory(world: World, after: int) -> Sequence[AnyFact]:
    feed, head = world.services.storage.feed, await world.head()
    if head > after:
        await feed.wait(head - 1)
    return await feed.read(after, 1_000)


async def test_the_memory_of_every_process_loses_the_person_before_the_log_does(world: World, other: World) -> None:
    after = await world.head()
    known = await known_visitor(world)
    for one in (world, other):
        assert known.text in str(await read_memory(one, after))

    await erase_visitor(world.context, visitor_id=known.visitor.id)

    for one in (world, other):
        assert known.text not in str(await read_memory(one, after))
        assert known.text not in str(await one.services.storage.log.read(after, 1_000))


async def test_a_subscriber_that_resumes_sees_the_erased_form(world: World) -> None:
    after = events.cursor_of(await world.head())
    known = await known_visitor(world)
    await erase(world, known)

    facts = await events.subscribe(world.context, types=["MESSAGE_SENT"], after=after)
    async with aclosing(facts):
        fact = await anext(facts)

    assert isinstance(fact, MessageSent)
    assert (fact.message.text, fact.message.sender.name, fact.room.visitor.name) == ("", None, None)
    assert fact.message.redacted_at is not None


async def test_a_process_that_starts_before_the_log_is_erased_reads_no_content(world: World) -> None:
    after = await world.head()
    known = await known_visitor(world)
    await erase_visitor(world.context, visitor_id=known.visitor.id)
    storage = world.services.storage
    log = Log(storage.database)
    log.redactions.add({}, await stored_erasures.unfinished_visitors(storage.reader))
    feed = Feed(log)
    await feed.open()

    assert known.text not in str(await feed.read(after, 1_000))


async def test_cached_results_of_subscriptions_are_dropped(world: World) -> None:
    cohorts, visitor = Cohorts(), await world.visitor()
    source = FactSource((await world.facts())[-1])
    with cohorts.join("key") as cohort, cohorts.join("key"):
        cohort.put(source.key, Delivery(source, {"name": "v"}, None))
        await erase_visitor(world.context, visitor_id=visitor.id)

        drop_redacted(cohorts, await world.facts())

        assert (cohort.get(source.key), cohorts.cached_bytes) == (None, 0)


async def test_no_process_keeps_what_it_decoded_of_the_person(world: World, other: World) -> None:
    known = await known_visitor(world)
    for one in (world, other):
        assert await visitors.find_visitor(one.context, token=known.text) is not None
        cache = one.services.storage.database.entity_cache
        assert any(known.text.encode() in stored for _, stored in cache._entities)

    await erase(world, known)

    for one in (world, other):
        await read_memory(one, 0)
        cache = one.services.storage.database.entity_cache
        assert not any(known.text.encode() in stored for _, stored in cache._entities)


async def test_live_lists_and_counts_follow_an_erasing(world: World) -> None:
    visitor = await world.visitor()
    room = await world.start(tags=["vip"])
    kept = await rooms.start_room(
        world.context, visitor_token=(await world.visitor("other")).token, tags=["vip"], subject="kept"
    )
    where = AttributeCondition("tag", Operator.EQ, "vip")
    updates = await subscribe_room_list(world.context, where=where, first=10)
    counts = await subscribe_room_counts(world.context, where=where, by=["STATUS"])
    async with aclosing(updates), aclosing(counts):
        present = [await anext(updates) for _ in range(3)]
        assert [one.room_id for one in present] == [room.id, kept.id, None]
        assert [group.count for group in (await anext(counts)).groups] == [2]

        await erase_visitor(world.context, visitor_id=visitor.id)
        await erase_now(world.services, visitor.id)

        update = await anext(updates)
        assert (update.change, update.room_id) == (ListChange.LEFT, room.id)
        assert [group.count for group in (await anext(counts)).groups] == [1]


# ---------------------------------------------------------------- processes that end, and late writers

STEPS = (
    "list_ids_of_visitor",
    "erase_room_content",
    "has_waiting_facts",
    "erase_facts_of_room",
    "record_room",
    "erase_visitor_content",
    "erase_facts_of_visitor",
    "record_done",
)


@pytest.mark.parametrize("step", STEPS)
async def test_another_process_continues_after_a_process_ended_at_any_step(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    known = await known_visitor(world)
    await erase_visitor(world.context, visitor_id=known.visitor.id)
    module = stored_rooms if step == "list_ids_of_visitor" else stored_erasures
    whole: Callable[..., Awaitable[Any]] = getattr(module, step)

    async def ending(*args: Any, **kwargs: Any) -> Any:
        await whole(*args, **kwargs)
        raise ConnectionError

    reader = world.context.reader
    erasure = (await stored_erasures.get_many(reader, [known.visitor.id]))[known.visitor.id]
    with monkeypatch.context() as patch:
        patch.setattr(module, step, ending)
        with pytest.raises(ConnectionError):
            await Eraser(world.services).erase(erasure)

    done = await erase_now(other.services, known.visitor.id)

    assert done.done_at is not None
    assert await found_in(world, known.text) == []


async def test_facts_of_a_dead_process_lose_the_person_on_their_way_to_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await known_visitor(world)
    storage = world.services.storage
    with monkeypatch.context() as patch:
        appender = KilledAppender(storage.database, storage.feed.publish)
        killed = TransactionRunner(storage.database, storage.definition_cache, appender, storage.process)
        patch.setattr(storage, "transactions", killed)
        await messages.send_message(world.context, room_id=known.room.id, text=known.text)

    erasure = await erase(world, known)

    assert erasure.messages == 3
    assert await found_in(world, known.text) == []


async def test_what_a_slow_transaction_wrote_meanwhile_is_erased_the_second_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await known_visitor(world)
    await erase(world, known)
    database = world.services.storage.database
    # As a transaction writes it that read the visitor before it was erased.
    stored = await database["rooms"].find_one({"_id": known.room.id})
    assert stored is not None
    late = {**stored, "_id": "late", "version": 1}
    await database["rooms"].insert_one({**late, "subject": known.text, "erasedAt": None, "factCount": 0})
    monkeypatch.setattr(erasures, "CONFIRM_AFTER", erasures.CONFIRM_AFTER * 0)

    async def confirmed() -> bool:
        await ErasureWorker(world.services).run()
        found = await stored_erasures.get_many(world.context.reader, [known.visitor.id])
        return found[known.visitor.id].confirmed_at is not None

    await until(confirmed)
    assert await found_in(world, known.text) == []
    assert await stored_erasures.list_unfinished(world.context.reader) == []


async def test_the_number_of_unfinished_erasures_is_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "MAX_UNFINISHED", 0)
    visitor = await world.visitor()
    head = await world.head()

    with pytest.raises(RateLimited):
        await erase_visitor(world.context, visitor_id=visitor.id)

    assert await world.head() == head
    assert await visitors.find_visitor(world.context, id=visitor.id) == visitor


async def test_a_mutation_that_is_not_awaited_to_the_end_says_how_far_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await known_visitor(world)
    monkeypatch.setattr(erasures, "WAIT_SECONDS", 0.0)

    async def never(*args: Any, **kwargs: Any) -> list[str]:
        await asyncio.Event().wait()
        return []

    with monkeypatch.context() as patch:
        patch.setattr(stored_rooms, "list_ids_of_visitor", never)
        erasure = await erase(world, known)

    assert (erasure.done_at, erasure.rooms) == (None, 0)
    monkeypatch.undo()
    assert (await erase_now(world.services, known.visitor.id)).done_at is not None


async def test_an_erased_agent_room_is_offered_to_nobody(world: World) -> None:
    known = await known_visitor(world)
    await erase(world, known)

    await agents.set_agent_status(world.context, agent_id=known.agent.id, status=AgentStatus.AVAILABLE)
    await world.await_routing()

    assert (await world.room(known.room)).status is RoomStatus.CLOSED
