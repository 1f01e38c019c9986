"""Every refusal of Switchboard, each with its code of the API.

SwitchboardError
├── Unauthenticated            no token, or one that is not valid
├── Forbidden                  a valid token that may not do this
├── NotFound                   no such thing
├── Invalid                    a value that can never be right
│   ├── InvalidCursor          a cursor that this deployment did not make
│   ├── UnknownField           a custom field that is not defined
│   ├── InvalidFieldValue      a custom field's value of the wrong type or form
│   ├── FieldRequired          a required custom field is missing
│   └── UnknownRole            a role that does not exist
├── Refused                    right in form, but not as things stand
│   ├── Duplicate              a unique value that another holds
│   ├── UsernameTaken
│   ├── NotAnAgent
│   ├── AgentNotRoutable
│   ├── DepartmentDisabled
│   ├── RoomAlreadyAssigned, RoomNotAssigned, RoomOnHold, RoomNotOnHold, RoomClosed
│   ├── StaleRevision
│   ├── IdempotencyMismatch
│   ├── CursorExpired
│   ├── ConsumerBusy
│   ├── RateLimited
│   └── QueryTooComplex
└── Unavailable                the database did not answer in time

Storage raises facts (NotFound, Duplicate, ...), resolvers raise judgements (Forbidden, Invalid, ...), and schema alone
translates them. A message names what was wrong and what would be right; `data` is what machines read beside the code.
"""

from collections.abc import Sequence


class SwitchboardError(Exception):
    """The root: a code of the API, a message for people and data for machines."""

    code = "INTERNAL"

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class Unauthenticated(SwitchboardError):
    code = "UNAUTHENTICATED"


class Forbidden(SwitchboardError):
    """`scope`, when given, is what the token lacks."""

    code = "FORBIDDEN"

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message, **({} if scope is None else {"scope": scope}))


class NotFound(SwitchboardError):
    """`key` names the argument that named the thing."""

    code = "NOT_FOUND"

    def __init__(self, noun: str, value: object, *, key: str) -> None:
        super().__init__(f"There is no {noun} {quoted(value)}.", key=key)


# ---------------------------------------------------------------- never right


class Invalid(SwitchboardError):
    """`key` names the argument that is wrong."""

    code = "INVALID_INPUT"

    def __init__(self, message: str, *, key: str, **data: object) -> None:
        super().__init__(message, key=key, **data)


class InvalidCursor(Invalid):
    code = "INVALID_CURSOR"

    def __init__(self, message: str = "This is not a cursor of this deployment.", *, key: str = "after") -> None:
        super().__init__(message, key=key)


class UnknownField(Invalid):
    code = "UNKNOWN_FIELD"


class InvalidFieldValue(Invalid):
    code = "INVALID_FIELD_VALUE"

    def __init__(self, message: str, *, key: str, expected: str, **data: object) -> None:
        super().__init__(message, key=key, expected=expected, **data)


class FieldRequired(Invalid):
    code = "FIELD_REQUIRED"


class UnknownRole(Invalid):
    code = "UNKNOWN_ROLE"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no role {quoted(name)}; create it first.", key=name)


# ---------------------------------------------------------------- not as things stand


class Refused(SwitchboardError):
    """Right in form, but not as things stand; nothing was changed."""


class Duplicate(Refused):
    code = "DUPLICATE_VALUE"

    def __init__(self, message: str, *, key: str, **data: object) -> None:
        super().__init__(message, key=key, **data)


class UsernameTaken(Refused):
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
    """`servedBy` names the winner."""

    code = "ROOM_ALREADY_ASSIGNED"

    def __init__(self, *, agent_id: str, username: str) -> None:
        super().__init__(
            f"The room is served by {username} already. transferRoom passes it on. Rooms of a department with routing "
            "EXTERNAL wait for assignAgent.",
            servedBy={"id": agent_id, "username": username},
        )


class RoomNotAssigned(Refused):
    code = "ROOM_NOT_ASSIGNED"


class RoomOnHold(Refused):
    code = "ROOM_ON_HOLD"


class RoomNotOnHold(Refused):
    code = "ROOM_NOT_ON_HOLD"


class RoomClosed(Refused):
    code = "ROOM_CLOSED"


class StaleRevision(Refused):
    """`revision` is the current one."""

    code = "STALE_REVISION"

    def __init__(self, expected: int, revision: int) -> None:
        super().__init__(f"The room is at revision {revision}, not {expected}; read it again.", revision=revision)


class IdempotencyMismatch(Refused):
    code = "IDEMPOTENCY_MISMATCH"


class CursorExpired(Refused):
    """`oldestCursor` is the oldest one that can be resumed after."""

    code = "CURSOR_EXPIRED"

    def __init__(self, *, oldest_cursor: str, consumer: str | None = None) -> None:
        if consumer is None:
            message = (
                "What came after this cursor is no longer kept, so going on from it would skip events; "
                "start again from oldestCursor and read the state anew."
            )
        else:
            message = (
                f"What the consumer {quoted(consumer)} has not acknowledged is no longer kept, so going on would skip "
                "events; call removeConsumer, subscribe with the consumer and `after: oldestCursor`, and read the "
                "state anew."
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


# ---------------------------------------------------------------- not now


class Unavailable(SwitchboardError):
    """The database did not answer in time. `retryable` is true when the change certainly did not take effect.

    When it is false the change may have taken effect: sending it again is safe with the same clientMutationId only.
    """

    code = "UNAVAILABLE"

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message, retryable=retryable)


def quoted(value: object, limit: int = 80) -> str:
    """The value in quotes as it may stand in a message: of bounded length, control characters escaped."""
    text = str(value)
    return ascii_quote(text if len(text) <= limit else text[: limit - 1] + "…")


def ascii_quote(text: str) -> str:
    """The text in double quotes, with control characters and lone surrogates escaped."""
    plain = "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else f"\\u{ord(c):04x}" for c in text)
    return f'"{plain}"'


def listed(values: Sequence[object], limit: int = 5) -> str:
    """The first few values, and how many more there are."""
    named = ", ".join(quoted(value) for value in values[:limit])
    return named if len(values) <= limit else f"{named} and {len(values) - limit} more"
