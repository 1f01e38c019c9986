"""The enums of the API."""

from switchboard_client.records import OpenEnum


class ActorType(OpenEnum):
    """The kinds of actors."""

    APP = "APP"
    """An app: a program with its own token."""
    USER = "USER"
    """A logged-in user: a person or a bot."""
    VISITOR = "VISITOR"
    """A visitor."""
    SYSTEM = "SYSTEM"
    """Switchboard itself: routing, timeouts and expired leases."""


class AgentGoneAction(OpenEnum):
    """What happens to the ASSIGNED rooms of an agent who is gone."""

    KEEP = "KEEP"
    """The rooms remain with the agent."""
    REQUEUE = "REQUEUE"
    """The agent loses the rooms, with the cause AGENT_GONE; they are routed to others, or wait in the queue."""


class AgentStatus(OpenEnum):
    """Whether an agent takes new rooms. The status does not affect the rooms it serves already."""

    AVAILABLE = "AVAILABLE"
    """The agent takes new rooms."""
    NOT_AVAILABLE = "NOT_AVAILABLE"
    """The agent takes no new rooms."""


class AssignmentCause(OpenEnum):
    """Why a room got or lost its agent."""

    ROUTED = "ROUTED"
    """Routing chose the agent."""
    TAKEN = "TAKEN"
    """The agent took the room (`takeRoom`)."""
    ASSIGNED = "ASSIGNED"
    """An app or a user assigned the room (`assignAgent`)."""
    TRANSFERRED = "TRANSFERRED"
    """The room was transferred (`transferRoom`)."""
    UNASSIGNED = "UNASSIGNED"
    """The agent was unassigned (`unassignAgent`)."""
    AGENT_REMOVED = "AGENT_REMOVED"
    """The user is no longer an agent, or was deactivated."""
    AGENT_GONE = "AGENT_GONE"
    """The agent was OFFLINE for so long that its rooms returned to the queue (`Department.whenAgentGone`)."""
    CLOSED = "CLOSED"
    """The room was closed."""


class Audience(OpenEnum):
    """Who may see a message."""

    EVERYONE = "EVERYONE"
    """Everyone who may see the room."""
    STAFF = "STAFF"
    """A note: everyone who may see the room except visitors."""


class ErrorCode(OpenEnum):
    """The codes of errors (`extensions.code`). docs/reference/errors.md lists the data beside each code and what to do."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    """There is no token, or the token is unknown, expired or revoked."""
    FORBIDDEN = "FORBIDDEN"
    """The token is valid but not allowed to do this, or the operation would give a user permissions that the caller does not have."""
    NOT_FOUND = "NOT_FOUND"
    """There is no object with this id, token or name, or the caller may not read it."""
    INVALID_INPUT = "INVALID_INPUT"
    """A value is empty, too long, out of range, of the wrong type, or contradicts another value; an id is of the wrong kind; or the body is not a GraphQL request."""
    INVALID_CURSOR = "INVALID_CURSOR"
    """The cursor was not made by this deployment, or belongs to another list."""
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    """Events after this cursor were deleted."""
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    """No custom field with this key is defined for this target."""
    INVALID_FIELD_VALUE = "INVALID_FIELD_VALUE"
    """The value, or the operator of a filter, does not fit the type, the options or the pattern of the custom field. With `offenders`: existing values do not fit a new constraint, and these are the first ids."""
    FIELD_REQUIRED = "FIELD_REQUIRED"
    """A required custom field would have no value. With `offenders`: the field cannot become required, because these ids, and perhaps others, have no value."""
    DUPLICATE_VALUE = "DUPLICATE_VALUE"
    """Another object has this value of a unique field. With `offenders`: the field cannot become unique, because these ids have the same value."""
    USERNAME_TAKEN = "USERNAME_TAKEN"
    """Another user has this username; case is ignored."""
    UNKNOWN_ROLE = "UNKNOWN_ROLE"
    """There is no role of this name."""
    NOT_AN_AGENT = "NOT_AN_AGENT"
    """The user is not an omnichannel agent."""
    AGENT_NOT_ROUTABLE = "AGENT_NOT_ROUTABLE"
    """The agent cannot take a room now."""
    DEPARTMENT_DISABLED = "DEPARTMENT_DISABLED"
    """The department takes no new rooms."""
    ROOM_ALREADY_ASSIGNED = "ROOM_ALREADY_ASSIGNED"
    """Another agent was assigned before, by a caller or by routing."""
    ROOM_NOT_ASSIGNED = "ROOM_NOT_ASSIGNED"
    """The room has no agent."""
    ROOM_ON_HOLD = "ROOM_ON_HOLD"
    """The room is on hold."""
    ROOM_NOT_ON_HOLD = "ROOM_NOT_ON_HOLD"
    """The room is not on hold, so it cannot be resumed."""
    ROOM_CLOSED = "ROOM_CLOSED"
    """The room is closed. It changes only if its visitor is erased."""
    ROOM_NOT_WAITING_FOR_DECISION = "ROOM_NOT_WAITING_FOR_DECISION"
    """The room does not wait for the decision of an app."""
    STALE_REVISION = "STALE_REVISION"
    """The room has another revision than `ifRevision`."""
    STALE_VERSION = "STALE_VERSION"
    """The app's data has another version than `ifVersion`."""
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    """This `clientMutationId` was used for another mutation, or with other arguments."""
    ALREADY_ACKNOWLEDGED = "ALREADY_ACKNOWLEDGED"
    """The consumer has acknowledged this event before, so the mutation that would acknowledge it changed nothing."""
    CONSUMER_BUSY = "CONSUMER_BUSY"
    """Another connection reads for this consumer, or has taken it over."""
    RATE_LIMITED = "RATE_LIMITED"
    """Too many operations, open subscriptions or login attempts. The limits are settings of the deployment."""
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    """The operation is too long, too deeply nested, or selects too much; or what it reads for its answer exceeds 32 MiB; or too many rows would have to be sorted without an index."""
    UNAVAILABLE = "UNAVAILABLE"
    """The database did not respond in time (20 seconds for a mutation, 10 for a query that waits for a primary), another server did not confirm a change of definitions, or the server is shutting down. With `retryable: true`, nothing was changed. With `false`, the change took effect or may have."""
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    """The request contains the hash of a document and no document (Apollo's persisted queries). The message is `PersistedQueryNotSupported`."""
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    """The document is not GraphQL."""
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    """The document does not fit the schema, or the operation name is missing or unknown. At most five errors are returned for a document."""
    INTERNAL = "INTERNAL"
    """A bug in Switchboard."""


class EventType(OpenEnum):
    """The types of events. Each has an object type, such as `RoomStarted` for ROOM_STARTED."""

    ROOM_STARTED = "ROOM_STARTED"
    """A room was started. It is the first event of a room."""
    ROUTING_REQUESTED = "ROUTING_REQUESTED"
    """A room with EXTERNAL routing waits for the decision of an app."""
    ROUTING_DECLINED = "ROUTING_DECLINED"
    """No app decides who serves a room, so the fallback routes it."""
    AGENT_ASSIGNED = "AGENT_ASSIGNED"
    """A room got an agent."""
    AGENT_UNASSIGNED = "AGENT_UNASSIGNED"
    """A room lost its agent."""
    ROOM_QUEUED = "ROOM_QUEUED"
    """A room was queued."""
    ROOM_TRANSFERRED = "ROOM_TRANSFERRED"
    """A room was transferred to an agent or a department."""
    ROOM_HELD = "ROOM_HELD"
    """A room was put on hold."""
    ROOM_RESUMED = "ROOM_RESUMED"
    """A room on hold was resumed."""
    ROOM_UPDATED = "ROOM_UPDATED"
    """A room's subject, priority, tags or custom fields changed."""
    ROOM_CLOSED = "ROOM_CLOSED"
    """A room was closed. Edits and redactions of its messages may follow, and the erasure of its visitor."""
    MESSAGE_SENT = "MESSAGE_SENT"
    """A message was sent."""
    MESSAGE_EDITED = "MESSAGE_EDITED"
    """The content of a message was replaced."""
    MESSAGE_REDACTED = "MESSAGE_REDACTED"
    """The content of a message was removed."""
    TIMER_ELAPSED = "TIMER_ELAPSED"
    """A timer of a room was due."""
    VISITOR_SAVED = "VISITOR_SAVED"
    """A visitor was created or changed."""
    USER_CREATED = "USER_CREATED"
    """A user was created."""
    USER_UPDATED = "USER_UPDATED"
    """A user's names, email addresses, custom fields or password changed, or the user was activated or deactivated."""
    USER_ROLES_CHANGED = "USER_ROLES_CHANGED"
    """A user gained or lost roles."""
    USER_PRESENCE_CHANGED = "USER_PRESENCE_CHANGED"
    """A user's presence changed."""
    AGENT_ADDED = "AGENT_ADDED"
    """A user became an omnichannel agent."""
    AGENT_UPDATED = "AGENT_UPDATED"
    """Whether routing offers rooms to an agent, the agent's limit or its departments changed."""
    AGENT_REMOVED = "AGENT_REMOVED"
    """A user is no longer an omnichannel agent."""
    AGENT_STATUS_CHANGED = "AGENT_STATUS_CHANGED"
    """The status of an agent changed."""
    DEPARTMENT_SAVED = "DEPARTMENT_SAVED"
    """A department was created or changed."""
    ROLE_CREATED = "ROLE_CREATED"
    """A role was created."""
    ROLE_UPDATED = "ROLE_UPDATED"
    """The description or the scopes of a role changed."""
    CUSTOM_FIELD_DEFINED = "CUSTOM_FIELD_DEFINED"
    """A custom field was defined."""
    CUSTOM_FIELD_UPDATED = "CUSTOM_FIELD_UPDATED"
    """A custom field's label or constraints changed."""
    CUSTOM_FIELD_REMOVED = "CUSTOM_FIELD_REMOVED"
    """A custom field and all of its values were removed."""
    APP_CREATED = "APP_CREATED"
    """An app was created."""
    APP_TOKEN_ROTATED = "APP_TOKEN_ROTATED"
    """An app got a new token."""
    APP_REVOKED = "APP_REVOKED"
    """An app was revoked."""


class FieldTarget(OpenEnum):
    """The types that have custom fields. Each target has its own definitions: the same key may be defined once for each target."""

    USER = "USER"
    """Users, including agents."""
    VISITOR = "VISITOR"
    """Visitors."""
    ROOM = "ROOM"
    """Rooms."""


class FieldType(OpenEnum):
    """The type of the values of a custom field."""

    TEXT = "TEXT"
    """A String. May be restricted by a pattern."""
    NUMBER = "NUMBER"
    """An Int or a Float of at most 2^53 - 1, up to which whole numbers are exact. Can be incremented atomically."""
    BOOLEAN = "BOOLEAN"
    """A Boolean."""
    DATETIME = "DATETIME"
    """A time, as a String in the format of `DateTime`. Values are compared as instants."""
    SELECT = "SELECT"
    """One of the definition's options, as a String."""
    MULTI_SELECT = "MULTI_SELECT"
    """Any of the definition's options, as a list of Strings without repetition. The order does not matter."""


class ListChange(OpenEnum):
    """The kinds of messages of `roomList`."""

    PRESENT = "PRESENT"
    """The room is in the list at the start. These messages come first, in the order of the list."""
    READY = "READY"
    """The list is complete as of `cursor`. The message has no room. Sent again if only `totalCount` changed. If `totalCount` is 0, the list is empty, and the client removes all its rooms."""
    ENTERED = "ENTERED"
    """The room entered the list."""
    CHANGED = "CHANGED"
    """A room in the list changed, and perhaps its place in the list."""
    LEFT = "LEFT"
    """The room left the list."""


class NotOffered(OpenEnum):
    """The first reason why routing does not offer a room to an agent, in the order of these values."""

    INACTIVE = "INACTIVE"
    """The user is deactivated."""
    NOT_AVAILABLE = "NOT_AVAILABLE"
    """The agent's status is NOT_AVAILABLE."""
    OFFLINE = "OFFLINE"
    """The user is OFFLINE and does not have the role `bot`."""
    AT_CAPACITY = "AT_CAPACITY"
    """The agent serves as many rooms as its `maxRooms` allows."""
    NOT_ACCEPTING = "NOT_ACCEPTING"
    """The agent does not accept routing (`acceptsRouting`)."""
    PASSED_OVER = "PASSED_OVER"
    """The room was taken from the agent, and no other agent has served it since (`passedOver`)."""
    FILTERED_OUT = "FILTERED_OUT"
    """The agent does not match the filter of the room (`agentFilter`)."""


class OrderDirection(OpenEnum):
    """The direction of a sorted list."""

    ASC = "ASC"
    """Ascending: the smallest, earliest or alphabetically first value comes first."""
    DESC = "DESC"
    """Descending: the largest, latest or alphabetically last value comes first."""


class PauseReason(OpenEnum):
    """Why nothing is sent for a webhook."""

    REQUESTED = "REQUESTED"
    """A mutation paused it."""
    GONE = "GONE"
    """The receiver answered 410."""
    FAILING = "FAILING"
    """Every attempt has failed for three days."""
    OWNER_LOST_ACCESS = "OWNER_LOST_ACCESS"
    """The owner is not active any more, or has lost a scope with which it read events."""
    EVENTS_DELETED = "EVENTS_DELETED"
    """The next events were deleted from the log. `replayWebhook` with the `oldestCursor` of the message goes on, without them."""
    DOCUMENT_REFUSED = "DOCUMENT_REFUSED"
    """The subscription cannot begin any more, as when it names a custom field that was removed."""


class Presence(OpenEnum):
    """The presence of a user. An agent who is OFFLINE gets no new rooms, unless the user has the role `bot`. Routing does not distinguish the other values."""

    ONLINE = "ONLINE"
    """The user is present."""
    AWAY = "AWAY"
    """The user is present, but not at the keyboard."""
    BUSY = "BUSY"
    """The user is present, but occupied."""
    OFFLINE = "OFFLINE"
    """The user is absent. The initial presence of every user."""


class RoomGrouping(OpenEnum):
    """The properties that `roomCounts` can group rooms by."""

    STATUS = "STATUS"
    """The status."""
    DEPARTMENT = "DEPARTMENT"
    """The department of the room."""
    SERVED_BY = "SERVED_BY"
    """The agent who serves the room."""
    SOURCE = "SOURCE"
    """The source."""


class RoomOrderField(OpenEnum):
    """What rooms can be sorted by. Rooms with equal values are in the order in which they started. Rooms without a value come last in both directions."""

    STARTED_AT = "STARTED_AT"
    """The start time."""
    PRIORITY = "PRIORITY"
    """The priority."""
    QUEUE = "QUEUE"
    """The order of the queue: the highest priority first, then the room that has waited longest. Rooms that are not QUEUED come last."""
    CLOSED_AT = "CLOSED_AT"
    """The closing time. Rooms that are not closed come last."""
    LAST_MESSAGE_AT = "LAST_MESSAGE_AT"
    """The time of the last message. Rooms without messages come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field with the key `customField`. Rooms without a value come last. `QUERY_TOO_COMPLEX` if the field is not unique and more than 10,000 rooms match."""


class RoomStatus(OpenEnum):
    """The status of a room."""

    QUEUED = "QUEUED"
    """The room waits for an agent."""
    ASSIGNED = "ASSIGNED"
    """An agent serves the room."""
    ON_HOLD = "ON_HOLD"
    """The room is paused. It keeps its agent, and does not count towards the agent's limit."""
    CLOSED = "CLOSED"
    """The conversation has ended. Only messages of a closed room can be edited and redacted."""


class RoutingMethod(OpenEnum):
    """How a queued room gets its agent. Only routable agents are chosen."""

    LEAST_LOADED = "LEAST_LOADED"
    """The agent with the fewest rooms ASSIGNED. Among equals, the agent whose last assignment is longest ago, then the first by username."""
    ROUND_ROBIN = "ROUND_ROBIN"
    """The agent whose last assignment is longest ago."""
    MANUAL = "MANUAL"
    """No agent: the room remains queued until somebody takes or assigns it."""
    EXTERNAL = "EXTERNAL"
    """An app chooses: it subscribes to `RoomStarted`, which has all custom fields, and calls `assignAgent`."""


class SignalKind(OpenEnum):
    """The kinds of signals."""

    TYPING = "TYPING"
    """The sender is typing. Send it again every few seconds: a receiver shows it for a few seconds only."""
    STOPPED_TYPING = "STOPPED_TYPING"
    """The sender has stopped typing without sending a message."""
    READ = "READ"
    """The sender has read the room up to the message `messageId`."""
    CUSTOM = "CUSTOM"
    """Another notice, which `data` describes."""


class UserOrderField(OpenEnum):
    """What users can be sorted by. Users with equal values are in the order in which they were created."""

    CREATED_AT = "CREATED_AT"
    """When the user was created."""
    USERNAME = "USERNAME"
    """The username; case is ignored."""
    NAME = "NAME"
    """The name; case is ignored. Users without a name come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field with the key `customField`. Users without a value come last. `QUERY_TOO_COMPLEX` if the field is not unique and more than 10,000 users match."""


class UserType(OpenEnum):
    """The type of a user. It is informational: permissions depend on the roles."""

    USER = "USER"
    """A person."""
    BOT = "BOT"
    """A program that sends messages like a person."""
    APP = "APP"
    """A user that represents an app."""


class VisitorExportKind(OpenEnum):
    """The kinds of records in the export of a visitor."""

    VISITOR = "VISITOR"
    """The visitor."""
    SESSION = "SESSION"
    """The times of a session of the visitor that has not ended."""
    APP_DATA = "APP_DATA"
    """What an app keeps beside the visitor or a room."""
    EVENT = "EVENT"
    """A recorded event about the visitor or a room, with their values at that time."""
    ROOM = "ROOM"
    """A room."""
    MESSAGE = "MESSAGE"
    """A message in a room, also one for staff."""
    ASSIGNMENT = "ASSIGNMENT"
    """An agent that served a room, with the times."""
    TIMER = "TIMER"
    """A timer of a room."""


class WebhookState(OpenEnum):
    """What a webhook is doing."""

    ACTIVE = "ACTIVE"
    """Events are sent as they happen."""
    FAILING = "FAILING"
    """The last attempt failed. The same event is sent again at `nextAttemptAt`, and the events after it wait."""
    PAUSED = "PAUSED"
    """Nothing is sent until `updateWebhook` with `active: true`. `pauseReason` says why."""
