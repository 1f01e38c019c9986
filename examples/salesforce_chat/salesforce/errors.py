"""What can go wrong with a call of Salesforce, by what the caller does about it."""


class SalesforceError(Exception):
    """A call failed. `retryable`: the same call may succeed later, and may have taken effect already."""

    retryable = False


class Unreachable(SalesforceError):
    """No response came, or one that says that the service is broken (5xx)."""

    retryable = True


class TooManyRequests(SalesforceError):
    """The service limits the rate (429)."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TokenRefused(SalesforceError):
    """The access token is expired, revoked or invalid (401)."""


class NotParticipant(SalesforceError):
    """The conversation is closed, is another subject's, or does not exist (403, 404)."""


class GuestTokenEnds(NotParticipant):
    """The token of a guest ends. Another one would be of another guest, who has no access to the conversation."""


class NoSession(SalesforceError):
    """The conversation has no messaging session: its session has ended (417)."""


class Rejected(SalesforceError):
    """The service does not accept the request (another 4xx)."""
