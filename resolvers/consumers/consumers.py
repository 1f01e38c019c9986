"""Consumers: stored positions of an app in the event log. leases.py has their leases."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from resolvers.acknowledgements import event_of, get_consumer, notify
from resolvers.auth import access
from resolvers.context import Context
from resolvers.log_positions import existing_position
from resolvers.operations import MutationContext, mutation, query
from storage import acknowledgements, consumers, webhooks
from storage.consumer_records import Consumer
from storage.errors import ConsumerBusy, Forbidden, Invalid, quoted
from storage.filters.expressions import Expression
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType, Record
from storage.webhook_records import CONSUMER_PREFIX

#: The most consumers in a list.
MAX_LISTED = 10_000


class ConsumerStatus(Record, frozen=True, kw_only=True):
    """The position of a consumer, and whether a connection reads for it."""

    name: str
    #: The default is for answers that version 0.1.0 recorded.
    owner: Actor = Actor(type=ActorType.APP)
    generation: str = ""
    acked_cursor: str
    #: The sequence of the last event that was sent.
    sent: int = 0
    connected: bool
    last_seen_at: datetime | None
    #: The filter of its last subscription, as in storage.consumer_records.ConsumerFilter.
    types: tuple[str, ...] | None = None
    where: Expression | None = None
    visible: Expression | None = None
    not_by_owner: bool = False


@query("events:read")
async def list_consumers(context: Context) -> list[ConsumerStatus]:
    """The caller's consumers, by name. For admins, up to MAX_LISTED consumers of everybody, by owner and name."""
    owner_id = None if context.caller.has_scope(access.ADMIN) else context.caller.id
    return await _statuses(context, await consumers.list_all(context.reader, owner_id=owner_id, limit=MAX_LISTED))


async def find_statuses(context: Context, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], ConsumerStatus]:
    """The statuses of consumers that the caller may see, by their owners and names."""
    stored = await consumers.find_many(context.reader, keys)
    statuses = await _statuses(context, stored)
    return {(one.owner_id, one.name): status for one, status in zip(stored, statuses, strict=True)}


def require_own_name(name: str, *, key: str = "consumer") -> None:
    """Raise Invalid for the name of a consumer of a webhook."""
    if name.startswith(CONSUMER_PREFIX):
        raise Invalid(f"The names of consumers of webhooks begin with {CONSUMER_PREFIX}; use another name.", key=key)


@mutation("events:read", lock=("consumer", "consumer"))
async def ack_events(change: MutationContext, *, consumer: str, cursor: str, only: bool = False) -> ConsumerStatus:
    """Acknowledge all events up to the cursor, or `only` its event. Events that are acknowledged already do not change.

    The position of the consumer moves over single events when a connection reads for it.
    """
    if only:
        sequence = await event_of(change.context, cursor, key="cursor")
        stored = await get_consumer(change.tx, change.caller.id, consumer, key="consumer")
        if not await acknowledgements.is_acknowledged(change.tx, stored, sequence):
            acknowledgements.insert(change.tx, stored, sequence)
    else:
        sequence = await existing_position(change.context.storage, cursor, key="cursor")
        stored = await get_consumer(change.tx, change.caller.id, consumer, key="consumer")
        stored = consumers.acknowledge(change.tx, stored, sequence)
    change.after_commit.append(partial(notify, change.context, stored, sequence, only=only))
    (status,) = await _statuses(change.context, [stored])
    return status


@mutation("events:read", lock=("consumer", "consumer"))
async def remove_consumer(change: MutationContext, *, consumer: str, owner_id: str | None = None) -> str:
    """Delete a consumer of the caller and its position; an admin's `owner_id` names another owner.

    Raises ConsumerBusy while a connection reads for it.
    """
    if owner_id is not None and not change.caller.has_scope(access.ADMIN):
        raise Forbidden("Only a token with the scope admin removes consumers of others.", scope=access.ADMIN)
    webhook_id = consumer.removeprefix(CONSUMER_PREFIX)
    if consumer != webhook_id and await webhooks.find(change.tx, webhook_id) is not None:
        raise Invalid("The consumer of a webhook is removed with it; call removeWebhook.", key="consumer")
    stored = await get_consumer(change.tx, owner_id or change.caller.id, consumer, key="consumer")
    # The connection that read for it may be releasing its lease.
    await change.context.services.pending_releases.wait_for_pending(stored.owner_id, stored.name)
    if not await consumers.delete(change.tx, stored.owner_id, stored.name):
        raise ConsumerBusy(
            f"The consumer {quoted(consumer)} is being read by a connection; end its subscription first."
        )
    return stored.name


async def _statuses(context: Context, stored: Sequence[Consumer]) -> list[ConsumerStatus]:
    now, hub = context.storage.database.now(), context.services.acknowledgement_hub
    # Version 0.1.0 did not store the owners.
    unknown = {consumer.owner_id for consumer in stored if consumer.owner is None}
    owners = await consumers.find_owners(context.reader, unknown) if unknown else {}
    return [
        ConsumerStatus(
            name=consumer.name,
            owner=consumer.owner
            or owners.get(consumer.owner_id)
            or Actor(type=ActorType.APP, id=consumer.owner_id, name=None),
            generation=consumer.generation,
            acked_cursor=event_cursor(consumer.acked),
            sent=max(consumer.sent, hub.last_sent(consumer.owner_id, consumer.name)),
            connected=consumers.is_leased(consumer, now),
            last_seen_at=consumer.last_seen_at,
            types=consumer.types,
            where=consumer.where,
            visible=consumer.visible,
            not_by_owner=consumer.not_by_owner,
        )
        for consumer in stored
    ]
