"""What clients learn of errors: the one place where refusals become GraphQL errors with a code, whatever the
transport."""

import logging
import re
import secrets

from graphql import GraphQLError, GraphQLSyntaxError
from graphql.language import FieldNode
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.base import ids
from storage.errors import SwitchboardError, Unavailable
from storage.mongo.connection import to_unavailable

logger = logging.getLogger(__name__)

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
INVALID_INPUT = "INVALID_INPUT"
TOO_COMPLEX = "QUERY_TOO_COMPLEX"
INTERNAL = "INTERNAL"

#: How graphql-core begins to say that a variable does not fit; what follows the path may repeat the value.
_BAD_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([^:]*))?:")
#: What follows repeats a value that was sent, which may be a secret.
_REPEATED = re.compile(r"(cannot represent [\w\s-]*value): .*$|[,;]? [Ff]ound:? .*$", re.DOTALL)


class PersistedQueryNotSupported(GraphQLError):
    """An operation is the hash of a text. Clients read the message, which Apollo's protocol fixes."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported", extensions={"code": PERSISTED_QUERY_NOT_SUPPORTED})


def to_client_errors(errors: list[GraphQLError], *, is_mutation: bool = False) -> None:
    """Turn what execution raised into what clients may see, in place: a code, the data beside it, and nothing from
    inside. `changing`: it executed mutations."""
    for error in errors:
        if "code" not in (error.extensions or {}):
            error.message, error.extensions = _to_client_error(error)
            if is_mutation and len(error.path or ()) > 1:
                _add_change_notice(error)


def _add_change_notice(error: GraphQLError) -> None:
    """What is read for the answer to a mutation is read when the change has been made."""
    if error.extensions and error.extensions["code"] == Unavailable.code:
        error.message = (
            "The change was made, but what was asked for beside it could not be read; do not send it again without "
            "the same clientMutationId."
        )
        error.extensions["retryable"] = False
    else:
        error.message = f"The change was made, but what was asked for beside it is refused: {error.message}"


def is_transient(error: GraphQLError) -> bool:
    """Whether what an event raised is that the database did not answer: later it will."""
    cause = _cause(error)
    return isinstance(cause, Unavailable) or to_unavailable(cause) is not None


def from_exception(exception: Exception) -> GraphQLError:
    """What clients see of an exception that no field raised: an unknown operation name, a refused connection, ..."""
    error = exception if isinstance(exception, GraphQLError) else GraphQLError(str(exception), original_error=exception)
    to_client_errors([error])
    return error


def mark_validation_errors(errors: list[GraphQLError]) -> list[GraphQLError]:
    """Mark what validation says of a document."""
    for error in errors:
        error.message = _without_values(error.message)
        error.extensions = {"code": VALIDATION_FAILED}
    return errors


def _to_client_error(error: GraphQLError) -> tuple[str, dict[str, object]]:
    cause = _cause(error)
    cause = to_unavailable(cause) or cause
    match cause:
        case SwitchboardError():
            logger.info("%s at %s", cause.code, _place(error))
            message, data = ids.shown(cause)
            return message, {"code": cause.code, **data}
        case GraphQLSyntaxError():
            return error.message, {"code": PARSE_FAILED}
        case MissingQueryError() | CannotGetOperationTypeError() | InvalidOperationTypeError():
            return _operation_error(cause), {"code": VALIDATION_FAILED}
        case RecursionError():
            return "The operation is nested too deeply.", {"code": TOO_COMPLEX}
        case GraphQLError() if _is_about_input(error, cause):
            return _without_values(error.message), {"code": INVALID_INPUT, "key": _key(error)}
        case _:
            error_id = secrets.token_hex(8)
            logger.error("%s %s at %s", INTERNAL, error_id, _place(error), exc_info=cause)
            return f"Something went wrong inside; it is logged as {error_id}.", {"code": INTERNAL, "errorId": error_id}


def _without_values(message: str) -> str:
    # Clients know null; None is a word of this server's language.
    message = message.replace("not to be None", "not to be null")
    return _REPEATED.sub(lambda found: f"{found[1] or ''}.", message).replace("?.", "?").replace("..", ".")


def _operation_error(cause: Exception) -> str:
    match cause:
        case CannotGetOperationTypeError():
            return str(cause.as_http_error_reason())
        case InvalidOperationTypeError(operation_type=kind):
            return f"A {kind.value} cannot be sent this way."
        case _:
            return "There is no query."


def _cause(error: GraphQLError) -> Exception:
    """What was raised first. graphql-core wraps it once where it was caught, and again where it got its path."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_about_input(error: GraphQLError, cause: GraphQLError) -> bool:
    """Whether a value that the client sent is at fault, and not one that a resolver answered."""
    if error.path is None or isinstance(cause, StrawberryInputCoercionError):
        return True
    return any(not isinstance(node, FieldNode) for node in cause.nodes or ())


def _key(error: GraphQLError) -> str:
    """The innermost name that the error is about: of an input field, or else of the variable."""
    match = _BAD_VARIABLE.match(error.message)
    if match is None:
        return "variables"
    variable, path = match.groups()
    names = re.findall(r"[A-Za-z_]\w*", path or "")
    return names[-1] if names else variable


def _place(error: GraphQLError) -> str:
    return ".".join(str(part) for part in error.path or ()) or "the operation"
