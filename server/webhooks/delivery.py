"""Delivers the events of one webhook, one after the other, while this process has the lease of its consumer.

An event is sent until the receiver answers with 2xx. Then its position is stored, and the next event follows. If the
process ends in between, the event is sent again, with the same id.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from strawberry.types import ExecutionResult

from resolvers import acknowledgements
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context, Services
from resolvers.webhook_addresses import parse_url
from schema.base import ids
from schema.execution.cohorts import Delivery
from schema.execution.context import RequestContext
from schema.execution.cost_limits import Limits
from schema.schema import schema
from server.health import VERSION
from server.webhooks.retries import DEFAULT_RETRIES, Retries, failed_attempts
from server.webhooks.sender import Answer, Receiver, Sender
from server.webhooks.signatures import sign
from storage import consumers, webhook_deliveries, webhooks
from storage.errors import Invalid
from storage.mongo.cursors import event_sequence
from storage.mongo.retries import with_retries
from storage.threads import Work
from storage.webhook_records import Pause, PauseReason, Webhook, WebhookDelivery
from storage.webhooks import WebhookState

logger = logging.getLogger(__name__)

GONE = 410
#: The codes after which the subscription is begun again, soon.
PASSING = frozenset({"CONSUMER_BUSY", "UNAVAILABLE", "RATE_LIMITED", "INTERNAL"})
PAUSES: Mapping[str, PauseReason] = {
    "CURSOR_EXPIRED": PauseReason.EVENTS_DELETED,
    "FORBIDDEN": PauseReason.OWNER_LOST_ACCESS,
    "UNAUTHENTICATED": PauseReason.OWNER_LOST_ACCESS,
}


class WebhookRun:
    """Delivers for one webhook until an attempt fails, the webhook or its owner changes, or the lease is lost."""

    def __init__(
        self,
        services: Services,
        sender: Sender,
        state: WebhookState,
        *,
        limits: Limits,
        retries: Retries = DEFAULT_RETRIES,
    ) -> None:
        #: The state of the webhook for which this runs.
        self.state = state
        self._services = services
        self._storage = services.storage
        self._reader = services.storage.reader
        self._sender = sender
        self._limits = limits
        self._retries = retries
        #: Whether it makes an attempt, or begins the consumer, which must not be interrupted.
        self._busy = False
        #: Whether it was asked to end.
        self.stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        # The threads for background work are for what other processes wait for.
        self._task = self._storage.supervisor.spawn(self._run(), name="deliver for a webhook", kind=Work.READS)
        return self._task

    def stop(self) -> None:
        """End the run: at once if it waits for an event, otherwise after what it does."""
        self.stopping = True
        if not self._busy and self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        webhook = await webhooks.find(self._reader, self.state.id)
        if webhook is None or webhook.pause is not None or webhook.revision != self.state.revision:
            return
        if webhook.failure is not None and webhook.failure.next_attempt_at > self._storage.database.now():
            return  # an attempt of another process has failed meanwhile
        owner = await access.find_owner(self._reader, webhook.owner)
        if (lost := _lost_access(webhook, owner)) is not None:
            await self._pause(webhook, PauseReason.OWNER_LOST_ACCESS, lost)
            return
        assert owner is not None
        try:
            target = parse_url(webhook.url, self._sender.policy)
        except Invalid as error:  # the settings of the deployment have changed
            await self._pause(webhook, PauseReason.DOCUMENT_REFUSED, error.message)
            return
        if not await self._begin(webhook) or self.stopping:
            return
        results = await self._subscribe(webhook, owner)
        async with aclosing(results), self._sender.connect(target, webhook.owner.id or "") as receiver:
            number = await webhook_deliveries.last_number(self._reader, webhook.id)
            async for result in results:
                self._busy = True
                number += 1
                if not await self._handle(webhook, owner, result, receiver, number):
                    return
                self._busy = False

    async def _begin(self, webhook: Webhook) -> bool:
        """Begin the consumer. Returns False if another process delivers, or if the webhook was removed."""
        self._busy, owner_id = True, webhook.owner.id or ""
        begun = await consumers.begin(
            self._reader, webhook.owner, webhook.consumer, generation=webhook.generation, after=webhook.after
        )
        if await webhooks.find(self._reader, webhook.id) is None:  # it was removed before the consumer was created
            await consumers.delete_generation(self._reader, owner_id, webhook.consumer, generation=webhook.generation)
            return False
        self._busy = False
        return begun

    async def _subscribe(self, webhook: Webhook, owner: Caller) -> Any:
        """The results of the subscription."""
        context = RequestContext(Context(self._services, owner), self._limits)
        context.webhook_consumer = webhook.consumer
        return await schema.stream(
            webhook.query,
            variable_values=msgspec.json.decode(webhook.variables_json),
            context_value=context,
            operation_name=webhook.operation_name,
        )

    async def _handle(
        self, webhook: Webhook, owner: Caller, result: ExecutionResult, receiver: Receiver, number: int
    ) -> bool:
        """Deliver one result. Returns whether the next one may follow."""
        if not isinstance(result, Delivery) or result.cursor is None:
            await self._end(webhook, result)
            return False
        sequence = event_sequence(result.cursor)
        redactions = self._storage.log.redactions
        removed = redactions.count
        async with self._sender.slots.permit(webhook.owner.id or ""):
            current = await self._current(webhook, owner, sequence)
            if current is None or redactions.count != removed:
                return False  # the next run reads the event again, without what was redacted or erased meanwhile
            attempt = 1 + failed_attempts(current.failure, sequence)
            sent_at = self._storage.database.now()
            headers = self._headers(current, result.cursor, sequence, attempt, result.encoded)
            answer = await receiver.post(headers, result.encoded)
        self._services.webhook_attempts["delivered" if answer.error is None else "failed"] += 1
        delivery = WebhookDelivery(
            webhook_id=webhook.id,
            number=number,
            sequence=sequence,
            attempt=attempt,
            at=sent_at,
            milliseconds=round(answer.seconds * 1000),
            status=answer.status,
            error=answer.error,
        )
        logged = webhook_deliveries.insert(self._reader, delivery)
        if answer.error is None:
            await asyncio.gather(self._record_success(current, owner, sequence), logged)
            return not self.stopping
        await asyncio.gather(self._record_failure(current, sequence, answer), logged)
        return False

    async def _record_success(self, webhook: Webhook, owner: Caller, sequence: int) -> None:
        """Store that the event was received. Repeats what the database does not answer."""
        seconds = self._storage.database.timings.read_timeout
        await with_retries(partial(self._acknowledge, webhook, owner, sequence), seconds=seconds)
        if webhook.failure is not None:
            await with_retries(partial(webhooks.set_failure, self._reader, webhook, None), seconds=seconds)

    async def _current(self, webhook: Webhook, owner: Caller, sequence: int) -> Webhook | None:
        """The webhook as it is stored now. None if this run must not send the event."""
        current, owner_now, consumer = await asyncio.gather(
            webhooks.find(self._reader, webhook.id),
            access.find_owner(self._reader, webhook.owner),
            consumers.find(self._reader, webhook.owner.id or "", webhook.consumer),
        )
        if current is None or current.revision != webhook.revision:
            return None
        if owner_now is None or access.effective_permissions(owner_now) != access.effective_permissions(owner):
            return None
        if consumer is None or consumer.generation != webhook.generation or consumer.acked >= sequence:
            return None
        return current

    def _headers(self, webhook: Webhook, cursor: str, sequence: int, attempt: int, body: bytes) -> dict[str, str]:
        now = self._storage.database.now()
        webhook_id = ids.WEBHOOK.format(webhook.id)
        message_id, timestamp = f"{webhook_id}-{sequence}", int(now.timestamp())
        return {
            "content-type": "application/json",
            "user-agent": f"Switchboard/{VERSION}",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(webhook.active_secrets(now), message_id, timestamp, body),
            "switchboard-webhook": webhook_id,
            "switchboard-cursor": cursor,
            "switchboard-attempt": str(attempt),
        }

    async def _acknowledge(self, webhook: Webhook, owner: Caller, sequence: int) -> None:
        consumer = await consumers.acknowledge_now(
            self._reader,
            webhook.owner.id or "",
            webhook.consumer,
            generation=webhook.generation,
            sequence=sequence,
        )
        if consumer is not None:
            acknowledgements.notify(Context(self._services, owner), consumer, sequence, only=False)

    async def _record_failure(self, webhook: Webhook, sequence: int, answer: Answer) -> None:
        """Store when the event is sent again, or pause the webhook."""
        now = self._storage.database.now()
        failure = self._retries.next_failure(webhook.failure, sequence=sequence, now=now, requested=answer.retry_after)
        await webhooks.set_failure(self._reader, webhook, failure)
        if answer.status == GONE:
            await self._pause(webhook, PauseReason.GONE, "The receiver answered 410: it wants no more requests.")
        elif now - failure.since >= self._retries.give_up_after:
            message = f"Every attempt since {failure.since:%Y-%m-%d %H:%M} UTC failed; the last one: {answer.error}."
            await self._pause(webhook, PauseReason.FAILING, message)

    async def _end(self, webhook: Webhook, result: ExecutionResult) -> None:
        """Pause the webhook if its subscription ended with an error that does not pass."""
        error = (result.errors or [])[0]
        extensions = error.extensions or {}
        code = str(extensions.get("code"))
        if code in PASSING:
            return
        reason = PAUSES.get(code, PauseReason.DOCUMENT_REFUSED)
        message = error.message
        if reason is PauseReason.EVENTS_DELETED:
            oldest = extensions["oldestCursor"]
            message = f"The next events were deleted from the log. Call replayWebhook with the cursor {oldest}."
        await self._pause(webhook, reason, message)

    async def _pause(self, webhook: Webhook, reason: PauseReason, message: str) -> None:
        pause = Pause(reason=reason, message=message, at=self._storage.database.now())
        await webhooks.set_pause(self._reader, webhook, pause)
        logger.warning("The webhook %s is paused: %s", ids.WEBHOOK.format(webhook.id), message)


def _lost_access(webhook: Webhook, owner: Caller | None) -> str | None:
    """Why the owner may not read the events any more. None if it may."""
    if owner is None:
        return "The owner of the webhook is not active any more."
    missing = [scope for scope in webhook.scopes if not owner.has_scope(scope)]
    return f"The owner of the webhook lacks the scope {missing[0]}." if missing else None
