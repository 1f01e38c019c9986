"""Webhooks: stored subscriptions whose events are sent to an address. webhook_deliveries.py has what was sent."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from storage.errors import Duplicate, quoted
from storage.mongo import stored_documents
from storage.mongo.connection import Document, to_builtins, to_document, to_record
from storage.mongo.reader import Reader
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction
from storage.transactions.writes import insertion, replacement
from storage.webhook_records import CONSUMER_PREFIX, Failure, Pause, Webhook

COLLECTION = "webhooks"
#: The most webhooks of a deployment. Each has a subscription and a lease.
MAX_WEBHOOKS = 500


class WebhookState(NamedTuple):
    """What a process needs to know of a webhook to decide whether to deliver for it."""

    id: str
    owner_id: str
    consumer: str
    revision: int
    paused: bool
    next_attempt_at: datetime | None


async def find(reader: Reader, webhook_id: str) -> Webhook | None:
    document = await reader.collection(COLLECTION).find_one({"_id": webhook_id})
    return None if document is None else _decode(document)


async def get_many(reader: Reader, ids: Sequence[str]) -> dict[str, Webhook]:
    """The webhooks with these ids, by id; those that do not exist are absent."""
    found = reader.collection(COLLECTION).find({"_id": {"$in": list(ids)}}, batch_size=MAX_WEBHOOKS)
    return {document["_id"]: _decode(document) for document in await found.to_list(None)}


async def list_all(reader: Reader, *, owner_id: str | None) -> list[Webhook]:
    """The webhooks of an app or user, or of everybody, by owner and name."""
    query = {} if owner_id is None else {"owner.id": owner_id}
    order = [("owner.id", ASCENDING), ("name", ASCENDING)]
    found = reader.collection(COLLECTION).find(query, sort=order, batch_size=MAX_WEBHOOKS)
    return [_decode(document) for document in await found.to_list(None)]


async def list_states(reader: Reader) -> list[WebhookState]:
    """The states of all webhooks, in any order."""
    fields = {"owner.id": 1, "revision": 1, "pause.reason": 1, "failure.nextAttemptAt": 1}
    found, _ = await stored_documents.find(reader.database, COLLECTION, {}, projection=fields)
    return [
        WebhookState(
            id=document["_id"],
            owner_id=document["owner"]["id"],
            consumer=f"{CONSUMER_PREFIX}{document['_id']}",
            revision=int(document["revision"]),
            paused=document.get("pause") is not None,
            next_attempt_at=(document.get("failure") or {}).get("nextAttemptAt"),
        )
        for document in map(stored_documents.decode, found)
    ]


async def count_by_state(reader: Reader) -> dict[str, int]:
    """The number of webhooks that are active, failing and paused."""
    counts = {"active": 0, "failing": 0, "paused": 0}
    for state in await list_states(reader):
        counts["paused" if state.paused else "failing" if state.next_attempt_at else "active"] += 1
    return counts


async def count(reader: Reader, owner_id: str | None = None) -> int:
    """The number of webhooks of an app or user, or of everybody."""
    query = {} if owner_id is None else {"owner.id": owner_id}
    return int(await reader.collection(COLLECTION).count_documents(query, session=await reader.read_session()))


def insert(tx: Transaction, webhook: Webhook) -> None:
    """Insert a new webhook. Raises Duplicate at the commit if its owner has another one of this name."""
    tx.defer_write(insertion(tx.collection(COLLECTION).delegate, to_document(webhook), refusal=_refusal(webhook)))


def replace(tx: Transaction, before: Webhook, after: Webhook) -> Webhook:
    """Replace a webhook. Conflicts if it is not at the revision of `before` any more. Returns it as stored.

    Raises Duplicate at the commit if its owner has another webhook of its name.
    """
    after = msgspec.structs.replace(after, revision=before.revision + 1, updated_at=tx.now)
    found = {"_id": before.id, "revision": before.revision}
    collection = tx.collection(COLLECTION).delegate
    tx.defer_write(replacement(collection, found, to_document(after), refusal=_refusal(after)))
    return after


def delete(tx: Transaction, webhook: Webhook) -> None:
    """Delete a webhook, its consumer and its deliveries. A process that delivers for it loses the lease."""
    webhooks = tx.collection(COLLECTION).delegate
    consumers, deliveries = tx.collection("consumers").delegate, tx.collection("webhook_deliveries").delegate

    def write(session: ClientSession) -> None:
        if not webhooks.delete_one({"_id": webhook.id}, session=session).deleted_count:
            raise Conflict
        consumers.delete_one({"_id": {"owner": webhook.owner.id, "name": webhook.consumer}}, session=session)
        deliveries.delete_many({"webhookId": webhook.id}, session=session)

    tx.defer_write(write)


def delete_by_owner(tx: Transaction, owner_id: str) -> None:
    """Delete all webhooks of an app or user. Their deliveries expire."""
    webhooks = tx.collection(COLLECTION).delegate
    tx.defer_write(lambda session: webhooks.delete_many({"owner.id": owner_id}, session=session))


# ---------------------------------------------------------------- by the process that delivers


async def set_failure(reader: Reader, webhook: Webhook, failure: Failure | None) -> None:
    """Store the failure of the newest attempt, or that it succeeded, unless the webhook has changed."""
    await reader.collection(COLLECTION).update_one(
        {"_id": webhook.id, "revision": webhook.revision}, {"$set": {"failure": to_builtins(failure)}}
    )


async def set_pause(reader: Reader, webhook: Webhook, pause: Pause) -> None:
    """Pause a webhook, unless it has changed."""
    await reader.collection(COLLECTION).update_one(
        {"_id": webhook.id, "revision": webhook.revision},
        {"$set": {"pause": to_builtins(pause)}, "$inc": {"revision": 1}},
    )


def _decode(document: Document) -> Webhook:
    webhook: Webhook = to_record(document, Webhook)
    return webhook


def _refusal(webhook: Webhook) -> Callable[[DuplicateKeyError], Exception]:
    return lambda _: Duplicate(f"You have another webhook {quoted(webhook.name)}.", key="name")
