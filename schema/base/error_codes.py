"""The codes of errors: the enum of the API, what each code means, and which of them are worth a repetition."""

from enum import StrEnum

from schema.base import docstrings
from schema.base.fields import api_enum


@api_enum
class ErrorCode(StrEnum):
    """The codes of errors (`extensions.code`). docs/reference/errors.md lists the data beside each code and what to
    do."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    """There is no token, or the token is unknown, expired or revoked."""
    FORBIDDEN = "FORBIDDEN"
    """The token is valid but not allowed to do this, or the operation would give a user permissions that the caller
    does not have."""
    NOT_FOUND = "NOT_FOUND"
    """There is no object with this id, token or name, or the caller may not read it."""
    INVALID_INPUT = "INVALID_INPUT"
    """A value is empty, too long, out of range, of the wrong type, or contradicts another value; an id is of the wrong
    kind; or the body is not a GraphQL request."""
    INVALID_CURSOR = "INVALID_CURSOR"
    """The cursor was not made by this deployment, or belongs to another list."""
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    """Events after this cursor were deleted."""
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    """No custom field with this key is defined for this target."""
    INVALID_FIELD_VALUE = "INVALID_FIELD_VALUE"
    """The value, or the operator of a filter, does not fit the type, the options or the pattern of the custom field.
    With `offenders`: existing values do not fit a new constraint, and these are the first ids."""
    FIELD_REQUIRED = "FIELD_REQUIRED"
    """A required custom field would have no value. With `offenders`: the field cannot become required, because these
    ids, and perhaps others, have no value."""
    DUPLICATE_VALUE = "DUPLICATE_VALUE"
    """Another object has this value of a unique field. With `offenders`: the field cannot become unique, because these
    ids have the same value."""
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
    """The operation is too long, too deeply nested, or selects too much; or what it reads for its answer exceeds
    32 MiB; or too many rows would have to be sorted without an index."""
    UNAVAILABLE = "UNAVAILABLE"
    """The database did not respond in time (20 seconds for a mutation, 10 for a query that waits for a primary),
    another server did not confirm a change of definitions, or the server is shutting down. With `retryable: true`,
    nothing was changed. With `false`, the change took effect or may have."""
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    """The request contains the hash of a document and no document (Apollo's persisted queries). The message is
    `PersistedQueryNotSupported`."""
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    """The document is not GraphQL."""
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    """The document does not fit the schema, or the operation name is missing or unknown. At most five errors are
    returned for a document."""
    INTERNAL = "INTERNAL"
    """A bug in Switchboard."""


#: The codes that pass by themselves: the same request may succeed a little later.
RETRYABLE = frozenset({ErrorCode.CONSUMER_BUSY, ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE})

#: What each code means.
MEANINGS = {code: docstrings.class_descriptions(ErrorCode)[code.name] for code in ErrorCode}
