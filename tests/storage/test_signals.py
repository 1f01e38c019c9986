import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pymongo.errors import PyMongoError

from storage.mongo.connection import to_builtins
from storage.records import Actor, ActorType
from storage.runtime import Storage
from storage.signals import Signal, SignalBuffer, SignalExchange, SignalKind
from tests.databases import emptied
from tests.storage.support import opened, until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def signal(kind: SignalKind = SignalKind.TYPING, *, room: str = "r", sender: str = "anna", **given: Any) -> Signal:
    actor = Actor(type=ActorType.USER, id=sender, name=sender)
    return Signal(kind=kind, room_id=room, sender=actor, **{"sent_by_id": sender, "sent_at": NOW, **given})


def filled(*signals: Signal, **limits: int) -> SignalBuffer:
    buffer = SignalBuffer(**limits)
    for one in signals:
        buffer.put(one)
    return buffer


# ---------------------------------------------------------------- buffers


async def test_last_typing_signal_of_a_sender_replaces_the_previous_one() -> None:
    typing, stopped = signal(), signal(SignalKind.STOPPED_TYPING)
    other = signal(sender="ben")

    assert await filled(typing, other, stopped).take_all() == [other, stopped]


async def test_signals_of_other_rooms_senders_callers_and_kinds_do_not_replace_each_other() -> None:
    signals = [
        signal(),
        signal(room="s"),
        signal(sender="ben"),
        signal(sent_by_id="app"),
        signal(SignalKind.READ, message_id="m"),
    ]

    assert await filled(*signals).take_all() == signals


async def test_custom_signals_do_not_replace_each_other() -> None:
    signals = [signal(SignalKind.CUSTOM, data="1"), signal(SignalKind.CUSTOM, data="1")]

    assert await filled(*signals).take_all() == signals


async def test_full_buffer_drops_the_oldest_signals() -> None:
    signals = [signal(SignalKind.CUSTOM, data=f"{number}") for number in range(5)]
    size = len(msgspec.json.encode(signals[0]))

    assert await filled(*signals, max_signals=2).take_all() == signals[3:]
    assert await filled(*signals, max_bytes=3 * size).take_all() == signals[2:]
    assert len(filled(*signals, max_bytes=size - 1)) == 0


async def test_full_buffer_keeps_the_newest_state_of_a_sender() -> None:
    ben, stopped, carla = signal(sender="ben"), signal(SignalKind.STOPPED_TYPING), signal(sender="carla")

    assert await filled(signal(), ben, stopped, carla, max_signals=2).take_all() == [stopped, carla]


async def test_replaced_signals_do_not_count_in_the_size_of_a_buffer() -> None:
    kept = signal(sender="ben")
    size = len(msgspec.json.encode(signal())) + len(msgspec.json.encode(kept))

    buffer = filled(kept, *[signal()] * 100, max_bytes=size)

    assert await buffer.take_all() == [kept, signal()]


async def test_buffer_that_is_empty_waits_for_a_signal() -> None:
    buffer = filled(signal())
    await buffer.take()

    waiting = asyncio.ensure_future(buffer.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    buffer.put(signal(room="s"))

    assert await waiting == signal(room="s")


# ---------------------------------------------------------------- processes


@pytest.fixture
def name(mongodb_uri: str) -> str:
    return emptied(mongodb_uri, "test-signals")


async def listening(storage: Storage) -> list[Signal]:
    """A buffer of the signals that this process receives."""
    received: list[Signal] = []

    def receive(signals: Sequence[Signal]) -> None:
        received.extend(signals)

    storage.signals.listeners.add(receive)

    async def watching() -> bool:
        return storage.signals.watching

    await until(watching)
    return received


async def test_signal_reaches_every_other_process_and_not_its_own(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=3) as (one, *others):
        own, *received = [await listening(storage) for storage in (one, *others)]
        one.signals.publish(signal())

        async def all_received() -> bool:
            return all(signals == [signal()] for signals in received)

        await until(all_received)
        # Had the process received its own signal, it would have received it before that of another process.
        others[0].signals.publish(signal(sender="ben"))

        async def answered() -> bool:
            return bool(own)

        await until(answered)
        assert own == [signal(sender="ben")]


async def test_signals_of_many_rooms_are_one_write_and_leave_one_document(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=2) as (one, other):
        received = await listening(other)
        head = await one.log.head()
        signals = [signal(room=f"{number}") for number in range(1_000)]
        for published in signals:
            one.signals.publish(published)

        async def all_received() -> bool:
            return len(received) == 1_000

        await until(all_received)
        assert received == signals
        (document,) = await one.database["signals"].find({}).to_list(None)
        assert (document["_id"], len(document["signals"])) == (one.process.id, 1_000)
        assert await one.log.head() == head
        assert await one.database["outbox"].count_documents({}) == 0


async def test_signal_that_another_version_cannot_decode_is_left_out(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=1) as (one,):
        received = await listening(one)
        signals = [{**to_builtins(signal()), "kind": "WAVING"}, to_builtins(signal(room="s"))]
        await one.database["signals"].insert_one({"_id": "newer", "signals": signals})

        async def some_received() -> bool:
            return bool(received)

        await until(some_received)
        assert received == [signal(room="s")]


async def test_signals_whose_write_fails_are_lost_and_later_ones_are_written(
    mongodb_uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(mongodb_uri, name, processes=2) as (one, other):
        received = await listening(other)
        written = one.signals._collection

        class Away:
            async def replace_one(self, *args: Any, **kwargs: Any) -> None:
                monkeypatch.setattr(one.signals, "_collection", written)
                raise PyMongoError("away")

        monkeypatch.setattr(one.signals, "_collection", Away())
        one.signals.publish(signal(room="lost"))

        async def failed() -> bool:
            return one.signals._collection is written

        await until(failed)
        one.signals.publish(signal(room="kept"))

        async def some_received() -> bool:
            return bool(received)

        await until(some_received)
        assert received == [signal(room="kept")]


async def test_change_stream_that_is_lost_is_opened_again(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=2) as (one, other):
        received = await listening(other)
        await one.database["signals"].drop()  # invalidates the change stream

        async def lost() -> bool:
            return not other.signals.watching

        await until(lost)
        await listening(other)
        one.signals.publish(signal())

        async def some_received() -> bool:
            return bool(received)

        await until(some_received)
        assert set(received) == {signal()}


async def test_buffer_of_a_process_that_cannot_write_is_bounded(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=1) as (one,):
        exchange = SignalExchange(one.database, process_id="stopped")
        for number in range(6_000):
            exchange.publish(signal(room=f"{number}"))

        assert len(exchange._outgoing) == 5_000
