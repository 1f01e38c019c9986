"""Reads documents as the bytes in which MongoDB stores them: on the event loop (direct_commands.py), or else in one
call on a thread of the driver.

Bytes that were read before need not be decoded again (storage/entity_cache.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import bson
from motor.frameworks.asyncio import run_on_executor
from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.mongo.connection import CODEC, MAX_BATCH_ROWS, READ_CONCERN, Collection, Database, Document
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
    database: Database,
    collection: str,
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
    if session is None:
        command: Document = {"find": collection, "filter": query, "readConcern": READ_CONCERN.document}
        if projection is not None:
            command["projection"] = projection
        if sort is not None:
            command["sort"] = dict(sort)
        if limit:
            command["limit"] = limit
        batch = await database.direct_commands.find({**command, "batchSize": MAX_BATCH_ROWS})
        if batch is not None:
            documents, more = within(batch.documents, size)
            if more or not batch.cursor_id:
                return documents, more
    return await _find_by_driver(
        database[collection], query, projection=projection, sort=sort, limit=limit, size=size, session=session
    )


def within(documents: list[StoredDocument], size: int | None) -> tuple[list[StoredDocument], bool]:
    """The documents up to the one with which they exceed `size` bytes, and whether others are left out."""
    if size is None:
        return documents, False
    total = 0
    for number, document in enumerate(documents):
        if total > size:
            return documents[:number], True
        total += len(document)
    return documents, False


async def _find_by_driver(
    collection: Collection,
    query: Mapping[str, Any],
    *,
    projection: Mapping[str, Any] | None,
    sort: Sequence[tuple[str, int]] | None,
    limit: int,
    size: int | None,
    session: AsyncIOMotorClientSession | None,
) -> tuple[list[StoredDocument], bool]:
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
