"""Messages. They are stored in a collection of their own, in the order of their numbers."""

from collections.abc import Iterable, Sequence

import msgspec
from pymongo.client_session import ClientSession

from storage.message_records import Audience, Message
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import MAX_BATCH_ROWS, Collection, Database, Document, to_document, to_record
from storage.mongo.indexes import UNNUMBERED_INDEX
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.transactions.transaction import Conflict, Transaction

MESSAGES_BY_ROOM = Relation("rooms", "messages", "roomId", number="number")


def insert(tx: Transaction, message: Message) -> None:
    messages, document = tx.collection("messages").delegate, to_document(message)
    tx.defer_write(lambda session: messages.insert_one(document, session=session))


def replace(tx: Transaction, before: Message, after: Message) -> Message:
    """Replace a message if its version is still that of `before`. Raises Conflict otherwise."""
    after = msgspec.structs.replace(after, version=before.version + 1)
    messages, document = tx.collection("messages").delegate, to_document(after)
    query = {"_id": before.id, "version": before.version or None}  # the first version is not stored

    def write(session: ClientSession) -> None:
        if messages.replace_one(query, document, session=session).matched_count == 0:
            raise Conflict

    tx.defer_write(write)
    return after


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Message]:
    """The messages with those ids, by id; those that do not exist are absent."""
    found = reader.collection("messages").find(
        {"_id": {"$in": list(ids)}}, batch_size=MAX_BATCH_ROWS, session=await reader.read_session()
    )
    return {message.id: message for message in await _decode(await found.to_list(None))}


async def read_pages(
    reader: Reader, room_ids: Sequence[str], *, page: PageRequest, notes: bool = True
) -> dict[str, Page[Message]]:
    """Return a page of each room's messages, oldest first, in one round trip for all rooms. Without notes if asked."""
    query: Document = {} if notes else {"audience": {"$ne": Audience.STAFF.value}}
    return await child_pagination.read_pages(reader, MESSAGES_BY_ROOM, room_ids, query, decode=_decode, page=page)


async def _decode(documents: list[Document]) -> list[Message]:
    return [to_record(document, Message) for document in documents]


async def add_missing_numbers(database: Database) -> None:
    """Number the messages of an earlier version by their ids, and store the count of messages in each room.

    The result is the same if several processes run this at once, or if one repeats it after a crash: a number that is
    stored stays, and so does a higher count, because another process may have sent messages since it did this.
    """
    messages = database["messages"]
    if UNNUMBERED_INDEX not in [index["name"] async for index in messages.list_indexes()]:
        return
    window = {"partitionBy": "$roomId", "sortBy": {"_id": 1}, "output": {"number": {"$documentNumber": {}}}}
    numbers: list[Document] = [{"$setWindowFields": window}, {"$project": {"number": 1}}]
    await _merge(messages, numbers, into="messages", number={"$ifNull": ["$number", "$$new.number"]})
    counts: list[Document] = [{"$group": {"_id": "$roomId", "count": {"$max": "$number"}, "last": {"$max": "$sentAt"}}}]
    count = {"$max": ["$messageCount", "$$new.count"]}
    last = {"$max": ["$lastMessageAt", "$$new.last"]}
    await _merge(messages, counts, into="rooms", messageCount=count, lastMessageAt=last)


async def _merge(messages: Collection, pipeline: Sequence[Document], *, into: str, **values: Document) -> None:
    """Set the values in the documents of `into` that have the ids of the results."""
    merged = {"$merge": {"into": into, "whenMatched": [{"$set": values}], "whenNotMatched": "discard"}}
    await messages.aggregate([*pipeline, merged], allowDiskUse=True).to_list(None)
