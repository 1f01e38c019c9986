"""The content of a redacted message is removed from all recorded data, in the database and in memory."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from pymongo import UpdateMany
from pymongo.read_concern import ReadConcern
from typing_extensions import override

from resolvers import events, messages
from resolvers.signals import send_signal
from schema.events.deliveries import FactSource, drop_redacted
from schema.execution.cohorts import Cohorts, Delivery
from storage import rooms
from storage.errors import Invalid
from storage.facts import AnyFact, MessageEdited, MessageFact, MessageRedacted, MessageSent
from storage.log import redactions
from storage.log.feed import Feed
from storage.log.log import Log
from storage.log.redactions import MAX_CACHED, Redactions
from storage.message_records import REDACTED, Attachment, Choice, Message
from storage.mongo.connection import COLLECTIONS, Collection
from storage.signals import SignalKind
from storage.transactions.runner import TransactionRunner
from storage.transactions.transaction import Transaction
from tests.resolvers.world import World
from tests.storage.support import KilledAppender, make_facts, until

SECRET = "s3cret"
CONTENT: dict[str, Any] = {
    "text": SECRET,
    "choices": [Choice(id=SECRET, label=SECRET)],
    "attachments": [Attachment(name=SECRET, mime_type="a/b", url=f"https://example.org/{SECRET}")],
    "data": {SECRET: SECRET},
}


async def send_secret(world: World, *, mutation_id: str | None = None) -> Message:
    room = await world.waiting()
    return await messages.send_message(world.context.mutation(mutation_id), room_id=room.id, **CONTENT)


async def redact(world: World, message: Message) -> Message:
    return await messages.redact_message(world.context, message_id=message.id)


def of_message(facts: Sequence[AnyFact], message: Message) -> list[MessageFact]:
    return [fact for fact in facts if isinstance(fact, MessageFact) and fact.message.id == message.id]


async def with_secret(world: World, message: Message) -> list[str]:
    """The collections with the secret in a document. Of the log, only documents about this message count."""
    database = world.services.storage.database
    found = []
    for name in COLLECTIONS:
        now = database[name].with_options(read_concern=ReadConcern("local"))
        query = {"fact.message.id": message.id} if name == "log" else {}
        if SECRET in str(await now.find(query).to_list(None)):
            found.append(name)
    return found


async def test_no_stored_document_has_the_content_and_sequences_stay(world: World) -> None:
    message = await send_secret(world, mutation_id="sent")
    edit: dict[str, Any] = {"message_id": message.id, "text": f"{SECRET} too"}
    await messages.edit_message(world.context.mutation("edited"), **edit)
    await world.services.storage.appender.cleanup.wait()
    before = of_message(await world.facts(), message)
    assert await with_secret(world, message) == ["idempotency", "log", "messages"]

    redacted = await redact(world, message)
    await world.services.storage.appender.cleanup.wait()

    assert await with_secret(world, message) == []
    after = of_message(await world.facts(), message)
    sent, edited, last = after
    assert isinstance(sent, MessageSent)
    assert isinstance(edited, MessageEdited)
    assert isinstance(last, MessageRedacted)
    assert edited.previous_text == ""
    assert [fact.message.redacted_at for fact in after] == [redacted.redacted_at] * 3
    assert [(one.id, one.sequence, one.occurred_at) for one in after[:2]] == [
        (one.id, one.sequence, one.occurred_at) for one in before
    ]
    assert (sent.message, edited.message.edited_at) == (
        message.without_content(last.occurred_at),
        before[1].message.edited_at,
    )


async def test_a_repeated_mutation_gets_its_first_answer_without_the_content(world: World) -> None:
    context = world.context.mutation("sent")
    room = await world.waiting()
    message = await messages.send_message(context, room_id=room.id, **CONTENT)
    edited = await messages.edit_message(world.context.mutation("edited"), message_id=message.id, text="Ho")
    redacted = await redact(world, message)
    head = await world.head()

    assert redacted.redacted_at is not None
    again = await messages.send_message(context, room_id=room.id, **CONTENT)
    assert again == message.without_content(redacted.redacted_at)
    again = await messages.edit_message(world.context.mutation("edited"), message_id=message.id, text="Ho")
    assert again == edited.without_content(redacted.redacted_at)
    assert await world.head() == head


async def test_an_edit_without_a_change_during_a_redaction_leaves_no_content(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await send_secret(world)
    get_snapshots, redacted = rooms.get_snapshots, False

    async def redacting_first(tx: Transaction, room_ids: Sequence[str]) -> Any:
        nonlocal redacted
        if not redacted:
            redacted = True
            await redact(other, message)
        return await get_snapshots(tx, room_ids)

    monkeypatch.setattr(rooms, "get_snapshots", redacting_first)
    with pytest.raises(Invalid) as refusal:
        await messages.edit_message(world.context.mutation("unchanged"), message_id=message.id, text=SECRET)
    await world.services.storage.appender.cleanup.wait()

    assert refusal.value.data == {"key": "messageId"}
    assert await with_secret(world, message) == []


async def test_a_fact_in_the_log_loses_all_content_in_one_update(world: World) -> None:
    message = await send_secret(world)
    await messages.edit_message(world.context, message_id=message.id, text="harmless")
    log, updates = world.services.storage.database["log"], []

    class Recorder:
        async def bulk_write(self, requests: list[UpdateMany], *, ordered: bool) -> None:
            updates.extend(requests)

    await redactions.erase(cast(Collection, Recorder()), {message.id: datetime.now(UTC)})

    for update in updates:
        await log.bulk_write([update])
        for fact in of_message(await world.facts(), message):
            assert (fact.message.redacted_at is not None) == (SECRET not in str(fact))


def test_every_attribute_of_a_message_is_content_or_stays() -> None:
    stays = (
        "id room_id version number sender sent_by_app_id sent_at audience choice in_reply_to_id edited_at edit_count "
        "redacted_at"
    )

    assert set(Message.__struct_fields__) == {*REDACTED, *stays.split()}


async def test_answers_of_signals_are_not_in_the_index_of_answers_with_messages(world: World) -> None:
    room = await world.waiting()
    await send_signal(world.context.mutation("signal"), room_id=room.id, kind=SignalKind.TYPING)
    await messages.send_message(world.context.mutation("message"), room_id=room.id, text="Hi")

    answers = world.services.storage.database["idempotency"]
    keys = {"_id.mutation": {"$in": ["signal", "message"]}, "answer.sender": {"$exists": True}}
    assert [one["_id"]["mutation"] for one in await answers.find(keys).to_list(None)] == ["message"]


async def test_a_message_takes_a_limited_number_of_edits_and_can_then_be_redacted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_EDITS", 2)
    message = await send_secret(world)
    for text in ("one", "one", "two"):  # an edit that changes nothing does not count
        await messages.edit_message(world.context, message_id=message.id, text=text)
    head = await world.head()

    with pytest.raises(Invalid) as refusal:
        await messages.edit_message(world.context, message_id=message.id, text="three")

    assert refusal.value.data == {"key": "messageId"}
    assert await world.head() == head
    assert (await redact(world, message)).text == ""


async def test_other_messages_keep_their_content(world: World) -> None:
    one, other = await send_secret(world, mutation_id="one"), await send_secret(world, mutation_id="other")
    await redact(world, one)

    assert [fact.message for fact in of_message(await world.facts(), other)] == [other]
    assert (await messages.find_many(world.context, [other.id]))[other.id] == other
    assert await messages.send_message(world.context.mutation("other"), room_id=other.room_id, **CONTENT) == other


async def test_a_message_that_is_redacted_twice_at_once_is_redacted_once(world: World, other: World) -> None:
    message = await send_secret(world)
    results = await asyncio.gather(redact(world, message), redact(other, message), return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == [Invalid.__name__, Message.__name__]
    assert [type(one) for one in of_message(await world.facts(), message)] == [MessageSent, MessageRedacted]


# ---------------------------------------------------------------- in memory


async def read_memory(world: World, after: int) -> Sequence[AnyFact]:
    """The facts after this position in the feed of the process, when it has all facts."""
    feed = world.services.storage.feed
    head = await world.head()
    if head > after:
        await feed.wait(head - 1)
    return await feed.read(after, 1_000)


async def test_caches_of_every_process_lose_the_content(world: World, other: World) -> None:
    after = await world.head()
    message = await send_secret(world)
    for one in (world, other):
        assert SECRET in str(await read_memory(one, after))

    await redact(world, message)

    for one in (world, other):
        found = of_message(await read_memory(one, after), message)
        assert [type(fact) for fact in found] == [MessageSent, MessageRedacted]
        assert SECRET not in str(found)


async def test_a_slow_subscriber_gets_no_content_that_was_redacted_before_delivery(world: World) -> None:
    after = events.cursor_of(await world.head())
    first, second = await send_secret(world), await send_secret(world)
    facts = await events.subscribe(world.context, types=["MESSAGE_SENT"], after=after)
    async with aclosing(facts):
        assert (await anext(facts)).message == first  # type: ignore[union-attr]

        await redact(world, second)

        received = await anext(facts)
        assert isinstance(received, MessageSent)
        assert (received.message.id, received.message.text) == (second.id, "")


async def test_content_is_erased_once_a_majority_has_acknowledged_the_redaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, erase = await send_secret(world), redactions.erase
    outbox, acknowledged = world.services.storage.database["outbox"], []

    async def checked(log: Collection, redacted: dict[str, datetime]) -> None:
        acknowledged.append(
            await outbox.count_documents({"fact.type": "MESSAGE_REDACTED", "fact.message.id": message.id})
        )
        await erase(log, redacted)

    monkeypatch.setattr(redactions, "erase", checked)

    await redact(world, message)

    assert acknowledged == [1]


class HeldLog(Log):
    """A log whose next read of history takes until it is released."""

    held: asyncio.Event | None = None

    @override
    async def read_within(self, position: int, *args: Any, **kwargs: Any) -> tuple[list[AnyFact], bool]:
        result = await super().read_within(position, *args, **kwargs)
        held, self.held = self.held, None
        if held is not None:
            await held.wait()
        return result


@pytest.mark.parametrize("reading", [False, True])
async def test_cached_history_loses_the_content(world: World, *, reading: bool) -> None:
    storage = world.services.storage
    message = await send_secret(world)
    # History is read in chunks with fixed boundaries: the fact about the message is the first of a chunk.
    after = of_message(await world.facts(), message)[0].sequence - 1
    appender = storage.appender
    facts = make_facts(600, subject=message.id)
    await storage.database["outbox"].delete_many({"subject": message.id})
    await appender.append(facts)
    log = HeldLog(storage.database)
    feed = Feed(log)
    await feed.open()
    release = asyncio.Event()
    log.held = release if reading else None
    history = asyncio.ensure_future(feed.read(after))
    if not reading:
        assert SECRET in str(await history)

    await redact(world, message)
    await until(lambda: _is_ahead(feed, after + 602))
    release.set()

    await history
    assert SECRET not in str(await feed.read(after))


async def _is_ahead(feed: Feed, sequence: int) -> bool:
    await feed._catch_up()
    return feed.head >= sequence


async def test_cached_results_of_subscriptions_are_evicted(world: World) -> None:
    one, other = await send_secret(world), await send_secret(world)
    cohorts = Cohorts()
    sent = [of_message(await world.facts(), message)[0] for message in (one, other)]
    with cohorts.join("key") as cohort, cohorts.join("key"):
        sources = [FactSource(fact) for fact in sent]  # type: ignore[arg-type]
        for source in sources:
            cohort.put(source.key, Delivery(source, {"text": SECRET}, None))
        bytes_of_both = cohorts.cached_bytes
        await redact(world, one)

        drop_redacted(cohorts, await world.facts())

        assert [cohort.get(source.key) is None for source in sources] == [True, False]
        assert 2 * cohorts.cached_bytes == bytes_of_both


def test_the_number_of_remembered_redactions_is_limited() -> None:
    redactions, now = Redactions(), datetime.now(UTC)
    for number in range(MAX_CACHED + 2):
        redactions.add({f"{number}": now})

    assert list(redactions._cached)[:1] == ["2"]
    assert len(redactions._cached) == MAX_CACHED


# ---------------------------------------------------------------- dead and slow processes


def killed(world: World) -> TransactionRunner:
    """The runner of a process that dies after each commit, before it appends the facts."""
    storage = world.services.storage
    appender = KilledAppender(storage.database, storage.feed.publish)
    return TransactionRunner(storage.database, storage.definition_cache, appender, storage.process)


async def test_a_sweep_appends_redacted_facts_of_a_dead_process_without_content(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = world.services.storage
    room = await world.waiting()
    with monkeypatch.context() as patch:
        patch.setattr(storage, "transactions", killed(world))
        message = await messages.send_message(world.context, room_id=room.id, **CONTENT)
        await redact(world, message)

    await storage.sweeps.sweep()
    await storage.appender.cleanup.wait()

    assert [type(fact) for fact in of_message(await world.facts(), message)] == [MessageSent, MessageRedacted]
    assert await with_secret(world, message) == []


async def test_facts_appended_meanwhile_by_another_process_lose_the_content(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process appends the fact about the message just after this one has erased the content in the log."""
    storage = world.services.storage
    room = await world.waiting()
    with monkeypatch.context() as patch:
        patch.setattr(storage, "transactions", killed(world))
        message = await messages.send_message(world.context, room_id=room.id, **CONTENT)
        late = await storage.database["outbox"].find_one({"fact.message.id": message.id})
        await redact(world, message)
    assert late is not None
    late_fact = late["fact"]

    insert, raced = storage.appender.insert, False

    async def race(documents: list[Any], **options: Any) -> None:
        """The late fact appears in the log before the first insert."""
        nonlocal raced
        if not raced:
            raced = True
            end = await storage.log.head()
            late_document = {"_id": end + 1, "fact": late_fact, "appendedAt": storage.database.now()}
            await storage.database["log"].insert_one(late_document)
        await insert(documents, **options)

    with monkeypatch.context() as patch:
        patch.setattr(storage.appender, "insert", race)
        await storage.sweeps.sweep()
    assert raced
    await storage.appender.cleanup.wait()

    assert [type(fact) for fact in of_message(await world.facts(), message)] == [MessageSent, MessageRedacted]
    assert await with_secret(world, message) == []
