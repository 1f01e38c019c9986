"""The delivery log of webhooks: each attempt to send an event, without the event.

An entry has no content of events, so that erasing a visitor has nothing to remove here.
"""

from collections.abc import Sequence

import msgspec
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import Document, from_builtins, to_builtins
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.webhook_records import WebhookDelivery

COLLECTION = "webhook_deliveries"
#: The entries that each webhook keeps at least. Older ones are deleted in batches.
KEPT = 1_000
TRIM_BATCH = 100
DELIVERIES_BY_WEBHOOK = Relation("webhooks", COLLECTION, "webhookId", number="number", descending=True)


async def insert(
    reader: Reader, delivery: WebhookDelivery, *, kept: int = KEPT, batch: int = TRIM_BATCH
) -> WebhookDelivery:
    """Add an entry. If its number is taken, it gets the next one. Deletes old entries. Returns it as stored."""
    collection = reader.collection(COLLECTION)
    while True:
        try:
            await collection.insert_one(_encode(delivery))
            break
        except DuplicateKeyError:
            number = await last_number(reader, delivery.webhook_id) + 1
            delivery = msgspec.structs.replace(delivery, number=number)
    if delivery.number % batch == 0:
        await collection.delete_many({"webhookId": delivery.webhook_id, "number": {"$lte": delivery.number - kept}})
    return delivery


async def last_number(reader: Reader, webhook_id: str) -> int:
    """The number of the newest entry of a webhook. 0 if it has none."""
    newest = await reader.collection(COLLECTION).find_one(
        {"webhookId": webhook_id}, {"number": 1}, sort=[("number", DESCENDING)]
    )
    return 0 if newest is None else int(newest["number"])


async def read_pages(
    reader: Reader, webhook_ids: Sequence[str], *, page: PageRequest
) -> dict[str, Page[WebhookDelivery]]:
    """Return a page of the log of each webhook, newest first, in one round trip for all webhooks.

    Raises InvalidCursor.
    """
    return await child_pagination.read_pages(reader, DELIVERIES_BY_WEBHOOK, webhook_ids, {}, decode=_decode, page=page)


async def _decode(documents: list[Document]) -> list[WebhookDelivery]:
    return [from_builtins(document, WebhookDelivery) for document in documents]


def _encode(delivery: WebhookDelivery) -> Document:
    return {"_id": f"{delivery.webhook_id}-{delivery.number}", **to_builtins(delivery)}
