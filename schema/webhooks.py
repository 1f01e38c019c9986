"""Webhooks: subscriptions whose events the server sends to an address. The types and the queries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import msgspec
import strawberry

from resolvers import webhooks
from schema.actors import Actor
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import api_enum, api_type, describe_enum, field, query_field
from schema.base.loaders import PageKey
from schema.base.node import Node
from schema.base.scalars import JSON, Cursor, Long
from schema.consumers import Consumer
from schema.execution.context import Info
from storage import webhook_records
from storage.mongo.cursors import event_cursor
from storage.webhook_records import PauseReason

describe_enum(
    PauseReason,
    "Why nothing is sent for a webhook.",
    REQUESTED="A mutation paused it.",
    GONE="The receiver answered 410.",
    FAILING="Every attempt has failed for three days.",
    OWNER_LOST_ACCESS="The owner is not active any more, or has lost a scope with which it read events.",
    EVENTS_DELETED="The next events were deleted from the log. `replayWebhook` with the `oldestCursor` of the message "
    "goes on, without them.",
    DOCUMENT_REFUSED="The subscription cannot begin any more, as when it names a custom field that was removed.",
)


@api_enum
class WebhookState(StrEnum):
    """What a webhook is doing."""

    ACTIVE = "ACTIVE"
    """Events are sent as they happen."""
    FAILING = "FAILING"
    """The last attempt failed. The same event is sent again at `nextAttemptAt`, and the events after it wait."""
    PAUSED = "PAUSED"
    """Nothing is sent until `updateWebhook` with `active: true`. `pauseReason` says why."""


@api_type
class WebhookDelivery:
    """One attempt to send an event. It does not have the event, which `events` returns by its place."""

    number: Long
    """The number of the attempt among all attempts of the webhook."""
    cursor: Cursor
    """The cursor of the event."""
    attempt: int
    """The number of the attempt among those at this event."""
    at: datetime
    """When the request was sent."""
    milliseconds: int
    """How long it took."""
    delivered: bool
    """Whether the receiver answered with a status from 200 to 299."""
    status: int | None
    """The status of the response. Null if there was none."""
    error: str | None
    """Why the attempt failed. Null if it succeeded."""

    @classmethod
    def from_record(cls, record: webhook_records.WebhookDelivery) -> Self:
        return cls(
            number=Long(record.number),
            cursor=Cursor(event_cursor(record.sequence)),
            attempt=record.attempt,
            at=record.at,
            milliseconds=record.milliseconds,
            delivered=record.error is None,
            status=record.status,
            error=record.error,
        )


@api_type
class Webhook(Node):
    """A stored subscription. Its events are sent to an address by POST, one after the other, each until the receiver
    has answered with a status from 200 to 299."""

    name: str
    """The display name."""
    owner: Actor
    """The app or user with whose permissions events are read."""
    url: str
    """The address to which events are sent."""
    query: str
    """The document of the subscription."""
    operation_name: str | None
    """The operation of the document. Null if it has only one."""
    variables: JSON
    """The variables of the subscription: an object."""
    state: WebhookState
    """What the webhook is doing."""
    pause_reason: PauseReason | None
    """Why nothing is sent. Null unless the state is PAUSED."""
    pause_message: str | None
    """The reason as a sentence for people. Null unless the state is PAUSED."""
    paused_at: datetime | None
    """Since when nothing is sent. Null unless the state is PAUSED."""
    failing_since: datetime | None
    """When the first attempt at the next event failed. Null if the last attempt succeeded."""
    failed_attempts: int
    """The attempts at the next event that failed."""
    next_attempt_at: datetime | None
    """When the next event is sent again. Null if the last attempt succeeded, or if the state is PAUSED."""
    created_at: datetime
    """When the webhook was created."""
    updated_at: datetime
    """When a mutation last changed the webhook."""
    record: strawberry.Private[webhook_records.Webhook]

    @classmethod
    def from_record(cls, record: webhook_records.Webhook) -> Self:
        pause, failure = record.pause, record.failure
        failing = WebhookState.ACTIVE if failure is None else WebhookState.FAILING
        return cls(
            id=ids.WEBHOOK.format(record.id),
            name=record.name,
            owner=Actor.from_record(record.owner),
            url=record.url,
            query=record.query,
            operation_name=record.operation_name,
            variables=msgspec.json.decode(record.variables_json),
            state=failing if pause is None else WebhookState.PAUSED,
            pause_reason=None if pause is None else pause.reason,
            pause_message=None if pause is None else pause.message,
            paused_at=None if pause is None else pause.at,
            failing_since=None if failure is None else failure.since,
            failed_attempts=0 if failure is None else failure.attempts,
            next_attempt_at=failure.next_attempt_at if failure is not None and pause is None else None,
            created_at=record.created_at,
            updated_at=record.updated_at,
            record=record,
        )

    @field
    async def consumer(self, info: Info) -> Consumer | None:
        """Its consumer: the last event that was delivered, and how many wait. Null before the first event is looked
        for."""
        loaders = info.context.loaders
        status = await loaders.consumers_of_webhooks.load((self.record.owner.id or "", self.record.consumer))
        return None if status is None else Consumer.from_status(status, loaders.scan_budget)

    @field
    async def deliveries(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[WebhookDelivery]:
        """The attempts to send events, newest first. The last thousand are kept, for thirty days."""
        key = PageKey(self.record.id, first, after, last, before)
        page = await info.context.loaders.deliveries_of_webhooks.load(key)
        return Connection.from_page(page, WebhookDelivery.from_record)


@api_type
class WebhookQueries:
    """Queries of webhooks."""

    @query_field(webhooks.find_many)
    async def webhook(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the webhook.")],
    ) -> Webhook | None:
        """The webhook with this id. Null if there is none that you may see."""
        stored = ids.WEBHOOK.parse(id, "id")
        found = await webhooks.find_many(info.context.resolver_context, [stored])
        return Webhook.from_record(found[stored]) if stored in found else None

    @query_field(webhooks.list_webhooks)
    async def webhooks(self, info: Info) -> list[Webhook] | None:
        """Your webhooks, ordered by name. With the scope `admin`: those of everybody, ordered by owner and name."""
        return [Webhook.from_record(one) for one in await webhooks.list_webhooks(info.context.resolver_context)]
