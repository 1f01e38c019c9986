"""Calls the handlers: events of one room in order, rooms side by side, each event until it is acknowledged."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from switchboard_client.api import Api
from switchboard_client.backoff import Backoff
from switchboard_client.errors import AlreadyAcknowledged, GiveUp, NotFound
from switchboard_client.generated.events import Event
from switchboard_client.observer import Observer
from switchboard_client.transport import Transport

logger = logging.getLogger("switchboard_client")

Handler = Callable[[Any, Api], Awaitable[object]]
DeadLetterHook = Callable[[Any, Exception, Api], Awaitable[object]]


async def log_dead_letter(event: Event, error: Exception, api: Api) -> None:
    """The dead-letter hook of an app that has none."""
    logger.error(
        "Event %s (%s) of %s is given up: %s", event.sequence, event.type, event.subject_id, error, exc_info=error
    )


class HandlerEnded(Exception):
    """A call of a handler or a hook ended before it returned."""


@dataclass(eq=False, slots=True)
class Entry:
    """An event that is not acknowledged."""

    event: Event
    arrived: float
    pauses: Iterator[float]
    #: How often its handler was called.
    attempts: int = 0
    #: The error with which it goes to the dead-letter hook.
    given_up: Exception | None = None


class Dispatcher:
    """Handles the events of one consumer."""

    def __init__(
        self,
        transport: Transport,
        consumer: str,
        handlers: Mapping[type[Event], Handler],
        *,
        concurrency: int,
        attempts: int,
        handler_seconds: float,
        remembered: int,
        backoff: Backoff,
        observer: Observer,
    ) -> None:
        self.dead_letter: DeadLetterHook = log_dead_letter
        self._api = Api(transport, consumer, acknowledged=self._remember)
        self._consumer = consumer
        self._handlers = handlers
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._handler_seconds = handler_seconds
        self._backoff = backoff
        self._observer = observer
        #: The events of each subject that are not done, in order.
        self._queues: dict[str, deque[Entry]] = {}
        #: The subjects whose first event is being handled. The others wait for a slot, or for their next call.
        self._handling: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        #: The sequences of events that arrived and are not acknowledged, and of the last ones that are.
        self._pending: set[int] = set()
        self._acknowledged: OrderedDict[int, None] = OrderedDict()
        self._remembered = remembered
        self._stopping = asyncio.Event()
        #: Set when the app stops, and while the connection is lost: from then until the next event arrives.
        self._interrupt = asyncio.Event()
        #: Has the exception of a task that ended by one, which only a fault of the client or an observer can cause.
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, event: Event) -> None:
        """Handle the event after those of the same subject. An event that is delivered again is ignored."""
        if self._stopping.is_set():
            return
        self._interrupt.clear()
        if event.sequence in self._pending or event.sequence in self._acknowledged:
            return
        self._pending.add(event.sequence)
        entry = Entry(event, time.monotonic(), self._backoff.pauses())
        queue = self._queues.get(event.subject_id)
        if queue is not None:
            queue.append(entry)
            return
        self._queues[event.subject_id] = deque([entry])
        task = asyncio.create_task(self._drain(event.subject_id))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failure.done():
            self.failure.set_exception(error)

    def connection_lost(self) -> None:
        """Forget the events whose handler does not run: they are delivered again, perhaps to another copy."""
        for subject, queue in self._queues.items():
            while len(queue) > (subject in self._handling):
                self._pending.discard(queue.pop().event.sequence)
        self._interrupt.set()

    async def stop(self, seconds: float) -> None:
        """Finish the events that are being handled, for up to that time. The others are delivered again later."""
        self._stopping.set()
        self._interrupt.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self.cancel()

    async def cancel(self) -> None:
        """Cancel the handlers that run. Their events are delivered again later."""
        self._stopping.set()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, subject: str) -> None:
        """Handle the events of a subject until there is none."""
        queue = self._queues[subject]
        try:
            while queue and not self._stopping.is_set():
                entry = queue[0]
                if not await self._handle(subject, entry, queue):
                    break
        finally:
            self._handling.discard(subject)
            self._pending.difference_update(entry.event.sequence for entry in queue)
            del self._queues[subject]

    async def _handle(self, subject: str, entry: Entry, queue: deque[Entry]) -> bool:
        """Call the handler once, and do what follows from it: acknowledge the event, or wait before the next call.

        A slot is taken for calls alone: an event that waits for its next call does not hold up other subjects.

        False if the handler fails and the app stops, or if it fails while the connection is lost: the event is
        delivered again, perhaps to another copy.
        """
        async with self._slots:
            if self._stopping.is_set() or not queue or queue[0] is not entry:
                return True  # `connection_lost` has taken it away
            self._handling.add(subject)
            pause = await self._call(entry)
            done = pause is None and await self._finish(entry)
        if pause is not None:
            # From here on the event is one that has not begun: `connection_lost` forgets it.
            self._handling.discard(subject)
            if self._interrupt.is_set():
                return False
            await _is_set_within(pause, self._interrupt)
            return True
        pauses = self._backoff.pauses()
        while not done:
            if await _is_set_within(next(pauses), self._stopping):
                return False
            async with self._slots:
                done = await self._finish(entry)
        self._observer.handled(entry.event, attempts=entry.attempts, seconds=time.monotonic() - entry.arrived)
        queue.popleft()
        self._handling.discard(subject)
        return True

    async def _call(self, entry: Entry) -> float | None:
        """Call the handler. The pause before its next call, or None if there is none."""
        event = entry.event
        entry.attempts += 1
        try:
            await self._within_time(self._handlers[type(event)](event, self._api))
        except AlreadyAcknowledged:
            pass  # the effect was taken before; to acknowledge the event again changes nothing
        except Exception as error:
            if event.sequence in self._acknowledged:
                # A restarted app would not get the event either.
                logger.exception("The handler of event %s fails after it has acknowledged it", event.sequence)
                return None
            # An attempt that fails while the server is away says nothing about the event.
            last = entry.attempts >= self._attempts and not self._interrupt.is_set()
            if last or isinstance(error, GiveUp):
                self._observer.gave_up(event, error, attempts=entry.attempts)
                entry.given_up = error
                return None
            pause = next(entry.pauses)
            logger.warning("Event %s fails, attempt %s: %s", event.sequence, entry.attempts, error, exc_info=error)
            self._observer.retried(event, error, attempt=entry.attempts, pause=pause)
            return pause
        return None

    async def _finish(self, entry: Entry) -> bool:
        """Call the dead-letter hook if the event is given up, and acknowledge the event. False if that fails."""
        event = entry.event
        try:
            if entry.given_up is not None:
                await self._within_time(self.dead_letter(event, entry.given_up, self._api))
                entry.given_up = None
            if event.sequence not in self._acknowledged:
                await self._acknowledge(event)
        except Exception as error:
            logger.exception("A dead-letter hook or an acknowledgement is repeated: %s", error)
            return False
        return True

    async def _within_time(self, call: Awaitable[object]) -> None:
        """Wait for a handler or a hook. Raises HandlerEnded if it takes too long, or if it is cancelled from within."""
        limit = asyncio.timeout(self._handler_seconds)
        try:
            async with limit:
                await call
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise HandlerEnded(f"the call takes longer than handler_seconds ({self._handler_seconds:g} s)") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise HandlerEnded("the call waits for a task that was cancelled") from error

    async def _acknowledge(self, event: Event) -> None:
        try:
            await self._api.ack_events(consumer=self._consumer, cursor=event.cursor, only=True)
        except NotFound:
            logger.warning("The consumer %s was removed: event %s is not acknowledged", self._consumer, event.sequence)
        self._remember(event)

    def _remember(self, event: Event) -> None:
        self._pending.discard(event.sequence)
        self._acknowledged[event.sequence] = None
        if len(self._acknowledged) > self._remembered:
            self._acknowledged.popitem(last=False)


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    """Wait until the event is set, or for that time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
