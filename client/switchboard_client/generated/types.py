"""The objects of the API. Every class is immutable."""

from datetime import datetime
from typing import Any

from switchboard_client.generated import enums
from switchboard_client.records import Record, RecordWithCustomFields


class Actor(Record, frozen=True, kw_only=True):
    """The app, user or visitor who did something, or the system, with the name at that time."""

    type: enums.ActorType
    """The kind of actor."""
    id: str | None
    """The id of the app, user or visitor. Null for the system."""
    name: str | None
    """The app's name, the user's username or the visitor's name at that time. Null for the system and for a visitor without a name."""


class VisitorSnapshot(RecordWithCustomFields, frozen=True, kw_only=True):
    """A visitor as it was just after an event."""

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
    """When the visitor was erased (`eraseVisitor`): it has no name, address or custom field, and another token. Null if it was not."""
    visitor_id: str
    """The id of the visitor."""


class DepartmentSnapshot(Record, frozen=True, kw_only=True):
    """A department as it was just after an event."""

    name: str
    """The name."""
    enabled: bool
    """Whether the department takes new rooms. If false, new rooms are refused with `DEPARTMENT_DISABLED`; existing rooms are not affected."""
    routing: enums.RoutingMethod
    """How the department's rooms get their agents."""
    external_timeout_seconds: int | None
    """For EXTERNAL routing: the number of seconds a room waits for an app to assign an agent before `fallbackRouting` applies. No time limit if null."""
    fallback_routing: enums.RoutingMethod | None
    """For EXTERNAL routing: how a room gets its agent if no app assigned one in time."""
    when_agent_gone: enums.AgentGoneAction
    """What happens to the department's ASSIGNED rooms when their agent is gone: OFFLINE for `agentGoneAfterSeconds`, without the role `bot`."""
    agent_gone_after_seconds: int
    """The number of seconds after which an agent is gone. They count from when the agent went OFFLINE or got the room, whichever is later."""
    department_id: str
    """The id of the department."""


class UserSnapshotSummary(RecordWithCustomFields, frozen=True, kw_only=True):
    """A user as it was just after an event."""

    username: str
    """The username to log in with. It is unique; case is ignored."""
    name: str | None
    """The display name."""
    emails: tuple[str, ...]
    """The email addresses, in the order in which they were entered. Several users may have the same one."""
    type: enums.UserType
    """Whether the user is a person, a bot or an app."""
    active: bool
    """Whether the user can log in and serve rooms."""
    presence: enums.Presence
    """The presence, OFFLINE until it is set. It becomes OFFLINE when its lease ends and, if the user set it, when the user's last session ends."""
    created_at: datetime
    """When the user was created."""
    updated_at: datetime
    """When the user last changed."""
    user_id: str
    """The id of the user."""
    roles: tuple[str, ...]
    """The names of the user's roles, in alphabetical order."""


class AgentSnapshot(Record, frozen=True, kw_only=True):
    """An agent as it was just after an event. A user who was no longer an agent is shown as one without departments and limit, and NOT_AVAILABLE."""

    status: enums.AgentStatus
    """Whether the agent takes new rooms."""
    accepts_routing: bool
    """Whether routing offers rooms to the agent. An agent with false gets rooms only by `assignAgent`, `takeRoom` and `transferRoom`."""
    max_rooms: int | None
    """The maximum number of rooms that the agent has ASSIGNED at once. No limit if null."""
    open_room_count: int
    """The number of rooms that the agent has ASSIGNED. Rooms ON_HOLD do not count."""
    last_assigned_at: datetime | None
    """When the agent last got a room; null if it never got one."""
    agent_id: str
    """The id of the agent."""
    user_id: str
    """The id of its user."""
    department_ids: tuple[str, ...]
    """The ids of the departments in which the agent works, in the order in which the departments were created."""
    user: UserSnapshotSummary
    """The agent's user."""


class RoomSnapshot(RecordWithCustomFields, frozen=True, kw_only=True):
    """A room as it was just after an event, with its visitor, department and agents at that time."""

    status: enums.RoomStatus
    """The status."""
    revision: int
    """The number of changes: 1 at the start, and one more with each event of the room except those of messages. Mutations accept it as `ifRevision`."""
    source: str
    """The channel: `api`, `widget`, `email`, `sms`, or a name chosen by an app."""
    subject: str | None
    """The subject."""
    tags: tuple[str, ...]
    """The tags without duplicates, in the order in which they were added."""
    priority: int
    """The priority, 0 by default. Queued rooms with a higher priority are routed first; with the same priority, the room that has waited longest."""
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
    room_id: str
    """The id of the room."""
    visitor: VisitorSnapshot
    """The visitor."""
    department: DepartmentSnapshot | None
    """The room's department; null if it had none."""
    served_by: AgentSnapshot | None
    """The agent that served the room, while it was ASSIGNED or ON_HOLD; null otherwise."""
    last_served_by: AgentSnapshot | None
    """The agent that served the room most recently, including the agent of `servedBy`; null if it never had one."""


class Change(Record, frozen=True, kw_only=True):
    """One field that changed."""

    field: str
    """The name of the field, such as `priority`, `customFields.KEY` or `agent.maxRooms`."""
    before: Any
    """The value before the event; null if the field had none."""
    after: Any
    """The value after the event; null if the field has none."""


class Choice(Record, frozen=True, kw_only=True):
    """An answer that a message offers to its reader."""

    id: str
    """The id of the choice, unique in the message."""
    label: str
    """The text to show."""
    url: str | None
    """The address to open when the choice is chosen. `https`, or `http` on a loopback address."""


class ChosenOption(Record, frozen=True, kw_only=True):
    """The choice of an earlier message that a message answers with."""

    message_id: str
    """The id of the message that offered the choice."""
    choice_id: str
    """The id of the choice in that message."""
    label: str
    """The label of the choice when the answer was sent."""


class Attachment(Record, frozen=True, kw_only=True):
    """A file that a message refers to. It is stored elsewhere."""

    name: str
    """The name of the file."""
    mime_type: str
    """The type of the file, such as `image/png`."""
    url: str
    """The address of the file. `https`, or `http` on a loopback address."""
    bytes: int | None
    """The size of the file. Null if it is not known."""


class MessageSnapshot(Record, frozen=True, kw_only=True):
    """A message as it was just after an event."""

    number: int
    """The number of the message in its room: 1, 2, 3, ... in the order of the room's events, whichever server process took the messages. Lists of messages are in this order."""
    text: str
    """The text. Empty once the message is redacted."""
    sender: Actor
    """The sender, with the name at that time."""
    sent_at: datetime
    """When the message was sent."""
    audience: enums.Audience
    """Who may see the message."""
    choices: tuple[Choice, ...]
    """The answers that the message offers to its reader."""
    choice: ChosenOption | None
    """The choice of an earlier message that this message answers with. Null if it is no such answer."""
    attachments: tuple[Attachment, ...]
    """The files that the message refers to."""
    data: Any
    """The app's own structured content. Null if there is none."""
    edited_at: datetime | None
    """When the message was last edited. Null if it was not edited."""
    redacted_at: datetime | None
    """When the message was redacted: `text` is empty, and `choices`, `attachments` and `data` are gone. Null if it was not redacted."""
    message_id: str
    """The id of the message."""
    in_reply_to_id: str | None
    """The id of the message that it replies to. Null if it is no reply."""


class UserSnapshot(RecordWithCustomFields, frozen=True, kw_only=True):
    """A user as it was just after an event."""

    username: str
    """The username to log in with. It is unique; case is ignored."""
    name: str | None
    """The display name."""
    emails: tuple[str, ...]
    """The email addresses, in the order in which they were entered. Several users may have the same one."""
    type: enums.UserType
    """Whether the user is a person, a bot or an app."""
    active: bool
    """Whether the user can log in and serve rooms."""
    presence: enums.Presence
    """The presence, OFFLINE until it is set. It becomes OFFLINE when its lease ends and, if the user set it, when the user's last session ends."""
    created_at: datetime
    """When the user was created."""
    updated_at: datetime
    """When the user last changed."""
    user_id: str
    """The id of the user."""
    roles: tuple[str, ...]
    """The names of the user's roles, in alphabetical order."""
    agent: AgentSnapshot | None
    """The user as an omnichannel agent; null if it was not one."""


class RoleSnapshot(Record, frozen=True, kw_only=True):
    """A role as it was just after an event."""

    role_id: str
    """The id of the role."""
    name: str
    """The name. It is unique."""
    description: str | None
    """A description for people."""
    scopes: tuple[str, ...]
    """The scopes of the users who hold the role, in alphabetical order. Empty for built-in roles in events of version 0.1.0."""


class FieldDefinitionSnapshot(Record, frozen=True, kw_only=True):
    """A custom field's definition as it was just after an event, or before its removal."""

    definition_id: str
    """The id of the definition."""
    target: enums.FieldTarget
    """The kind of entity that holds the field."""
    key: str
    """The key of the field in inputs, filters and answers. It is unique within the target."""
    type: enums.FieldType
    """The type of the field's values."""
    label: str
    """The name to show to people."""
    required: bool
    """Whether every new entity of the target must hold a value."""
    unique: bool
    """Whether no two entities of the target may hold the same value."""
    options: tuple[str, ...]
    """The allowed values of a SELECT or MULTI_SELECT, in the order in which to offer them. Empty for other types."""
    pattern: str | None
    """The regular expression, in RE2 syntax, that the whole of a TEXT must match; null if every text is allowed."""


class AppSnapshot(Record, frozen=True, kw_only=True):
    """An app as it was just after an event."""

    app_id: str
    """The id of the app."""
    name: str
    """The display name."""
    scopes: tuple[str, ...]
    """The scopes of the app's token, in alphabetical order."""
    active: bool
    """Whether the app's tokens were valid."""


class Visitor(RecordWithCustomFields, frozen=True, kw_only=True):
    """A person who starts conversations, identified by a token that your application chooses."""

    id: str
    """The id, unique over all types. It never changes."""
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
    """When the visitor was erased (`eraseVisitor`): it has no name, address or custom field, and another token. Null if it was not."""


class Role(Record, frozen=True, kw_only=True):
    """A named set of scopes. Users hold roles by name."""

    id: str
    """The id, unique over all types. It never changes."""
    name: str
    """The name. It is unique."""
    description: str | None
    """A description for people."""
    built_in: bool
    """Whether the role is part of Switchboard: `admin`, `livechat-manager`, `livechat-agent` and `bot`."""
    scopes: tuple[str, ...]
    """The scopes of the users who hold the role, in alphabetical order, such as `rooms:read`. `admin` includes all scopes."""


class UserSummary(RecordWithCustomFields, frozen=True, kw_only=True):
    """A person, bot or app with roles and custom fields. A user can be an omnichannel agent."""

    id: str
    """The id, unique over all types. It never changes."""
    username: str
    """The username to log in with. It is unique; case is ignored."""
    name: str | None
    """The display name."""
    emails: tuple[str, ...]
    """The email addresses, in the order in which they were entered. Several users may have the same one."""
    type: enums.UserType
    """Whether the user is a person, a bot or an app."""
    active: bool
    """Whether the user can log in and serve rooms."""
    presence: enums.Presence
    """The presence, OFFLINE until it is set. It becomes OFFLINE when its lease ends and, if the user set it, when the user's last session ends."""
    created_at: datetime
    """When the user was created."""
    updated_at: datetime
    """When the user last changed."""
    presence_until: datetime | None
    """When the lease of the presence ends. Null if the presence has no lease."""


class AgentSummary(Record, frozen=True, kw_only=True):
    """An omnichannel agent: a user who serves rooms."""

    id: str
    """The id, unique over all types. It never changes."""
    status: enums.AgentStatus
    """Whether the agent takes new rooms."""
    accepts_routing: bool
    """Whether routing offers rooms to the agent. An agent with false gets rooms only by `assignAgent`, `takeRoom` and `transferRoom`."""
    max_rooms: int | None
    """The maximum number of rooms that the agent has ASSIGNED at once. No limit if null."""
    open_room_count: int
    """The number of rooms that the agent has ASSIGNED. Rooms ON_HOLD do not count."""
    last_assigned_at: datetime | None
    """When the agent last got a room; null if it never got one."""
    user_id: str
    """The id of the agent's user."""
    routable: bool
    """Whether the agent can take a room now: its user is active, its status is AVAILABLE, it has fewer rooms than `maxRooms`, and its user is not OFFLINE or has the role `bot`. Routing offers it a room only if `acceptsRouting` is true, too."""
    user: UserSummary
    """The agent's user."""


class User(RecordWithCustomFields, frozen=True, kw_only=True):
    """A person, bot or app with roles and custom fields. A user can be an omnichannel agent."""

    id: str
    """The id, unique over all types. It never changes."""
    username: str
    """The username to log in with. It is unique; case is ignored."""
    name: str | None
    """The display name."""
    emails: tuple[str, ...]
    """The email addresses, in the order in which they were entered. Several users may have the same one."""
    type: enums.UserType
    """Whether the user is a person, a bot or an app."""
    active: bool
    """Whether the user can log in and serve rooms."""
    presence: enums.Presence
    """The presence, OFFLINE until it is set. It becomes OFFLINE when its lease ends and, if the user set it, when the user's last session ends."""
    created_at: datetime
    """When the user was created."""
    updated_at: datetime
    """When the user last changed."""
    presence_until: datetime | None
    """When the lease of the presence ends. Null if the presence has no lease."""
    roles: tuple[Role, ...]
    """The user's roles, in the order of their names."""
    agent: AgentSummary | None
    """The user as an omnichannel agent. Null if the user is not an agent."""


class App(Record, frozen=True, kw_only=True):
    """A program with a token of its own. The token cannot be read."""

    id: str
    """The id, unique over all types. It never changes."""
    name: str
    """The display name."""
    scopes: tuple[str, ...]
    """The scopes of the app's token in alphabetical order, such as `rooms:assign`. `admin` includes all scopes."""
    active: bool
    """Whether the app's tokens are valid. False after `revokeApp`."""
    created_at: datetime
    """When the app was created."""
    last_used_at: datetime | None
    """When the app's token was last used, to the minute; null if it was never used."""


class Viewer(Record, frozen=True, kw_only=True):
    """The app, user or visitor that the token belongs to, and what the token may do."""

    type: enums.ActorType
    """The kind of the caller, and so of `id`."""
    id: str | None
    """The id of the app, user or visitor."""
    name: str | None
    """The app's name, the user's username or the visitor's name."""
    scopes: tuple[str, ...]
    """The scopes of the token, in alphabetical order; none for a visitor. With `admin`, all scopes are listed."""
    roles: tuple[str, ...]
    """The names of the user's roles, in alphabetical order; none for an app or a visitor."""
    visitor: Visitor | None
    """The visitor that the token belongs to; null for an app or a user."""
    user: User | None
    """The logged-in user; null for an app or a visitor. Needs no scope."""
    app: App | None
    """The app; null for a user or a visitor. Needs no scope."""


class ErrorCodeInfo(Record, frozen=True, kw_only=True):
    """A code of errors."""

    code: enums.ErrorCode
    """The code, as in `extensions.code`."""
    meaning: str
    """What the code means. docs/reference/errors.md also says what to do."""
    retryable: bool
    """Whether the same request may succeed a little later without any other change. `UNAVAILABLE` has a `retryable` of its own in each error: if it is false, repeat a mutation only with the same `clientMutationId`."""


class PageInfo(Record, frozen=True, kw_only=True):
    """Whether there are pages before and after a page, and the cursors to read them with."""

    has_next_page: bool
    """Whether there are entries after this page. Read them with `after: endCursor`."""
    has_previous_page: bool
    """Whether there are entries before this page. Read them with `last` and `before: startCursor`."""
    start_cursor: str | None
    """The position of the page's first entry, or an earlier position if the entries between were searched and do not match. Null if there is neither."""
    end_cursor: str | None
    """The position of the page's last entry, or a later position if the entries between were searched and do not match. Null if there is neither."""


class UserConnection(Record, frozen=True, kw_only=True):
    """A page of a list.

    Entries that are added or removed while you read pages neither repeat nor hide other entries. Entries that are committed during the read may be missing, and may later appear before the page's last entry. This does not apply to `events` and to the messages of a room: later entries always come last.
    """

    nodes: tuple[User, ...]
    """The entries of this page, in the order of the list."""
    page_info: PageInfo
    """Whether there are more pages, and the cursors to read them with."""


class Department(Record, frozen=True, kw_only=True):
    """A group of agents with its own routing."""

    id: str
    """The id, unique over all types. It never changes."""
    name: str
    """The name."""
    enabled: bool
    """Whether the department takes new rooms. If false, new rooms are refused with `DEPARTMENT_DISABLED`; existing rooms are not affected."""
    routing: enums.RoutingMethod
    """How the department's rooms get their agents."""
    external_timeout_seconds: int | None
    """For EXTERNAL routing: the number of seconds a room waits for an app to assign an agent before `fallbackRouting` applies. No time limit if null."""
    fallback_routing: enums.RoutingMethod | None
    """For EXTERNAL routing: how a room gets its agent if no app assigned one in time."""
    when_agent_gone: enums.AgentGoneAction
    """What happens to the department's ASSIGNED rooms when their agent is gone: OFFLINE for `agentGoneAfterSeconds`, without the role `bot`."""
    agent_gone_after_seconds: int
    """The number of seconds after which an agent is gone. They count from when the agent went OFFLINE or got the room, whichever is later."""


class Agent(Record, frozen=True, kw_only=True):
    """An omnichannel agent: a user who serves rooms."""

    id: str
    """The id, unique over all types. It never changes."""
    status: enums.AgentStatus
    """Whether the agent takes new rooms."""
    accepts_routing: bool
    """Whether routing offers rooms to the agent. An agent with false gets rooms only by `assignAgent`, `takeRoom` and `transferRoom`."""
    max_rooms: int | None
    """The maximum number of rooms that the agent has ASSIGNED at once. No limit if null."""
    open_room_count: int
    """The number of rooms that the agent has ASSIGNED. Rooms ON_HOLD do not count."""
    last_assigned_at: datetime | None
    """When the agent last got a room; null if it never got one."""
    user_id: str
    """The id of the agent's user."""
    routable: bool
    """Whether the agent can take a room now: its user is active, its status is AVAILABLE, it has fewer rooms than `maxRooms`, and its user is not OFFLINE or has the role `bot`. Routing offers it a room only if `acceptsRouting` is true, too."""
    user: UserSummary
    """The agent's user."""
    departments: tuple[Department, ...]
    """The departments the agent works in, in the order in which they were created."""


class AgentConnection(Record, frozen=True, kw_only=True):
    """A page of a list.

    Entries that are added or removed while you read pages neither repeat nor hide other entries. Entries that are committed during the read may be missing, and may later appear before the page's last entry. This does not apply to `events` and to the messages of a room: later entries always come last.
    """

    nodes: tuple[Agent, ...]
    """The entries of this page, in the order of the list."""
    page_info: PageInfo
    """Whether there are more pages, and the cursors to read them with."""


class VisitorConnection(Record, frozen=True, kw_only=True):
    """A page of a list.

    Entries that are added or removed while you read pages neither repeat nor hide other entries. Entries that are committed during the read may be missing, and may later appear before the page's last entry. This does not apply to `events` and to the messages of a room: later entries always come last.
    """

    nodes: tuple[Visitor, ...]
    """The entries of this page, in the order of the list."""
    page_info: PageInfo
    """Whether there are more pages, and the cursors to read them with."""


class VisitorExportRecord(Record, frozen=True, kw_only=True):
    """One record of the export of a visitor."""

    kind: enums.VisitorExportKind
    """The kind of the record."""
    data: Any
    """The record as it is stored. Ids are without the prefix of their kind."""


class VisitorExportPage(Record, frozen=True, kw_only=True):
    """A page of the export of a visitor."""

    records: tuple[VisitorExportRecord, ...]
    """The records: those of the visitor, and then those of each room."""
    end_cursor: str | None
    """The position of the last record, for `after`. Null if there is none."""
    has_next_page: bool
    """Whether there are records after this page."""


class Room(RecordWithCustomFields, frozen=True, kw_only=True):
    """A conversation between a visitor and an agent."""

    id: str
    """The id, unique over all types. It never changes."""
    status: enums.RoomStatus
    """The status."""
    revision: int
    """The number of changes: 1 at the start, and one more with each event of the room except those of messages. Mutations accept it as `ifRevision`."""
    source: str
    """The channel: `api`, `widget`, `email`, `sms`, or a name chosen by an app."""
    subject: str | None
    """The subject."""
    tags: tuple[str, ...]
    """The tags without duplicates, in the order in which they were added."""
    priority: int
    """The priority, 0 by default. Queued rooms with a higher priority are routed first; with the same priority, the room that has waited longest."""
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
    last_message_at: datetime | None
    """When the last message was sent. Null if there are no messages."""
    visitor: Visitor
    """The visitor who started the room."""
    department: Department | None
    """The department of the room. Null if it has none."""
    served_by: AgentSummary | None
    """The agent of the room if it is ASSIGNED or ON_HOLD, null otherwise."""
    agent_filter: Any
    """The filter of agents for routing, as it was given. Null if there is none, after its end (`agentFilterSeconds`), and if one of its custom fields was removed."""
    agent_filter_until: datetime | None
    """When `agentFilter` ends. Null: never, or there is none."""


class RoomConnection(Record, frozen=True, kw_only=True):
    """A page of a list.

    Entries that are added or removed while you read pages neither repeat nor hide other entries. Entries that are committed during the read may be missing, and may later appear before the page's last entry. This does not apply to `events` and to the messages of a room: later entries always come last.
    """

    nodes: tuple[Room, ...]
    """The entries of this page, in the order of the list."""
    page_info: PageInfo
    """Whether there are more pages, and the cursors to read them with."""


class RoomCount(Record, frozen=True, kw_only=True):
    """The number of rooms in one group."""

    count: int
    """The number of rooms in the group, at least 1."""
    status: enums.RoomStatus | None
    """The status of the rooms. Null if the rooms are not grouped by STATUS."""
    source: str | None
    """The source of the rooms. Null if the rooms are not grouped by SOURCE."""
    oldest_queued_at: datetime | None
    """When the group's room that has waited longest was queued. Null if no room of the group is QUEUED."""
    department: Department | None
    """The department of the rooms. Null for rooms without a department, and if the rooms are not grouped by DEPARTMENT."""
    served_by: Agent | None
    """The agent who serves the rooms. Null for rooms without an agent, and if the rooms are not grouped by SERVED_BY."""


class RoomCounts(Record, frozen=True, kw_only=True):
    """The numbers of rooms in groups, as of a position in the event log."""

    cursor: str
    """The position in the event log that the counts belong to. Later events are not counted."""
    groups: tuple[RoomCount, ...]
    """One group for each combination of values that occurs. If `by` is empty, one group with all rooms, or none if no room matches."""


class RoutingExplanation(Record, frozen=True, kw_only=True):
    """Why a waiting room has no agent, and what happens next."""

    method: enums.RoutingMethod
    """The method that routes the room now: that of its department, or the fallback once no app decides any more."""
    position: int
    """The place of the room in the queue of its department, from 1. 0 if the room does not wait."""
    next_change_at: datetime | None
    """When the routing of the room changes if nobody changes anything: the end of an app's time to decide, or of the `agentFilter`. Null if there is no such time."""
    summary: str
    """The explanation in a sentence or two, for people."""


class Timer(Record, frozen=True, kw_only=True):
    """A timer of a room. When it is due, a `TimerElapsed` is recorded and the timer is deleted."""

    name: str
    """The name, which is unique among the timers of the room that the same app or user set."""
    due_at: datetime
    """When it is due, unless an event restarts it before."""
    data: Any
    """The data that was given with it. Null if there is none."""
    set_by: Actor
    """The app or user who set it."""


class CustomFieldDefinition(Record, frozen=True, kw_only=True):
    """The definition of a custom field: its key, its type and the constraints on its values. All mutations check values against it."""

    id: str
    """The id, unique over all types. It never changes."""
    target: enums.FieldTarget
    """The type of object that has the field. It never changes."""
    key: str
    """The name of the field in inputs, filters and results. It is unique within the target and never changes."""
    type: enums.FieldType
    """The type of the values. It never changes."""
    label: str
    """The display name."""
    required: bool
    """Whether new objects of the target must have a value. `FIELD_REQUIRED` if one is created without a value, and if the value is removed."""
    unique: bool
    """Whether each value may occur only once among the objects of the target (`DUPLICATE_VALUE`). A unique field can identify an object in queries and in `ensureAgent`."""
    options: tuple[str, ...]
    """The allowed values of a SELECT or MULTI_SELECT, in display order. Empty for other types."""
    pattern: str | None
    """A regular expression in RE2 syntax that the whole value of a TEXT must match. No restriction if null."""


class CustomFieldRemoval(Record, frozen=True, kw_only=True):
    """A removed custom field, and the progress of deleting its values. The values cannot be read."""

    id: str
    """The id of the removed definition."""
    target: enums.FieldTarget
    """The type of object that had the field."""
    key: str
    """The key of the field. Another field may have this key now."""
    removed_at: datetime
    """When the field was removed."""
    purged: int
    """The number of objects whose value was deleted."""
    remaining: int | None
    """The number of objects whose value is not deleted yet. Null until they are counted."""
    done: bool
    """Whether all values are deleted."""


class Consumer(Record, frozen=True, kw_only=True):
    """A named position in the event log. It belongs to the app or user that first subscribed with it; others may have a consumer of the same name."""

    name: str
    """The name."""
    owner: Actor
    """The app or user to which it belongs."""
    acked_cursor: str
    """Every event up to it was acknowledged or is not for this consumer. Later events may be acknowledged by themselves."""
    connected: bool
    """Whether a subscription with this consumer is running. Only one can run at a time (`CONSUMER_BUSY`)."""
    last_seen_at: datetime | None
    """When the consumer last subscribed, acknowledged events up to a cursor, or renewed its lease."""
    lag: int
    """The number of events for this consumer that are not acknowledged.

    An event is for this consumer if its last subscription selects the event and its owner may read it. If more than 10,000 events have to be checked for all consumers of the answer, the others are counted by their type alone.
    """
    in_flight: int
    """The number of events in `lag` that the last subscription was sent. A subscription waits when this number is `maxInFlight`. Another server sees it with a delay of a second."""


class Webhook(Record, frozen=True, kw_only=True):
    """A stored subscription. Its events are sent to an address by POST, one after the other, each until the receiver has answered with a status from 200 to 299."""

    id: str
    """The id, unique over all types. It never changes."""
    name: str
    """The display name."""
    owner: Actor
    """The app or user with whose permissions events are read."""
    url: str
    """The address to which events are sent."""
    query: str
    """The document of the subscription."""
    operation_name: str | None
    """The operation of the document. Null if it has only one."""
    variables: Any
    """The variables of the subscription: an object."""
    state: enums.WebhookState
    """What the webhook is doing."""
    pause_reason: enums.PauseReason | None
    """Why nothing is sent. Null unless the state is PAUSED."""
    pause_message: str | None
    """The reason as a sentence for people. Null unless the state is PAUSED."""
    paused_at: datetime | None
    """Since when nothing is sent. Null unless the state is PAUSED."""
    failing_since: datetime | None
    """When the first attempt at the next event failed. Null if the last attempt succeeded."""
    failed_attempts: int
    """The attempts at the next event that failed."""
    next_attempt_at: datetime | None
    """When the next event is sent again. Null if the last attempt succeeded, or if the state is PAUSED."""
    created_at: datetime
    """When the webhook was created."""
    updated_at: datetime
    """When a mutation last changed the webhook."""
    consumer: Consumer | None
    """Its consumer: the last event that was delivered, and how many wait. Null before the first event is looked for."""


class DefineCustomFieldPayload(Record, frozen=True, kw_only=True):
    """Result of `defineCustomField`."""

    definition: CustomFieldDefinition
    """The new definition."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateCustomFieldPayload(Record, frozen=True, kw_only=True):
    """Result of `updateCustomField`."""

    definition: CustomFieldDefinition
    """The definition after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RemoveCustomFieldPayload(Record, frozen=True, kw_only=True):
    """Result of `removeCustomField`."""

    removed_id: str
    """The id of the removed definition."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateUserPayload(Record, frozen=True, kw_only=True):
    """Result of `createUser`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateUserPayload(Record, frozen=True, kw_only=True):
    """Result of `updateUser`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SetUserActivePayload(Record, frozen=True, kw_only=True):
    """Result of `setUserActive`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SetPresencePayload(Record, frozen=True, kw_only=True):
    """Result of `setPresence`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class AddRolesPayload(Record, frozen=True, kw_only=True):
    """Result of `addRoles`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RemoveRolesPayload(Record, frozen=True, kw_only=True):
    """Result of `removeRoles`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateRolePayload(Record, frozen=True, kw_only=True):
    """Result of `createRole`."""

    role: Role
    """The new role."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateRolePayload(Record, frozen=True, kw_only=True):
    """Result of `updateRole`."""

    role: Role
    """The role after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class AddAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `addAgent`."""

    agent: Agent
    """The agent after the change."""
    added: bool
    """Whether this mutation made the user an agent. If false, the user was an agent already, and nothing was changed."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RemoveAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `removeAgent`."""

    user: User
    """The user after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SetAgentStatusPayload(Record, frozen=True, kw_only=True):
    """Result of `setAgentStatus`."""

    agent: Agent
    """The agent after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `updateAgent`."""

    agent: Agent
    """The agent after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class EnsureAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `ensureAgent`."""

    agent: Agent
    """The agent after the change."""
    created: bool
    """Whether this mutation created the user. False also if a concurrent call created it."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateDepartmentPayload(Record, frozen=True, kw_only=True):
    """Result of `createDepartment`."""

    department: Department
    """The new department."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateDepartmentPayload(Record, frozen=True, kw_only=True):
    """Result of `updateDepartment`."""

    department: Department
    """The department after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SetDepartmentAgentsPayload(Record, frozen=True, kw_only=True):
    """Result of `setDepartmentAgents`."""

    department: Department
    """The department after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SaveVisitorPayload(Record, frozen=True, kw_only=True):
    """Result of `saveVisitor`."""

    visitor: Visitor
    """The visitor after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class VisitorErasure(Record, frozen=True, kw_only=True):
    """How far the erasing of a visitor is. The visitor itself is erased from the beginning."""

    requested_at: datetime
    """When `eraseVisitor` was first called."""
    done_at: datetime | None
    """When nothing was left to erase. Null while the erasing continues in the background."""
    room_count: int
    """The number of rooms whose content was erased."""
    message_count: int
    """The number of messages whose content was erased."""
    event_count: int
    """The number of recorded events whose content was erased."""


class EraseVisitorPayload(Record, frozen=True, kw_only=True):
    """Result of `eraseVisitor`."""

    visitor: Visitor
    """The visitor, erased."""
    erasure: VisitorErasure
    """How far the erasing is. Read it again as `erasure` of the visitor."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class StartRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `startRoom`: the room after routing, with its agent if one was found at once."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class EnsureRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `ensureRoom`: the room that was found, or the new one after routing."""

    room: Room
    """The room after the change."""
    created: bool
    """Whether this mutation started the room. False also if a concurrent call started it."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class AssignAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `assignAgent`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class DeclineRoutingPayload(Record, frozen=True, kw_only=True):
    """Result of `declineRouting`: the room after routing by the fallback, with its agent if one was found at once."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class TakeRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `takeRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UnassignAgentPayload(Record, frozen=True, kw_only=True):
    """Result of `unassignAgent`: the room after routing, with another agent if one was found at once."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class TransferRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `transferRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class HoldRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `holdRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class ResumeRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `resumeRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `updateRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CloseRoomPayload(Record, frozen=True, kw_only=True):
    """Result of `closeRoom`."""

    room: Room
    """The room after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class Message(Record, frozen=True, kw_only=True):
    """A message in a room."""

    id: str
    """The id, unique over all types. It never changes."""
    number: int
    """The number of the message in its room: 1, 2, 3, ... in the order of the room's events, whichever server process took the messages. Lists of messages are in this order."""
    text: str
    """The text. Empty once the message is redacted."""
    sender: Actor
    """The sender, with the name at that time."""
    sent_at: datetime
    """When the message was sent."""
    audience: enums.Audience
    """Who may see the message."""
    choices: tuple[Choice, ...]
    """The answers that the message offers to its reader."""
    choice: ChosenOption | None
    """The choice of an earlier message that this message answers with. Null if it is no such answer."""
    attachments: tuple[Attachment, ...]
    """The files that the message refers to."""
    data: Any
    """The app's own structured content. Null if there is none."""
    edited_at: datetime | None
    """When the message was last edited. Null if it was not edited."""
    redacted_at: datetime | None
    """When the message was redacted: `text` is empty, and `choices`, `attachments` and `data` are gone. Null if it was not redacted."""


class SendMessagePayload(Record, frozen=True, kw_only=True):
    """Result of `sendMessage`."""

    message: Message
    """The new message."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class EditMessagePayload(Record, frozen=True, kw_only=True):
    """Result of `editMessage`."""

    message: Message
    """The edited message."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RedactMessagePayload(Record, frozen=True, kw_only=True):
    """Result of `redactMessage`."""

    message: Message
    """The redacted message."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SendSignalPayload(Record, frozen=True, kw_only=True):
    """Result of `sendSignal`."""

    sent_at: datetime
    """When the signal was sent."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class SetTimerPayload(Record, frozen=True, kw_only=True):
    """Result of `setTimer`."""

    timer: Timer
    """The timer."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CancelTimerPayload(Record, frozen=True, kw_only=True):
    """Result of `cancelTimer`."""

    cancelled: bool
    """True. Otherwise the mutation is refused."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class AppDatum(Record, frozen=True, kw_only=True):
    """A value that an app keeps beside a room, a user, a visitor or itself. Only the app that wrote it sees it."""

    key: str
    """The key."""
    value: Any
    """The value. It is never null."""
    version: int
    """The number of the last write. It grows with every write, and does not start again after the key was removed."""
    updated_at: datetime
    """When the value was last written."""


class SetAppDataPayload(Record, frozen=True, kw_only=True):
    """Result of `setAppData`."""

    datum: AppDatum | None
    """The value as stored. Null if it was removed, or was not there."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class AckEventsPayload(Record, frozen=True, kw_only=True):
    """Result of `ackEvents`."""

    consumer: Consumer
    """The consumer after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RemoveConsumerPayload(Record, frozen=True, kw_only=True):
    """Result of `removeConsumer`."""

    removed_name: str
    """The name of the removed consumer."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateAppPayload(Record, frozen=True, kw_only=True):
    """Result of `createApp`."""

    app: App
    """The new app."""
    token: str
    """The app's token. It is not shown again. Send it as `Authorization: Bearer TOKEN`."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RotateAppTokenPayload(Record, frozen=True, kw_only=True):
    """Result of `rotateAppToken`."""

    app: App
    """The app."""
    token: str
    """The app's new token. It is not shown again."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RevokeAppPayload(Record, frozen=True, kw_only=True):
    """Result of `revokeApp`."""

    app: App
    """The app, which is no longer active."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateWebhookPayload(Record, frozen=True, kw_only=True):
    """Result of `createWebhook`."""

    webhook: Webhook
    """The new webhook."""
    secret: str
    """The secret with which its requests are signed. It is not shown again."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class UpdateWebhookPayload(Record, frozen=True, kw_only=True):
    """Result of `updateWebhook`."""

    webhook: Webhook
    """The webhook after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class ReplayWebhookPayload(Record, frozen=True, kw_only=True):
    """Result of `replayWebhook`."""

    webhook: Webhook
    """The webhook after the change."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RotateWebhookSecretPayload(Record, frozen=True, kw_only=True):
    """Result of `rotateWebhookSecret`."""

    webhook: Webhook
    """The webhook."""
    secret: str
    """The new secret. It is not shown again."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RemoveWebhookPayload(Record, frozen=True, kw_only=True):
    """Result of `removeWebhook`."""

    removed_id: str
    """The id of the removed webhook."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class LoginPayload(Record, frozen=True, kw_only=True):
    """Result of `login`: a session."""

    token: str
    """The token of the session. It is not shown again. Send it as `Authorization: Bearer TOKEN`."""
    expires_at: datetime
    """The time at which the session ends unless it was ended before."""
    user: User
    """The user who logged in."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class LogoutPayload(Record, frozen=True, kw_only=True):
    """Result of `logout`."""

    logged_out: bool
    """Always true. If the session cannot be ended, the mutation returns an error."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class CreateVisitorSessionPayload(Record, frozen=True, kw_only=True):
    """Result of `createVisitorSession`: a session of a visitor."""

    token: str
    """The token of the session. It is not shown again. It is not valid if all sessions were ended."""
    expires_at: datetime
    """The time at which the session ends unless it is ended before."""
    visitor: Visitor
    """The visitor."""
    client_mutation_id: str | None
    """The `clientMutationId` of the input."""


class RoomListChange(Record, frozen=True, kw_only=True):
    """A message of `roomList`."""

    cursor: str
    """The position of this message. A `roomList` with this `after` continues from here. It must have the same `where`, `orderBy` and `first`."""
    change: enums.ListChange
    """The kind of the message."""
    room: Room | None
    """The room as of `cursor`, with its current visitor, department and agents. Null for READY, and for LEFT if you may no longer read the room."""
    room_id: str | None
    """The id of the room. Null for READY."""


class Signal(Record, frozen=True, kw_only=True):
    """A short-lived notice about a room, such as that its sender is typing. Signals are not stored, and are delivered at most once."""

    kind: enums.SignalKind
    """The kind of the signal."""
    room_id: str
    """The id of the room."""
    sender: Actor
    """The user, visitor or app who sends the signal, with the name at that time."""
    message_id: str | None
    """The id of the message up to which the sender has read. Null unless the kind is READ."""
    data: Any
    """The data of the sender. Null if there is none."""
    sent_at: datetime
    """When the signal was sent."""
