"""Conversion of exceptions to GraphQL errors with a code, for every transport."""

import logging
import re
import secrets

from graphql import GraphQLError, GraphQLSyntaxError
from graphql.language import FieldNode
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.base import ids
from storage import tracing
from storage.errors import SwitchboardError, Unavailable
from storage.mongo.connection import to_unavailable

logger = logging.getLogger(__name__)

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
INVALID_INPUT = "INVALID_INPUT"
TOO_COMPLEX = "QUERY_TOO_COMPLEX"
INTERNAL = "INTERNAL"

#: The beginning of graphql-core's message for an invalid variable. The rest of the message may contain the value.
_BAD_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([^:]*))?:")
#: The parts of messages that contain a value that was sent, which may be a secret.
_VALUE = re.compile(r"(cannot represent [\w\s-]*value): .*$|[,;]? [Ff]ound:? .*$", re.DOTALL)


class PersistedQueryNotSupported(GraphQLError):
    """The operation is a hash of a persisted query. Apollo's protocol specifies the message."""

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported", extensions={"code": PERSISTED_QUERY_NOT_SUPPORTED})


def to_client_errors(errors: list[GraphQLError], *, is_mutation: bool = False) -> None:
    """Replace the messages and extensions of execution errors, in place: a code, its data, and no internal details.

    With `is_mutation`, the messages of fields below the root add that the change was made.
    """
    for error in errors:
        if "code" not in (error.extensions or {}):
            error.message, error.extensions = _to_client_error(error)
            if is_mutation and len(error.path or ()) > 1:
                _add_change_notice(error)


def _add_change_notice(error: GraphQLError) -> None:
    """Add to the message that the change was made: fields of a payload are read after the commit."""
    if error.extensions and error.extensions["code"] == Unavailable.code:
        error.message = (
            "The change was made, but a field of the payload could not be read. Send the mutation again only with the "
            "same clientMutationId."
        )
        error.extensions["retryable"] = False
    else:
        error.message = f"The change was made, but a field of the payload was refused: {error.message}"


def is_transient(error: GraphQLError) -> bool:
    """Whether the database did not respond, so that the same read may succeed later."""
    cause = _cause(error)
    return isinstance(cause, Unavailable) or to_unavailable(cause) is not None


def from_exception(exception: Exception) -> GraphQLError:
    """The error for an exception that was not raised by a field, such as an unknown operation name or a refused
    connection."""
    error = exception if isinstance(exception, GraphQLError) else GraphQLError(str(exception), original_error=exception)
    to_client_errors([error])
    return error


def mark_validation_errors(errors: list[GraphQLError]) -> list[GraphQLError]:
    """Set the code of validation errors, and remove values from their messages."""
    for error in errors:
        error.message = _remove_values(error.message)
        error.extensions = {"code": VALIDATION_FAILED}
    return errors


def _to_client_error(error: GraphQLError) -> tuple[str, dict[str, object]]:
    cause = _cause(error)
    cause = to_unavailable(cause) or cause
    match cause:
        case SwitchboardError():
            logger.debug("%s at %s", cause.code, _path(error))
            message, data = ids.with_prefixes(cause)
            return message, {"code": cause.code, **data}
        case GraphQLSyntaxError():
            return error.message, {"code": PARSE_FAILED}
        case MissingQueryError() | CannotGetOperationTypeError() | InvalidOperationTypeError():
            return _operation_error(cause), {"code": VALIDATION_FAILED}
        case RecursionError():
            return "The operation is nested too deeply.", {"code": TOO_COMPLEX}
        case GraphQLError() if _is_about_input(error, cause):
            return _remove_values(error.message), {"code": INVALID_INPUT, "key": _key(error)}
        case _:
            error_id = tracing.trace_id() or secrets.token_hex(8)
            logger.error("%s %s at %s", INTERNAL, error_id, _path(error), exc_info=cause)
            return f"Internal error. The log contains it as {error_id}.", {"code": INTERNAL, "errorId": error_id}


def _remove_values(message: str) -> str:
    # graphql-core's messages name Python's None. Its name in GraphQL is null.
    message = message.replace("not to be None", "not to be null")
    return _VALUE.sub(lambda match: f"{match[1] or ''}.", message).replace("?.", "?").replace("..", ".")


def _operation_error(cause: Exception) -> str:
    match cause:
        case CannotGetOperationTypeError():
            return str(cause.as_http_error_reason())
        case InvalidOperationTypeError(operation_type=kind):
            return f"This transport does not accept a {kind.value}."
        case _:
            return "The request contains no query."


def _cause(error: GraphQLError) -> Exception:
    """The original exception. graphql-core wraps an exception where it is caught, and again where its path is added."""
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_about_input(error: GraphQLError, cause: GraphQLError) -> bool:
    """Whether the error is about a value that the client sent, rather than a value that a resolver returned."""
    if error.path is None or isinstance(cause, StrawberryInputCoercionError):
        return True
    return any(not isinstance(node, FieldNode) for node in cause.nodes or ())


def _key(error: GraphQLError) -> str:
    """The path of the input field that the message names: `customFields.0.key`, or `where.and.1.ids`.

    Inside the input of a mutation, the path is the one in the input. The path does not begin with the variable, whose
    name the client chose, but with the argument that the variable is given to.
    """
    match = _BAD_VARIABLE.match(error.message)
    if match is None:
        return "variables"
    variable, path = match.groups()
    used = re.search(rf"(\w+)\s*:\s*\${variable}\b", error.source.body if error.source else "")
    argument = used[1] if used else variable
    inside = re.findall(r"\w+", path or "")
    while inside and inside[-1].isdigit():  # the place in a list is no field
        inside.pop()
    return ".".join(inside if inside and argument == "input" else [argument, *inside])


def _path(error: GraphQLError) -> str:
    return ".".join(str(part) for part in error.path or ()) or "the operation"
