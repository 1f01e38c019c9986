"""What visitors may see and give: the fields, arguments and values that are open to their tokens, by name.

What is not named is hidden: schema/execution/visitor_fields.py hides fields, visitor_arguments.py refuses arguments.
docs/security.md shows the table of fields.
"""

from collections.abc import Mapping
from types import MappingProxyType

_EVENT = "id cursor sequence type occurredAt actor clientMutationId room roomRevision"
_PAGE = "edges nodes pageInfo totalCount"
_EDGE = "cursor node"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The fields that visitors may see, by type. Of the rooms and what belongs to them: only what is in their own rooms.
FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: _names(fields)
        for name, fields in {
            "Viewer": "type id name scopes roles visitor",
            "ErrorCodeInfo": "code meaning retryable",
            "Actor": "type id name",
            "Visitor": "id token name email phone createdAt",
            "Department": "id name",
            "User": "id name",
            "Agent": "id userId user",
            "Room": (
                "id status revision visitor department servedBy lastServedBy source subject startedAt assignedAt "
                "closedAt queuedAt lastMessage lastMessageAt messages events"
            ),
            "Message": (
                "id room number text sender sentAt audience choices choice attachments data inReplyTo editedAt "
                "redactedAt"
            ),
            "Choice": "id label url",
            "ChosenOption": "messageId choiceId label",
            "Attachment": "name mimeType url bytes",
            "Signal": "kind roomId sender messageId data sentAt",
            # Snapshots in events.
            "VisitorSnapshot": "visitorId token name email phone createdAt current",
            "DepartmentSnapshot": "departmentId name current",
            "UserSnapshot": "userId name current",
            "AgentSnapshot": "agentId userId user current",
            "RoomSnapshot": (
                "roomId status revision visitor department servedBy lastServedBy source subject startedAt assignedAt "
                "closedAt queuedAt current"
            ),
            "MessageSnapshot": (
                "messageId number text sender sentAt audience choices choice attachments data editedAt redactedAt "
                "inReplyToId current"
            ),
            # Events.
            "RoomStarted": _EVENT,
            "RoomQueued": _EVENT,
            "RoomHeld": _EVENT,
            "RoomResumed": _EVENT,
            "RoomClosed": f"{_EVENT} closedBy",
            "AgentAssigned": f"{_EVENT} agent previousAgent cause",
            "AgentUnassigned": f"{_EVENT} agent nextAgent cause",
            "MessageSent": f"{_EVENT} message",
            "MessageEdited": f"{_EVENT} message previousText",
            "MessageRedacted": f"{_EVENT} message",
            # Lists.
            "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
            "RoomConnection": _PAGE,
            "RoomEdge": _EDGE,
            "MessageConnection": _PAGE,
            "MessageEdge": _EDGE,
            "EventConnection": _PAGE,
            "EventEdge": _EDGE,
            # Results of mutations.
            "StartRoomPayload": "room clientMutationId",
            "CloseRoomPayload": "room clientMutationId",
            "SendMessagePayload": "message clientMutationId",
            "EditMessagePayload": "message clientMutationId",
            "RedactMessagePayload": "message clientMutationId",
            "SendSignalPayload": "sentAt clientMutationId",
        }.items()
    }
)

#: The values that hidden fields have. Other hidden fields are empty lists or null, or refused if they can be neither.
HIDDEN_VALUES: Mapping[str, object] = MappingProxyType({"Room.priority": 0, "RoomSnapshot.priority": 0})

#: The arguments of root fields that visitors may give.
ARGUMENTS = _names("id by where orderBy first after last before types notByMe input")

#: The fields of inputs that visitors may give, by type.
INPUTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: _names(fields)
        for name, fields in {
            "RoomBy": "id",
            "RoomFilter": (
                "and or not ids status departmentId servedById lastServedById visitorId hasDepartment source subject "
                "startedAfter startedBefore queuedAfter queuedBefore closedAfter closedBefore"
            ),
            "StringFilter": "eq in contains startsWith ignoreCase",
            "RoomOrder": "field direction",
            "StartRoomInput": "departmentId source subject customFields clientMutationId",
            "CustomFieldInput": "key value",
            "CloseRoomInput": "roomId comment ifRevision clientMutationId",
            "SendMessageInput": ("roomId text audience choices choice attachments data inReplyTo clientMutationId"),
            "ChoiceInput": "id label url",
            "ChosenOptionInput": "messageId choiceId",
            "AttachmentInput": "name mimeType url bytes",
            "EditMessageInput": "messageId text choices data clientMutationId",
            "RedactMessageInput": "messageId reason clientMutationId",
            "SendSignalInput": "roomId kind messageId data clientMutationId",
        }.items()
    }
)

#: The values of enums that visitors may give. Enums that are not here have no hidden values.
VALUES: Mapping[str, frozenset[str]] = MappingProxyType({"RoomOrderField": _names("STARTED_AT CLOSED_AT")})
