"""Signals: what happens in a room at this moment and is not recorded, such as typing.

Signals do not pass the outbox or the log. Each process has one document in the collection, which it replaces with the
signals since the last replacement, and every other process receives the document by a change stream. The database
therefore stores at most one batch of signals for each process, and a write serves any number of rooms. MongoDB deletes
the document of a process that has not written for a minute.

A signal is delivered at most once. It is lost if there is no subscriber, if the database does not answer, if the change
stream is interrupted, or if a buffer is full.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from datetime import datetime
from enum import StrEnum

from pymongo import WriteConcern

from storage.listeners import Listeners
from storage.mongo.connection import Database, Document, from_builtins, to_builtins
from storage.mongo.undecodable import ERRORS
from storage.records import Actor, Record
from storage.sizes import size_of

#: The least time between two writes of a process. Signals within it are written together.
WRITE_INTERVAL_SECONDS = 0.05
#: How long a process waits before it opens another change stream.
REOPEN_SECONDS = 0.5
#: The limits of a buffer. A document of MongoDB has at most 16 MiB.
MAX_BUFFERED = 5_000
MAX_BUFFERED_BYTES = 1024 * 1024


class SignalKind(StrEnum):
    TYPING = "TYPING"
    STOPPED_TYPING = "STOPPED_TYPING"
    READ = "READ"
    CUSTOM = "CUSTOM"


class Signal(Record, frozen=True, kw_only=True):
    """Something that happens in a room at this moment. It is passed to subscribers and not recorded."""

    kind: SignalKind
    room_id: str
    sender: Actor
    #: The caller, who is another than the sender if an app sends it for a user or a visitor.
    sent_by_id: str
    #: READ: the message up to which the sender has read.
    message_id: str | None = None
    #: Whether that message is for STAFF.
    about_note: bool = False
    #: A JSON value, as text.
    data: str | None = None
    sent_at: datetime


_TYPING = (SignalKind.TYPING, SignalKind.STOPPED_TYPING)


class SignalBuffer:
    """Signals that wait to be taken. Of typing and of reading, the last signal of each sender in each room counts.

    When the buffer is full, the oldest signals are dropped.
    """

    def __init__(self, *, max_signals: int = MAX_BUFFERED, max_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self._max_signals = max_signals
        self._max_bytes = max_bytes
        self._slots: OrderedDict[Hashable, tuple[Signal, int]] = OrderedDict()
        self._bytes = 0
        self._count = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, signal: Signal) -> None:
        """Add a signal as the newest, and remove the signal that it makes outdated."""
        self._count += 1
        slot, size = _slot(signal, self._count), size_of(signal)
        self._bytes += size - self._slots[slot][1] if slot in self._slots else size
        self._slots[slot] = signal, size
        self._slots.move_to_end(slot)
        while len(self._slots) > self._max_signals or self._bytes > self._max_bytes:
            self._remove(next(iter(self._slots)))
        if self._slots:
            self._filled.set()

    def clear(self) -> None:
        """Drop all signals."""
        self._slots.clear()
        self._bytes = 0
        self._filled.clear()

    async def take(self) -> Signal:
        """Remove the oldest signal and return it, once there is one."""
        await self._filled.wait()
        slot, (signal, _) = next(iter(self._slots.items()))
        self._remove(slot)
        return signal

    async def take_all(self) -> list[Signal]:
        """Remove all signals and return them, oldest first, once there is one."""
        await self._filled.wait()
        signals = [signal for signal, _ in self._slots.values()]
        self.clear()
        return signals

    def _remove(self, slot: Hashable) -> None:
        self._bytes -= self._slots.pop(slot)[1]
        if not self._slots:
            self._filled.clear()


def _slot(signal: Signal, number: int) -> Hashable:
    """The key under which a signal is buffered. Every CUSTOM signal has a key of its own."""
    if signal.kind is SignalKind.CUSTOM:
        return number
    kind = SignalKind.TYPING if signal.kind in _TYPING else signal.kind
    # A READ of a note must not replace the last one that visitors may see.
    return signal.room_id, kind, signal.sender.id, signal.sent_by_id, signal.about_note


class SignalExchange:
    """Passes signals between the processes of the deployment."""

    def __init__(self, database: Database, *, process_id: str) -> None:
        self._collection = database["signals"].with_options(write_concern=WriteConcern(w=1))
        self._database = database
        self._process_id = process_id
        self._outgoing = SignalBuffer()
        #: Called with signals that other processes published.
        self.listeners = Listeners[[Sequence[Signal]]]("signals of other processes")
        #: Whether a change stream is open.
        self.watching = False

    def publish(self, signal: Signal) -> None:
        """Send the signal to all other processes. Returns at once."""
        self._outgoing.put(signal)

    async def write(self) -> None:
        """Write what is published, until cancelled. Signals whose write fails are lost."""
        while True:
            signals = await self._outgoing.take_all()
            document = {"at": self._database.now(), "signals": [to_builtins(signal) for signal in signals]}
            await self._collection.replace_one({"_id": self._process_id}, document, upsert=True)
            await asyncio.sleep(WRITE_INTERVAL_SECONDS)

    async def watch(self) -> None:
        """Notify the listeners of what other processes publish, until cancelled."""
        pipeline: list[Document] = [
            {
                "$match": {
                    "operationType": {"$in": ["insert", "replace", "update"]},
                    "documentKey._id": {"$ne": self._process_id},
                }
            },
            {"$project": {"fullDocument.signals": 1}},
        ]
        while True:
            try:
                async with self._collection.watch(pipeline, max_await_time_ms=1_000) as stream:
                    change = await stream.try_next()  # opens the stream
                    self.watching = True
                    while stream.alive:
                        if change is not None and (signals := _signals(change)):
                            self.listeners.notify(signals)
                        change = await stream.try_next()
            finally:
                self.watching = False
            await asyncio.sleep(REOPEN_SECONDS)


def _signals(change: Document) -> list[Signal]:
    """The signals of a batch that this version can decode."""
    found = []
    for one in (change.get("fullDocument") or {}).get("signals", ()):
        try:
            found.append(from_builtins(one, Signal))
        except ERRORS:
            continue
    return found
