"""An app: handlers of events that are read by one named consumer."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from switchboard_client.api import Api
from switchboard_client.backoff import DEFAULT_BACKOFF, Backoff
from switchboard_client.dispatcher import DeadLetterHook, Dispatcher, Handler
from switchboard_client.generated.events import EVENTS, Event
from switchboard_client.generated.inputs import RoomFilter
from switchboard_client.observer import Observer
from switchboard_client.reader import Reader
from switchboard_client.transport import Transport

E = TypeVar("E", bound=Event)
D = TypeVar("D", bound=Callable[[Any, Exception, Api], Awaitable[object]])

DEFAULT_URL = "http://127.0.0.1:8000/graphql"


class App:
    """Handlers of events, read by the consumer `name`.

    Args:
        name: The name of the consumer. The server stores under it which events are acknowledged.
        url: The address of the API. `SWITCHBOARD_URL` by default.
        token: The token of the app. `SWITCHBOARD_TOKEN` by default.
        own_events: Whether the app also gets the events that its own mutations cause.
        after: The cursor after which the first subscription of the consumer begins. By default, the next event.
        concurrency: How many handlers run at the same time, each for another room.
        max_in_flight: How many events the server sends before it waits for acknowledgements.
        attempts: How often a handler is called for one event before it is given up.
        handler_seconds: The longest time of one call of a handler, and of the dead-letter hook.
        stop_seconds: How long `stop` waits for running handlers.
        backoff: The pauses before a handler is called again, and before the app connects again.
        observer: Methods that measure.
        transport: Further arguments of Transport, such as `timeout` and `trust_env`.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        token: str | None = None,
        own_events: bool = False,
        after: str | None = None,
        concurrency: int = 16,
        max_in_flight: int = 200,
        attempts: int = 8,
        handler_seconds: float = 60.0,
        stop_seconds: float = 30.0,
        backoff: Backoff = DEFAULT_BACKOFF,
        observer: Observer | None = None,
        **transport: Any,
    ) -> None:
        self.name = name
        self._url = url or os.environ.get("SWITCHBOARD_URL") or DEFAULT_URL
        self._token = token or os.environ.get("SWITCHBOARD_TOKEN") or ""
        if not self._token:
            raise ValueError("Pass token=, or set SWITCHBOARD_TOKEN to the token of the app.")
        self._concurrency = concurrency
        self._max_in_flight = max_in_flight
        self._attempts = attempts
        self._handler_seconds = handler_seconds
        self._stop_seconds = stop_seconds
        self._backoff = backoff
        self._observer = observer or Observer()
        self._handlers: dict[type[Event], Handler] = {}
        self._where: RoomFilter | None = None
        self._dead_letter: DeadLetterHook | None = None
        self._stopped = asyncio.Event()
        self._transport = Transport(self._url, self._token, backoff=backoff, **transport)
        #: The operations of the API, also outside of handlers.
        self.api = Api(self._transport, name)
        self._reader = Reader(
            self._transport,
            self.api,
            name,
            own_events=own_events,
            after=after,
            max_in_flight=max_in_flight,
            backoff=backoff,
            observer=self._observer,
        )

    # ---------------------------------------------------------------- handlers

    def on(
        self, *types: type[E], where: RoomFilter | None = None
    ) -> Callable[[Callable[[E, Api], Awaitable[object]]], Callable[[E, Api], Awaitable[object]]]:
        """Register a handler of events of these types, of rooms that match `where`.

        All handlers of an app have the same `where`, because one subscription gets their events in order. Use a second
        App, with another name, for events of other rooms.
        """

        if not types:
            raise ValueError("Name the types of events: @app.on(RoomStarted).")

        def register(handler: Callable[[E, Api], Awaitable[object]]) -> Callable[[E, Api], Awaitable[object]]:
            if self._handlers and where != self._where:
                raise ValueError(
                    "All handlers of an app need the same where=: one subscription gets their events in order. "
                    "Use a second App, with another name, for events of other rooms."
                )
            for type_ in types:
                if type_ not in EVENTS:
                    raise ValueError(f"{type_.__name__} is no type of event: name types such as RoomStarted.")
                if type_ in self._handlers:
                    raise ValueError(f"The app has a handler of {type_.__name__} already.")
                self._handlers[type_] = handler
            self._where = where
            return handler

        return register

    def dead_letter(self, hook: D) -> D:
        """Register the function that is called with an event that no attempt could handle: `hook(event, error, api)`.

        The event is acknowledged when the hook returns. If the hook raises, it is called again after a pause. Without
        a hook, the event is logged as an error.
        """
        self._dead_letter = hook
        return hook

    # ---------------------------------------------------------------- running

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Running handlers are finished."""
        asyncio.run(self.serve_until_signal())

    async def serve_until_signal(self) -> None:
        """`run` inside an event loop: serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stop)
        await self.serve()

    def stop(self) -> None:
        """Make `serve` finish the running handlers and return."""
        self._stopped.set()

    async def ensure_consumer(self) -> None:
        """Create the consumer, unless it exists. From then on, the app misses no event.

        Call it before a set-up that makes events for the app possible, such as the creation of its agent: otherwise the
        consumer begins when `serve` subscribes for the first time. Raises ConnectionLost as the operations of `api` do.
        """
        await self._reader.ensure_consumer()

    async def serve(self) -> None:
        """Handle events until `stop` is called. Connects again whenever the connection is lost.

        Raises ApiError if the server refuses the subscription for good, for example Unauthenticated or CursorExpired.
        If it is cancelled, the running handlers are cancelled too. It closes the connections: serve an App once.
        """
        error: Exception | None = None
        try:
            await self._serve()
        except Exception as raised:
            error = raised
            raise
        finally:
            self._reader.end(error)

    async def _serve(self) -> None:
        if not self._handlers:
            raise ValueError("The app has no handler: register one with @app.on(...).")
        dispatcher = Dispatcher(
            self._transport,
            self.name,
            self._handlers,
            concurrency=self._concurrency,
            attempts=self._attempts,
            handler_seconds=self._handler_seconds,
            remembered=4 * self._max_in_flight,
            backoff=self._backoff,
            observer=self._observer,
        )
        if self._dead_letter is not None:
            dispatcher.dead_letter = self._dead_letter
        reading = asyncio.create_task(self._reader.run(tuple(self._handlers), self._where, dispatcher))
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((reading, stopping, dispatcher.failure), return_when=asyncio.FIRST_COMPLETED)
            # The connection stays open meanwhile: nobody else gets the events that are being handled.
            await dispatcher.stop(self._stop_seconds)
        finally:
            # Only a serve that is cancelled itself has running handlers here.
            await dispatcher.cancel()
            for task in (reading, stopping):
                task.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)
            await self.close()
        for ended in (dispatcher.failure, reading):
            if ended.done() and not ended.cancelled():
                ended.result()

    async def close(self) -> None:
        """Close the connections of `api`. `serve` does so when it ends."""
        await self._transport.close()

    async def ready(self) -> None:
        """Wait until `serve` of this app reads for the consumer: not until another process does.

        Raises the error with which `serve` ends before, and Stopped if `stop` ends it.
        """
        await self._reader.ready()
