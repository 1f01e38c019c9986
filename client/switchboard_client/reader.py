"""Reads the events of one consumer, and connects again whenever the connection is lost."""

import asyncio
import logging
from typing import Any

from switchboard_client.api import Api
from switchboard_client.backoff import Backoff
from switchboard_client.dispatcher import Dispatcher
from switchboard_client.errors import RETRYABLE, ConnectionLost, Stopped
from switchboard_client.event_documents import CONSUMER_STATES, CREATE_CONSUMER, ConsumerState, consumer_subscription
from switchboard_client.generated.events import Event
from switchboard_client.generated.inputs import RoomFilter
from switchboard_client.observer import Observer
from switchboard_client.transport import Reconnection, Transport

logger = logging.getLogger("switchboard_client")

#: How often the server is asked whether the consumer exists, or is connected.
POLL_SECONDS = 0.05
#: A server that refuses a subscription does so within this time.
REFUSAL_SECONDS = 1.0
#: How long `serve` may take to end after it has closed its connections.
END_SECONDS = 1.0


class Reader:
    """The subscription of one consumer."""

    def __init__(
        self,
        transport: Transport,
        api: Api,
        consumer: str,
        *,
        own_events: bool,
        after: str | None,
        max_in_flight: int,
        backoff: Backoff,
        observer: Observer,
    ) -> None:
        self._transport = transport
        self._api = api
        self._consumer = consumer
        self._after: dict[str, Any] = {} if after is None else {"after": after}
        self._variables = {"consumer": consumer, "notByMe": not own_events, "maxInFlight": max_in_flight, **self._after}
        self._backoff = backoff
        self._observer = observer
        #: When the current subscription was sent. None: there is none.
        self._subscribed_at: float | None = None
        self._owner_id: str | None = None
        self._ended = asyncio.Event()
        self._error: Exception | None = None

    async def run(self, types: tuple[type[Event], ...], where: RoomFilter | None, dispatcher: Dispatcher) -> None:
        """Pass the events to the dispatcher, for ever."""
        operation = consumer_subscription(types)
        variables = self._variables if where is None else {**self._variables, "where": where}
        reconnection = Reconnection(self._backoff)
        while True:
            try:
                async with self._transport.stream(operation, variables) as stream:
                    self._subscribed_at = asyncio.get_running_loop().time()
                    reconnection.connected()
                    self._observer.connected()
                    async for event in stream:
                        reconnection.received()
                        dispatcher.add(event)
            except (ConnectionLost, *RETRYABLE) as error:
                self._subscribed_at = None
                pause = reconnection.pause_after(error)
                dispatcher.connection_lost()
                self._observer.disconnected(error)
                logger.warning("%s connects again in %.1f s: %s", self._consumer, pause, error)
                await asyncio.sleep(pause)

    def end(self, error: Exception | None) -> None:
        """`serve` has ended, with this error if there is one."""
        self._error = error
        self._ended.set()

    # ---------------------------------------------------------------- waiting for the subscription

    async def ready(self) -> None:
        """Wait until the server serves the subscription. Raises what `serve` raises before, or Stopped."""
        waiting = asyncio.create_task(self._until_served())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
            if self._transport.is_closed:  # `serve` closes it, and then ends
                await asyncio.wait((ended,), timeout=END_SECONDS)
            if not waiting.done() or (waiting.exception() and self._transport.is_closed):
                raise self._error or Stopped(f"{self._consumer} was stopped before it read for its consumer")
            waiting.result()
        finally:
            waiting.cancel()
            ended.cancel()
            await asyncio.gather(waiting, ended, return_exceptions=True)

    async def _until_served(self) -> None:
        """The protocol acknowledges no subscription, so the server is asked.

        The connection that the server reports is the own one if it reported none before, or if the own subscription is
        not refused.
        """
        was_free = False
        while True:
            subscribed_at = self._subscribed_at
            connected = await self._is_connected()
            if not connected:
                was_free = True
            elif subscribed_at is None or subscribed_at != self._subscribed_at:
                was_free = False
            elif was_free or asyncio.get_running_loop().time() - subscribed_at > REFUSAL_SECONDS:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _is_connected(self) -> bool:
        try:
            state = await self._state()
        except (ConnectionLost, *RETRYABLE):
            return False  # `run` connects again for ever
        return state is not None and state.connected

    # ---------------------------------------------------------------- the first start

    async def ensure_consumer(self) -> None:
        """Create the consumer, unless it exists."""
        reconnection = Reconnection(self._backoff)
        while await self._state() is None:
            try:
                async with self._transport.stream(
                    CREATE_CONSUMER, {"consumer": self._consumer, **self._after}
                ) as stream:
                    first = asyncio.create_task(anext(stream))
                    try:
                        while not first.done() and await self._state() is None:
                            await asyncio.wait({first}, timeout=POLL_SECONDS)
                        if first.done():
                            first.result()
                    finally:
                        first.cancel()
                        await asyncio.gather(first, return_exceptions=True)
            except (ConnectionLost, *RETRYABLE) as error:
                pause = reconnection.pause_after(error)
                logger.warning("The consumer %s is created again in %.1f s: %s", self._consumer, pause, error)
                await asyncio.sleep(pause)

    async def _state(self) -> ConsumerState | None:
        """The consumer, if it exists. An admin sees those of others, too, which may have the same name."""
        if self._owner_id is None:
            self._owner_id = (await self._api.viewer()).id
        found = await self._transport.run(CONSUMER_STATES, {})
        return next((one for one in found if (one.name, one.owner.id) == (self._consumer, self._owner_id)), None)
