"""Commits that the primary has acknowledged, and what may be sent behind them.

docs/decisions/0043-one-majority-for-a-commit-and-its-facts.md has the reasons.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.mongo.direct_connections import Address, DirectConnection


@dataclass(frozen=True, slots=True)
class LocalCommit:
    """A commit that the primary has acknowledged, and maybe no majority yet.

    What the primary executes later, on a connection that was open before, is behind it in the history of the replica
    set: a server closes its connections when it begins to roll back, and when it ends. So a majority has acknowledged
    the commit once it has acknowledged the later write.
    """

    address: "Address"
    #: When it was sent, by the monotonic clock. The clock of the loop has milliseconds alone.
    sent_at: float

    def is_before(self, connection: "DirectConnection") -> bool:
        """Whether what is sent over the connection now is executed behind the commit, or not at all."""
        return connection.address == self.address and connection.opened_at <= self.sent_at


class NotBehind(Exception):
    """Nothing was sent, because no connection is known to be older than a local commit."""
