"""Reads what the bridge needs of events and rooms of Switchboard."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from msgspec import Struct

from examples.salesforce_crm.cases import Conversation
from examples.salesforce_crm.contacts import Person
from examples.salesforce_crm.transcripts import MESSAGES_PER_FILE, Closing, Line
from switchboard_client import Api
from switchboard_client.events import RoomClosed, VisitorSaved
from switchboard_client.types import RoomSnapshot, VisitorSnapshot

MESSAGES = """query Transcript($roomId: ID!, $first: Int!, $after: Cursor) {
  result: room(by: {id: $roomId}) {
    messages(first: $first, after: $after) {
      nodes {
        number text sentAt audience redactedAt
        sender { type name }
        attachments { name url }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""


class Sender(Struct, frozen=True, rename="camel"):
    type: str
    name: str | None


class Attachment(Struct, frozen=True, rename="camel"):
    name: str
    url: str


class Message(Struct, frozen=True, rename="camel"):
    number: int
    text: str
    sent_at: datetime
    audience: str
    redacted_at: datetime | None
    sender: Sender
    attachments: tuple[Attachment, ...]


class PageInfo(Struct, frozen=True, rename="camel"):
    has_next_page: bool
    end_cursor: str | None


class Messages(Struct, frozen=True, rename="camel"):
    nodes: tuple[Message, ...]
    page_info: PageInfo


class Room(Struct, frozen=True, rename="camel"):
    messages: Messages


def person_of(visitor: VisitorSnapshot) -> Person:
    return Person(visitor.visitor_id, visitor.name, visitor.email, visitor.phone)


def person_before(event: VisitorSaved) -> Person:
    """The visitor as it was before it was saved."""
    values = {change.field: change.before for change in event.changes}
    visitor = event.visitor
    return Person(
        visitor.visitor_id,
        values.get("name", visitor.name),
        values.get("email", visitor.email),
        values.get("phone", visitor.phone),
    )


def conversation_of(room: RoomSnapshot) -> Conversation:
    return Conversation(room.room_id, room.subject, room.source)


def closing_of(event: RoomClosed) -> Closing:
    room = event.room
    agent = room.last_served_by
    return Closing(
        room_id=room.room_id,
        closed_at=room.closed_at or event.occurred_at,
        closed_by=sender_name(event.closed_by.type, event.closed_by.name),
        comment=event.comment,
        tags=room.tags,
        agent=None if agent is None else agent.user.name or agent.user.username,
    )


def sender_name(kind: str, name: str | None) -> str:
    """A name for people: "Ada Park (visitor)"."""
    kind = str(kind).lower()
    return f"{name} ({kind})" if name else f"the {kind}"


async def transcript_pages(api: Api, room_id: str, *, staff_notes: bool) -> AsyncIterator[Sequence[Line]]:
    """The messages of a room in pages of MESSAGES_PER_FILE, counted before staff notes are left out."""
    after: str | None = None
    while True:
        variables = {"roomId": room_id, "first": MESSAGES_PER_FILE, "after": after}
        room: Room | None = await api.query(MESSAGES, variables, type=Room | None)
        if room is None:
            return
        yield [_line(message) for message in room.messages.nodes if staff_notes or message.audience != "STAFF"]
        if not room.messages.page_info.has_next_page:
            return
        after = room.messages.page_info.end_cursor


def _line(message: Message) -> Line:
    return Line(
        message.number,
        message.sent_at,
        sender_name(message.sender.type, message.sender.name),
        "[redacted]" if message.redacted_at else message.text,
        staff_note=message.audience == "STAFF",
        attachments=tuple(f"{one.name} {one.url}" for one in message.attachments),
    )
