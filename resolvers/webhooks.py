"""Webhooks: subscriptions whose events the server sends to an address. The server's own package delivers them."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.consumers.consumers import ConsumerStatus, find_statuses
from resolvers.context import Context
from resolvers.log_positions import starting_position
from resolvers.operations import MutationContext, mutation, query
from resolvers.webhook_addresses import parse_url
from storage import webhook_deliveries, webhooks
from storage.errors import Invalid, NotFound
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page, PageArguments
from storage.records import Record
from storage.webhook_records import Pause, PauseReason, SigningSecret, Webhook, WebhookDelivery
from storage.webhooks import MAX_WEBHOOKS

SCOPE = "webhooks:write"
#: The most webhooks of one app or user.
MAX_PER_OWNER = 50
#: The longest document. It is also limited as every operation is.
MAX_DOCUMENT_CHARACTERS = 20_000
#: How long a replaced secret signs beside the new one: by default, and at most.
OVERLAP_SECONDS = 24 * 60 * 60
MAX_OVERLAP_SECONDS = 7 * 24 * 60 * 60
#: Secrets that sign at the same time.
MAX_SECRETS = 3
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_BYTES = 32


class StoredSubscription(Record, frozen=True, kw_only=True):
    """A subscription that was found valid for its owner, and the scopes without which it would miss something."""

    query: str
    operation_name: str | None
    variables_json: str
    scopes: tuple[str, ...]


class SubscriptionOutdated(Exception):
    """The webhook has changed since its subscription was checked. Check it again."""


class WebhookWithSecret(Record, frozen=True):
    """A webhook and its new secret."""

    webhook: Webhook
    secret: str


@query(SCOPE)
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Webhook]:
    """The webhooks with these ids that the caller may see, by id."""
    found = await webhooks.get_many(context.reader, ids)
    return {key: webhook for key, webhook in found.items() if _is_visible(context, webhook)}


@query(SCOPE)
async def list_webhooks(context: Context) -> list[Webhook]:
    """The caller's webhooks, by name. For admins, those of everybody, by owner and name."""
    owner_id = None if context.caller.has_scope(access.ADMIN) else context.caller.id
    return await webhooks.list_all(context.reader, owner_id=owner_id)


@query(SCOPE)
async def get(context: Context, webhook_id: str) -> Webhook:
    """The webhook. Raises NotFound if there is none that the caller may see."""
    return _require_visible(context, await webhooks.find(context.reader, webhook_id), webhook_id)


@query(SCOPE)
async def find_owner(context: Context, webhook: Webhook) -> Caller:
    """The owner of a webhook, as the caller that reads events for it. Raises Invalid if it has ended."""
    owner = await access.find_owner(context.reader, webhook.owner)
    if owner is None:
        raise Invalid("The owner of the webhook is not active any more; remove the webhook.", key="webhookId")
    return owner


@query(SCOPE)
async def list_deliveries(
    context: Context, webhook_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[WebhookDelivery]]:
    """For each of these webhooks, which the caller may see, a page of its delivery log, newest first."""
    return await webhook_deliveries.read_pages(context.reader, webhook_ids, page=validation.page(**page))


@query(SCOPE)
async def find_consumers(context: Context, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ConsumerStatus]:
    """The consumers of webhooks that the caller may see, by their owners and names. One for which no server has begun
    to deliver is absent."""
    return await find_statuses(context, keys)


# ---------------------------------------------------------------- mutations


@mutation(SCOPE, idempotent=False)
async def create_webhook(
    change: MutationContext,
    *,
    name: str,
    url: str,
    subscription: StoredSubscription,
    after: str | None = None,
    active: bool = True,
) -> WebhookWithSecret:
    """Create a webhook of the caller, which begins after the cursor, or with the next event."""
    tx, context = change.tx, change.context
    name = validation.name(name, "name")
    parse_url(url, context.services.webhook_policy)
    if await webhooks.count(tx, change.caller.id) >= MAX_PER_OWNER:
        raise Invalid(f"You have {MAX_PER_OWNER} webhooks, and can have no more; remove one first.", key="name")
    if await webhooks.count(tx) >= MAX_WEBHOOKS:
        raise Invalid(f"The deployment has {MAX_WEBHOOKS} webhooks, and can have no more.", key="name")
    secret = new_secret()
    webhook = Webhook(
        id=new_id(tx.now),
        owner=change.actor,
        name=name,
        url=url,
        **_stored(subscription),
        secrets=(SigningSecret(secret=secret),),
        generation=new_id(tx.now),
        after=await starting_position(context.storage, after),
        pause=None if active else _requested_pause(change),
        created_at=tx.now,
        updated_at=tx.now,
    )
    webhooks.insert(tx, webhook)
    _wake_after_commit(change)
    return WebhookWithSecret(webhook, secret)


@mutation(SCOPE, lock=("webhook", "webhook_id"), internal=("checked_revision",))
async def update_webhook(
    change: MutationContext,
    *,
    webhook_id: str,
    name: str | UnsetType | None = UNSET,
    url: str | UnsetType | None = UNSET,
    subscription: StoredSubscription | UnsetType = UNSET,
    active: bool | UnsetType | None = UNSET,
    checked_revision: int | None = None,
) -> Webhook:
    """Change a webhook. The next attempt follows at once, unless the webhook is paused.

    `checked_revision`: the revision of the webhook with whose values the subscription was checked. Raises
    SubscriptionOutdated if the webhook has another one.
    """
    before = await _get(change, webhook_id)
    if checked_revision not in (None, before.revision):
        raise SubscriptionOutdated
    changes: dict[str, Any] = {"failure": None}
    if name is not UNSET:
        changes["name"] = validation.name(validation.not_null(name, "name"), "name")
    if url is not UNSET:
        parse_url(validation.not_null(url, "url"), change.context.services.webhook_policy)
        changes["url"] = url
    if subscription is not UNSET:
        changes |= _stored(subscription)
    if active is not UNSET:
        paused = before.pause or _requested_pause(change)
        changes["pause"] = None if validation.not_null(active, "active") else paused
    return _without_secrets(_replace(change, before, **changes))


@mutation(SCOPE, lock=("webhook", "webhook_id"))
async def replay_webhook(change: MutationContext, *, webhook_id: str, after: str) -> Webhook:
    """Send the events after the cursor again, or skip those before it. Ends a pause for deleted events."""
    before = await _get(change, webhook_id)
    position = await starting_position(change.context.storage, after)
    pause = before.pause
    if pause is not None and pause.reason is PauseReason.EVENTS_DELETED:
        pause = None
    after_change = _replace(change, before, generation=new_id(change.tx.now), after=position, failure=None, pause=pause)
    return _without_secrets(after_change)


@mutation(SCOPE, lock=("webhook", "webhook_id"), idempotent=False)
async def rotate_webhook_secret(
    change: MutationContext, *, webhook_id: str, overlap_seconds: int = OVERLAP_SECONDS
) -> WebhookWithSecret:
    """Give a webhook a new secret. Requests are signed with the old one too for `overlap_seconds`."""
    validation.number(overlap_seconds, "overlapSeconds", minimum=0, maximum=MAX_OVERLAP_SECONDS)
    before, now = await _get(change, webhook_id), change.tx.now
    until = now + timedelta(seconds=overlap_seconds)
    replaced = [
        msgspec.structs.replace(one, until=until if one.until is None else min(one.until, until))
        for one in before.secrets
        if one.until is None or one.until > now
    ]
    kept = [one for one in replaced if one.until is not None and one.until > now]
    secret = new_secret()
    after = _replace(change, before, secrets=(SigningSecret(secret=secret), *kept[: MAX_SECRETS - 1]))
    return WebhookWithSecret(after, secret)


@mutation(SCOPE, lock=("webhook", "webhook_id"))
async def remove_webhook(change: MutationContext, *, webhook_id: str) -> str:
    """Delete a webhook with its consumer and its delivery log."""
    webhook = await _get(change, webhook_id)
    webhooks.delete(change.tx, webhook)
    _wake_after_commit(change)
    return webhook.id


def new_secret() -> str:
    """A new secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def _get(change: MutationContext, webhook_id: str) -> Webhook:
    """The webhook. Raises NotFound if there is none that the caller may see."""
    return _require_visible(change.context, await webhooks.find(change.tx, webhook_id), webhook_id)


def _require_visible(context: Context, webhook: Webhook | None, webhook_id: str) -> Webhook:
    if webhook is None or not _is_visible(context, webhook):
        raise NotFound("webhook", webhook_id, key="webhookId")
    return webhook


def _is_visible(context: Context, webhook: Webhook) -> bool:
    return context.caller.has_scope(access.ADMIN) or webhook.owner.id == context.caller.id


def _replace(change: MutationContext, before: Webhook, **changes: Any) -> Webhook:
    _wake_after_commit(change)
    return webhooks.replace(change.tx, before, msgspec.structs.replace(before, **changes))


def _without_secrets(webhook: Webhook) -> Webhook:
    """The webhook as the answer of a mutation, which is stored by its clientMutationId."""
    return msgspec.structs.replace(webhook, secrets=())


def _wake_after_commit(change: MutationContext) -> None:
    change.after_commit.append(change.context.services.notify_webhooks)


def _requested_pause(change: MutationContext) -> Pause:
    return Pause(reason=PauseReason.REQUESTED, message="It was paused by a mutation.", at=change.tx.now)


def _stored(subscription: StoredSubscription) -> Mapping[str, Any]:
    return {name: getattr(subscription, name) for name in subscription.__struct_fields__}
