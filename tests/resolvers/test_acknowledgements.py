"""The acknowledgement of an event in the transaction of a mutation: both are committed, or neither is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest
from pymongo import WriteConcern
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from resolvers import consumer_lag, events, rooms, users, visitors
from resolvers.acknowledgements import get_consumer
from resolvers.consumers import consumers
from resolvers.context import Context, EventAck
from storage import acknowledgements, maintenance
from storage import visitors as stored_visitors
from storage.errors import AlreadyAcknowledged, IdempotencyMismatch, NotFound, SwitchboardError, UsernameTaken
from storage.mongo.cursors import event_cursor
from storage.mongo.reader import Reader
from storage.records import UserType, Visitor
from tests.resolvers.processes import TwoContexts, record_facts, status, two_processes
from tests.resolvers.world import APP
from tests.storage.support import outbox_is_empty

COPIES = 200


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-acknowledgements") as contexts:
        async with aclosing(await events.subscribe(contexts[0], consumer="c")):
            pass
        yield contexts


def acking(context: Context, sequence: int, mutation_id: str | None = None, *, consumer: str = "c") -> Context:
    """The context of a mutation that acknowledges this event."""
    return context.mutation(mutation_id, EventAck(consumer, event_cursor(sequence)))


async def acknowledged(context: Context) -> list[int]:
    """The events that are acknowledged by themselves."""
    found = await context.storage.database["acknowledgements"].find({}, sort=[("sequence", 1)]).to_list(None)
    return [document["sequence"] for document in found]


async def save(context: Context, name: str) -> str:
    """Save the visitor with the token "v". Returns its name, or the code of the refusal."""
    try:
        await visitors.save_visitor(context, token="v", name=name)
    except SwitchboardError as refusal:
        return refusal.code
    return name


# ---------------------------------------------------------------- both or neither


async def test_effect_and_acknowledgement_are_taken_together(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    (event,) = await record_facts(context, 1)

    user = await users.create_user(acking(context, event), username="ada", type=UserType.BOT)

    assert await acknowledged(elsewhere) == [event]
    assert user.username == "ada"


async def test_refused_mutation_acknowledges_nothing(contexts: TwoContexts) -> None:
    context, _ = contexts
    (event,) = await record_facts(context, 1)
    await users.create_user(context, username="ada", type=UserType.BOT)
    head = await context.storage.log.head()

    with pytest.raises(UsernameTaken):
        await users.create_user(acking(context, event), username="ada", type=UserType.BOT)

    assert await acknowledged(context) == []
    assert await context.storage.log.head() == head


async def test_mutation_that_changes_nothing_acknowledges_too(contexts: TwoContexts) -> None:
    context, _ = contexts
    (event,) = await record_facts(context, 1)
    visitor = await visitors.save_visitor(context, token="v", name="Ada")
    head = await context.storage.log.head()

    assert await visitors.save_visitor(acking(context, event), token="v", name="Ada") == visitor

    assert await acknowledged(context) == [event]
    assert await context.storage.log.head() == head


async def test_event_acknowledged_before_refuses_the_mutation(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    first, second, third = await record_facts(context, 3)
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(first))
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(third), only=True)
    assert await save(acking(context, second), "by a mutation") == "by a mutation"
    head = await context.storage.log.head()

    for event in (first, second, third):
        with pytest.raises(AlreadyAcknowledged):
            await visitors.save_visitor(acking(elsewhere, event), token="v", name="again")

    assert await context.storage.log.head() == head
    assert await acknowledged(context) == [second, third]


async def test_lag_counts_no_event_whose_acknowledgement_was_deleted_meanwhile(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    first, _, third = await record_facts(context, 3)
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(first), only=True)
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(third), only=True)
    before = await status(context)
    await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(first))
    await acknowledgements.delete_up_to(
        elsewhere.reader, await get_consumer(elsewhere.reader, str(APP.id), "c", key="consumer"), first
    )

    assert await consumer_lag.count(context, before) == consumer_lag.Lag(total=1, in_flight=0)
    assert await acknowledged(context) == [third]


async def test_acknowledging_one_event_twice_changes_nothing(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    first, second = await record_facts(context, 2)
    for _ in range(2):
        for here in contexts:
            await consumers.ack_events(here, consumer="c", cursor=event_cursor(second), only=True)

    assert await acknowledged(context) == [second]
    await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(second))
    await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(first), only=True)
    assert await acknowledged(context) == [second]
    assert (await status(context)).acked_cursor == event_cursor(second)


# ---------------------------------------------------------------- repeated mutations


async def test_replay_of_a_mutation_comes_before_its_ack(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    (event,) = await record_facts(context, 1)
    first = await visitors.save_visitor(acking(context, event, "m"), token="v", name="Ada")

    assert await visitors.save_visitor(acking(elsewhere, event, "m"), token="v", name="Ada") == first

    assert await acknowledged(context) == [event]


async def test_ack_is_one_of_the_arguments_that_a_repetition_must_have(contexts: TwoContexts) -> None:
    context, _ = contexts
    first, second = await record_facts(context, 2)
    await visitors.save_visitor(acking(context, first, "m"), token="v")

    for other in (acking(context, second, "m"), context.mutation("m"), acking(context, first, "m", consumer="d")):
        with pytest.raises(IdempotencyMismatch):
            await visitors.save_visitor(other, token="v")

    assert await acknowledged(context) == [first]


async def test_copies_with_the_same_id_all_get_the_first_answer(contexts: TwoContexts) -> None:
    await visitors.save_visitor(contexts[0], token="v")
    (event,) = await record_facts(contexts[0], 1)

    answers = await asyncio.gather(
        *(rooms.start_room(acking(contexts[number % 2], event, "m"), visitor_token="v") for number in range(12))
    )

    assert len({room.id for room in answers}) == 1
    assert await acknowledged(contexts[0]) == [event]


# ---------------------------------------------------------------- at once


async def test_one_of_many_concurrent_copies_takes_effect(contexts: TwoContexts) -> None:
    await visitors.save_visitor(contexts[0], token="v")
    (event,) = await record_facts(contexts[0], 1)

    async def handle(number: int) -> str:
        try:
            return (await rooms.start_room(acking(contexts[number % 2], event), visitor_token="v")).id
        except AlreadyAcknowledged as refusal:
            return refusal.code

    answers = Counter(await asyncio.gather(*map(handle, range(COPIES))))

    started = (await rooms.list_rooms(contexts[0])).items
    assert answers == {"ALREADY_ACKNOWLEDGED": COPIES - 1, started[0].id: 1}
    assert len(started) == 1


async def test_rooms_of_one_consumer_are_worked_on_side_by_side(contexts: TwoContexts) -> None:
    """Mutations that acknowledge different events do not conflict with each other."""
    context, _ = contexts
    happened = await record_facts(context, 20)
    written: list[int] = []
    insert = acknowledgements.insert

    def counted(tx: object, consumer: object, sequence: int) -> None:
        written.append(sequence)
        insert(tx, consumer, sequence)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acknowledgements, "insert", counted)
        await asyncio.gather(
            *(
                visitors.save_visitor(acking(contexts[event % 2], event), token=f"w{event}", name="worked on")
                for event in happened
            )
        )

    assert sorted(written) == happened
    assert await acknowledged(context) == happened


async def test_cursor_acknowledged_meanwhile_refuses_the_mutation(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ackEvents` after the mutation has checked its ack, and before its transaction begins."""
    context, elsewhere = contexts
    (event,) = await record_facts(context, 1)
    insert = acknowledgements.insert

    def late(tx: object, consumer: object, sequence: int) -> None:
        checked.set()
        insert(tx, consumer, sequence)  # type: ignore[arg-type]

    checked = asyncio.Event()
    monkeypatch.setattr(acknowledgements, "insert", late)
    head = await context.storage.log.head()
    find = stored_visitors.find_by_token

    async def find_after_the_cursor(reader: Reader, token: str) -> Visitor | None:
        await checked.wait()
        await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(event))
        return await find(reader, token)

    monkeypatch.setattr(stored_visitors, "find_by_token", find_after_the_cursor)

    assert await save(acking(context, event), "Ada") == "ALREADY_ACKNOWLEDGED"
    assert await context.storage.log.head() == head
    assert await acknowledged(context) == []


async def test_acknowledgement_inserted_and_deleted_since_a_snapshot_conflicts(contexts: TwoContexts) -> None:
    """The check in a transaction depends on it: the position may move over an acknowledgement at any time."""
    context, elsewhere = contexts
    (event,) = await record_facts(context, 1)
    database = context.storage.database
    consumer = await get_consumer(context.reader, context.caller.id, "c", key="consumer")
    key = acknowledgements._id(consumer, event)
    async with await database.client.start_session() as session:
        session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority"))
        assert await database["acknowledgements"].find_one({"_id": key}, session=session) is None
        await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(event), only=True)
        await consumers.ack_events(elsewhere, consumer="c", cursor=event_cursor(event))
        await acknowledgements.delete_up_to(elsewhere.reader, consumer, event)
        assert await acknowledged(context) == []

        with pytest.raises(OperationFailure) as refusal:
            await database["acknowledgements"].insert_one({"_id": key, "sequence": event}, session=session)

        assert refusal.value.has_error_label("TransientTransactionError")
        await session.abort_transaction()


# ---------------------------------------------------------------- removed consumers, deleted events


async def test_consumer_created_again_has_no_acknowledgements(contexts: TwoContexts) -> None:
    context, elsewhere = contexts
    (event,) = await record_facts(context, 1)
    assert await save(acking(context, event), "first") == "first"
    await consumers.remove_consumer(context, consumer="c")

    with pytest.raises(NotFound) as refusal:
        await visitors.save_visitor(acking(elsewhere, event), token="v")
    assert refusal.value.data["key"] == "ack.consumer"
    async with aclosing(await events.subscribe(elsewhere, consumer="c", after=event_cursor(event - 1))):
        assert await save(acking(context, event), "second") == "second"


async def test_acknowledgements_are_kept_for_a_day_after_the_log_deleted_the_event(
    contexts: TwoContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = contexts
    first, second = await record_facts(context, 2)
    assert await save(acking(context, first), "Ada") == "Ada"
    assert await outbox_is_empty(context.storage)
    reader, log = context.reader, context.storage.log

    await maintenance.trim_log(reader, log, keep=timedelta(seconds=-1))

    assert await log.oldest() > first
    assert await save(acking(context, first), "again") == "ALREADY_ACKNOWLEDGED"
    monkeypatch.setattr(acknowledgements, "RETENTION", timedelta(seconds=-1))
    await consumers.ack_events(context, consumer="c", cursor=event_cursor(await log.oldest()), only=True)
    await maintenance.trim_log(reader, log, keep=timedelta(days=1))
    assert await acknowledged(context) == [await log.oldest()]
    assert second <= await log.oldest()
