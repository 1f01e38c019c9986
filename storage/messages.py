"""Messages. They are stored in a collection of their own, in the order of their numbers."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from pymongo import ASCENDING, ReplaceOne

from storage.erased import erased_message
from storage.message_records import Audience, Message
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import MAX_BATCH_ROWS, Document, to_document, to_record
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.transactions.transaction import Transaction
from storage.transactions.writes import insertion, replacement

MESSAGES_BY_ROOM = Relation("rooms", "messages", "roomId", number="number")
#: Messages that lose their content at once.
ERASE_BATCH = 100


def insert(tx: Transaction, message: Message) -> None:
    tx.defer_write(insertion(tx.collection("messages").delegate, to_document(message)))


def replace(tx: Transaction, before: Message, after: Message) -> Message:
    """Replace a message if its version is still that of `before`. Raises Conflict otherwise."""
    after = msgspec.structs.replace(after, version=before.version + 1)
    query = {"_id": before.id, "version": before.version or None}  # the first version is not stored
    tx.defer_write(replacement(tx.collection("messages").delegate, query, to_document(after)))
    return after


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Message]:
    """The messages with those ids, by id; those that do not exist are absent."""
    found = reader.collection("messages").find(
        {"_id": {"$in": list(ids)}}, batch_size=MAX_BATCH_ROWS, session=await reader.read_session()
    )
    return {message.id: message for message in await _decode(await found.to_list(None))}


async def list_by_room(reader: Reader, room_id: str, *, after: int, limit: int) -> list[Message]:
    """The messages of a room with numbers above `after`, in their order."""
    query: Document = {"roomId": room_id, "number": {"$gt": after}}
    found = reader.collection("messages").find(query, sort=[("number", ASCENDING)], limit=limit, batch_size=limit)
    return await _decode(await found.to_list(limit))


async def erase_content(reader: Reader, room_id: str, at: datetime) -> int:
    """Remove the content of all messages of a room, and return the number of those that had content.

    The version of each increases, so that a concurrent edit conflicts.
    """
    position = erased = 0
    while batch := await list_by_room(reader, room_id, after=position, limit=ERASE_BATCH):
        writes = []
        for before in batch:
            after = erased_message(before, at)
            if after != before:
                query = {"_id": before.id, "version": before.version or None}
                document = to_document(msgspec.structs.replace(after, version=before.version + 1))
                writes.append(ReplaceOne[Document](query, document))
        done = (await reader.collection("messages").bulk_write(writes, ordered=False)).matched_count if writes else 0
        erased += done
        if done == len(writes):  # otherwise a message was edited meanwhile
            position = batch[-1].number
    return erased


async def read_pages(
    reader: Reader, room_ids: Sequence[str], *, page: PageRequest, notes: bool = True
) -> dict[str, Page[Message]]:
    """Return a page of each room's messages, oldest first, in one round trip for all rooms. Without notes if asked."""
    query: Document = {} if notes else {"audience": {"$ne": Audience.STAFF.value}}
    return await child_pagination.read_pages(reader, MESSAGES_BY_ROOM, room_ids, query, decode=_decode, page=page)


async def _decode(documents: list[Document]) -> list[Message]:
    return [to_record(document, Message) for document in documents]
