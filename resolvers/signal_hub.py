"""The signal hub: delivers the signals of all processes to the subscribers of this one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from resolvers.auth.rate_limiter import RateLimiter
from storage import rooms
from storage.log.subscription_index import Key, room_keys
from storage.records import Room
from storage.runtime import Storage
from storage.signals import Signal, SignalBuffer

#: A burst may have as many signals as the rate allows in this time.
BURST_SECONDS = 10
#: Signals a second that one caller may send and one room may have on average, in one process.
CALLER_RATE = 500.0
ROOM_RATE = 10.0
#: The limits of the signals that wait for one subscriber.
SUBSCRIBER_SIGNALS = 1_000
SUBSCRIBER_BYTES = 256 * 1024
#: The rooms that one read takes to deliver the signals of other processes.
READ_ROOMS = 200


class SignalSubscriber:
    """One subscription to signals. `test` returns whether the signals of a room are delivered to it."""

    def __init__(self, caller_id: str, test: Callable[[Room], bool], *, sees_notes: bool = True) -> None:
        self._caller_id = caller_id
        self._sees_notes = sees_notes
        self._test = test
        self.buffer = SignalBuffer(max_signals=SUBSCRIBER_SIGNALS, max_bytes=SUBSCRIBER_BYTES)

    def deliver(self, signal: Signal, room: Room) -> None:
        """Buffer the signal if it is for this subscriber. A caller does not get its own signals."""
        if signal.about_note and not self._sees_notes:
            return
        if signal.sent_by_id != self._caller_id and self._test(room):
            self.buffer.put(signal)


class SignalHub:
    """The subscribers of this process by the values that their rooms must have, and the rates of signals."""

    def __init__(self, storage: Storage, *, caller_rate: float = CALLER_RATE, room_rate: float = ROOM_RATE) -> None:
        self._reader = storage.reader
        self._exchange = storage.signals
        self._subscribers: dict[Key, dict[SignalSubscriber, None]] = {}
        #: Signals of other processes, whose rooms are not read yet.
        self._incoming = SignalBuffer()
        self.callers = RateLimiter(caller_rate * BURST_SECONDS, seconds=BURST_SECONDS)
        self.rooms = RateLimiter(room_rate * BURST_SECONDS, seconds=BURST_SECONDS)
        storage.signals.listeners.add(self._receive)

    @contextmanager
    def subscribed(self, subscriber: SignalSubscriber, keys: frozenset[Key]) -> Iterator[None]:
        """Deliver signals of rooms with one of the keys to the subscriber for the duration of the block."""
        for key in keys:
            self._subscribers.setdefault(key, {})[subscriber] = None
        try:
            yield
        finally:
            for key in keys:
                del self._subscribers[key][subscriber]
                if not self._subscribers[key]:
                    del self._subscribers[key]

    def send(self, signal: Signal, room: Room) -> None:
        """Deliver a signal of this process, and pass it to the others. Returns at once."""
        self._deliver(signal, room)
        self._exchange.publish(signal)

    async def run(self) -> None:
        """Deliver the signals of other processes, until cancelled. Signals of rooms that cannot be read are lost."""
        while True:
            signals = await self._incoming.take_all()
            for start in range(0, len(signals), READ_ROOMS):
                await self._deliver_all(signals[start : start + READ_ROOMS])

    async def _deliver_all(self, signals: Sequence[Signal]) -> None:
        found = await rooms.get_many(self._reader, {signal.room_id for signal in signals}, skip_undecodable=True)
        for signal in signals:
            if (room := found.get(signal.room_id)) is not None:
                self._deliver(signal, room)

    def _receive(self, signals: Sequence[Signal]) -> None:
        if self._subscribers:
            for signal in signals:
                self._incoming.put(signal)

    def _deliver(self, signal: Signal, room: Room) -> None:
        if self._subscribers:
            for subscriber in {one: None for key in room_keys(room) for one in self._subscribers.get(key, ())}:
                subscriber.deliver(signal, room)
