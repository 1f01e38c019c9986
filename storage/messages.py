"""Messages. They are stored in a collection of their own and never changed."""

from collections.abc import Iterable, Sequence

from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import MAX_BATCH_ROWS, Collection, Database, Document, to_document, to_record
from storage.mongo.indexes import UNNUMBERED_INDEX
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.records import Message
from storage.transactions.transaction import Transaction

MESSAGES_BY_ROOM = Relation("rooms", "messages", "roomId", number="number")


def insert(tx: Transaction, message: Message) -> None:
    messages, document = tx.collection("messages").delegate, to_document(message)
    tx.defer_write(lambda session: messages.insert_one(document, session=session))


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Message]:
    """The messages with those ids, by id; those that do not exist are absent."""
    found = reader.collection("messages").find({"_id": {"$in": list(ids)}}, batch_size=MAX_BATCH_ROWS)
    return {message.id: message for message in await _decode(await found.to_list(None))}


async def read_pages(reader: Reader, room_ids: Sequence[str], *, page: PageRequest) -> dict[str, Page[Message]]:
    """Return a page of each room's messages, oldest first, in one round trip for all rooms."""
    return await child_pagination.read_pages(reader, MESSAGES_BY_ROOM, room_ids, {}, decode=_decode, page=page)


async def _decode(documents: list[Document]) -> list[Message]:
    return [to_record(document, Message) for document in documents]


async def number_unnumbered(database: Database) -> None:
    """Number messages of a version without numbers, by their ids, and store the count of messages in each room.

    The result is the same if several processes run this at once, or if one repeats it after a crash.
    """
    messages = database["messages"]
    if UNNUMBERED_INDEX not in [index["name"] async for index in messages.list_indexes()]:
        return
    window = {"partitionBy": "$roomId", "sortBy": {"_id": 1}, "output": {"number": {"$documentNumber": {}}}}
    await _merge(messages, [{"$setWindowFields": window}, {"$project": {"number": 1}}], into="messages")
    counts = {"$group": {"_id": "$roomId", "messageCount": {"$max": "$number"}, "lastMessageAt": {"$max": "$sentAt"}}}
    await _merge(messages, [counts], into="rooms")


async def _merge(messages: Collection, pipeline: Sequence[Document], *, into: str) -> None:
    merged = {"$merge": {"into": into, "whenMatched": "merge", "whenNotMatched": "discard"}}
    await messages.aggregate([*pipeline, merged], allowDiskUse=True).to_list(None)
