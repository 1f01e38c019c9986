"""The errors of the API, one class for each code, and the errors of the client itself."""

from collections.abc import Sequence

from switchboard_client.api_error import ApiError as ApiError
from switchboard_client.api_error import Conflict as Conflict
from switchboard_client.generated.errors import *  # noqa: F403
from switchboard_client.generated.errors import BY_CODE, ConsumerBusy, RateLimited, Unavailable
from switchboard_client.operation import ErrorEntry

#: The errors after which the same operation may succeed without a change of the state.
RETRYABLE = (Unavailable, RateLimited, ConsumerBusy)


class ConnectionLost(Exception):
    """The server could not be reached, or the connection ended. The client connects again by itself."""


class Stopped(Exception):
    """The app was stopped before it read for its consumer."""


class GiveUp(Exception):
    """Raised by a handler that cannot ever succeed: the event goes to the dead-letter hook without a retry."""


def error_of(entries: Sequence[ErrorEntry]) -> ApiError:
    """The first of these errors as an exception."""
    first = entries[0]
    return BY_CODE.get(str(first.extensions.get("code")), ApiError)(first.message, first.extensions)
