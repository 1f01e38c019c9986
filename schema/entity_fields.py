"""The interfaces of the fields that an entity and its snapshot in an event have in common.

One fragment, such as `... on RoomFields`, selects from both. The entities are in the modules of their nouns, the
snapshots in schema/events/snapshots.py.
"""

from datetime import datetime

import msgspec

from schema.actors import Actor
from schema.base.fields import api_interface
from schema.base.scalars import JSON
from schema.custom_fields import HasCustomFields
from schema.message_content import Attachment, Choice, ChosenOption
from storage import message_records, records


@api_interface
class RoomFields(HasCustomFields):
    """The fields of a room and of its snapshot in an event."""

    status: records.RoomStatus
    """The status."""
    revision: int
    """The number of changes: 1 at the start, and one more with each event of the room except those of messages.
    Mutations accept it as `ifRevision`."""
    source: str
    """The channel: `api`, `widget`, `email`, `sms`, or a name chosen by an app."""
    subject: str | None
    """The subject."""
    tags: list[str]
    """The tags without duplicates, in the order in which they were added."""
    priority: int
    """The priority, 0 by default. Queued rooms with a higher priority are routed first; with the same priority, the
    room that has waited longest."""
    started_at: datetime
    """The start time."""
    assigned_at: datetime | None
    """When the room last got an agent. Null if it never had one."""
    queued_at: datetime | None
    """When the room was queued. Null unless it is QUEUED."""
    external_until: datetime | None
    """When `fallbackRouting` applies to a room that is QUEUED under EXTERNAL routing; null if no time limit applies."""
    closed_at: datetime | None
    """When the room was closed. Null if it is not closed."""
    close_comment: str | None
    """The comment of `closeRoom`."""


@api_interface
class UserFields(HasCustomFields):
    """The fields of a user and of its snapshot in an event."""

    username: str
    """The username to log in with. It is unique; case is ignored."""
    name: str | None
    """The display name."""
    emails: list[str]
    """The email addresses, in the order in which they were entered. Several users may have the same one."""
    type: records.UserType
    """Whether the user is a person, a bot or an app."""
    active: bool
    """Whether the user can log in and serve rooms."""
    presence: records.Presence
    """The presence, OFFLINE until it is set. It becomes OFFLINE when its lease ends and, if the user set it, when the
    user's last session ends."""
    created_at: datetime
    """When the user was created."""
    updated_at: datetime
    """When the user last changed."""


#: The profile of a user who is no longer an agent. Rooms that the user served still refer to it.
FORMER_PROFILE = records.AgentProfile(status=records.AgentStatus.NOT_AVAILABLE)


def profile_of(record: records.User) -> records.AgentProfile:
    """The agent profile of a user, or FORMER_PROFILE if the user is no longer an agent."""
    if record.agent is None and record.leave is not None:  # its rooms are being moved back to the queue
        return msgspec.structs.replace(FORMER_PROFILE, open_room_count=record.leave.open_room_count)
    return record.agent or FORMER_PROFILE


@api_interface
class AgentFields:
    """The fields of an agent and of its snapshot in an event."""

    status: records.AgentStatus
    """Whether the agent takes new rooms."""
    accepts_routing: bool
    """Whether routing offers rooms to the agent. An agent with false gets rooms only by `assignAgent`, `takeRoom` and
    `transferRoom`."""
    max_rooms: int | None
    """The maximum number of rooms that the agent has ASSIGNED at once. No limit if null."""
    open_room_count: int
    """The number of rooms that the agent has ASSIGNED. Rooms ON_HOLD do not count."""
    last_assigned_at: datetime | None
    """When the agent last got a room; null if it never got one."""


@api_interface
class VisitorFields(HasCustomFields):
    """The fields of a visitor and of its snapshot in an event."""

    token: str
    """The token that identifies the visitor. It is unique."""
    name: str | None
    """The name."""
    email: str | None
    """The email address."""
    phone: str | None
    """The phone number, as it was entered."""
    created_at: datetime
    """When the visitor was first saved."""
    erased_at: datetime | None
    """When the visitor was erased (`eraseVisitor`): it has no name, address or custom field, and another token. Null if
    it was not."""


@api_interface
class MessageFields:
    """The fields of a message and of its snapshot in an event."""

    number: int
    """The number of the message in its room: 1, 2, 3, ... in the order of the room's events, whichever server process
    took the messages. Lists of messages are in this order."""
    text: str
    """The text. Empty once the message is redacted."""
    sender: Actor
    """The sender, with the name at that time."""
    sent_at: datetime
    """When the message was sent."""
    audience: message_records.Audience
    """Who may see the message."""
    choices: list[Choice]
    """The answers that the message offers to its reader."""
    choice: ChosenOption | None
    """The choice of an earlier message that this message answers with. Null if it is no such answer."""
    attachments: list[Attachment]
    """The files that the message refers to."""
    data: JSON | None
    """The app's own structured content. Null if there is none."""
    edited_at: datetime | None
    """When the message was last edited. Null if it was not edited."""
    redacted_at: datetime | None
    """When the message was redacted: `text` is empty, and `choices`, `attachments` and `data` are gone. Null if it was
    not redacted."""


@api_interface
class DepartmentFields:
    """The fields of a department and of its snapshot in an event."""

    name: str
    """The name."""
    enabled: bool
    """Whether the department takes new rooms. If false, new rooms are refused with `DEPARTMENT_DISABLED`; existing
    rooms are not affected."""
    routing: records.RoutingMethod
    """How the department's rooms get their agents."""
    external_timeout_seconds: int | None
    """For EXTERNAL routing: the number of seconds a room waits for an app to assign an agent before `fallbackRouting`
    applies. No time limit if null."""
    fallback_routing: records.RoutingMethod | None
    """For EXTERNAL routing: how a room gets its agent if no app assigned one in time."""
    when_agent_gone: records.AgentGoneAction
    """What happens to the department's ASSIGNED rooms when their agent is gone: OFFLINE for `agentGoneAfterSeconds`,
    without the role `bot`."""
    agent_gone_after_seconds: int
    """The number of seconds after which an agent is gone. They count from when the agent went OFFLINE or got the room,
    whichever is later."""
