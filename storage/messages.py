"""Messages, kept apart from their rooms and never changed."""

from collections.abc import Sequence

from storage import children
from storage.children import Link
from storage.database import Document, to_document, to_record
from storage.pages import Page
from storage.records import Message
from storage.transactions import Reader, Transaction

OF_ROOMS = Link("rooms", "messages", "roomId", number="number")


def insert(tx: Transaction, message: Message) -> None:
    messages, document = tx.collection("messages").delegate, to_document(message)
    tx.write(lambda session: messages.insert_one(document, session=session))


async def read_pages(
    reader: Reader, room_ids: Sequence[str], *, first: int, after: str | None
) -> dict[str, Page[Message]]:
    """A page of each room's messages, oldest first, in one round trip for all rooms."""
    return await children.read_pages(reader, OF_ROOMS, room_ids, {}, decode=_decode, first=first, after=after)


async def _decode(documents: list[Document]) -> list[Message]:
    return [to_record(document, Message) for document in documents]
