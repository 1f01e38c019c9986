"""The records of consumers (consumers.py). records.py has all others."""

from datetime import datetime
from typing import Any

from storage.records import Actor, Record


class ConsumerFilter(Record, frozen=True, kw_only=True):
    """The facts that the last subscription of a consumer selects."""

    #: The tags of the facts (None: all) that its owner may read, and the filter of rooms as an expression.
    types: tuple[str, ...] | None = None
    where: Any = None
    #: The rooms that its owner may see, as an expression. None: all.
    visible: Any = None
    #: Whether it leaves out facts that the owner caused.
    not_by_owner: bool = False


class Consumer(ConsumerFilter, frozen=True, kw_only=True):
    """A named, stored position in the log, with the lease of the connection that reads for it."""

    name: str
    #: The app or user to which it belongs. Names are unique per owner.
    owner_id: str
    owner: Actor | None = None
    #: Differs between a consumer and one of the same name that was created after its removal.
    generation: str = ""
    #: The sequence up to which every fact was acknowledged or did not match.
    acked: int
    #: The sequence of the last fact that the last connection sent.
    sent: int = 0
    #: The `after` of its first subscription, as a sequence; None if it had none.
    begun_after: int | None = None
    #: The connection that has the lease, and the end of the lease.
    connection_id: str | None = None
    leased_until: datetime | None = None
    last_seen_at: datetime | None = None
