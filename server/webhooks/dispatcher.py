"""Decides for which webhooks this process delivers: those that are due and for which no other process does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial

from resolvers.context import Services
from schema.execution.cost_limits import Limits
from server.webhooks.delivery import WebhookRun
from server.webhooks.retries import DEFAULT_RETRIES, Retries
from server.webhooks.sender import Sender
from storage import consumers, webhooks
from storage.errors import SwitchboardError
from storage.mongo.connection import to_unavailable
from storage.supervisor import end
from storage.webhooks import WebhookState

logger = logging.getLogger(__name__)

#: The longest time until a process sees a webhook that another one changed, or stopped to deliver for.
POLL_SECONDS = 1.0
LEAST_PAUSE_SECONDS = 0.05
#: How long attempts in progress may take when the process stops.
STOP_SECONDS = 2.0


class WebhookDispatcher:
    """The webhooks for which one process delivers."""

    def __init__(
        self, services: Services, sender: Sender, *, limits: Limits, retries: Retries = DEFAULT_RETRIES
    ) -> None:
        self._services = services
        self._reader = services.storage.reader
        self._sender = sender
        self._limits = limits
        self._retries = retries
        self._runs: dict[str, WebhookRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for changes now."""
        self._wake.set()

    async def run(self) -> None:
        """Start and stop deliveries, for ever."""
        while True:
            self._wake.clear()
            pause = await self._update()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def stop(self) -> None:
        """End all deliveries. Attempts in progress have STOP_SECONDS to be answered."""
        for run in self._runs.values():
            run.stop()
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
            await end(tasks)

    async def _update(self) -> float:
        """Stop and start deliveries as the stored webhooks say. Returns the seconds until the next look."""
        states = await webhooks.list_states(self._reader)
        now = self._services.storage.database.now()
        current = {state.id: state for state in states if not state.paused}
        for webhook_id, run in self._runs.items():
            if webhook_id not in current or current[webhook_id].revision != run.state.revision:
                run.stop()
        waiting = [state for state in current.values() if state.id not in self._runs]
        for state in await self._free([state for state in waiting if _is_due(state, now)]):
            self._start(state)
        later = [
            (state.next_attempt_at - now).total_seconds()
            for state in waiting
            if state.next_attempt_at is not None and state.next_attempt_at > now
        ]
        return max(LEAST_PAUSE_SECONDS, min([POLL_SECONDS, *later]))

    async def _free(self, states: Sequence[WebhookState]) -> list[WebhookState]:
        """Those for which no process delivers."""
        if not states:
            return []
        leased = await consumers.list_leased(self._reader, [(state.owner_id, state.consumer) for state in states])
        return [state for state in states if (state.owner_id, state.consumer) not in leased]

    def _start(self, state: WebhookState) -> None:
        run = WebhookRun(self._services, self._sender, state, limits=self._limits, retries=self._retries)
        self._runs[state.id] = run
        task = self._tasks[state.id] = run.start()
        task.add_done_callback(partial(self._ended, state.id))

    def _ended(self, webhook_id: str, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(webhook_id)
        del self._tasks[webhook_id]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            expected = isinstance(error, SwitchboardError) or to_unavailable(error) is not None
            logger.log(
                logging.WARNING if expected else logging.ERROR,
                "Delivering for the webhook %s failed, and is tried again: %s",
                webhook_id,
                type(error).__name__,
                exc_info=None if expected else error,
            )
        if run.stopping:
            self.wake()  # the webhook has changed


def _is_due(state: WebhookState, now: datetime) -> bool:
    return state.next_attempt_at is None or state.next_attempt_at <= now


@asynccontextmanager
async def delivering(
    services: Services, sender: Sender, *, limits: Limits, retries: Retries = DEFAULT_RETRIES
) -> AsyncIterator[None]:
    """Deliver for webhooks until the block ends."""
    dispatcher = WebhookDispatcher(services, sender, limits=limits, retries=retries)
    services.webhook_listeners.append(dispatcher.wake)
    task = services.storage.supervisor.supervise("deliver for webhooks", dispatcher.run)
    try:
        yield
    finally:
        services.webhook_listeners.remove(dispatcher.wake)
        await end([task])
        await dispatcher.stop()
