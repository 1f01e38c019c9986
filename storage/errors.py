"""The errors of Switchboard, each with its code in the API.

SwitchboardError
├── Unauthenticated            no token, or an invalid one
├── Forbidden                  the token is valid but lacks the right
├── NotFound                   the entity does not exist
├── Invalid                    an argument is invalid, whatever the state
│   ├── InvalidCursor          a cursor that this deployment did not create
│   ├── UnknownField           a custom field that is not defined
│   ├── InvalidFieldValue      a custom field's value of the wrong type or form
│   ├── FieldRequired          a required custom field is missing
│   └── UnknownRole            a role that does not exist
├── Refused                    the current state does not allow the change
│   ├── Taken                  a unique value that another entity has
│   │   ├── Duplicate
│   │   └── UsernameTaken
│   ├── NotAnAgent
│   ├── AgentNotRoutable
│   ├── DepartmentDisabled
│   ├── RoomAlreadyAssigned, RoomNotAssigned, RoomOnHold, RoomNotOnHold, RoomClosed
│   ├── RoomNotWaitingForDecision
│   ├── StaleRevision, StaleVersion
│   ├── IdempotencyMismatch
│   ├── AlreadyAcknowledged
│   ├── CursorExpired
│   ├── ConsumerBusy
│   ├── RateLimited
│   └── QueryTooComplex
└── Unavailable                the database did not answer in time

Storage raises errors about the data (NotFound, Duplicate, ...), resolvers raise errors about the request (Forbidden,
Invalid, ...). Only schema translates them to GraphQL. A message says what is wrong and what is right. `data` has values
for programs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EntityId:
    """The id of an entity in the data of an error: the API shows it in a form of its own."""

    #: The kind of entity, as messages call it: "user", "agent", "room", ...
    noun: str
    id: str


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """The key of a unique index that another document has: what finds that document."""

    #: The kind of entity, as in EntityId.
    noun: str
    collection: str
    query: Mapping[str, object]


class SwitchboardError(Exception):
    """Base class: a code of the API, a message for people, and data for programs.

    `mentioned`: the ids that the message quotes.
    """

    code = "INTERNAL"

    def __init__(self, message: str, *, mentioned: Sequence[EntityId] = (), **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.mentioned = mentioned
        self.data = data


class DeploymentError(Exception):
    """The database cannot be used. The message is one line with the remedy. No request causes this error."""


class Unauthenticated(SwitchboardError):
    code = "UNAUTHENTICATED"


class Forbidden(SwitchboardError):
    """`scope` is the missing scope of the token, if there is one. `key` is the path of what a visitor may not use."""

    code = "FORBIDDEN"

    def __init__(self, message: str, *, scope: str | None = None, key: str | None = None) -> None:
        given: dict[str, object] = {"scope": scope, "key": key}
        super().__init__(message, mentioned=(), **{name: value for name, value in given.items() if value is not None})


class NotFound(SwitchboardError):
    """`key` is the name of the argument with the id."""

    code = "NOT_FOUND"

    def __init__(self, noun: str, value: object, *, key: str) -> None:
        mentioned = (EntityId(noun, str(value)),)
        super().__init__(f"There is no {noun} {quoted(value)}.", mentioned=mentioned, key=key)


# ---------------------------------------------------------------- invalid arguments


class Invalid(SwitchboardError):
    """`key` is the name of the invalid argument."""

    code = "INVALID_INPUT"

    def __init__(self, message: str, *, key: str, mentioned: Sequence[EntityId] = (), **data: object) -> None:
        super().__init__(message, mentioned=mentioned, key=key, **data)


class InvalidCursor(Invalid):
    code = "INVALID_CURSOR"

    def __init__(self, message: str = "This is not a cursor of this deployment.", *, key: str = "after") -> None:
        super().__init__(message, key=key)


class UnknownField(Invalid):
    code = "UNKNOWN_FIELD"


class InvalidFieldValue(Invalid):
    code = "INVALID_FIELD_VALUE"

    def __init__(
        self, message: str, *, key: str, expected: str, mentioned: Sequence[EntityId] = (), **data: object
    ) -> None:
        super().__init__(message, mentioned=mentioned, key=key, expected=expected, **data)


class FieldRequired(Invalid):
    code = "FIELD_REQUIRED"


class UnknownRole(Invalid):
    code = "UNKNOWN_ROLE"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no role {quoted(name)}; create it first.", key=name)


# ---------------------------------------------------------------- refused in the current state


class Refused(SwitchboardError):
    """The current state does not allow the change. Nothing was changed."""


class Taken(Refused):
    """Another entity has a unique value. For callers that may read it, `holder` has its id."""

    #: None if no single entity has the value.
    taken: UniqueKey | None = None


class Duplicate(Taken):
    code = "DUPLICATE_VALUE"

    def __init__(self, message: str, *, key: str, mentioned: Sequence[EntityId] = (), **data: object) -> None:
        super().__init__(message, mentioned=mentioned, key=key, **data)


class UsernameTaken(Taken):
    code = "USERNAME_TAKEN"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"The username {quoted(username)} is taken (usernames are compared without case, and by their look)."
        )


class NotAnAgent(Refused):
    code = "NOT_AN_AGENT"


class AgentNotRoutable(Refused):
    """`reason`: INACTIVE, NOT_AVAILABLE, OFFLINE or AT_CAPACITY."""

    code = "AGENT_NOT_ROUTABLE"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, reason=reason)


class DepartmentDisabled(Refused):
    code = "DEPARTMENT_DISABLED"


class RoomAlreadyAssigned(Refused):
    """`servedBy` is the agent that serves the room."""

    code = "ROOM_ALREADY_ASSIGNED"

    def __init__(self, *, agent_id: str, username: str) -> None:
        super().__init__(
            f"The room is already served by {username}. Use transferRoom to move it. Rooms of a department with "
            "routing EXTERNAL wait for assignAgent.",
            servedBy={"id": EntityId("agent", agent_id), "userId": EntityId("user", agent_id), "username": username},
        )


class RoomNotAssigned(Refused):
    code = "ROOM_NOT_ASSIGNED"


class RoomOnHold(Refused):
    code = "ROOM_ON_HOLD"


class RoomNotOnHold(Refused):
    code = "ROOM_NOT_ON_HOLD"


class RoomClosed(Refused):
    code = "ROOM_CLOSED"


class RoomNotWaitingForDecision(Refused):
    code = "ROOM_NOT_WAITING_FOR_DECISION"


class StaleRevision(Refused):
    """`revision` is the current revision."""

    code = "STALE_REVISION"

    def __init__(self, expected: int, revision: int) -> None:
        super().__init__(f"The room is at revision {revision}, not {expected}; read it again.", revision=revision)


class StaleVersion(Refused):
    """`version` is the current version; 0 if there is no value."""

    code = "STALE_VERSION"

    def __init__(self, expected: int, version: int) -> None:
        if not version:
            message = f"The key has no value, so it is not at version {expected}; ifVersion 0 adds it."
        elif not expected:
            message = f"The key has a value already, at version {version}; ifVersion 0 only adds keys."
        else:
            message = f"The value is at version {version}, not {expected}; read it again."
        super().__init__(message, version=version)


class IdempotencyMismatch(Refused):
    code = "IDEMPOTENCY_MISMATCH"


class AlreadyAcknowledged(Refused):
    code = "ALREADY_ACKNOWLEDGED"

    def __init__(self, consumer: str) -> None:
        super().__init__(
            f"The consumer {quoted(consumer)} has acknowledged this event before, so its effect is there already. "
            "Nothing was changed; go on with the next event."
        )


class CursorExpired(Refused):
    """`oldestCursor` is the oldest cursor from which a subscription can resume."""

    code = "CURSOR_EXPIRED"

    def __init__(self, *, oldest_cursor: str, consumer: str | None = None) -> None:
        if consumer is None:
            message = (
                "The events after this cursor were deleted, so a subscription from it would skip events. "
                "Start again from oldestCursor and read the state again."
            )
        else:
            message = (
                f"Events that the consumer {quoted(consumer)} has not acknowledged were deleted, so it would skip "
                "events. Call removeConsumer, subscribe with the consumer and `after: oldestCursor`, and read the "
                "state again."
            )
        super().__init__(message, oldestCursor=oldest_cursor)


class ConsumerBusy(Refused):
    code = "CONSUMER_BUSY"


class RateLimited(Refused):
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message, retryAfterSeconds=retry_after_seconds)


class QueryTooComplex(Refused):
    code = "QUERY_TOO_COMPLEX"


# ---------------------------------------------------------------- database not available


class Unavailable(SwitchboardError):
    """The database did not answer in time. `retryable` is true if the change was certainly not committed.

    If it is false, the change may be committed. A retry is then safe only with the same clientMutationId.
    """

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message, retryable=retryable)


def quoted(value: object, limit: int = 80) -> str:
    """Return the value in quotes for a message: of bounded length, with control characters escaped."""
    text = str(value)
    return ascii_quote(text if len(text) <= limit else text[: limit - 1] + "…")


def ascii_quote(text: str) -> str:
    """Return the text in double quotes, with control characters and lone surrogates escaped."""
    plain = "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else f"\\u{ord(c):04x}" for c in text)
    return f'"{plain}"'


def listed(values: Sequence[object], limit: int = 5) -> str:
    """Return the first few values in quotes, and the number of the others."""
    text = ", ".join(quoted(value) for value in values[:limit])
    return text if len(values) <= limit else f"{text} and {len(values) - limit} more"
