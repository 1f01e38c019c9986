"""The queries of the bridge, and the shapes of their results."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from examples.salesforce_chat.state import CONVERSATION, RECEIVED, SENT

PAGE = 50


class Shape(Struct, frozen=True, rename="camel"):
    pass


class Datum(Shape, frozen=True):
    value: Any


class Field(Shape, frozen=True):
    key: str
    value: Any


class VisitorShape(Shape, frozen=True):
    id: str
    name: str | None
    email: str | None
    phone: str | None
    custom_fields: list[Field]


class AgentShape(Shape, frozen=True):
    user_id: str


class RoomShape(Shape, frozen=True):
    id: str
    status: str
    revision: int
    source: str
    subject: str | None
    assigned_at: datetime | None
    last_message_at: datetime | None
    custom_fields: list[Field]
    served_by: AgentShape | None
    visitor: VisitorShape
    conversation: Datum | None
    sent: Datum | None
    received: Datum | None


ROOM = f"""query Room($id: ID!) {{
  result: room(by: {{id: $id}}) {{
    id status revision source subject assignedAt lastMessageAt
    customFields {{ key value }}
    servedBy {{ userId }}
    visitor {{ id name email phone customFields {{ key value }} }}
    conversation: appData(key: "{CONVERSATION}") {{ value }}
    sent: appData(key: "{SENT}") {{ value }}
    received: appData(key: "{RECEIVED}") {{ value }}
  }}
}}"""


class Sender(Shape, frozen=True):
    type: str
    name: str | None


class AttachmentShape(Shape, frozen=True):
    name: str
    url: str


class MessageShape(Shape, frozen=True):
    number: int
    text: str
    attachments: list[AttachmentShape]
    audience: str
    sender: Sender
    data: Any


class Messages(Shape, frozen=True):
    nodes: list[MessageShape]


class RoomMessages(Shape, frozen=True):
    messages: Messages


#: The newest messages of a room, oldest of them first.
MESSAGES = f"""query Messages($id: ID!) {{
  result: room(by: {{id: $id}}) {{
    messages(last: {PAGE}) {{ nodes {{
      number text attachments {{ name url }} audience sender {{ type name }} data
    }} }}
  }}
}}"""


class MessageData(Shape, frozen=True):
    data: Any = None


MESSAGE = """query Message($id: ID!) { result: node(id: $id) { ... on Message { data } } }"""


class DepartmentShape(Shape, frozen=True):
    id: str
    name: str


DEPARTMENTS = "{ result: departments { id name } }"
