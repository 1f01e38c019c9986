"""One class for each error code of the API."""

from switchboard_client.api_error import ApiError, Conflict


class Unauthenticated(ApiError):
    """There is no token, or the token is unknown, expired or revoked."""

    code = "UNAUTHENTICATED"


class Forbidden(ApiError):
    """The token is valid but not allowed to do this, or the operation would give a user permissions that the caller does not have."""

    code = "FORBIDDEN"


class NotFound(ApiError):
    """There is no object with this id, token or name, or the caller may not read it."""

    code = "NOT_FOUND"


class InvalidInput(ApiError):
    """A value is empty, too long, out of range, of the wrong type, or contradicts another value; an id is of the wrong kind; or the body is not a GraphQL request."""

    code = "INVALID_INPUT"


class InvalidCursor(ApiError):
    """The cursor was not made by this deployment, or belongs to another list."""

    code = "INVALID_CURSOR"


class CursorExpired(ApiError):
    """Events after this cursor were deleted."""

    code = "CURSOR_EXPIRED"


class UnknownField(ApiError):
    """No custom field with this key is defined for this target."""

    code = "UNKNOWN_FIELD"


class InvalidFieldValue(ApiError):
    """The value, or the operator of a filter, does not fit the type, the options or the pattern of the custom field. With `offenders`: existing values do not fit a new constraint, and these are the first ids."""

    code = "INVALID_FIELD_VALUE"


class FieldRequired(ApiError):
    """A required custom field would have no value. With `offenders`: the field cannot become required, because these ids, and perhaps others, have no value."""

    code = "FIELD_REQUIRED"


class DuplicateValue(Conflict):
    """Another object has this value of a unique field. With `offenders`: the field cannot become unique, because these ids have the same value."""

    code = "DUPLICATE_VALUE"


class UsernameTaken(Conflict):
    """Another user has this username; case is ignored."""

    code = "USERNAME_TAKEN"


class UnknownRole(ApiError):
    """There is no role of this name."""

    code = "UNKNOWN_ROLE"


class NotAnAgent(Conflict):
    """The user is not an omnichannel agent."""

    code = "NOT_AN_AGENT"


class AgentNotRoutable(Conflict):
    """The agent cannot take a room now."""

    code = "AGENT_NOT_ROUTABLE"


class DepartmentDisabled(Conflict):
    """The department takes no new rooms."""

    code = "DEPARTMENT_DISABLED"


class RoomAlreadyAssigned(Conflict):
    """Another agent was assigned before, by a caller or by routing."""

    code = "ROOM_ALREADY_ASSIGNED"


class RoomNotAssigned(Conflict):
    """The room has no agent."""

    code = "ROOM_NOT_ASSIGNED"


class RoomOnHold(Conflict):
    """The room is on hold."""

    code = "ROOM_ON_HOLD"


class RoomNotOnHold(Conflict):
    """The room is not on hold, so it cannot be resumed."""

    code = "ROOM_NOT_ON_HOLD"


class RoomClosed(Conflict):
    """The room is closed. It changes only if its visitor is erased."""

    code = "ROOM_CLOSED"


class RoomNotWaitingForDecision(Conflict):
    """The room does not wait for the decision of an app."""

    code = "ROOM_NOT_WAITING_FOR_DECISION"


class StaleRevision(Conflict):
    """The room has another revision than `ifRevision`."""

    code = "STALE_REVISION"


class StaleVersion(Conflict):
    """The app's data has another version than `ifVersion`."""

    code = "STALE_VERSION"


class IdempotencyMismatch(Conflict):
    """This `clientMutationId` was used for another mutation, or with other arguments."""

    code = "IDEMPOTENCY_MISMATCH"


class AlreadyAcknowledged(Conflict):
    """The consumer has acknowledged this event before, so the mutation that would acknowledge it changed nothing."""

    code = "ALREADY_ACKNOWLEDGED"


class ConsumerBusy(ApiError):
    """Another connection reads for this consumer, or has taken it over."""

    code = "CONSUMER_BUSY"


class RateLimited(ApiError):
    """Too many operations, open subscriptions or login attempts. The limits are settings of the deployment."""

    code = "RATE_LIMITED"


class QueryTooComplex(ApiError):
    """The operation is too long, too deeply nested, or selects too much; or what it reads for its answer exceeds 32 MiB; or too many rows would have to be sorted without an index."""

    code = "QUERY_TOO_COMPLEX"


class Unavailable(ApiError):
    """The database did not respond in time (20 seconds for a mutation, 10 for a query that waits for a primary), another server did not confirm a change of definitions, or the server is shutting down. With `retryable: true`, nothing was changed. With `false`, the change took effect or may have."""

    code = "UNAVAILABLE"


class PersistedQueryNotSupported(ApiError):
    """The request contains the hash of a document and no document (Apollo's persisted queries). The message is `PersistedQueryNotSupported`."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"


class GraphqlParseFailed(ApiError):
    """The document is not GraphQL."""

    code = "GRAPHQL_PARSE_FAILED"


class GraphqlValidationFailed(ApiError):
    """The document does not fit the schema, or the operation name is missing or unknown. At most five errors are returned for a document."""

    code = "GRAPHQL_VALIDATION_FAILED"


class Internal(ApiError):
    """A bug in Switchboard."""

    code = "INTERNAL"


BY_CODE: dict[str, type[ApiError]] = {
    Unauthenticated.code: Unauthenticated,
    Forbidden.code: Forbidden,
    NotFound.code: NotFound,
    InvalidInput.code: InvalidInput,
    InvalidCursor.code: InvalidCursor,
    CursorExpired.code: CursorExpired,
    UnknownField.code: UnknownField,
    InvalidFieldValue.code: InvalidFieldValue,
    FieldRequired.code: FieldRequired,
    DuplicateValue.code: DuplicateValue,
    UsernameTaken.code: UsernameTaken,
    UnknownRole.code: UnknownRole,
    NotAnAgent.code: NotAnAgent,
    AgentNotRoutable.code: AgentNotRoutable,
    DepartmentDisabled.code: DepartmentDisabled,
    RoomAlreadyAssigned.code: RoomAlreadyAssigned,
    RoomNotAssigned.code: RoomNotAssigned,
    RoomOnHold.code: RoomOnHold,
    RoomNotOnHold.code: RoomNotOnHold,
    RoomClosed.code: RoomClosed,
    RoomNotWaitingForDecision.code: RoomNotWaitingForDecision,
    StaleRevision.code: StaleRevision,
    StaleVersion.code: StaleVersion,
    IdempotencyMismatch.code: IdempotencyMismatch,
    AlreadyAcknowledged.code: AlreadyAcknowledged,
    ConsumerBusy.code: ConsumerBusy,
    RateLimited.code: RateLimited,
    QueryTooComplex.code: QueryTooComplex,
    Unavailable.code: Unavailable,
    PersistedQueryNotSupported.code: PersistedQueryNotSupported,
    GraphqlParseFailed.code: GraphqlParseFailed,
    GraphqlValidationFailed.code: GraphqlValidationFailed,
    Internal.code: Internal,
}
