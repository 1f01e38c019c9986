"""Messages, kept apart from their rooms and never changed."""

from storage import pages
from storage.database import Document, to_document, to_record
from storage.pages import BY_CREATION, Page
from storage.records import Message
from storage.transactions import Reader, Transaction


async def insert(tx: Transaction, message: Message) -> Message:
    await tx.collection("messages").insert_one(to_document(message), session=await tx.writing())
    return message


async def read_page(reader: Reader, room_id: str, *, first: int, after: str | None) -> Page[Message]:
    """Messages of a room, oldest first."""
    return await pages.read_documents(
        reader.collection("messages"),
        {"roomId": room_id},
        decode=_decode,
        order=BY_CREATION,
        first=first,
        after=after,
    )


async def read_first_pages(reader: Reader, room_ids: list[str], *, first: int) -> dict[str, Page[Message]]:
    """The first page of each room's messages, in one round trip for all rooms."""
    groups = reader.collection("rooms").aggregate(
        [
            {"$match": {"_id": {"$in": room_ids}}},
            {"$project": {"_id": 1}},
            {
                "$lookup": {
                    "from": "messages",
                    "localField": "_id",
                    "foreignField": "roomId",
                    "pipeline": [{"$sort": {"_id": 1}}, {"$limit": first + 1}],
                    "as": "messages",
                }
            },
        ]
    )
    found = {group["_id"]: group["messages"] async for group in groups}
    return {room_id: _first_page(reader, room_id, found.get(room_id, []), first) for room_id in room_ids}


async def _decode(documents: list[Document]) -> list[Message]:
    return [to_record(document, Message) for document in documents]


def _first_page(reader: Reader, room_id: str, documents: list[Document], first: int) -> Page[Message]:
    kept = documents[:first]
    cursors = [BY_CREATION.cursor(document) for document in kept]
    return Page(
        items=[to_record(document, Message) for document in kept],
        cursors=cursors,
        has_next=len(documents) > first,
        has_previous=False,
        total=lambda: pages.count(reader.collection("messages"), {"roomId": room_id}),
    )
