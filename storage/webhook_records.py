"""The records of webhooks (webhooks.py) and of what was sent for them (webhook_deliveries.py)."""

from datetime import datetime
from enum import StrEnum

from storage.records import Actor, Record


class PauseReason(StrEnum):
    """Why nothing is sent for a webhook."""

    REQUESTED = "REQUESTED"
    GONE = "GONE"
    FAILING = "FAILING"
    OWNER_LOST_ACCESS = "OWNER_LOST_ACCESS"
    EVENTS_DELETED = "EVENTS_DELETED"
    DOCUMENT_REFUSED = "DOCUMENT_REFUSED"


class Pause(Record, frozen=True, kw_only=True):
    """The pause of a webhook."""

    reason: PauseReason
    #: A sentence for people.
    message: str
    at: datetime


class SigningSecret(Record, frozen=True, kw_only=True):
    """A secret with which requests are signed. It is stored as it is, because signing needs it."""

    secret: str
    #: When it is no longer used. None: never.
    until: datetime | None = None


class Failure(Record, frozen=True, kw_only=True):
    """The event that a webhook could not deliver, and when it is sent again."""

    sequence: int
    #: The attempts at this event that failed.
    attempts: int
    #: When the first attempt at this event failed.
    since: datetime
    next_attempt_at: datetime


class Webhook(Record, frozen=True, kw_only=True):
    """A stored subscription, whose events are sent to an address in the order of the log."""

    id: str
    #: Increases with every change by a mutation, and when the webhook is paused.
    revision: int = 1
    #: The app or user with whose permissions events are read.
    owner: Actor
    #: Unique among the webhooks of the owner.
    name: str
    url: str
    #: The document of the subscription, the operation in it, and its variables as JSON text.
    query: str
    operation_name: str | None = None
    variables_json: str = "{}"
    #: The scopes that the owner needs: without one of them, fields or events would be missing. In alphabetical order.
    scopes: tuple[str, ...] = ()
    #: The newest one first.
    secrets: tuple[SigningSecret, ...] = ()
    #: Where the consumer begins. The consumer of another generation is begun again after this sequence.
    generation: str
    after: int
    pause: Pause | None = None
    failure: Failure | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def consumer(self) -> str:
        """The name of its consumer."""
        return f"{CONSUMER_PREFIX}{self.id}"

    def active_secrets(self, now: datetime) -> list[str]:
        """The secrets with which a request is signed now, the newest one first."""
        return [one.secret for one in self.secrets if one.until is None or one.until > now]


#: What the names of consumers of webhooks begin with.
CONSUMER_PREFIX = "webhook:"


class WebhookDelivery(Record, frozen=True, kw_only=True):
    """One attempt to send an event. It has nothing of the event but its place in the log."""

    webhook_id: str
    #: 1, 2, 3, ... among the attempts of the webhook.
    number: int
    sequence: int
    #: The number of the attempt among those at this event.
    attempt: int
    at: datetime
    milliseconds: int
    #: The status of the response. None if there was none.
    status: int | None = None
    #: Why the attempt failed. None if it succeeded.
    error: str | None = None
