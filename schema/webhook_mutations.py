"""Mutations of webhooks."""

from contextlib import suppress

import msgspec
import strawberry

from resolvers import webhooks
from resolvers.auth import access
from resolvers.webhooks import OVERLAP_SECONDS
from schema import webhook_documents
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationInputWithoutAck, MutationPayload
from schema.base.scalars import JSON, Cursor
from schema.execution.context import Info
from schema.webhooks import Webhook
from storage import webhook_records


@api_input
class CreateWebhookInput(MutationInputWithoutAck):
    """Input of `createWebhook`."""

    name: str
    """The display name, 1 to 128 characters. `DUPLICATE_VALUE` if you have another webhook of this name."""
    url: str
    """The address, such as `https://example.org/events`. `INVALID_INPUT` unless it begins with `https://` and leads out
    of the deployment: the settings of the deployment may allow other addresses."""
    query: str
    """The document: a subscription to `events`, and to nothing else, without the arguments `after`, `consumer` and
    `maxInFlight`. `INVALID_INPUT` for another one; `FORBIDDEN` if you lack a scope of a selected field."""
    operation_name: str | None = None
    """The operation of the document, if it has several."""
    variables: JSON | None = None
    """The variables of the subscription: an object."""
    after: Cursor | None = None
    """The webhook begins with the event after this one: its `cursor`, or an `eventCursor`. With the next event if
    null."""
    active: bool = True
    """Whether events are sent at once. Otherwise the webhook is paused, and begins at the same position later."""


@api_input
class UpdateWebhookInput(MutationInput):
    """Input of `updateWebhook`. Fields that are left out keep their value."""

    webhook_id: strawberry.ID
    """The id of the webhook. `NOT_FOUND` if there is none that you may see."""
    name: str | None = strawberry.UNSET
    """The display name."""
    url: str | None = strawberry.UNSET
    """The address to which events are sent from the next attempt on."""
    query: str | None = strawberry.UNSET
    """The document of the subscription. The position in the log stays."""
    operation_name: str | None = strawberry.UNSET
    """The operation of the document, if it has several."""
    variables: JSON | None = strawberry.UNSET
    """The variables of the subscription: an object."""
    active: bool | None = strawberry.UNSET
    """True ends a pause, whatever its reason is, and false begins one."""


@api_input
class ReplayWebhookInput(MutationInput):
    """Input of `replayWebhook`."""

    webhook_id: strawberry.ID
    """The id of the webhook. `NOT_FOUND` if there is none that you may see."""
    after: Cursor
    """The webhook goes on with the event after this one. `CURSOR_EXPIRED` (with `oldestCursor`) if the events after it
    are no longer in the log."""


@api_input
class RotateWebhookSecretInput(MutationInputWithoutAck):
    """Input of `rotateWebhookSecret`."""

    webhook_id: strawberry.ID
    """The id of the webhook. `NOT_FOUND` if there is none that you may see."""
    overlap_seconds: int = OVERLAP_SECONDS
    """The number of seconds, up to 604,800 (a week), for which requests are signed with the old secret too."""


@api_input
class RemoveWebhookInput(MutationInput):
    """Input of `removeWebhook`."""

    webhook_id: strawberry.ID
    """The id of the webhook. `NOT_FOUND` if there is none that you may see."""


@api_type
class CreateWebhookPayload(MutationPayload):
    """Result of `createWebhook`."""

    webhook: Webhook
    """The new webhook."""
    secret: str
    """The secret with which its requests are signed. It is not shown again."""


@api_type
class UpdateWebhookPayload(MutationPayload):
    """Result of `updateWebhook`."""

    webhook: Webhook
    """The webhook after the change."""


@api_type
class ReplayWebhookPayload(MutationPayload):
    """Result of `replayWebhook`."""

    webhook: Webhook
    """The webhook after the change."""


@api_type
class RotateWebhookSecretPayload(MutationPayload):
    """Result of `rotateWebhookSecret`."""

    webhook: Webhook
    """The webhook."""
    secret: str
    """The new secret. It is not shown again."""


@api_type
class RemoveWebhookPayload(MutationPayload):
    """Result of `removeWebhook`."""

    removed_id: strawberry.ID
    """The id of the removed webhook."""


@api_type
class WebhookMutations:
    """Mutations of webhooks."""

    @mutation_field(webhooks.create_webhook)
    async def create_webhook(self, info: Info, input: Input[CreateWebhookInput]) -> CreateWebhookPayload | None:
        """Creates a webhook of yours: the events of its subscription are sent to its address by POST, in the order of
        the log, as you may read them. Records no event.

        A `clientMutationId` is returned but not stored: a repeated mutation is refused because of the name.
        """
        caller = info.context.resolver_context.caller
        access.require(caller, webhooks.create_webhook.scopes)
        subscription = await webhook_documents.check(
            info.context,
            caller,
            query=input.query,
            operation_name=input.operation_name or None,
            variables=input.variables or {},
        )
        result = await webhooks.create_webhook(
            info.context.mutation(input),
            name=input.name,
            url=input.url,
            subscription=subscription,
            after=input.after or None,
            active=input.active,
        )
        return CreateWebhookPayload(
            webhook=Webhook.from_record(result.webhook),
            secret=result.secret,
            client_mutation_id=input.client_mutation_id,
        )

    @mutation_field(webhooks.update_webhook)
    async def update_webhook(self, info: Info, input: Input[UpdateWebhookInput]) -> UpdateWebhookPayload | None:
        """Changes, pauses or continues a webhook. An attempt that is waiting is made at once.

        If it ends a pause or changes the subscription, the subscription is checked as by `createWebhook`, for the owner
        of the webhook. Records no event.
        """
        webhook_id = ids.WEBHOOK.parse(input.webhook_id, "webhookId")
        while True:
            subscription, revision = await _changed_subscription(info, input, webhook_id)
            with suppress(webhooks.SubscriptionOutdated):
                webhook = await webhooks.update_webhook(
                    info.context.mutation(input),
                    webhook_id=webhook_id,
                    name=or_unset(input.name),
                    url=or_unset(input.url),
                    subscription=subscription,
                    active=or_unset(input.active),
                    checked_revision=revision,
                )
                break
        return UpdateWebhookPayload(webhook=Webhook.from_record(webhook), client_mutation_id=input.client_mutation_id)

    @mutation_field(webhooks.replay_webhook)
    async def replay_webhook(self, info: Info, input: Input[ReplayWebhookInput]) -> ReplayWebhookPayload | None:
        """Moves the position of a webhook: back, to send events again, or forward, to skip some. Each event has the
        same id (`webhook-id`) as before. Records no event."""
        webhook = await webhooks.replay_webhook(
            info.context.mutation(input),
            webhook_id=ids.WEBHOOK.parse(input.webhook_id, "webhookId"),
            after=input.after,
        )
        return ReplayWebhookPayload(webhook=Webhook.from_record(webhook), client_mutation_id=input.client_mutation_id)

    @mutation_field(webhooks.rotate_webhook_secret)
    async def rotate_webhook_secret(
        self, info: Info, input: Input[RotateWebhookSecretInput]
    ) -> RotateWebhookSecretPayload | None:
        """Gives a webhook a new secret. During the overlap, each request has a signature by the new secret and one by
        the old one. A `clientMutationId` is returned but not stored: a repeated mutation creates another secret."""
        result = await webhooks.rotate_webhook_secret(
            info.context.mutation(input),
            webhook_id=ids.WEBHOOK.parse(input.webhook_id, "webhookId"),
            overlap_seconds=input.overlap_seconds,
        )
        return RotateWebhookSecretPayload(
            webhook=Webhook.from_record(result.webhook),
            secret=result.secret,
            client_mutation_id=input.client_mutation_id,
        )

    @mutation_field(webhooks.remove_webhook)
    async def remove_webhook(self, info: Info, input: Input[RemoveWebhookInput]) -> RemoveWebhookPayload | None:
        """Removes a webhook, its position and its delivery log. A request that is on its way still arrives. Records no
        event."""
        removed = await webhooks.remove_webhook(
            info.context.mutation(input), webhook_id=ids.WEBHOOK.parse(input.webhook_id, "webhookId")
        )
        return RemoveWebhookPayload(removed_id=ids.WEBHOOK.format(removed), client_mutation_id=input.client_mutation_id)


async def _changed_subscription(
    info: Info, input: UpdateWebhookInput, webhook_id: str
) -> tuple[webhooks.StoredSubscription | msgspec.UnsetType, int | None]:
    """The subscription after the change, checked for the owner of the webhook, and the revision of the webhook that has
    the other values. UNSET if it need not be checked."""
    given = (input.query, input.operation_name, input.variables)
    if all(one is strawberry.UNSET for one in given) and input.active is not True:
        return msgspec.UNSET, None
    context = info.context.resolver_context
    before = await webhooks.get(context, webhook_id)
    subscription = await webhook_documents.check(
        info.context,
        await webhooks.find_owner(context, before),
        query=before.query if input.query is strawberry.UNSET else input.query or "",
        operation_name=before.operation_name if input.operation_name is strawberry.UNSET else input.operation_name,
        variables=_variables(before) if input.variables is strawberry.UNSET else input.variables,
    )
    return subscription, before.revision


def _variables(webhook: webhook_records.Webhook) -> object:
    return msgspec.json.decode(webhook.variables_json)
