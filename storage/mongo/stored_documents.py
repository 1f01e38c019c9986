"""Reads documents as the bytes in which MongoDB stores them, in one call on a thread of the driver.

Bytes that were read before need not be decoded again (storage/entity_cache.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import bson
from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.mongo.connection import CODEC, MAX_BATCH_ROWS, Collection, Document
from storage.mongo.deadlines import milliseconds_left
from storage.mongo.read_budget import charge

#: A document as BSON.
StoredDocument: TypeAlias = bytes

#: The bytes of a document that hold its length.
_LENGTH_BYTES = 4


def decode(stored: StoredDocument) -> Document:
    """The document in the bytes."""
    return bson.decode(stored, codec_options=CODEC)


def split(batch: bytes) -> list[StoredDocument]:
    """The documents of a batch, which has them one after the other."""
    documents: list[StoredDocument] = []
    start = 0
    while start < len(batch):
        end = start + int.from_bytes(batch[start : start + _LENGTH_BYTES], "little")
        documents.append(batch[start:end])
        start = end
    return documents


async def find(
    collection: Collection,
    query: Mapping[str, Any],
    *,
    projection: Mapping[str, Any] | None = None,
    sort: Sequence[tuple[str, int]] | None = None,
    limit: int = 0,
    size: int | None = None,
    session: AsyncIOMotorClientSession | None = None,
) -> tuple[list[StoredDocument], bool]:
    """The documents that match, up to the one with which they exceed `size` bytes, and whether more follow.

    The time limit of the caller applies (deadlines.py).
    """
    cursor = collection.delegate.find_raw_batches(
        query,
        projection,
        sort=sort,
        limit=limit,
        batch_size=MAX_BATCH_ROWS,
        session=None if session is None else session.delegate,
        max_time_ms=milliseconds_left(),
    )

    def read() -> tuple[list[StoredDocument], bool]:
        documents: list[StoredDocument] = []
        total = 0
        with cursor:
            for batch in cursor:
                for document in split(cast(bytes, batch)):
                    if size is not None and total > size:
                        return documents, True
                    documents.append(document)
                    total += len(document)
        return documents, False

    found: tuple[list[StoredDocument], bool] = await run_on_executor(asyncio.get_running_loop(), read)  # type: ignore[no-untyped-call] # has no types
    return found


def charge_all(documents: Sequence[StoredDocument]) -> None:
    """Count the documents as read for an answer. Raises QueryTooComplex if the operation has no budget left."""
    for document in documents:
        charge(len(document))
