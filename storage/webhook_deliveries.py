"""The delivery log of webhooks: each attempt to send an event, without the event.

An entry has no content of events, so that erasing a visitor has nothing to remove here.
"""

import msgspec
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from storage.mongo import counts, pagination, stored_documents
from storage.mongo.connection import Document, from_builtins, to_builtins
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortKey, SortOrder
from storage.mongo.stored_documents import StoredDocument
from storage.webhook_records import WebhookDelivery

COLLECTION = "webhook_deliveries"
#: The entries that each webhook keeps at least. Older ones are deleted in batches.
KEPT = 1_000
TRIM_BATCH = 100
#: Newest first.
_ORDER = SortOrder("webhookDeliveries", (SortKey("number", (int,), descending=True),), unique=True)


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


async def read_page(reader: Reader, webhook_id: str, request: PageRequest) -> Page[WebhookDelivery]:
    """A page of the log of a webhook, newest first. Raises InvalidCursor."""
    query = {"webhookId": webhook_id}

    async def find(
        query: Document, sort: list[tuple[str, int]], limit: int, size: int
    ) -> tuple[list[StoredDocument], bool]:
        return await stored_documents.find(reader.database, COLLECTION, query, sort=sort, limit=limit, size=size)

    run = await pagination.read_run(find, query, _ORDER, request)
    documents = [stored_documents.decode(document) for document in run.documents]
    return Page(
        items=[from_builtins(document, WebhookDelivery) for document in documents],
        cursors=[_ORDER.cursor(document) for document in documents],
        has_next=run.has_next,
        has_previous=run.has_previous,
        total=lambda: counts.count(reader.database, COLLECTION, query),
    )


def _encode(delivery: WebhookDelivery) -> Document:
    return {"_id": f"{delivery.webhook_id}-{delivery.number}", **to_builtins(delivery)}
